"""Metrics and numbers as pages show them."""

import math
from dataclasses import dataclass

from alphabench.leaderboard.cells import ARROWS
from alphabench.metrics.catalog import CATALOG

BETTER = {True: "higher is better", False: "lower is better", None: "neither direction is better"}


@dataclass(frozen=True)
class Column:
    """A metric as the head of a column.

    Attributes:
        metric: its name.
        label: name and arrow.
        unit: as it is shown; empty for a pure number.
        better: its direction in words.
        decimals: digits after the point.
        summary: one sentence.
        higher_is_better: its direction.
    """

    metric: str
    label: str
    unit: str
    better: str
    decimals: int
    summary: str
    higher_is_better: bool | None


def column(metric: str) -> Column:
    """Return what is declared about a metric."""
    facts = CATALOG[metric]
    return Column(
        metric=metric,
        label=f"{metric} {ARROWS[facts.higher_is_better]}".strip(),
        unit="" if facts.unit == "1" else facts.unit,
        better=BETTER[facts.higher_is_better],
        decimals=facts.decimals,
        summary=facts.summary,
        higher_is_better=facts.higher_is_better,
    )


def shown(value: float | int | None, metric: str) -> str:
    """Return a value with its metric's digits; a dash where there is none."""
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{CATALOG[metric].decimals}f}"
