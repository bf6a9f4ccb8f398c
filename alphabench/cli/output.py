"""How commands speak: tables and JSON on stdout, progress on stderr."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

ARROWS = {True: "↑", False: "↓", None: ""}
PLAIN_INTERVAL_S = 10.0

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def emit_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", right: int = 1
) -> None:
    """Print a table on stdout; columns from index `right` on are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left")
    table.caption_justify = "left"
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index >= right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=max(120, console.measure(table).maximum))
    console.print(table)


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
    """Yield `report(done, total, note)`: a bar on a terminal, a plain line now and then in a pipe."""
    if sys.stderr.isatty():
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
