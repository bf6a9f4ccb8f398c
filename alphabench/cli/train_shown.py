"""How a training is shown: a bar with what is left and the losses, lines for events, a table for a dry run."""

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from alphabench.cli.output import PLAIN_INTERVAL_S, format_bytes, print_table
from alphabench.runtime import is_main_process

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

FIRST = ("loss",)  # shown before the other terms: a narrow terminal has no room for all
BAR_WIDTH = 16
COLUMNS_BETWEEN = 5  # blanks between the columns of the bar, and one to spare


class Shown:
    """What a training has told, and where it is shown.

    Attributes:
        facts: numbers about the whole run, by name.
        messages: events in their order.
    """

    def __init__(self, title: str, bar: "tuple[Progress, TaskID] | None") -> None:
        self.title = title
        self.facts: dict[str, float | int] = {}
        self.messages: list[str] = []
        self._bar = bar
        self._last = -math.inf

    def report(self, state: Any) -> None:
        """Show one `TrainProgress`: an event as a line of its own, a step on the bar."""
        self.facts |= getattr(state, "facts", {})
        if state.message:
            self.messages.append(state.message)
            self._line(state.message)
        if state.losses:
            self._step(state, getattr(state, "remaining_seconds", None))

    def _line(self, text: str) -> None:
        if not is_main_process():
            return
        if self._bar:
            self._bar[0].console.print(text, markup=False, highlight=False)
        else:
            click.echo(f"{self.title}: {text}", err=True)

    def _step(self, state: Any, remaining: float | None) -> None:
        left = "" if remaining is None else f"{format_duration(remaining)} left"
        if self._bar:
            bar, task = self._bar
            counted = f"{state.steps}/{state.steps}"
            room = bar.console.width - len(self.title) - BAR_WIDTH - len(counted) - len(left) - COLUMNS_BETWEEN
            losses = format_losses(state.losses, room)
            bar.update(task, completed=state.step, total=state.steps, left=left, losses=losses)
            return
        losses = format_losses(state.losses)
        now = time.monotonic()
        if is_main_process() and (now - self._last >= PLAIN_INTERVAL_S or state.step == state.steps):
            self._last = now
            click.echo("  ".join(filter(None, [f"{self.title}: {state.step}/{state.steps}", left, losses])), err=True)


@contextlib.contextmanager
def training_shown(title: str) -> Iterator[Shown]:
    """Yield what shows a training on stderr: a bar on a terminal, a line now and then in a pipe."""
    if not (is_main_process() and sys.stderr.isatty()):
        yield Shown(title, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=BAR_WIDTH),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[losses]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Shown(title, (bar, bar.add_task(title, total=None, left="", losses="")))


def print_dry_run(title: str, facts: Mapping[str, float | int]) -> None:
    """Print what two steps told about the whole run; what is not known has no row."""
    rows = []
    seconds, steps = facts.get("seconds_per_step"), facts.get("recipe_steps")
    if seconds is not None:
        rows.append(("one step", f"{seconds:.3g} s"))
        if steps is not None:
            rows.append(("the whole run", f"about {format_duration(seconds * steps)} for {int(steps):,} steps"))
    for name, words in (("peak_memory_bytes", "peak memory"), ("peak_gpu_memory_bytes", "peak memory of the GPU")):
        if (peak := facts.get(name)) is not None:
            rows.append((words, format_bytes(peak)))
    if (parameters := facts.get("parameters")) is not None:
        rows.append(("trained parameters", f"{int(parameters):,}"))
    if (images := facts.get("images")) is not None:
        drawn = f", and {int(facts['procedural']):,} procedural" if facts.get("procedural") else ""
        rows.append(("training images", f"{int(images):,} files{drawn}"))
    if (skipped := facts.get("skipped")) is not None:
        rows.append(("unreadable files", f"{int(skipped):,}"))
    print_table(f"dry run of {title}", ("what", "measured"), rows, right=99)


def format_duration(seconds: float) -> str:
    """Return a time for people, its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_losses(losses: Mapping[str, float], room: int | None = None) -> str:
    """Return the terms of a step in one line, the loss first; at most as many as fit into `room` characters."""
    terms = [f"{name} {losses[name]:.3g}" for name in sorted(losses, key=lambda name: name not in FIRST)]
    while room is not None and len(terms) > 1 and len(" ".join(terms)) > room:
        terms.pop()
    return " ".join(terms)
