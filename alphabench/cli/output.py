"""How commands speak: tables and JSON on stdout, progress on stderr."""

import contextlib
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from alphabench.runtime import is_main_process

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ARROWS = {True: "↑", False: "↓", None: ""}
PLAIN_INTERVAL_S = 10.0
LABEL_WIDTH = 28
HEADLINE_METRICS = (
    "psnr",
    "psnr_eps8",
    "ssim_rgb",
    "ssim_pyiqa",
    "lpips",
    "lpips-rand",
    "rfid",
    "rfid-rand",
    "sad",
    "mad",
    "psnr_worst_solid",
)
"""The columns of tables, as far as a protocol has them."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def emit_json(document: Mapping[str, Any], *, compact: bool = False) -> None:
    """Print one JSON document on stdout, indented; or compact, in one line and several times as fast."""
    # Where stdout cannot hold every letter, escapes can.
    plain = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    click.echo(json.dumps(document, indent=None if compact else 2, ensure_ascii=plain, allow_nan=False))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", right: int = 1
) -> None:
    """Print a table on stdout; columns from index `right` on are aligned to the right.

    A terminal too narrow for a table of numbers gets it in several parts, each with the first column, so that
    no number is ever broken.
    """
    console = _console()
    whole = _table(title, columns, rows, caption=caption, right=right)
    natural = _natural_width(whole)
    if not console.is_terminal:
        console = _console(width=max(120, natural))
    parts = [whole]
    if natural > console.width and right < len(columns):
        groups = _fitting(columns, rows, right, console.width)
        parts = [
            _table(
                title if number == 0 else "",
                [_broken(columns[index]) for index in group],
                [[row[index] for index in group] for row in rows],
                caption=caption if number == len(groups) - 1 else "",
                right=right,
                narrow=True,
            )
            for number, group in enumerate(groups)
        ]
    for part in parts:
        console.print(part)


def _table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    right: int = 1,
    narrow: bool = False,
) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left")
    table.caption_justify = "left"
    for index, column in enumerate(columns):
        left = index < right
        limit = LABEL_WIDTH if narrow and left else None
        table.add_column(column, justify="left" if left else "right", overflow="fold", max_width=limit)
    for row in rows:
        table.add_row(*row)
    return table


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], right: int, width: int) -> list[list[int]]:
    """Return the columns of each part of a table that is wider than `width`; each part has the labels."""
    labels = list(range(right))
    groups = [labels]
    for index in range(right, len(columns)):
        wider = [*groups[-1], index]
        heads = [_broken(columns[place]) for place in wider]
        cells = [[row[place] for place in wider] for row in rows]
        if len(wider) > right + 1 and _natural_width(_table("", heads, cells, right=right, narrow=True)) > width:
            groups.append([*labels, index])
        else:
            groups[-1] = wider
    return groups


def _broken(heading: str) -> str:
    """Return a column's heading on several short lines."""
    return re.sub(r"(?<=[_-])|(?<=[↑↓]) ", "\n", heading)


def _natural_width(table: "Table") -> int:
    return _console(width=10_000).measure(table).maximum


def _console(width: int | None = None) -> "Console":
    """Return a console that prints words as they are: units in brackets and names of files are no markup."""
    from rich.console import Console

    return Console(width=width, soft_wrap=False, markup=False, emoji=False)


def heading(metric: str) -> str:
    """Return a metric as the head of a column: its name, an arrow to the better side, its unit."""
    from alphabench.metrics.catalog import CATALOG

    facts = CATALOG[metric]
    return f"{metric}{ARROWS[facts.higher_is_better]} {shown_unit(facts.unit)}".rstrip()


def shown_unit(unit: str) -> str:
    """Return a unit as tables show it: nothing for pure numbers."""
    return "" if unit == "1" else unit


def format_number(value: float | int | None, decimals: int) -> str:
    """Return `value` with `decimals` places; a dash where there is no value."""
    if value is None:
        return "-"
    return "∞" if math.isinf(value) else f"{value:.{decimals}f}"


def format_bytes(count: float | int) -> str:
    """Return a byte count for people, in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield `report(done, total, note)`: a bar on a terminal, a plain line now and then in a pipe.

    Of several processes only rank 0 reports.
    """
    if not is_main_process():
        yield lambda done, total, note: None
    elif sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        yield _lines(title)


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, note="")

        def report(done: int, total: int, note: str) -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield report


def _lines(title: str) -> Callable[[int, int, str], None]:
    last = -math.inf

    def report(done: int, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_INTERVAL_S or done == total:
            last = now
            click.echo(f"{title}: {done}/{total} {note}".rstrip(), err=True)

    return report
