"""The document of a record: its schema, its identity, and what must agree inside it."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabench.errors import DataError, UsageError
from alphabench.results import migrations
from alphabench.results.canonical import canonical_json, parse_json

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMA = f"{migrations.PREFIX}{migrations.NEWEST}"
FILE = "record.json"
DAMAGED = "Take the record from its source again: a record is never edited."


def record_id(document: Mapping[str, Any]) -> str:
    """Return the identity of a record: 32 digits of the hash of every member but `record_id`."""
    rest = {key: value for key, value in document.items() if key != "record_id"}
    return hashlib.sha256(canonical_json(rest)).hexdigest()[:32]


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """Return the document as it is stored: canonical JSON and one newline."""
    return canonical_json(document) + b"\n"


def sentence(text: str, *, limit: int = 500) -> str:
    """Return `text` as the schema's sentence: one line without control characters, at most `limit` long."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split()) or "unknown"
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def validate_document(document: Any, *, name: str, version: int = migrations.NEWEST) -> None:
    """Check a document against a version of the schema of records.

    Raises:
        DataError: the message names the first offending member, as `metrics/0/state`.
    """
    fault = min(
        _validator(version).iter_errors(document),
        key=lambda error: [str(part) for part in error.absolute_path],
        default=None,
    )
    if fault is not None:
        where = "/".join(str(part) for part in fault.absolute_path) or "the document"
        raise DataError(f"{name}: {where}: {sentence(fault.message, limit=300)}", remedy=DAMAGED)


def validate_model(model: Mapping[str, Any]) -> None:
    """Check what a model says about itself before it is run, so that no finished run lacks a valid record.

    Raises:
        UsageError: the message names the first member that a record cannot hold.
    """
    schema = schema_of(migrations.NEWEST)["properties"]["model"]
    fault = next(_validator().descend(dict(model), schema), None)
    if fault is not None:
        where = "/".join(str(part) for part in fault.absolute_path) or "description"
        raise UsageError(
            f"the model's {where} cannot stand in a record: {sentence(fault.message, limit=300)}",
            remedy="Mend what the model says about itself; for predictions: --name, --org, --licence (an SPDX name).",
        )


def read_document(path: Path) -> dict[str, Any]:
    """Read a `record.json` and check it alone: strict JSON, schema, identity, and what must agree inside.

    Raises:
        DataError: the file cannot be read or fails a check.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the record {str(path)!r} cannot be read: {error.strerror}",
            remedy="Give the folder of a finished run, its record folder, or a record.json.",
        ) from error
    return check_document(parse_json(data, name=str(path)), name=str(path))


def check_document(document: Any, *, name: str) -> dict[str, Any]:
    """Return `document` in the newest schema after checking its own schema, its identity and what must agree.

    Raises:
        DataError: the first check that fails.
    """
    version = migrations.schema_version(document, name=name)
    validate_document(document, name=name, version=version)
    if (recomputed := record_id(document)) != document["record_id"]:
        raise DataError(
            f"{name} states the record id {document['record_id']}, its content gives {recomputed}",
            remedy=DAMAGED,
        )
    found = migrations.migrated(document, version)
    _check_counts(found, name)
    return found


def _check_counts(document: Mapping[str, Any], name: str) -> None:
    data, run, metrics = document["data"], document["run"], document["metrics"]
    if (total := sum(data["categories"].values())) != data["samples"]:
        raise _disagree(name, f"its categories have {total} samples, the set {data['samples']}")
    names = [metric["name"] for metric in metrics]
    if len(set(names)) != len(names):
        raise _disagree(name, "a metric is listed twice")
    for metric in metrics:
        rows = metric.get("rows")
        if rows and metric["state"] == "ok" and rows["present"] + rows["not_applicable"] != rows["expected"]:
            raise _disagree(name, f"the rows of {metric['name']} do not add up")
        for entry in metric.get("aggregates", []):
            bounds = entry.get("interval")
            if bounds and not bounds["low"] <= entry["value"] <= bounds["high"]:
                raise _disagree(name, f"an interval of {metric['name']} does not hold its value")
    if run["finished"] < run["started"]:
        raise _disagree(name, "it finished before it started")


def _disagree(name: str, fact: str) -> DataError:
    return DataError(f"{name}: {fact}", remedy=DAMAGED)


@functools.cache
def _validator(version: int = migrations.NEWEST) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # a tenth of a second that tables of plain records need not wait

    return Draft202012Validator(schema_of(version))


def schema_of(version: int) -> dict[str, Any]:
    """Return the JSON schema of a version of records."""
    text = files("alphabench.results").joinpath(migrations.SCHEMA_FILES[version]).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
