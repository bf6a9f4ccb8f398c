"""Finished records side by side: one table for each protocol and data set, one row for each model."""

import itertools
import multiprocessing
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.leaderboard.entries import Entry, read_entry
from alphabench.leaderboard.places import published_files, record_folders, withdrawn_records
from alphabench.leaderboard.published import PublishedTable, published_protocols, published_tables
from alphabench.leaderboard.rows import Board, Column, Row, Table
from alphabench.leaderboard.selection import Selection, State, record_states

MANY = 64
READERS = 2


def build_board(roots: Sequence[Path], selection: Selection = Selection()) -> Board:  # noqa: B008
    """Return the tables over the records under `roots`, and the published numbers that stand beside them.

    Args:
        roots: stores and folders of runs.
        selection: what is asked for.

    Raises:
        DataError: a root does not exist, there is no record, or none is what was asked for.
        UsageError: a metric, category or background that no table has.
    """
    folders = record_folders(roots)
    entries: dict[str, Entry] = {}
    broken: list[tuple[str, str]] = []
    for folder, found in zip(folders, _read(folders, selection), strict=True):
        if isinstance(found, AlphabenchError):
            broken.append((str(folder), found.message))
        else:
            entries.setdefault(found.record_id, found)
    files = published_files(roots)
    groups: dict[tuple[str, str, str, str], list[Entry]] = defaultdict(list)
    for entry in entries.values():
        ruler = entry.protocol, entry.protocol_hash, entry.data, entry.data_hash
        if selection.has_ruler(*ruler):
            groups[ruler].append(entry)
    withdrawn = withdrawn_records(roots)
    beside: dict[str, list[PublishedTable]] = {}
    tables = []
    for ruler in sorted(groups):
        if ruler[0] not in beside:
            beside[ruler[0]] = _published(files, ruler[0], selection)
        published = next((table for table in beside[ruler[0]] if table.data == ruler[2]), None)
        table = _table(groups[ruler], selection, withdrawn, published)
        if table is not None:
            tables.append(table)
    shown = {(table.protocol, table.data) for table in tables if table.published is not None}
    alone = [] if selection.protocol is None else _published(files, selection.protocol, selection)
    if selection.data is not None:
        alone = [table for table in alone if selection.data in {table.data, table.data.partition("@")[0]}]
    board = Board(
        tables=tuple(tables),
        published=tuple(table for table in alone if (table.protocol, table.data) not in shown),
        broken=tuple(broken),
    )
    if not board.tables and not board.published:
        _refuse_nothing(roots, selection, list(entries.values()), broken, files)
    return board


def _read(folders: Sequence[Path], selection: Selection) -> list[Entry | AlphabenchError]:
    """Return the record of each folder or what is wrong with it; many are read by several processes."""

    def read(folder: Path) -> Entry | AlphabenchError:
        try:
            return read_entry(folder, selection)
        except AlphabenchError as error:
            return error

    readers = min(READERS, os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count() or 1)
    if len(folders) < MANY or readers < 2 or not _may_fork():
        return [read(folder) for folder in folders]
    first = read(folders[0])  # imports and shipped protocols: once, before the processes start
    with ProcessPoolExecutor(readers, mp_context=multiprocessing.get_context("fork")) as pool:
        found = pool.map(_readable, folders[1:], itertools.repeat(selection), chunksize=32)
        import scipy.special  # noqa: F401 - the ranks need it: a fifth of a second while the others read

        # What is wrong with a record is found again here: errors do not travel between processes.
        return [first, *(entry or read(folder) for entry, folder in zip(found, folders[1:], strict=True))]


def _readable(folder: Path, selection: Selection) -> Entry | None:
    try:
        return read_entry(folder, selection)
    except AlphabenchError:
        return None


def _may_fork() -> bool:
    """Say whether this process may be copied: on Linux, and while nothing with threads of its own is loaded."""
    return sys.platform == "linux" and "torch" not in sys.modules and threading.active_count() == 1


def _table(
    entries: Sequence[Entry], selection: Selection, withdrawn: Mapping[str, str], published: PublishedTable | None
) -> Table | None:
    from alphabench.metrics.catalog import CATALOG

    states = record_states(entries, withdrawn)
    candidates = [entry for entry in entries if states[entry.record_id] == "current" and entry.tier >= selection.tier]
    first = entries[0]
    sort = first.sort
    columns = tuple(
        Column(name, CATALOG[name].unit, CATALOG[name].higher_is_better, CATALOG[name].kind)
        for name in first.metrics
        if any(name in entry.values for entry in entries)
    )
    asked = (selection.sort, selection.category, selection.background) != (None, None, None)
    if sort is None or (asked and all(column.metric != sort for column in columns)):
        return None
    ranks = _ranks(candidates)
    rows = []
    for entry in entries:
        state = states[entry.record_id]
        there = state == "current" and entry.tier >= selection.tier
        if (there or selection.every) and selection.has_model(entry.org, entry.model):
            reason = withdrawn.get(entry.record_id, "") or entry.reason
            rows.append(_row(entry, ranks.get(entry.record_id), state, reason))
    hidden: dict[str, int] = defaultdict(int)
    for entry in entries:
        if not selection.every and states[entry.record_id] != "current":
            hidden[states[entry.record_id]] += 1
    better = CATALOG[sort].higher_is_better
    return Table(
        protocol=first.protocol,
        protocol_hash=first.protocol_hash,
        data=first.data,
        data_hash=first.data_hash,
        task=first.task,
        category=selection.category,
        background=selection.background,
        backgrounds=first.backgrounds,
        categories=first.categories,
        sort=sort,
        compared=len(candidates),
        columns=columns,
        rows=tuple(sorted(rows, key=lambda row: _order(row, sort, higher=better is not False))),
        published=published,
        hidden=dict(hidden),
    )


def _ranks(entries: Iterable[Entry]) -> dict[str, int | None]:
    """Return ranks by record id: by the paired test among records with values on the same images, else None.

    Records with values on other images cannot be paired and prove nothing about each other.
    """
    from alphabench.results.ranks import proved_ranks

    ranks: dict[str, int | None] = {}
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        ranks[entry.record_id] = None
        if entry.scores is not None:
            groups[entry.scores.key].append(entry)
    for members in groups.values():
        scores = [entry.scores for entry in members if entry.scores is not None]
        found = proved_ranks(np.stack([item.values for item in scores]), scores[0].categories)
        ranks.update({entry.record_id: int(rank) for entry, rank in zip(members, found, strict=True)})
    return ranks


def _row(entry: Entry, rank: int | None, state: State, reason: str) -> Row:
    return Row(
        rank=rank if state == "current" else None,
        state=state,
        reason=reason,
        record_id=entry.record_id,
        path=entry.path,
        org=entry.org,
        model=entry.model,
        licence=entry.licence,
        tier=entry.tier,
        created=entry.created,
        complete=entry.complete,
        samples=entry.samples,
        latent=entry.latent,
        signature=entry.signature,
        states=dict(entry.metrics),
        values=dict(entry.values),
    )


def _order(row: Row, sort: str, *, higher: bool) -> tuple[bool, float, float, str, str]:
    """Order by rank, then value, then name; what has no rank stands last."""
    held = row.values.get(sort)
    value = float("inf") if held is None else (-held.value if higher else held.value)
    rank = float("inf") if row.rank is None else float(row.rank)
    return row.state != "current", rank, value, f"{row.org}/{row.model}", row.created


def _published(files: Sequence[Path], protocol: str, selection: Selection) -> list[PublishedTable]:
    return published_tables(files, protocol=protocol, category=selection.category, background=selection.background)


def _refuse_nothing(
    roots: Sequence[Path],
    selection: Selection,
    entries: Sequence[Entry],
    broken: Sequence[tuple[str, str]],
    files: Sequence[Path],
) -> None:
    """Say why there is nothing to show, unless there are broken records, which say it themselves."""
    places = ", ".join(map(str, roots))
    if not entries:
        if broken:
            return
        other = f", or show published numbers with --protocol {published_protocols(files)[0]}" if files else ""
        raise DataError(
            f"there is no record under {places}",
            remedy=f"Make one: alphabench reconstruct --model alphavae{other}",
        )
    fitting = [
        entry
        for entry in entries
        if selection.has_ruler(entry.protocol, entry.protocol_hash, entry.data, entry.data_hash)
    ]
    if not fitting:
        there = sorted({f"{entry.protocol} on {entry.data}" for entry in entries})
        names = [*there, *published_protocols(files)]
        raise DataError(
            f"there is no record of {selection.protocol or 'any protocol'} on {selection.data or 'any data'}",
            remedy=f"There are: {', '.join(names[:12])}.",
        )
    asked = [
        ("metric", selection.sort, sorted({name for entry in fitting for name in entry.metrics})),
        ("category", selection.category, sorted({name for entry in fitting for name in entry.categories})),
        ("background", selection.background, ["gray", "white", "red", "checker8", "worst-solid", "alpha", "mean9"]),
    ]
    for what, name, choices in asked:
        if name is not None and name not in choices:
            raise UsageError(f"no table has the {what} {name!r}", remedy=f"Use one of: {', '.join(choices)}.")
    raise UsageError(
        f"no table has {selection.sort or 'its first metric'} "
        f"in category {selection.category or 'mean'} on background {selection.background or 'mean'}",
        remedy="Choose another metric with --sort, or leave --category or --background out.",
    )
