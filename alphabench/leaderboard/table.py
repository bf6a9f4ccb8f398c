"""Finished records side by side: one table for each protocol and data set, best first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphabench.errors import AlphabenchError, DataError
from alphabench.results.record import Record, load_record

PRIMARY = ("psnr", "psnr_eps8")
"""The metrics that order a table, the first one present."""


@dataclass(frozen=True)
class Table:
    """Records that may be compared: one protocol hash, one data hash.

    Attributes:
        protocol: id of the protocol.
        protocol_hash: its full hash.
        data: id of the data set.
        data_hash: its full hash.
        records: complete ones first, best first by the primary metric, then by name.
    """

    protocol: str
    protocol_hash: str
    data: str
    data_hash: str
    records: tuple[Record, ...]


@dataclass
class Shelf:
    """The records found under some folders.

    Attributes:
        tables: one for each pair of protocol and data set.
        broken: folders whose record cannot be read, with the reason.
    """

    tables: list[Table] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)


def read_shelf(roots: Sequence[Path]) -> Shelf:
    """Return the tables over every record under `roots`, the newest record of each model.

    Raises:
        DataError: no record is found, or a root does not exist.
    """
    for root in roots:
        if not root.is_dir():
            raise DataError(f"there is no folder {root}", remedy="Name a folder of runs or records with --root.")
    shelf = Shelf()
    records = []
    for folder in sorted({path.parent for root in roots for path in root.rglob("record.json")}):
        try:
            records.append(load_record(folder))
        except AlphabenchError as error:
            shelf.broken.append((folder, error.message))
    if not records and not shelf.broken:
        raise DataError(
            f"there is no record under {', '.join(map(str, roots))}",
            remedy="Make one: alphabench reconstruct --model alphavae",
        )
    shelf.tables = list(_tables(_newest(records)))
    return shelf


def _newest(records: Iterable[Record]) -> list[Record]:
    """Keep, of each run (same request, hence same model), the record made last."""
    last: dict[str, Record] = {}
    for record in sorted(records, key=lambda item: (item.document["complete"], item.document["created"])):
        last[record.document["run"]["hash"]] = record
    return list(last.values())


def _tables(records: Iterable[Record]) -> Iterable[Table]:
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        document = record.document
        groups[(document["protocol"]["hash"], document["data"]["manifest_hash"])].append(record)
    for (protocol_hash, data_hash), members in groups.items():
        document = members[0].document
        yield Table(
            protocol="{name}@{version}".format(**document["protocol"]),
            protocol_hash=protocol_hash,
            data="{name}@{version}".format(**document["data"]),
            data_hash=data_hash,
            records=tuple(sorted(members, key=_order)),
        )


def _order(record: Record) -> tuple[bool, float, str]:
    value = next(
        (
            aggregate["value"]
            for name in PRIMARY
            if (aggregate := record.aggregates.get(name)) and aggregate["value"] is not None
        ),
        float("-inf"),
    )
    return (not record.complete, -float(value), record.document["model"]["name"])


def latent_numbers(document: Mapping[str, Any]) -> float | None:
    """Return how many numbers a pixel the model's code holds; None where the record does not say."""
    value = document["model"].get("config", {}).get("latent_numbers_per_pixel")
    return None if value is None else float(value)
