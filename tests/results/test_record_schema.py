"""The schema of a record: the smallest valid one, its identity, and what is refused."""

import copy
import json
import re

import jsonschema
import pytest

from alphabench.errors import DataError
from alphabench.results.document import (
    check_document,
    document_bytes,
    read_document,
    record_id,
    validate_document,
)

SMALLEST = {
    "schema": "alphabench.record/1",
    "created": "2026-01-02T03:04:05Z",
    "task": "reconstruction",
    "signature": "alphabench|alpha-mini@1|data:alpha-mini@1|bg:9+4|px:native|q:png8|psnr:rgb-cap100"
    "|agg:sample-cat-macro|v:0.1.0|sha:aaaaaaaa|dsha:bbbbbbbb",
    "protocol": {"name": "alpha-mini", "version": 1, "hash": "a" * 64},
    "data": {
        "name": "alpha-mini",
        "version": 1,
        "split": "test",
        "manifest_hash": "b" * 64,
        "samples": 2,
        "categories": {"glass": 1, "hair": 1},
    },
    "model": {
        "org": "alphabench",
        "name": "alphavae-mini",
        "licence": "Apache-2.0",
        "kind": "checkpoint",
        "architecture": "alphavae",
        "config": {"latent_channels": 4},
        "config_hash": "c" * 64,
        "checkpoints": [{"role": "model", "sha256": "d" * 64, "bytes": 1048576}],
        "hash": "e" * 64,
    },
    "code": {"version": "0.1.0", "commit": "0" * 40, "dirty": False},
    "environment": {
        "python": "3.11.7",
        "platform": "linux-x86_64",
        "torch": "2.15.0",
        "device": {"kind": "cpu", "name": "cpu", "count": 1},
        "dtype": "float32",
        "tf32": False,
        "deterministic": True,
        "world_size": 1,
        "libraries": {"numpy": "2.4.6"},
    },
    "seeds": {"bootstrap": 12345},
    "run": {
        "hash": "f" * 64,
        "started": "2026-01-02T03:00:00Z",
        "finished": "2026-01-02T03:04:00Z",
        "resumed": 0,
    },
    "metrics": [
        {
            "name": "psnr",
            "version": 1,
            "unit": "dB",
            "higher_is_better": True,
            "kind": "sample",
            "state": "ok",
            "rows": {"expected": 18, "present": 18, "not_applicable": 0},
            "aggregates": [
                {"view": "composite/mean9", "scope": "macro", "value": 31.25, "n": 2},
                {"view": "composite/mean9", "scope": "category", "category": "glass", "value": 30.5, "n": 1},
                {"view": "composite/mean9", "scope": "category", "category": "hair", "value": 32, "n": 1},
            ],
        }
    ],
    "samples": {
        "path": "samples.parquet",
        "rows": 18,
        "rows_sha256": "1" * 64,
        "file_sha256": "2" * 64,
        "file_bytes": 2048,
    },
    "timings": {"wall_s": 240},
    "verification": {"tier": 0},
    "complete": True,
    "incomplete_reasons": [],
    "record_id": "f4011f0f0507b9bb3f1ae7f5f5867c07",
}


@pytest.fixture
def smallest():
    return copy.deepcopy(SMALLEST)


def test_the_smallest_record_is_valid_and_has_its_known_identity(smallest):
    validate_document(smallest, name="r")
    assert record_id(smallest) == "f4011f0f0507b9bb3f1ae7f5f5867c07"
    without = {key: value for key, value in smallest.items() if key != "record_id"}
    assert len(document_bytes(without)) - 1 == 2201
    assert check_document(json.loads(document_bytes(smallest)), name="r") == smallest


def _leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def test_changing_any_value_changes_the_identity(smallest):
    found = set()
    paths = [path for path in _leaves(smallest) if path != ("record_id",)]
    for path in paths:
        changed = copy.deepcopy(smallest)
        place = changed
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = [] if place[path[-1]] != [] else ["x"]
        found.add(record_id(changed))
    assert len(found | {smallest["record_id"]}) == len(paths) + 1 > 60


def _unavailable(record):
    metric = record["metrics"][0]
    metric["state"] = "unavailable"
    metric |= {"reason": "no weights", "remedy": "Run: fetch"}
    del metric["aggregates"]


def _put(*path):
    *path, last, value = path

    def change(record):
        place = record
        for part in path:
            place = place[part]
        place[last] = value

    return change


REFUSALS = {
    "unavailable yet complete": (_unavailable, "metrics/0/state"),
    "newline after a name": (_put("model", "name", "alphavae\n"), "model/name"),
    "capital digits": (_put("model", "checkpoints", 0, "sha256", "D" * 64), "model/checkpoints/0/sha256"),
    "ok without means": (lambda record: record["metrics"][0].pop("aggregates"), "metrics/0"),
    "unknown member": (_put("score", 1), "the document"),
    "null value": (_put("metrics", 0, "aggregates", 0, "value", None), "metrics/0/aggregates/0/value"),
    "infinite value": (
        _put("metrics", 0, "aggregates", 0, "value", float("inf")),
        "metrics/0/aggregates/0/value",
    ),
    "tier 2 without subset": (
        _put("verification", {"tier": 2, "by": "ci", "pack_hash": "9" * 64}),
        "verification",
    ),
    "incomplete without reason": (_put("complete", False), "incomplete_reasons"),
    "interval on a set metric": (
        lambda record: (
            record["metrics"][0].update(kind="set"),
            record["metrics"][0]["aggregates"][0].update(
                interval={
                    "low": 1,
                    "high": 2,
                    "level": 0.95,
                    "method": "bootstrap-percentile-image-stratified",
                }
            ),
        ),
        "metrics/0/aggregates/0",
    ),
    "category scope without category": (
        lambda record: record["metrics"][0]["aggregates"][1].pop("category"),
        "metrics/0/aggregates/1",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_schema_refuses(smallest, name):
    change, where = REFUSALS[name]
    change(smallest)
    with pytest.raises(DataError, match=f"^r: {re.escape(where)}: "):
        validate_document(smallest, name="r")


def test_nan_passes_the_schema_and_is_refused_by_the_reader(smallest, tmp_path):
    smallest["metrics"][0]["aggregates"][0]["value"] = float("nan")
    validate_document(smallest, name="r")
    path = tmp_path / "record.json"
    path.write_text(json.dumps(smallest))
    with pytest.raises(DataError, match="NaN is not a number"):
        read_document(path)


def test_the_shipped_schema_is_a_schema():
    from alphabench.results.document import _validator

    jsonschema.Draft202012Validator.check_schema(_validator().schema)


def test_a_record_of_a_later_schema_asks_for_an_upgrade(smallest):
    smallest["schema"] = "alphabench.record/2"
    with pytest.raises(DataError, match="newer alphabench"):
        check_document(smallest, name="r")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_put("data", "samples", 3), "categories have 2 samples, the set 3"),
        (lambda record: record["metrics"].append(record["metrics"][0]), "listed twice"),
        (_put("metrics", 0, "rows", "present", 17), "do not add up"),
        (_put("run", "finished", "2026-01-02T02:00:00Z"), "finished before it started"),
        (
            _put(
                "metrics",
                0,
                "aggregates",
                0,
                "interval",
                {"low": 1, "high": 2, "level": 0.95, "method": "bootstrap-percentile-image-stratified"},
            ),
            "does not hold its value",
        ),
    ],
)
def test_members_must_agree_with_each_other(smallest, change, message):
    change(smallest)
    smallest["record_id"] = record_id(smallest)
    with pytest.raises(DataError, match=message):
        check_document(smallest, name="r")
