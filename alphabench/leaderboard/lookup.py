"""Find a record by its folder or by the first digits of its id."""

import re
from collections.abc import Sequence
from pathlib import Path

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.leaderboard.places import record_folders
from alphabench.results.canonical import parse_json
from alphabench.results.columnar import load_record_quickly
from alphabench.results.document import FILE
from alphabench.results.record import Record, load_record

LEAST_DIGITS = 6


def find_record(name: str, roots: Sequence[Path], *, quick: bool = False) -> Record:
    """Return the record in the folder `name`, or the one under `roots` whose id starts with `name`.

    Args:
        name: a folder, or the first digits of a record id.
        roots: where records are looked for.
        quick: the intervals that the record states will not be used, and need no check.

    Raises:
        DataError: there is no such record, or it was edited or damaged.
        UsageError: too few digits, or records with different ids start with them.
    """
    load = load_record_quickly if quick else load_record
    if Path(name).exists():
        return load(name)
    places = ", ".join(map(str, roots)) or "no folder"
    if not re.fullmatch(r"[0-9a-f]{1,32}", name):
        raise DataError(
            f"there is no record {name!r}: no such folder, and no record id",
            remedy="Give a run's folder, a record's folder, or the first digits of a record id.",
        )
    if len(name) < LEAST_DIGITS:
        raise UsageError(
            f"the record id {name!r} has {len(name)} digits, at least {LEAST_DIGITS} are needed",
            remedy="Copy it from `alphabench leaderboard`.",
        )
    found: dict[str, Path] = {}
    for root in roots:
        for folder in record_folders([root]):
            if (identity := _identity(folder / FILE)).startswith(name):
                found.setdefault(identity, folder)
    if not found:
        raise DataError(
            f"there is no record {name!r} under {places}",
            remedy="Show the records with `alphabench leaderboard`, or name their folder with --root.",
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} records start with {name!r}: {', '.join(sorted(found)[:5])}", remedy="Give more digits."
        )
    return load(next(iter(found.values())))


def _identity(path: Path) -> str:
    """Return the id that a record states; empty where the file says none.

    In a store it is the name of the record's folder, which is checked when the record is read.
    """
    if re.fullmatch(r"[0-9a-f]{32}", path.parent.name):
        return path.parent.name
    try:
        document = parse_json(path.read_bytes(), name=str(path))
    except (AlphabenchError, OSError):
        return ""
    return str(document.get("record_id", "")) if isinstance(document, dict) else ""
