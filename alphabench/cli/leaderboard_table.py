"""How a table of records looks in a terminal: as many metrics as the width allows, best values bold."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from alphabench.leaderboard.cells import (
    TIERS,
    hidden_words,
    metric_heading,
    published_title,
    rank_text,
    ranking_words,
    scope_words,
    state_text,
    table_metrics,
    value_text,
)
from alphabench.leaderboard.published import PublishedTable
from alphabench.leaderboard.rows import Row, Table

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2
"""Blanks between columns: one of the padding, one of the rule under the heads."""
LEAST_LABEL = 24
FOLDED = frozenset({"model", "state", "paper"})
DROPPED = ("date", "n", "tier", "record")
"""What a terminal too narrow for one metric does without, in this order."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and whether it is bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a table; grey lines have no standing among the others."""

    cells: dict[str, Cell]
    grey: bool = False


def print_table(table: Table, metrics: Sequence[str]) -> None:
    """Print a table of records, the published ones grey behind, and its signatures below."""
    console, width = _console()
    names = table_metrics(table, metrics)
    facts = {column.metric: (column.unit, column.higher_is_better) for column in table.columns}
    facts |= {name: (unit, better) for name, unit, better in (table.published.metrics if table.published else ())}
    heads = {name: metric_heading(name, *facts[name]) for name in names}
    orgs = {row.org for row in table.rows}
    lines = [_line(row, table, names, org=True, bounds=True) for row in table.rows]
    lines += _published_lines(table.published, names, paper=False)
    other = [key for key in ("latent/px", "state") if any(line.cells[key].text not in {"", "-"} for line in lines)]
    tail = ["n", "tier", "date", "record"]
    shown = ["#", "model", *names, *tail, *other]
    left_out: list[str] = []
    if width is not None and _width(shown, heads, lines) > width:
        lines = [_line(row, table, names, org=len(orgs) > 1, bounds=False) for row in table.rows]
        lines += _published_lines(table.published, names, paper=False)
        other = [key for key in other if key == "state"]
        shown = ["#", "model", *names[:1], *tail, *other]
        for key in DROPPED:
            if _width(shown, heads, lines) > width and key in shown:
                shown.remove(key)
        for name in names[1:]:
            wider = [*shown[: 2 + _count(shown, names)], name, *shown[2 + _count(shown, names) :]]
            if _width(wider, heads, lines) <= width:
                shown = wider
            else:
                left_out.append(name)
    title = f"{table.protocol} on {table.data}: {scope_words(table)}"
    if len(orgs) == 1 and not any("/" in line.cells["model"].text for line in lines if not line.grey):
        title += f"; models of {next(iter(orgs))}"
    _print(console, title, shown, heads, lines, width)
    notes = [ranking_words(table), f"{TIERS}", _interval_words(shown, lines), hidden_words(table)]
    if left_out:
        notes.append(f"no room for {', '.join(left_out)}: widen the terminal, or choose with --metric")
    if table.published is not None:
        notes.append(f"grey: published, not measured here, not ranked ({_sources(table.published)})")
    for note in filter(None, notes):
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=width is None)
    click.echo(f"protocol   {table.protocol_hash[:8]}  data {table.data_hash[:8]}")
    for signature in table.signatures:
        click.echo(f"signature  {signature}")


def print_published(table: PublishedTable) -> None:
    """Print a published table that stands beside no record: grey, without ranks."""
    console, width = _console()
    heads = {name: metric_heading(name, unit, better) for name, unit, better in table.metrics}
    lines = _published_lines(table, list(heads), paper=True)
    shown = ["model", *heads, "paper"]
    left_out: list[str] = []
    if width is not None and _width(shown, heads, lines) > width:
        shown.remove("paper")
    while width is not None and _width(shown, heads, lines) > width and len(shown) > 2:
        left_out.insert(0, shown.pop())
    _print(console, f"{published_title(table)}: published, not measured here, not ranked", shown, heads, lines, width)
    if left_out:
        console.print(
            f"no room for {', '.join(left_out)}: widen the terminal", style="dim", markup=False, highlight=False
        )
    console.print(f"source: {_sources(table)}", style="dim", markup=False, highlight=False)


def _line(row: Row, table: Table, names: Sequence[str], *, org: bool, bounds: bool) -> Line:
    best = table.best()
    cells = {
        "#": Cell(rank_text(row)),
        "model": Cell(f"{row.org}/{row.model}" if org else row.model),
        "n": Cell("-" if (item := row.values.get(table.sort)) is None else str(item.n)),
        "tier": Cell(str(row.tier)),
        "date": Cell(row.created[:10]),
        "record": Cell(row.record_id[:8]),
        "latent/px": Cell("-" if row.latent is None else f"{row.latent:g}"),
        "state": Cell(state_text(row)),
    }
    for name in names:
        item = row.values.get(name)
        first = row.state == "current" and item is not None and item.value == best.get(name)
        cells[name] = Cell(value_text(name, item, bounds=bounds and name == table.sort), bold=first)
    return Line(cells, grey=row.state != "current")


def _published_lines(table: PublishedTable | None, names: Sequence[str], *, paper: bool) -> list[Line]:
    lines = []
    for row in () if table is None else table.rows:
        cells = {key: Cell("-") for key in ("#", "n", "tier", "date", "latent/px")}
        cells |= {"model": Cell(row.method), "record": Cell("publ."), "state": Cell("")}
        cells["paper"] = Cell(f"{row.paper} {row.table}" if paper else "")
        cells |= {name: Cell(row.values.get(name, "-")) for name in names}
        lines.append(Line(cells, grey=True))
    return lines


def _print(
    console: "Console", title: str, shown: Sequence[str], heads: dict[str, str], lines: Sequence[Line],
    width: int | None,
) -> None:  # fmt: skip
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=width is None)
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), show_edge=False, pad_edge=False)
    for key in shown:
        left = key in {"model", "state", "date", "record", "paper"}
        grid.add_column(
            Text("\n".join(_broken(heads.get(key, key)))),
            justify="left" if left else "right",
            no_wrap=key not in FOLDED,
            overflow="fold",
        )
    for line in lines:
        cells = [Text(line.cells[key].text, style="bold" if line.cells[key].bold else "") for key in shown]
        grid.add_row(*cells, style="dim" if line.grey else "")
    console.print(grid, soft_wrap=False)


def _console() -> tuple["Console", int | None]:
    """Return the console and its width; None where the output is no terminal and no width is asked for."""
    from rich.console import Console

    console = Console()
    if console.is_terminal or os.environ.get("COLUMNS", "").isdecimal():
        return console, console.width
    return Console(width=10_000), None


def _width(shown: Sequence[str], heads: dict[str, str], lines: Sequence[Line]) -> int:
    from rich.cells import cell_len

    total = 0
    for key in shown:
        texts = [*_broken(heads.get(key, key)), *(line.cells[key].text for line in lines)]
        widest = max(map(cell_len, texts))
        total += min(widest, LEAST_LABEL) if key in FOLDED else widest
    return total + GAP * len(shown) - 1


def _broken(heading: str) -> list[str]:
    """Return a column's heading on short lines: broken at blanks and behind hyphens and underscores."""
    return re.sub(r"(?<=[_-])| ", "\n", heading).split("\n")


def _count(shown: Sequence[str], names: Sequence[str]) -> int:
    return sum(name in shown for name in names)


def _interval_words(shown: Sequence[str], lines: Sequence[Line]) -> str:
    bounded = any("±" in line.cells[key].text for line in lines for key in shown)
    return "±: half of the 95 % interval over images" if bounded else ""


def _sources(table: PublishedTable) -> str:
    found = dict.fromkeys(f"arXiv {row.paper}, {row.table}" for row in table.rows)
    return "; ".join(found)
