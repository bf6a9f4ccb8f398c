"""Published numbers as a page of their own: every table of every paper, never ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alphabench.leaderboard.cells import metric_heading, published_title
from alphabench.leaderboard.places import published_files
from alphabench.leaderboard.published import PublishedTable, published_protocols, published_tables


@dataclass(frozen=True)
class PublishedLine:
    """One method of one paper."""

    method: str
    cells: tuple[str, ...]
    source: str
    note: str


@dataclass(frozen=True)
class PublishedSection:
    """Rows that may stand side by side."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[PublishedLine, ...]


def published_sections(roots: Sequence[Path]) -> list[PublishedSection]:
    """Return the published tables over the mean of the backgrounds or without any; splits are left out.

    Raises:
        DataError: a file of published numbers cannot be read.
    """
    files = published_files(roots)
    return [
        _section(table)
        for protocol in published_protocols(files)
        for table in published_tables(files, protocol=protocol)
    ]


def _section(table: PublishedTable) -> PublishedSection:
    return PublishedSection(
        title=published_title(table),
        heads=tuple(metric_heading(name, unit, better) for name, unit, better in table.metrics),
        rows=tuple(
            PublishedLine(
                method=row.method,
                cells=tuple(row.values.get(name, "–") for name, *_ in table.metrics),
                source=f"{row.title}, arXiv {row.paper}, {row.table}",
                note=row.note,
            )
            for row in table.rows
        ),
    )
