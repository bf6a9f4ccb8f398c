"""Golden records of every schema ever released: read for ever, shown alike for ever. Never delete one."""

import csv
import io
import json
from pathlib import Path

import pytest

from alphabench.errors import DataError
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.export import csv_text
from alphabench.leaderboard.selection import Selection
from alphabench.leaderboard.store import add_record, load_for_store
from alphabench.protocols import load_protocol
from alphabench.results import document, migrations
from alphabench.results.document import document_bytes, record_id
from alphabench.results.record import load_record

GOLDEN = Path(__file__).resolve().parents[2] / "leaderboard" / "golden"
VERSIONS = sorted(path.name for path in GOLDEN.iterdir())
IDENTITIES = {
    "v1": {
        "complete": "5d7362f7d2c6d1b9c2d268d3e9472a60",
        "incomplete": "dcbfb2967e3081637ca3eb793f534445",
        "tier1": "f12d02c97d6629c2c90b99fafee1ee08",
    }
}
PROTOCOL_HASHES = {
    "alpha-mini@1": "d5fb6942462efd1ba89faf72b6be2e63c6300c6c26d45142b0363cdc50d2ccdd",
}


def test_there_are_golden_records_of_every_schema():
    assert VERSIONS == sorted(IDENTITIES) == [f"v{version}" for version in sorted(migrations.SCHEMA_FILES)]


@pytest.mark.parametrize("version", IDENTITIES)
def test_golden_records_are_read_with_every_check(version):
    found = {name: load_record(GOLDEN / version / name) for name in IDENTITIES[version]}
    assert {name: record.id for name, record in found.items()} == IDENTITIES[version]
    assert [found[name].complete for name in ("complete", "incomplete", "tier1")] == [True, False, True]
    assert found["tier1"].document["verification"]["of"] == found["complete"].id


@pytest.mark.parametrize("version", IDENTITIES)
def test_golden_records_print_the_row_that_they_printed_first(version):
    (table,) = build_board([GOLDEN / version], Selection(every=True)).tables
    shown = csv.DictReader(io.StringIO(csv_text(table, [column.metric for column in table.columns])))
    expected = csv.DictReader(io.StringIO((GOLDEN / version / "expected.csv").read_text(encoding="utf-8")))
    for now, then in zip(shown, expected, strict=True):
        assert {key: now[key] for key in then} == then


def test_the_protocols_of_golden_records_keep_their_hash():
    for name, stated in PROTOCOL_HASHES.items():
        assert load_protocol(name).hash == stated


@pytest.fixture
def schema_2(monkeypatch):
    """A made-up schema 2, in which the licence of a model is called `license`."""
    first = document.schema_of(1)

    def schema_of(version):
        if version == 1:
            return first
        text = json.dumps(first).replace("alphabench.record/1", "alphabench.record/2")
        return json.loads(text.replace('"licence"', '"license"'))

    def migrate_1_to_2(old):
        model = {("license" if key == "licence" else key): value for key, value in old["model"].items()}
        return {**old, "model": model}

    monkeypatch.setattr(document, "schema_of", schema_of)
    monkeypatch.setattr(migrations, "SCHEMA_FILES", {1: "a", 2: "b"})
    monkeypatch.setattr(migrations, "MIGRATIONS", {1: migrate_1_to_2})
    monkeypatch.setattr(migrations, "NEWEST", 2)
    document._validator.cache_clear()
    yield
    document._validator.cache_clear()


def test_an_old_record_is_brought_to_the_newest_schema_in_memory_only(schema_2, tmp_path):
    path = GOLDEN / "v1" / "complete" / "record.json"
    before = path.read_bytes()
    found = load_record(path)
    assert found.id == IDENTITIES["v1"]["complete"]
    assert found.document["schema"] == "alphabench.record/2"
    assert found.document["model"]["license"] == "MIT"
    assert path.read_bytes() == before
    stored = add_record(load_for_store(path), tmp_path / "store").path
    assert (stored / "record.json").read_bytes() == before


def test_a_record_of_the_new_schema_is_checked_against_it_and_an_old_one_against_its_own(schema_2):
    old = json.loads((GOLDEN / "v1" / "complete" / "record.json").read_bytes())
    new = migrations.migrated(old, 1)
    new["record_id"] = record_id(new)
    assert document.check_document(new, name="new") == new
    mixed = {**old, "schema": "alphabench.record/2"}
    mixed["record_id"] = record_id(mixed)
    with pytest.raises(DataError, match="model"):
        document.check_document(mixed, name="mixed")
    assert old["schema"] == "alphabench.record/1"


def test_migrations_are_chained(monkeypatch):
    steps = {1: lambda old: {**old, "seen": [1]}, 2: lambda old: {**old, "seen": [*old["seen"], 2]}}
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    monkeypatch.setattr(migrations, "NEWEST", 3)
    old = {"schema": "alphabench.record/1"}
    assert migrations.migrated(old, 1) == {"schema": "alphabench.record/3", "seen": [1, 2]}
    assert old == {"schema": "alphabench.record/1"}


@pytest.mark.parametrize(("schema", "words"), [("alphabench.record/2", "newer"), ("alphabench.card/1", "no record")])
def test_an_unknown_schema_is_refused(tmp_path, schema, words):
    changed = json.loads((GOLDEN / "v1" / "complete" / "record.json").read_bytes()) | {"schema": schema}
    (tmp_path / "record.json").write_bytes(document_bytes(changed))
    with pytest.raises(DataError, match=words):
        load_record(tmp_path)
