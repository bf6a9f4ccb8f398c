"""Records of older schemas, read for ever: pure functions from one schema to the next, in memory only.

Files are never rewritten. A record of schema N is checked against schema N and its id is computed on what it
says; only then it is brought to the newest schema, and it keeps its id. To release schema N + 1: keep the
file of schema N in `SCHEMA_FILES`, add `migrate_N_to_M` under N, and freeze golden records of N + 1.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from alphabench.errors import DataError

Migration = Callable[[Mapping[str, Any]], dict[str, Any]]

PREFIX = "alphabench.record/"
NEWEST = 1
SCHEMA_FILES: dict[int, str] = {1: "record.schema.json"}
"""The JSON schema of every version ever released, in this package."""
MIGRATIONS: dict[int, Migration] = {}
"""By the version they start from."""


def schema_version(document: Any, *, name: str) -> int:
    """Return the schema version that a document states.

    Raises:
        DataError: it states none, or one that this package does not know yet.
    """
    schema = document.get("schema") if isinstance(document, dict) else None
    match = re.fullmatch(rf"{PREFIX}([1-9][0-9]{{0,5}})", str(schema))
    if match is None:
        raise DataError(
            f"{name} is no record: it states the schema {str(schema)[:60]!r}",
            remedy="Give the folder of a finished run, its record folder, or a record.json.",
        )
    if (version := int(match[1])) not in SCHEMA_FILES:
        raise DataError(f"{name} has the schema {schema}, written by a newer alphabench", remedy="Upgrade alphabench.")
    return version


def migrated(document: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return a checked document of schema `version` as one of the newest schema; the argument stays as it is."""
    found = dict(document)
    for step in range(version, NEWEST):
        found = {**MIGRATIONS[step](found), "schema": f"{PREFIX}{step + 1}"}
    return found
