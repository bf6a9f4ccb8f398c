"""The record that a pack may bring: what its maker claims to have measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alphabench.errors import AlphabenchError
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.names import RECORD, RECORD_FILES
from alphabench.results.record import Record, load_record

DOCUMENT, ROWS = RECORD_FILES
REMEDY = "Take the record as the run wrote it, or leave it out: it is optional."


def read_claim(folder: Path, card: Card, ground: Ground, model_hash: str) -> Record:
    """Return the claimed record of a pack, read with every check.

    Args:
        folder: the private copy.
        card: the pack's card.
        ground: what the pack is judged on.
        model_hash: identity of the pack's model.

    Raises:
        Refused: the record is damaged, edited, incomplete, or of another model, protocol or data set.
    """
    refuse(check_pair(card))
    most = len(ground.data.manifest.samples) * len(ground.protocol.sample_keys())
    refuse(check_rows((folder / ROWS).read_bytes(), most))
    try:
        record = load_record(folder / RECORD, protocol=ground.protocol)
    except AlphabenchError as error:
        fact = error.message.replace(str(folder), "").replace("/record/", "record/")
        raise Refused([finding("E_RECORD", DOCUMENT, fact, error.remedy)]) from error
    document = record.document
    refuse(
        [
            *check_hashes(document, ground, model_hash),
            *check_names(document, card),
            *check_untouched(document),
        ]
    )
    return record.in_memory()


def check_pair(card: Card) -> list[Finding]:
    """Refuse half a record."""
    present = [path for path in RECORD_FILES if path in card.files]
    if len(present) == len(RECORD_FILES):
        return []
    return [finding("E_RECORD", present[0], "its other half is missing", f"Give both: {', '.join(RECORD_FILES)}.")]


def check_rows(data: bytes, most: int) -> list[Finding]:
    """Refuse rows that are too many or too large, by what their file says of itself: nothing is decoded.

    Args:
        data: the Parquet file.
        most: rows that a complete record of the data set has.
    """
    try:
        facts = pq.ParquetFile(pa.BufferReader(data)).metadata
        groups = [facts.row_group(index) for index in range(facts.num_row_groups)]
        columns = [group.column(index) for group in groups for index in range(group.num_columns)]
        counts = [facts.num_rows, sum(group.num_rows for group in groups)]
        counts += [sum(column.num_values for column in columns) // max(1, facts.num_columns)]
        size = sum(column.total_uncompressed_size for column in columns)
        nested = facts.num_columns != 5 or any("." in column.path_in_schema for column in columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        return [finding("E_RECORD", ROWS, f"it is no Parquet file: {error}", REMEDY)]
    if nested:
        return [finding("E_RECORD", ROWS, "its columns are not five plain ones", REMEDY)]
    if max(counts) > most:
        return [finding("E_RECORD", ROWS, f"it says that it has {max(counts)} rows, the set has {most}", REMEDY)]
    if size > limits.DECODED_ROWS_BYTES:
        return [finding("E_RECORD", ROWS, f"its columns would have {size} bytes", REMEDY)]
    return []


def check_hashes(document: Mapping[str, Any], ground: Ground, model_hash: str) -> list[Finding]:
    """Refuse a record of another protocol, data set or model than the pack's."""
    pairs = {
        "protocol": (document["protocol"]["hash"], ground.protocol.hash),
        "data set": (document["data"]["manifest_hash"], ground.data.full_hash),
        "model": (document["model"]["hash"], model_hash),
    }
    found = [
        finding("E_RECORD", DOCUMENT, f"it is of the {what} {stated}, the pack's is {own}", REMEDY)
        for what, (stated, own) in pairs.items()
        if stated != own
    ]
    if (count := document["data"]["samples"]) != ground.data.total:
        fact = f"it has {count} samples, the set {ground.data.total}"
        found.append(finding("E_RECORD", DOCUMENT, fact, REMEDY))
    return found


def check_names(document: Mapping[str, Any], card: Card) -> list[Finding]:
    """Refuse a record whose model is called otherwise than the card's."""
    model = document["model"]
    return [
        finding("E_RECORD", DOCUMENT, f"its {key} is {model[key]!r}, the card's {own!r}", REMEDY)
        for key, own in (("org", card.model.org), ("name", card.model.name), ("licence", card.model.licence))
        if model[key] != own
    ]


def check_untouched(document: Mapping[str, Any]) -> list[Finding]:
    """Refuse a record that is incomplete, or that claims a verification for itself."""
    found = []
    if not document["complete"]:
        reason = document["incomplete_reasons"][0]
        found.append(finding("E_RECORD", DOCUMENT, f"it is incomplete: {reason}", "Finish the run."))
    if document["verification"] != {"tier": 0}:
        found.append(finding("E_RECORD", DOCUMENT, "it claims to be verified; that is for others to say", REMEDY))
    return found
