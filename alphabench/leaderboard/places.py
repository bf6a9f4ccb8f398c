"""Where records, published numbers and withdrawals lie: stores, folders of runs, the copy in the package."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from alphabench.errors import DataError

RECORD, WITHDRAWN, PUBLISHED, GALLERIES = "record.json", "withdrawn.csv", "published", "galleries"
BESIDE_RECORDS = frozenset({"golden", PUBLISHED, GALLERIES, "submissions"})
"""Folders of a store that hold no records of its table."""
INSIDE_RUNS = frozenset({"parts", "features", "predictions"})


def shipped_store() -> Path | None:
    """Return the store that comes with the package: inside it, or beside it in a checkout; None without one."""
    places = (Path(__file__).parent / "records", Path(__file__).parents[2] / "leaderboard")
    return next((place for place in places if place.is_dir()), None)


def default_roots() -> tuple[Path, ...]:
    """Return `./leaderboard`, else the shipped store, and `./runs` where it exists."""
    store: Path | None = Path("leaderboard")
    if store is None or not store.is_dir():
        store = shipped_store()
    return tuple(place for place in (store, Path("runs")) if place is not None and place.is_dir())


def record_folders(roots: Iterable[Path]) -> list[Path]:
    """Return the folders under `roots` that hold a `record.json`, sorted, each once.

    Of a store the golden records, submissions and galleries are left out; of a run its parts and images are
    not searched.

    Raises:
        DataError: a root does not exist.
    """
    found: dict[Path, None] = {}
    for root in roots:
        if not root.is_dir():
            raise DataError(f"there is no folder {root}", remedy="Name a folder of runs or records with --root.")
        for folder in sorted(_search(root.absolute())):
            found.setdefault(folder)
    return list(found)


def withdrawn_records(roots: Iterable[Path]) -> dict[str, str]:
    """Return the reason of each withdrawal under `roots` and in the shipped store, by record id.

    Raises:
        DataError: a `withdrawn.csv` has other columns than `record_id,date,reason`, or a line is not whole.
    """
    found: dict[str, str] = {}
    for root in _with_shipped(roots):
        path = root / WITHDRAWN
        if not path.is_file():
            continue
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            if lines.fieldnames != ["record_id", "date", "reason"]:
                raise DataError(
                    f"{path} has the columns {lines.fieldnames}, not record_id, date and reason",
                    remedy="Mend its first line.",
                )
            for line in lines:
                if any(not value for value in line.values()) or None in line:
                    raise DataError(
                        f"{path}: line {lines.line_num} is not a record id, a date and a reason",
                        remedy="Quote a reason that has a comma.",
                    )
                found[line["record_id"]] = line["reason"]
    return found


def withdrawal_files(roots: Iterable[Path]) -> list[Path]:
    """Return the files that `withdrawn_records` reads."""
    return [path for root in _with_shipped(roots) if (path := root / WITHDRAWN).is_file()]


def published_files(roots: Iterable[Path]) -> list[Path]:
    """Return the files of published numbers: of the first root that has some, else of the shipped store."""
    for root in _with_shipped(roots):
        if files := sorted((root / PUBLISHED).glob("*.csv"), key=lambda path: path.stem):
            return files
    return []


def _with_shipped(roots: Iterable[Path]) -> Sequence[Path]:
    store = shipped_store()
    places = [root.absolute() for root in roots] + ([] if store is None else [store.absolute()])
    return list(dict.fromkeys(places))


def _search(root: Path) -> Iterator[Path]:
    store = any("@" in entry.name for entry in root.iterdir())
    for name, folders, files in os.walk(root):
        folder = Path(name)
        left_out = INSIDE_RUNS | (BESIDE_RECORDS if store and folder == root else frozenset())
        folders[:] = [inner for inner in folders if inner not in left_out]
        if RECORD in files:
            yield folder
