"""Rank correlations of metrics with damage, their intervals, and which claims they bear out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

import numpy as np
from scipy.stats import rankdata

from alphabench.experiments.transparency.claims import (
    CATEGORY_MOTIFS,
    CLAIMS,
    IGNORED_UP_TO,
    MOTIFS_AT_LEAST,
    NEGLIGIBLE,
    SEEN_FROM,
    Claim,
)
from alphabench.experiments.transparency.responses import Floats, Responses
from alphabench.results.intervals import DRAWS, interval, resample

Grade = Literal["image", "set"]

STRENGTHS_AT_LEAST = 4
"""Values, the undamaged image among them, that an image needs for a rank correlation."""


@dataclass(frozen=True)
class Estimate:
    """A mean over motifs with its interval of 95 %.

    Attributes:
        motifs: how many.
        value: macro mean over categories, the mean of one category, or what is said of the mean curve.
        low: lower bound.
        high: upper bound.
    """

    motifs: int
    value: float
    low: float
    high: float

    def beyond(self, bound: float) -> bool:
        """Return whether the whole interval lies at `bound` or farther from 0 on its side."""
        return self.low >= bound if bound > 0 else self.high <= bound

    def within(self, bound: float) -> bool:
        """Return whether the whole interval lies in ±bound."""
        return -bound <= self.low and self.high <= bound


@dataclass(frozen=True)
class Reaction:
    """How one metric reacts to one damage.

    Attributes:
        metric: name of the metric.
        damage: name of the damage.
        rank: mean rank correlation with the strength within images; None where no image can show it.
        set_rank: rank correlation of the mean over all images with the strength; None likewise.
        change: mean change from undamaged to the greatest strength, in standard deviations over the undamaged
            images; None where no image can show it or where these are all equal.
        categories: rank correlation within the images of each category.
    """

    metric: str
    damage: str
    rank: Estimate | None
    set_rank: Estimate | None
    change: Estimate | None
    categories: Mapping[str, Estimate]


@dataclass(frozen=True)
class Finding:
    """Whether one claim of one metric is borne out.

    Attributes:
        metric: name of the metric.
        damage: name of the damage.
        kind: what is claimed.
        sign: +1 where the metric should rise with the damage, −1 where it should fall, 0 for `ignores`.
        by: the strictest part of the rule that is met: for `sees` `image`, then `set`; for `ignores` `rank`, then
            `size`; empty where the claim does not hold.
    """

    metric: str
    damage: str
    kind: Literal["sees", "ignores"]
    sign: int
    by: str

    @property
    def holds(self) -> bool:
        """Return whether the claim is borne out."""
        return bool(self.by)


@dataclass(frozen=True)
class Study:
    """The whole result.

    Attributes:
        reactions: by metric and damage.
        findings: one for each claim.
        hidden: metrics that hidden colour does not change.
        validated: metrics all of whose claims hold and that hidden colour does not change, with their grade:
            `image` where all that they claim to see is seen within images, else `set`.
    """

    reactions: Mapping[tuple[str, str], Reaction]
    findings: tuple[Finding, ...]
    hidden: frozenset[str]
    validated: Mapping[str, Grade]


def study(responses: Responses, claims: Mapping[str, Claim] = CLAIMS, *, draws: int = DRAWS) -> Study:
    """Judge the claims of metrics by their responses."""
    reactions = {
        (metric, damage): _reaction(metric, damage, values, responses, draws)
        for (metric, damage), values in responses.values.items()
    }
    findings = []
    for metric, claim in claims.items():
        findings += [seen(reactions[metric, damage], sign) for damage, sign in claim.sees.items()]
        findings += [ignored(reactions[metric, damage]) for damage in claim.ignores]
    return Study(reactions, tuple(findings), responses.hidden, _grades(findings, responses.hidden))


def rank_correlations(values: Floats) -> Floats:
    """Return Spearman's rank correlation of each row with its column number.

    Args:
        values: `(image, strength)`; NaN where there is no value.

    Returns:
        `(image,)` in [−1,1]: 0 where all values are equal, NaN where fewer than `STRENGTHS_AT_LEAST` are finite.
    """
    found = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    for pattern in np.unique(finite, axis=0):
        chosen = (finite == pattern).all(1)
        if pattern.sum() >= STRENGTHS_AT_LEAST:
            ranks = rankdata(values[chosen][:, pattern], axis=1)
            ranks -= ranks.mean(1, keepdims=True)
            steps = np.arange(pattern.sum()) - (pattern.sum() - 1) / 2
            scale = np.sqrt(np.square(ranks).sum(1) * np.square(steps).sum())
            found[chosen] = np.where(scale > 0, (ranks @ steps) / np.where(scale > 0, scale, 1), 0.0)
    return found


def seen(reaction: Reaction, sign: int) -> Finding:
    """Return whether a metric rises (sign +1) or falls (−1) with a damage, within images or as a mean over them."""
    by = ""
    for name, estimate in (("image", reaction.rank), ("set", reaction.set_rank)):
        moved = name == "image" or (_shown(reaction.change) and reaction.change.beyond(sign * NEGLIGIBLE))
        if not by and moved and _shown(estimate) and estimate.beyond(sign * SEEN_FROM):
            by = name
    return Finding(reaction.metric, reaction.damage, "sees", sign, by)


def ignored(reaction: Reaction) -> Finding:
    """Return whether a damage leaves a metric alone, by rank or by size."""
    by = ""
    for name, estimate, bound in (("rank", reaction.rank, IGNORED_UP_TO), ("size", reaction.change, NEGLIGIBLE)):
        if not by and _shown(estimate) and estimate.within(bound):
            by = name
    return Finding(reaction.metric, reaction.damage, "ignores", 0, by)


def _shown(estimate: Estimate | None) -> TypeGuard[Estimate]:
    return estimate is not None and estimate.motifs >= MOTIFS_AT_LEAST


def _grades(findings: Sequence[Finding], hidden: frozenset[str]) -> dict[str, Grade]:
    grades: dict[str, Grade] = {}
    for metric in dict.fromkeys(finding.metric for finding in findings):
        own = [finding for finding in findings if finding.metric == metric]
        if metric in hidden and all(finding.holds for finding in own):
            grades[metric] = "set" if any(finding.by == "set" for finding in own) else "image"
    return grades


def _reaction(metric: str, damage: str, values: Floats, responses: Responses, draws: int) -> Reaction:
    spread = float(np.nanstd(values[:, 0])) if np.isfinite(values[:, 0]).any() else 0.0
    whole = np.asarray(np.isfinite(values).all(1))
    paired = np.where(whole[:, None], values - values[:, :1], np.nan)
    rank, categories = _means(rank_correlations(values)[:, None], responses, draws)
    steps, _ = _means(paired, responses, draws)
    return Reaction(
        metric,
        damage,
        rank=None if rank is None else _estimate(rank.motifs, rank.curve[0], rank.drawn[0]),
        set_rank=None if steps is None else _set_rank(steps),
        change=None if steps is None or spread == 0 else _scaled(steps, spread),
        categories=categories,
    )


@dataclass(frozen=True)
class _Mean:
    """Macro means of some columns over motifs: how many, the means `(column,)` and draws of them `(column, draw)`."""

    motifs: int
    curve: Floats
    drawn: Floats


def _means(columns: Floats, responses: Responses, draws: int) -> tuple[_Mean | None, dict[str, Estimate]]:
    """Return the macro mean of numbers per truth `(truth, column)`, and each category's mean of the first column.

    The motif is the unit: its drawings are averaged first. Categories in which fewer than `CATEGORY_MOTIFS` motifs
    have all numbers are left out.
    """
    finite = np.isfinite(columns).all(1)
    members: dict[str, list[int]] = {}
    for index in np.flatnonzero(finite):
        members.setdefault(responses.motifs[index], []).append(int(index))
    sizes = Counter(name.split("/", 1)[0] for name in members)
    names = [name for name in members if sizes[name.split("/", 1)[0]] >= CATEGORY_MOTIFS]
    if not names:
        return None, {}
    means = np.array([columns[members[name]].mean(0) for name in names])
    places = [name.split("/", 1)[0] for name in names]
    drawn = resample(places, means.T, draws=draws)
    if drawn is None:
        return None, {}
    by_place = {place: means[np.array(places) == place].mean(0) for place in dict.fromkeys(places)}
    categories = {
        place: _estimate(sizes[place], mean[0], drawn.categories[place][0]) for place, mean in by_place.items()
    }
    return _Mean(len(names), np.mean(list(by_place.values()), axis=0), drawn.macro), categories


def _set_rank(steps: _Mean) -> Estimate:
    drawn = rank_correlations(steps.drawn.T)
    return _estimate(steps.motifs, float(rank_correlations(steps.curve[None])[0]), drawn)


def _scaled(steps: _Mean, spread: float) -> Estimate:
    return _estimate(steps.motifs, steps.curve[-1] / spread, steps.drawn[-1] / spread)


def _estimate(motifs: int, value: float, drawn: Floats) -> Estimate:
    bounds = interval(float(value), drawn)
    return Estimate(motifs, float(value), float(bounds["low"]), float(bounds["high"]))
