"""The store of records: append-only folders named after what they hold."""

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.errors import NO_SPACE, DataError, DiskFullError, IncompleteError
from alphabench.protocols import list_protocols
from alphabench.results.canonical import parse_json
from alphabench.results.document import FILE, document_bytes, read_document, record_id
from alphabench.results.durable import replace_folder, write_durably
from alphabench.results.lock import folder_lock
from alphabench.results.record import ROWS_FILE, Record, load_record

MAX_ROWS_BYTES = 5 * 1024 * 1024
DEVICES = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])([.].*)?")
"""Names that no file can have on Windows."""


@dataclass(frozen=True)
class Added:
    """Where a record is: `new`, or recorded before under `record_id`."""

    record_id: str
    path: Path
    new: bool


def load_for_store(path: Path) -> Record:
    """Read a record with every check and make sure that the store takes it.

    Raises:
        DataError: edited or damaged, made under a protocol that is not shipped, too large, or a name that
            some file system cannot hold.
        IncompleteError: a metric or a sample is missing.
    """
    record = load_record(path)
    document = record.document
    if not record.complete:
        reasons = document["incomplete_reasons"]
        raise IncompleteError(
            f"the record {record.id} is incomplete: {reasons[0]}"
            + (f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""),
            remedy=next((item["remedy"] for item in record.missing if item["remedy"]), "")
            or "Repeat its run over all samples, then add its record.",
        )
    stated = document["protocol"]
    shipped = {protocol.id: protocol.hash for protocol in list_protocols()}
    name = f"{stated['name']}@{stated['version']}"
    if shipped.get(name) != stated["hash"]:
        raise DataError(
            f"the record {record.id} was made under {name} ({stated['hash'][:8]}), "
            + (f"which here is {shipped[name][:8]}" if name in shipped else "which this package does not ship"),
            remedy="Add records of shipped protocols; show others with `alphabench leaderboard --root FOLDER`.",
        )
    if (size := document["samples"]["file_bytes"]) > MAX_ROWS_BYTES:
        raise DataError(
            f"the rows of the record {record.id} have {size} bytes, more than {MAX_ROWS_BYTES}",
            remedy="Use a protocol with fewer views.",
        )
    for label in (document["model"]["org"], document["model"]["name"]):
        if DEVICES.fullmatch(label) or "__" in label or label.endswith("."):
            raise DataError(
                f"the record {record.id} has the name {label!r}, which cannot name a folder everywhere",
                remedy="Give the model another name and measure it again.",
            )
    return record


def add_record(record: Record, root: Path) -> Added:
    """Copy a checked record into the store `root`; the same result again is not copied.

    The same result is one of the same run request, rows, tier and verified record. A crash at any moment
    leaves the record whole or absent; two processes that add at once wait for each other.

    Args:
        record: what `load_for_store` returned.
        root: the store; it is made if absent.

    Raises:
        DataError: the store cannot be written, or the record's rows changed since they were read.
        DiskFullError: no space is left.
    """
    document = record.document
    model, protocol = document["model"], document["protocol"]
    folder = root / f"{protocol['name']}@{protocol['version']}" / f"{model['org']}__{model['name']}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with folder_lock(root):
            folder.mkdir(parents=True, exist_ok=True)
            return _recorded(document, folder) or _copy(record, folder)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(
                f"disk full at {str(folder)!r}: the record {record.id} was not added",
                remedy="Free some space, then repeat the same command.",
            ) from error
        raise DataError(
            f"the store {str(root)!r} cannot be written: {error.strerror}",
            remedy="Name a folder that you may write to with --root DIR.",
        ) from error


def _recorded(document: Mapping[str, Any], folder: Path) -> Added | None:
    for path in sorted(folder.glob(f"*/{FILE}")):
        there = read_document(path)
        if there["record_id"] == document["record_id"] or _result(there) == _result(document):
            return Added(there["record_id"], path.parent, new=False)
    return None


def _result(document: Mapping[str, Any]) -> tuple[Any, ...]:
    verification = document["verification"]
    return (
        document["run"]["hash"],
        document["samples"]["rows_sha256"],
        verification["tier"],
        verification.get("of"),
    )


def _copy(record: Record, folder: Path) -> Added:
    assert record.path is not None
    for left_over in folder.glob(".*.tmp"):
        shutil.rmtree(left_over)
    rows = (record.path / ROWS_FILE).read_bytes()
    if hashlib.sha256(rows).hexdigest() != record.document["samples"]["file_sha256"]:
        raise DataError(
            f"the rows of the record {record.id} changed while they were read",
            remedy="Repeat the command once nothing writes to its folder.",
        )
    stated = parse_json((record.path / FILE).read_bytes(), name=str(record.path / FILE))
    if record_id(stated) != record.id:
        raise DataError(
            f"the record {record.id} changed while it was read",
            remedy="Repeat the command once nothing writes to its folder.",
        )
    temporary, target = folder / f".{record.id}.tmp", folder / record.id
    temporary.mkdir()
    try:
        write_durably(temporary / ROWS_FILE, rows)
        write_durably(temporary / FILE, document_bytes(stated))  # as written: never in a newer schema
        replace_folder(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Added(record.id, target, new=True)
