"""Tables: which record stands for a model, who is ranked, what is refused, and nothing stale from the cache."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphabench.errors import DataError, UsageError
from alphabench.leaderboard import board_cache
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.board_cache import board_document, board_from, cached_board
from alphabench.leaderboard.places import default_roots, record_folders, shipped_store
from alphabench.leaderboard.selection import Selection, Standing, record_states
from alphabench.results.columnar import NotPlain, read_columns
from alphabench.results.document import document_bytes, record_id
from alphabench.results.record import load_record

ID = {name: name * 32 for name in "abcdef"}


def standing(name, **changes):
    facts = {"org": "o", "model": "m", "tier": 0, "created": "2026-01-01T00:00:00Z", "complete": True}
    return Standing(**{"record_id": ID[name], "supersedes": None, **facts, **changes})


def rewrite(folder, target, **changes):
    """Write a copy of a record whose document has other members and an id that fits."""
    shutil.copytree(folder, target)
    document = json.loads((folder / "record.json").read_bytes())
    document |= changes
    document["record_id"] = record_id(document)
    (target / "record.json").write_bytes(document_bytes(document))
    return document["record_id"]


@pytest.fixture(scope="module")
def store(tmp_path_factory, writer):
    """Three models over twelve images: `good` and `twin` equal in psnr, `worse` a proved 0.5 dB behind."""
    root = tmp_path_factory.mktemp("records")
    writer(root / "good", model="good", images=12)
    writer(root / "twin", model="twin", images=12, shifts={"sad": -1.0})
    writer(root / "worse", model="worse", images=12, shifts={"psnr": -0.5}, noise={"psnr": 0.05})
    return root


def test_the_highest_tier_stands_for_its_model_then_the_newest():
    old, new = standing("a"), standing("b", created="2026-02-01T00:00:00Z")
    assert record_states([old, new], {}) == {ID["a"]: "older", ID["b"]: "current"}
    verified = standing("c", tier=1, created="2025-01-01T00:00:00Z")
    assert record_states([new, verified], {}) == {ID["b"]: "older", ID["c"]: "current"}
    assert record_states([old, standing("d", model="other")], {}) == {ID["a"]: "current", ID["d"]: "current"}


def test_withdrawn_superseded_and_incomplete_records_stand_for_nothing():
    first = standing("a", created="2026-03-01T00:00:00Z")
    fixed = standing("b", supersedes=ID["a"])
    assert record_states([first, fixed], {}) == {ID["a"]: "superseded", ID["b"]: "current"}
    assert record_states([first, fixed], {ID["b"]: "leak"}) == {ID["a"]: "current", ID["b"]: "withdrawn"}
    part = standing("c", complete=False, supersedes=ID["a"])
    assert record_states([first, part], {}) == {ID["a"]: "current", ID["c"]: "incomplete"}


def test_a_claim_supersedes_neither_what_was_verified_nor_another_model():
    verified = standing("a", tier=2)
    assert record_states([verified, standing("b", supersedes=ID["a"])], {})[ID["a"]] == "current"
    assert record_states([verified, standing("b", model="x", tier=2, supersedes=ID["a"])], {})[ID["a"]] == "current"


def test_equal_models_share_a_rank_and_stand_by_name(store):
    (table,) = build_board([store]).tables
    assert [(row.rank, row.model) for row in table.rows] == [(1, "good"), (1, "twin"), (3, "worse")]
    assert table.sort == "psnr"
    assert build_board([store], Selection(sort="sad")).tables[0].rows[0].model == "twin"


def test_values_are_those_of_the_records_for_any_category_and_background(store):
    entries = {item["name"]: item["aggregates"] for item in load_record(store / "worse").document["metrics"]}

    def stated(metric, view, category=None):
        (value,) = [
            item["value"]
            for item in entries[metric]
            if item["view"] == view and item["scope"] != "micro" and item.get("category") == category
        ]
        return value

    def shown(**asked):
        (table,) = build_board([store], Selection(**asked)).tables
        (row,) = [row for row in table.rows if row.model == "worse"]
        return {metric: item.value for metric, item in row.values.items()}

    assert shown()["psnr"] == stated("psnr", "composite/mean9")
    assert shown(category="hair")["sad"] == stated("sad", "alpha", "hair")
    white = shown(background="white", category="logo")
    assert white["psnr"] == stated("psnr", "composite/white", "logo")
    assert "sad" not in white
    assert shown(background="checker8")["psnr"] == stated("psnr", "composite/checker8")
    assert shown(background="worst-solid", sort="psnr_worst_solid").keys() == {"psnr_worst_solid", "ssim_worst9"}


def test_a_filter_by_model_leaves_the_ranks_as_they_are(store):
    (table,) = build_board([store], Selection(model="wor*")).tables
    assert [(row.rank, row.model) for row in table.rows] == [(3, "worse")]
    assert table.compared == 3


def test_a_set_metric_sorts_and_does_not_rank(store):
    (table,) = build_board([store], Selection(sort="rfid-rand")).tables
    assert {row.rank for row in table.rows} == {None}
    assert not table.ranked


def test_what_no_table_has_is_refused_with_what_there_is(store):
    for asked, words in (({"sort": "nope"}, "psnr"), ({"category": "nope"}, "hair"), ({"background": "nope"}, "white")):
        with pytest.raises(UsageError) as caught:
            build_board([store], Selection(**asked))
        assert words in caught.value.remedy
    with pytest.raises(DataError, match="no record of nope") as caught:
        build_board([store], Selection(protocol="nope"))
    assert "alpha-mini@1 on tiny@1" in caught.value.remedy


def test_incomplete_records_are_counted_and_shown_without_rank_on_request(store, make_record, tmp_path):
    make_record("part", model="part", images=12, unavailable=("lpips-rand",), shifts={"psnr": 9.0})
    (table,) = build_board([store, tmp_path]).tables
    assert "part" not in [row.model for row in table.rows]
    assert table.hidden == {"incomplete": 1}
    (table,) = build_board([store, tmp_path], Selection(every=True)).tables
    last = table.rows[-1]
    assert (last.model, last.rank, last.state) == ("part", None, "incomplete")
    assert last.reason.startswith("lpips-rand is unavailable")
    assert [row.rank for row in table.rows] == [1, 1, 3, None]


def test_withdrawn_csv_takes_a_record_out_and_a_broken_one_is_refused(store, tmp_path):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    good = load_record(root / "good", thorough=False).id
    (root / "withdrawn.csv").write_text(f'record_id,date,reason\n{good},2026-03-01,"wrong, twice"\n', encoding="utf-8")
    (table,) = build_board([root]).tables
    assert [(row.rank, row.model) for row in table.rows] == [(1, "twin"), (2, "worse")]
    (table,) = build_board([root], Selection(every=True)).tables
    assert [row.reason for row in table.rows if row.model == "good"] == ["wrong, twice"]
    (root / "withdrawn.csv").write_text("record_id,date,reason\nabc\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        build_board([root])


def test_two_rulers_under_one_name_never_share_a_table(store, make_record, tmp_path, monkeypatch):
    make_record("other", model="other", images=12, manifest="c")
    board = build_board([store, tmp_path])
    assert [(table.data_hash[0], len(table.rows)) for table in board.tables] == [("b", 3), ("c", 1)]
    real = board.tables[0]
    from alphabench.leaderboard import board as module

    original = module.read_entry

    def second_ruler(folder, selection):
        entry = original(folder, selection)
        return dataclasses.replace(entry, protocol_hash="0" * 64) if entry.model == "twin" else entry

    monkeypatch.setattr(module, "read_entry", second_ruler)
    tables = build_board([store]).tables
    assert [(table.protocol, len(table.rows)) for table in tables] == [("alpha-mini@1", 1), ("alpha-mini@1", 2)]
    assert build_board([store], Selection(protocol="000000")).tables[0].rows[0].model == "twin"
    assert len(build_board([store], Selection(protocol=real.protocol_hash[:12])).tables[0].rows) == 2


def test_a_table_reads_columns_and_refuses_whatever_load_record_refuses(store, tmp_path):
    folder = tmp_path / "r"
    document = json.loads((store / "good" / "record.json").read_bytes())
    assert read_columns(store / "good")[0] == document
    metrics = json.loads(json.dumps(document["metrics"]))
    metrics[0]["aggregates"][0]["value"] += 1e-6
    forged = [
        {"metrics": metrics},
        {"metrics": document["metrics"][:-1]},
        {"data": {**document["data"], "categories": {**document["data"]["categories"], "hair": 1, "logo": 3}}},
        {"data": {**document["data"], "manifest_hash": "c" * 64}},
        {"samples": {**document["samples"], "rows": 1}},
        {"samples": {**document["samples"], "file_sha256": "0" * 64}},
        {"model": {**document["model"], "name": "\x1b[31mred"}},
        {"created": "yesterday"},
        {"complete": "yes"},
    ]
    for changes in forged:
        shutil.rmtree(folder, ignore_errors=True)
        rewrite(store / "good", folder, **changes)
        with pytest.raises(NotPlain):
            read_columns(folder)
        board = build_board([folder])
        assert not board.tables
        assert len(board.broken) == 1


@pytest.mark.parametrize("name", ["record.json", "samples.parquet"])
def test_a_byte_changed_in_a_stored_file_takes_the_record_out_and_names_it(store, tmp_path, name):
    root = tmp_path / "store"
    shutil.copytree(store, root)
    path = root / "good" / name
    data = bytearray(path.read_bytes())
    if name == "record.json":
        place = data.index(b'"wall_s":1.5') + 9
        data[place : place + 1] = b"7"
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    board = build_board([root])
    ((broken, reason),) = board.broken
    assert broken == str(root / "good")
    assert ("its content gives" if name == "record.json" else "SHA-256") in reason
    assert [row.model for row in board.tables[0].rows] == ["twin", "worse"]


def test_the_cache_gives_the_same_board_and_notices_every_change(store, tmp_path, monkeypatch):
    root, cache = tmp_path / "store", tmp_path / "cache"
    shutil.copytree(store, root)
    fresh = cached_board([root], Selection(), folder=cache)
    assert not cache.exists()  # the files are seconds old: a change within a tick of the clock could hide
    monkeypatch.setattr(board_cache, "QUIET_S", -1e9)
    assert cached_board([root], Selection(), folder=cache) == fresh
    (kept,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("alphabench.leaderboard.board.build_board", lambda *_: pytest.fail("made anew"))
        assert cached_board([root], Selection(), folder=cache) == fresh
    kept.write_bytes(kept.read_bytes().replace(b'"good"', b'"best"'))
    assert cached_board([root], Selection(), folder=cache) == fresh  # a damaged cache is no cache
    path = root / "good" / "record.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"wall_s":1.5', b'"wall_s":2.5'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change: still noticed
    assert len(cached_board([root], Selection(), folder=cache).broken) == 1
    shutil.rmtree(root / "worse")
    assert [row.model for row in cached_board([root], Selection(), folder=cache).tables[0].rows] == ["twin"]
    assert not [path for path in root.rglob("*") if "cache" in path.name]


def test_a_board_survives_being_written_down(store):
    board = build_board([store], Selection(protocol="alpha-mini@1", every=True))
    assert board_from(json.loads(json.dumps(board_document(board)))) == board


def test_a_clock_that_runs_ahead_or_back_only_makes_the_table_slower(store, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    cached_board([store], Selection(), folder=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_golden_records_submissions_and_galleries_of_a_store_are_no_rows(store, tmp_path):
    root = tmp_path / "leaderboard"
    shutil.copytree(store / "good", root / "alpha-mini@1" / "x")
    for name in ("golden", "submissions", "galleries"):
        shutil.copytree(store / "twin", root / name / "x")
    assert record_folders([root]) == [root / "alpha-mini@1" / "x"]
    assert record_folders([root / "golden"]) == [root / "golden" / "x"]


def test_outside_a_store_the_shipped_records_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_roots() == (shipped_store(),)
    (tmp_path / "runs").mkdir()
    assert default_roots() == (shipped_store(), Path("runs"))
    (tmp_path / "leaderboard").mkdir()
    assert default_roots() == (Path("leaderboard"), Path("runs"))


def test_clock_zone_and_locale_change_no_byte(store):
    command = [sys.executable, "-m", "alphabench", "leaderboard", "--root", str(store), "--csv", "-"]
    outputs = set()
    for zone, locale in (("UTC", "C"), ("Pacific/Kiritimati", "de_DE.UTF-8")):
        environment = os.environ | {"TZ": zone, "LC_ALL": locale, "PYTHONUTF8": "1"}
        outputs.add(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
    assert len(outputs) == 1
