"""Boards kept between commands, each under a name that follows from everything it was made of.

The name is a hash of the version, the question, and of every file that was read its path, inode, size and
both times to the nanosecond: no writer can change a file and keep them all. A board is kept only if no file
changed in the last seconds, so that a change within one tick of the file system's clock cannot hide. The
first line of a kept board is the hash of the rest. Whatever is wrong with the cache, the table is made anew.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alphabench.leaderboard.places import published_files, record_folders, withdrawal_files
from alphabench.leaderboard.published import MAPPING, PublishedRow, PublishedTable
from alphabench.leaderboard.rows import Board, Column, Row, Table, Value
from alphabench.leaderboard.selection import Selection
from alphabench.runtime import cache_dir
from alphabench.version import __version__

FORM = 1
"""Rises with any change of what a kept board says."""
KEPT = 32
QUIET_S = 3.0
FILES = ("record.json", "samples.parquet")


def cached_board(roots: Sequence[Path], selection: Selection, *, folder: Path | None = None) -> Board:
    """Return what `build_board` returns, from the cache where nothing has changed since.

    Args:
        roots: stores and folders of runs.
        selection: what is asked for.
        folder: where boards are kept; the user's cache folder by default.

    Raises:
        DataError: as `build_board`.
        UsageError: as `build_board`.
    """
    place = cache_dir() / "leaderboard" if folder is None else folder
    before, newest = _state(roots, selection)
    path = place / f"{before}.json"
    if (kept := _read(path)) is not None:
        return kept
    from alphabench.leaderboard.board import build_board

    board = build_board(roots, selection)
    after, _ = _state(roots, selection)
    if before == after and time.time() - newest > QUIET_S:
        _keep(path, board)
    return board


def _state(roots: Sequence[Path], selection: Selection) -> tuple[str, float]:
    """Return the name of the board, and when the newest of its files changed, in seconds since 1970."""
    package = Path(__file__).parents[1]
    folders = record_folders(roots)
    published = published_files(roots)
    rest = [*published, *(path.parent / MAPPING for path in published[:1]), *withdrawal_files(roots)]
    rest += [*sorted((package / "protocols" / "shipped").glob("*.toml")), package / "leaderboard" / "gate.toml"]
    files = [f"{folder}{os.sep}{name}" for folder in folders for name in FILES]
    files += [f"{folder.parent}{os.sep}request.json" for folder in folders]
    digest = hashlib.sha256(repr((FORM, __version__, selection)).encode())
    newest = 0.0
    for path in [*files, *map(str, rest)]:  # thousands of them: as text, a path object would take most of the time
        try:
            facts = os.stat(path)  # noqa: PTH116 - see above
        except OSError:
            digest.update(f"{path}\x1fabsent\x1e".encode())
            continue
        numbers = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        digest.update(f"{path}\x1f{numbers}\x1e".encode())
        newest = max(newest, facts.st_mtime, facts.st_ctime)
    return digest.hexdigest()[:32], newest


def _read(path: Path) -> Board | None:
    try:
        head, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != head:
            return None
        return board_from(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _keep(path: Path, board: Board) -> None:
    from alphabench.results.durable import write_durably

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        body = json.dumps(board_document(board), separators=(",", ":")).encode()
        write_durably(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        kept = sorted(path.parent.glob("*.json"), key=lambda other: other.stat().st_mtime_ns)
        for other in kept[:-KEPT]:
            other.unlink(missing_ok=True)


def board_document(board: Board) -> dict[str, Any]:
    """Return a board as plain values, from which `board_from` makes it again."""
    tables = []
    for table in board.tables:
        rows = [
            {
                **{key: value for key, value in vars(row).items() if key != "values"},
                "values": {metric: [item.value, item.n, item.low, item.high] for metric, item in row.values.items()},
            }
            for row in table.rows
        ]
        facts = {key: value for key, value in vars(table).items() if key not in {"rows", "columns", "published"}}
        published = None if table.published is None else asdict(table.published)
        columns = [list(vars(column).values()) for column in table.columns]
        tables.append({**facts, "columns": columns, "published": published, "rows": rows})
    return {"tables": tables, "published": [asdict(table) for table in board.published], "broken": board.broken}


def board_from(document: Mapping[str, Any]) -> Board:
    """Return the board of a document that `board_document` made."""
    tables = []
    for facts in document["tables"]:
        rows = [
            Row(**{**row, "values": {metric: Value(*item) for metric, item in row["values"].items()}})
            for row in facts["rows"]
        ]
        published = None if facts["published"] is None else _published(facts["published"])
        columns = tuple(Column(*column) for column in facts["columns"])
        known = {**facts, "categories": tuple(facts["categories"]), "columns": columns}
        tables.append(Table(**{**known, "rows": tuple(rows), "published": published}))
    return Board(
        tables=tuple(tables),
        published=tuple(_published(facts) for facts in document["published"]),
        broken=tuple((path, reason) for path, reason in document["broken"]),
    )


def _published(facts: Mapping[str, Any]) -> PublishedTable:
    rows = tuple(PublishedRow(**row) for row in facts["rows"])
    metrics = tuple((name, unit, better) for name, unit, better in facts["metrics"])
    return PublishedTable(**{**facts, "metrics": metrics, "rows": rows})
