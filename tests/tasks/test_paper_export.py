"""The authors' JSON and CSV from a record: their keys, their layout, their numbers."""

import csv
import json

import numpy as np
import pytest

from alphabench.errors import DataError, UsageError
from alphabench.protocols import load_protocol
from alphabench.results.paper_average import paper_aggregates
from alphabench.tasks.paper_export import authors_report, authors_table, write_authors_files

LEAVES = {"aim/animal": 3, "aim/glass": 2, "test/images": 4}
PROTOCOL = load_protocol("alpha-paper@1")
COLOURS = [*PROTOCOL.backgrounds, "rgba"]
KEYS = {
    "average_psnr": ("psnr_eps8", "psnr", 40.0),
    "average_ssim": ("ssim_pyiqa", "ssim", 0.9),
}


def view(colour):
    return "straight-rgb-noalpha" if colour == "rgba" else f"composite/{colour}"


def values(metric, scale):
    """Return made-up values by colour and leaf, one per image."""
    rng = np.random.default_rng(len(metric))
    return {
        colour: {leaf: scale * rng.uniform(0.9, 1.1, count) for leaf, count in LEAVES.items()} for colour in COLOURS
    }


def record(skipped=()):
    """Return the members of a record's document that the export reads."""
    metrics = []
    for metric, _, scale in KEYS.values():
        columns, groups = {}, {}
        for colour, leaves in values(metric, scale).items():
            column = columns.setdefault(view(colour), {})
            for leaf, numbers in leaves.items():
                for index, value in enumerate(numbers):
                    groups[f"{leaf}/{index}"] = leaf
                    if leaf not in skipped:
                        column[f"{leaf}/{index}"] = float(value)
        entries = paper_aggregates(PROTOCOL, metric, groups, columns)
        metrics.append({"name": metric, "state": "ok", "aggregates": entries})
    lacking = {"state": "unavailable", "reason": "no weights", "remedy": "fetch"}
    metrics += [{"name": metric, **lacking} for metric in ("lpips", "fid", "laion_aes")]
    environment = {"device": {"kind": "cpu", "name": "cpu", "count": 1}}
    return {"data": {"categories": dict(LEAVES)}, "metrics": metrics, "environment": environment}


def report(skipped=()):
    return authors_report(record(skipped), PROTOCOL, reference="/in", prediction="/out", output="/out/r.json")


def authors_numbers(metric, scale, leaves=tuple(LEAVES)):
    """Average as the authors' scripts do, in NumPy: leaf, subset, colour, then the table."""
    found = {}
    for colour, by_leaf in values(metric, scale).items():
        means = {leaf: round(np.mean(list(by_leaf[leaf])), 4) for leaf in leaves}
        subsets = {}
        for leaf, mean in means.items():
            subsets.setdefault(leaf.split("/")[0], []).append(mean)
        subsets = {name: round(sum(parts) / len(parts), 4) for name, parts in subsets.items()}
        found[colour] = (means, subsets, round(sum(subsets.values()) / len(subsets), 4))
    return found


def test_the_report_has_the_authors_keys_layout_and_numbers():
    document = report()
    assert document["metadata"] == {
        "input_root": "/in",
        "output_root": "/out",
        "output_json": "/out/r.json",
        "device": "cpu",
    }
    assert list(document["results"]) == COLOURS
    for key, (metric, _, scale) in KEYS.items():
        for colour, (leaves, subsets, whole) in authors_numbers(metric, scale).items():
            result = document["results"][colour]
            assert result["overall"]["scores"][key] == whole
            for subset, expected in subsets.items():
                assert result["subsets"][subset]["overall"]["scores"][key] == expected
            for leaf, expected in leaves.items():
                subset, subtype = leaf.split("/")
                assert result["subsets"][subset]["subtypes"][subtype]["scores"][key] == expected


def test_numbers_and_weights_are_those_of_the_folders():
    gray = report()["results"]["gray"]
    assert (gray["overall"]["number"], gray["overall"]["weight"]) == (9, 1.0)
    aim = gray["subsets"]["aim"]
    assert (aim["overall"]["number"], aim["overall"]["weight"]) == (5, 0.5)
    assert (aim["subtypes"]["animal"]["number"], aim["subtypes"]["animal"]["weight"]) == (3, 0.25)
    assert (gray["subsets"]["test"]["subtypes"]["images"]["weight"]) == 0.5


def test_a_skipped_leaf_is_absent_and_still_counts_in_the_printed_weights():
    gray = report(skipped=("aim/glass",))["results"]["gray"]
    assert list(gray["subsets"]["aim"]["subtypes"]) == ["animal"]
    assert gray["subsets"]["aim"]["subtypes"]["animal"]["weight"] == 0.25
    expected = authors_numbers("psnr_eps8", 40.0, leaves=("aim/animal", "test/images"))["gray"]
    assert gray["overall"]["scores"]["average_psnr"] == expected[2]
    assert gray["overall"]["number"] == 7


def test_a_metric_without_weights_is_absent_and_never_a_number():
    assert set(report()["results"]["red"]["overall"]["scores"]) == set(KEYS)


def test_the_table_averages_the_nine_colours_and_keeps_rgba_apart():
    rows = list(csv.DictReader(authors_table(report()).splitlines()))
    assert list(rows[0]) == [
        "group", "subset", "input_laion_score", "output_laion_score", "fid_score", "lpips", "psnr", "ssim",
    ]  # fmt: skip
    assert [(row["group"], row["subset"]) for row in rows] == [
        (group, subset) for group in ("rgb", "rgba") for subset in ("aim", "test", "overall_avg")
    ]
    for metric, column, scale in KEYS.values():
        expected = authors_numbers(metric, scale)
        by_subset = {
            subset: np.mean([expected[colour][1][subset] for colour in COLOURS[:9]]) for subset in ("aim", "test")
        }
        for row in rows[:2]:
            assert float(row[column]) == pytest.approx(by_subset[row["subset"]], rel=1e-15)
        assert float(rows[2][column]) == pytest.approx(np.mean(list(by_subset.values())), rel=1e-15)
        assert float(rows[3][column]) == expected["rgba"][1]["aim"]
    assert {row["fid_score"] for row in rows} == {""}


def test_both_files_are_written_under_the_authors_names(tmp_path):
    paths = write_authors_files(
        tmp_path / "new", record(), PROTOCOL, reference=tmp_path / "a", prediction=tmp_path / "b"
    )
    assert [path.name for path in paths] == ["image_quality_report.json", "image_quality_report.csv"]
    document = json.loads(paths[0].read_text())
    assert document["metadata"]["input_root"] == str(tmp_path / "a")
    assert document["metadata"]["output_json"] == str(paths[0])
    assert paths[0].read_text().startswith('{\n    "metadata": {\n        "input_root"')
    assert paths[1].read_bytes() == authors_table(document).encode()
    assert paths[1].read_bytes().startswith(b"group,subset,input_laion_score,")
    assert paths[1].read_bytes().endswith(b"\r\n")


def test_a_record_of_another_averaging_has_no_such_files():
    with pytest.raises(UsageError, match="made under alpha-exact@1"):
        authors_report(record(), load_protocol("alpha-exact@1"), reference="", prediction="", output="")


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be used"):
        write_authors_files(tmp_path / "file" / "x", record(), PROTOCOL, reference=tmp_path, prediction=tmp_path)
