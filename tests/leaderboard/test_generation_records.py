"""Records of generated images: checked, stored, shown and compared like others."""

import json
from pathlib import Path

import pytest

from alphabench.cli import app as command_line
from alphabench.errors import DataError
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.selection import Selection
from alphabench.leaderboard.store import add_record, load_for_store
from alphabench.results.columnar import load_record_quickly
from alphabench.results.compare import compare
from alphabench.results.document import document_bytes, record_id
from alphabench.results.record import load_record

OWN = Path(__file__).parents[2] / "leaderboard" / "alpha-t2i-mini@1"
MINI = {"protocol_id": "alpha-t2i-mini@1"}


@pytest.fixture
def pair(make_record):
    near = make_record("near", model="near", images=12, distance=1.0, **MINI)
    far = make_record("far", model="far", images=12, distance=3.0, shifts={"fringe": 0.25}, **MINI)
    return near, far


def test_a_record_enters_the_store_and_the_table_sorted_by_the_distance_between_sets(pair, tmp_path):
    for folder in reversed(pair):
        assert add_record(load_for_store(folder), tmp_path / "store").new
    (table,) = build_board([tmp_path / "store"], Selection(protocol="alpha-t2i-mini@1")).tables
    assert (table.task, table.sort) == ("generation", "kid-rand")
    assert [row.model for row in table.rows] == ["near", "far"]
    assert [row.values["kid-rand"].value for row in table.rows] == [1.0, 3.0]
    assert all(row.rank is None for row in table.rows)
    ranked = build_board([tmp_path / "store"], Selection(protocol="alpha-t2i-mini", sort="fringe")).tables[0]
    assert [(row.model, row.rank) for row in ranked.rows] == [("near", 1), ("far", 2)]


def test_the_command_shows_the_distance_and_the_faults_of_cut_outs(pair, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "240")
    root = pair[0].parent
    assert command_line.run(["leaderboard", "--root", str(root), "--protocol", "alpha-t2i-mini@1"]) == 0
    out = capsys.readouterr().out.replace("\n", " ")
    for word in ("kid-", "fid-", "border_", "hole_", "fringe", "alphabench|alpha-t2i-mini@1|", "ref:alpha-mini@1"):
        assert word in out
    assert "no paired test" in out
    assert command_line.run(["leaderboard", "--root", str(root), "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert table["records"][0]["aggregates"]["kid-rand"]["value"] == 1.0


def test_two_records_are_compared_image_by_image_where_a_metric_has_a_better_side(pair):
    found = compare(*(load_record_quickly(folder) for folder in pair), shipped_gate().rules())
    metrics = {item.metric: item for item in found.metrics}
    assert metrics["fringe"].difference == pytest.approx(-0.25, abs=1e-12)
    assert metrics["kid-rand"].difference == pytest.approx(-2.0)
    assert metrics["kid-rand"].verdict is None
    assert found.left_out["semi_share"] == "it has no better direction"
    assert found.verdict is None


def test_a_record_of_one_image_is_complete_without_set_metrics_and_can_be_compared(make_record, tmp_path):
    one = make_record("one", images=1, **MINI)
    record = load_for_store(one)
    assert record.complete
    assert not {"kid-rand", "fid-rand"} & record.aggregates.keys()
    add_record(record, tmp_path / "store")
    (table,) = build_board([tmp_path / "store"], Selection()).tables
    assert "kid-rand" not in table.rows[0].values
    other = load_record(make_record("other", model="other", images=1, **MINI))
    found = compare(record, other, shipped_gate().rules())
    assert "not applicable in the baseline" in found.left_out["kid-rand"]


@pytest.mark.parametrize("protocol_id", ["alpha-t2i@1", "alpha-t2i-paper@1"])
def test_records_under_the_protocols_with_categories_prove_their_means(make_record, protocol_id):
    record = load_record(make_record("whole", images=12, distance=3.0, protocol_id=protocol_id))
    assert record.complete
    assert record.aggregates["fid"] == {"value": 3.0, "unit": "1", "n": 12, "state": "ok"}
    document = json.loads((record.path / "record.json").read_bytes())
    entry = next(item for item in document["metrics"] if item["name"] == "clipscore")["aggregates"][0]
    entry["value"] += 0.01
    document["record_id"] = record_id(document)
    (record.path / "record.json").write_bytes(document_bytes(document))
    with pytest.raises(DataError, match="mean of clipscore on composite/mean"):
        load_record(record.path)


def drop(folder, name):
    path = folder / "record.json"
    document = json.loads(path.read_bytes())
    document["metrics"] = [metric for metric in document["metrics"] if metric["name"] != name]
    document["record_id"] = record_id(document)
    path.write_bytes(document_bytes(document))
    return folder


@pytest.mark.parametrize("name", ["kid-rand", "fringe", "border_cut"])
def test_a_metric_that_applies_cannot_be_dropped_from_a_record(make_record, name):
    with pytest.raises(DataError, match=f"its metrics are not those of alpha-t2i-mini@1.*{name}"):
        load_record(drop(make_record("cheat", images=6, **MINI), name))


def test_the_gate_says_that_it_has_no_metric_of_the_protocol(pair, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = ["leaderboard", "check", "--baseline", str(pair[0]), "--candidate", str(pair[1])]
    assert command_line.run(arguments) == DataError.exit_code
    assert "has no metric of alpha-t2i-mini@1" in capsys.readouterr().err
    assert command_line.run(["leaderboard", "compare", str(pair[0]), str(pair[1])]) == 0
    assert "none: the gate has no metric of alpha-t2i-mini@1" in capsys.readouterr().out


def test_a_report_says_how_the_same_images_are_made_again(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.html"
    folder = next(OWN.glob("alphabench__rgba-lora-mini/*"))
    assert command_line.run(["report", str(folder), "--out", str(page)]) == 0, capsys.readouterr().err
    command = "generate --model rgba-lora --prompts alpha-t2i --protocol alpha-t2i-mini@1 --seed 0 --steps 24"
    assert f"{command} --guidance 3 --size 128x128" in page.read_text(encoding="utf-8")


def test_the_report_of_a_record_asks_for_no_references(pair, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.html"
    assert command_line.run(["report", str(pair[0]), "--out", str(page)]) == 0, capsys.readouterr().err
    text = page.read_text(encoding="utf-8")
    assert "alphabench generate --model stub --prompts tiny --protocol alpha-t2i-mini@1" in text
    assert "The images of the data set" not in text
