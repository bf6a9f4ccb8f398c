"""Verdicts from intervals and margins: for one metric, for a distance between sets, for a whole gate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from alphabench.results.margins import PointRule

Verdict = Literal["improvement", "ok", "regression", "changed", "inconclusive"]
PASSED = frozenset({"improvement", "ok"})
LEVEL = 0.025
"""One-sided level of a loss, before and after Holm's adjustment."""
POWER = 0.8
CLOSE = 0.08
"""In standard errors: three times the Monte-Carlo error of a bound at 10,000 draws."""

_DETECTABLE = NormalDist().inv_cdf(1 - LEVEL) + NormalDist().inv_cdf(POWER)


@dataclass(frozen=True)
class GateEntry:
    """What the gate needs to know of one metric; `adjusted_p` is None for a distance between sets."""

    metric: str
    verdict: Verdict
    adjusted_p: float | None


def metric_verdict(low: float, high: float, margin: float, *, same: bool = False) -> Verdict:
    """Return the verdict on a metric whose oriented difference has the interval [low, high].

    A loss is `ok` only where one as large as `margin` is excluded; "not significant" is not ok. With
    `same` a gain counts like a loss: `ok` means that any change as large as the margin is excluded.
    """
    if same:
        if low > -margin and high < margin:
            return "ok"
        return "changed" if low > 0 or high < 0 else "inconclusive"
    if low > 0:
        return "improvement"
    if low > -margin:
        return "ok"
    return "regression" if high < 0 else "inconclusive"


def is_close(low: float, high: float, margin: float, error: float, *, same: bool = False) -> bool:
    """Say whether a bound lies so near its threshold that the draws' own noise could turn the verdict."""
    verdict = metric_verdict(low, high, margin, same=same)
    step = CLOSE * error
    moved = ((low - step, high), (low + step, high), (low, high - step), (low, high + step))
    return any(metric_verdict(*bounds, margin, same=same) != verdict for bounds in moved)


def point_verdict(baseline: float, candidate: float, rule: PointRule, *, same: bool = False) -> Verdict:
    """Return the verdict on a distance between sets, smaller being better: the point alone is judged.

    Such a distance is never resampled: duplicates shrink the covariance, and its bias depends on n.
    """
    change = candidate - baseline
    limit = rule.absolute
    if baseline >= rule.tiny:
        change, limit = change / baseline, rule.relative
    if abs(change) <= limit:
        return "ok"
    if same:
        return "changed"
    return "regression" if change > 0 else "improvement"


def gate_verdict(entries: Sequence[GateEntry], *, primary: str | None) -> Verdict:
    """Return one verdict on several metrics.

    A loss counts once it is proved after Holm's adjustment and not excluded by its metric's margin, or by
    the point rule of a set metric. Ok needs every metric to be ok, which needs no correction (Berger 1982,
    Technometrics 24:295).

    Args:
        entries: the metrics of the gate, at least one.
        primary: the metric that turns ok into improvement.
    """
    for entry in entries:
        proved = entry.adjusted_p is None or entry.adjusted_p < LEVEL
        if entry.verdict in {"regression", "changed"} and proved:
            return entry.verdict
    if any(entry.verdict not in PASSED for entry in entries):
        return "inconclusive"
    improved = any(entry.metric == primary and entry.verdict == "improvement" for entry in entries)
    return "improvement" if improved else "ok"


def detectable_effect(error: float) -> float:
    """Return the smallest true difference that is found in 80 % of comparisons, given its standard error."""
    return _DETECTABLE * error


def images_needed(count: int, error: float, margin: float) -> int:
    """Return how many images give an 80 % chance of `ok` where the true difference is 0.

    Args:
        count: images of the comparison at hand.
        error: its standard error.
        margin: the margin of the metric, positive.
    """
    return math.ceil(count * (detectable_effect(error) / margin) ** 2)
