"""Published numbers: as printed, mapped to our names where they are ours, never ranked, beside their own protocol."""

import csv
from pathlib import Path

import pytest

from alphabench.errors import DataError
from alphabench.leaderboard.published import COLUMNS, published_protocols, published_tables

STORE = Path(__file__).resolve().parents[2] / "leaderboard" / "published"
FILES = sorted(STORE.glob("*.csv"), key=lambda path: path.stem)


def lines():
    for path in FILES:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def test_the_tables_are_whole():
    found = list(lines())
    assert len(found) == 708 + 5850
    assert sum(line["protocol"] == "alpha-paper" for line in found) == 136 + 4 + 5850
    assert {tuple(line) for line in found} == {COLUMNS}


def test_the_scripts_of_the_paper_stand_under_our_protocol_and_metrics():
    tables = published_tables(FILES, protocol="alpha-paper@1")
    assert {(table.data, table.task) for table in tables} == {
        ("alpha-test@1", "reconstruction"),
        ("alpha-aim500@1", "reconstruction"),
    }
    (aim,) = [table for table in tables if table.data == "alpha-aim500@1"]
    assert [name for name, *_ in aim.metrics][:2] == ["psnr_eps8", "ssim_pyiqa"]
    assert ("fid", "1", False) in aim.metrics
    by_method = {row.method: row for row in aim.rows}
    assert by_method["AlphaVAE (FLUX.1-dev)"].values["psnr_eps8"] == "36.9439"
    assert by_method["LayerDiffuse (SDXL)"].values["psnr_eps8"] == "32.0879"
    assert by_method["LayerDiffuse (SDXL)"].table.startswith("Table 2")


def test_one_category_and_background_of_the_breakdown():
    (table,) = [
        table
        for table in published_tables(FILES, protocol="alpha-paper@1", category="transparent", background="gray")
        if table.data == "alpha-aim500@1"
    ]
    (expected,) = {
        line["value"]
        for line in lines()
        if (line["method"], line["base_model"], line["dataset"]) == ("LayerDiffuse", "SDXL", "AIM-500")
        and (line["split_or_category"], line["background"], line["metric"]) == ("transparent", "gray", "psnr")
    }
    (row,) = [row for row in table.rows if row.method == "LayerDiffuse (SDXL)"]
    assert row.values["psnr_eps8"] == expected


def test_other_procedures_keep_their_own_name_and_splits():
    names = published_protocols(FILES)
    assert names[0] == "alpha-paper@1"
    assert "alpha-paper" not in names
    tables = published_tables(FILES, protocol="layerd-crello")
    assert tables
    assert all(table.protocol == "layerd-crello" for table in tables)
    keys = [(table.data, table.task, table.category, table.background) for table in tables]
    assert len(keys) == len(set(keys))
    assert published_tables(FILES, protocol="alpha-mini@1") == []


def test_generation_of_the_same_paper_is_filed_under_the_protocol_for_generation():
    tasks = {(table.protocol, table.task) for table in published_tables(FILES, protocol="alpha-paper")}
    assert tasks == {("alpha-paper@1", "reconstruction"), ("alpha-t2i-paper@1", "text_to_rgba")}
    tables = published_tables(FILES, protocol="alpha-t2i-paper@1")
    assert {table.data for table in tables} == {"AIM-500", "ALPHA-test"}  # sets of images; ours are prompts
    (table,) = [table for table in tables if table.data == "AIM-500"]
    assert {row.method: row.values["fid"] for row in table.rows}["LayerDiffuse"] == "160.2664"


def test_a_mapping_without_a_protocol_is_refused(tmp_path):
    (tmp_path / "mapping.toml").write_text('[[protocols]]\nid = "alpha-paper@1"\n', encoding="utf-8")
    (tmp_path / "x.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="procedure, task"):
        published_tables([tmp_path / "x.csv"], protocol="p")


@pytest.mark.parametrize(
    "text",
    [
        "paper,title\n1,2\n",
        ",".join(COLUMNS) + "\n" + "x," * 9 + "\n",
        ",".join(COLUMNS) + "\n" + "x," * 10 + "abc,1,true,p,\n",
    ],
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "mapping.toml").write_bytes((STORE / "mapping.toml").read_bytes())
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.csv"):
        published_tables([path], protocol="p")
