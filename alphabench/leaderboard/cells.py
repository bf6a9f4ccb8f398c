"""What stands in the cells of a table: for people, rounded for display only."""

import math
from collections.abc import Sequence

from alphabench.leaderboard.published import PublishedTable
from alphabench.leaderboard.rows import Row, Table, Value
from alphabench.metrics.catalog import CATALOG

ARROWS = {True: "↑", False: "↓", None: ""}
STATES = {
    "current": "",
    "older": "older record of its model",
    "superseded": "superseded",
    "withdrawn": "withdrawn",
    "incomplete": "incomplete",
}
TIERS = "tier 0 self-reported, 1 re-scored, 2 re-generated"


def metric_heading(metric: str, unit: str, better: bool | None) -> str:
    """Return a metric as the head of a column: its name, an arrow to the better side, its unit."""
    return f"{metric}{ARROWS[better]} {'' if unit == '1' else unit}".rstrip()


def value_text(metric: str, item: Value | None, *, bounds: bool = False) -> str:
    """Return a value as tables show it, on request with half its interval; a dash where there is none."""
    if item is None:
        return "-"
    digits = CATALOG[metric].decimals
    text = "∞" if math.isinf(item.value) else f"{item.value:.{digits}f}"
    if bounds and item.low is not None and item.high is not None:
        text += f" ±{(item.high - item.low) / 2:.{digits}f}"
    return text


def rank_text(row: Row) -> str:
    """Return a row's rank; a dash where it has none."""
    return "-" if row.rank is None else str(row.rank)


def state_text(row: Row) -> str:
    """Return why a row stands for no model; empty where it does."""
    words = STATES[row.state]
    return f"{words}: {row.reason}" if words and row.reason else words


def table_metrics(table: Table, wanted: Sequence[str]) -> list[str]:
    """Return the metrics to show: the sort metric first, then those of `wanted` that the table has, in order.

    Metrics that only published rows have come last.
    """
    there = {column.metric for column in table.columns}
    printed = [] if table.published is None else [name for name, *_ in table.published.metrics]
    chosen = [name for name in (table.sort, *wanted) if name in there]
    chosen += [name for name in wanted if name in printed]
    return list(dict.fromkeys(chosen))


def table_title(table: Table) -> str:
    """Return one line: protocol, data, images, what the values are means of."""
    words = f"{table.protocol} on {table.data}"
    return f"{words}: {scope_words(table)}"


def scope_words(table: Table) -> str:
    """Return what the values of a table are means of."""
    samples = {row.samples for row in table.rows}
    parts = [f"{samples.pop()} images"] if len(samples) == 1 else []
    parts.append(f"category {table.category}" if table.category else f"mean of {len(table.categories)} categories")
    parts.append(f"background {table.background}" if table.background else f"mean of {table.backgrounds} backgrounds")
    return ", ".join(parts)


def published_title(table: PublishedTable) -> str:
    """Return one line: whose numbers on what."""
    parts = [f"{table.protocol} on {table.data}", table.task.replace("_", " ")]
    if table.category != "all":
        parts.append(table.category)
    if table.background != "n/a":
        parts.append("mean of backgrounds" if table.background == "mean" else f"background {table.background}")
    return ", ".join(parts)


def ranking_words(table: Table) -> str:
    """Return how the ranks came about."""
    if table.ranked:
        return f"rank: 1 + the models proved better in {table.sort} (paired test over images, Holm); ties share it"
    if all(column.metric != table.sort for column in table.columns):
        return f"no record has a value of {table.sort}: none is ranked"
    kind = next(column.kind for column in table.columns if column.metric == table.sort)
    if kind == "set":
        return f"sorted by {table.sort}, not ranked: a distance between sets has no paired test"
    return f"sorted by {table.sort}, not ranked"


def hidden_words(table: Table) -> str:
    """Return which records are not shown; empty where all are."""
    parts = [f"{count} {state}" for state, count in table.hidden.items()]
    return f"not shown without --all: {', '.join(parts)}" if parts else ""
