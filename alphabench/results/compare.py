"""Two records compared: paired differences, their intervals, verdicts by margins, one verdict of the gate."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from alphabench.errors import DataError, IncompleteError
from alphabench.results import intervals
from alphabench.results.holm import holm
from alphabench.results.margins import Rules
from alphabench.results.paired import Pairs, check_comparable, macro_mean, metric_facts, not_computed, pair_records
from alphabench.results.record import Record
from alphabench.results.verdicts import (
    GateEntry,
    Verdict,
    detectable_effect,
    gate_verdict,
    images_needed,
    is_close,
    metric_verdict,
    point_verdict,
)

DRAWS_IF_CLOSE = 100_000
MOST_CHANGED = 5


@dataclass(frozen=True)
class CategoryDifference:
    """The mean difference of one category; no interval for a single image."""

    category: str
    n: int
    difference: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MetricComparison:
    """One metric of two records; differences are oriented, positive is a gain of the candidate.

    Attributes:
        metric: its name.
        kind: `sample` or `set`; a set metric has values, a difference and a verdict, no statistics.
        unit: unit of values, differences and margin.
        view: what was looked at.
        higher_is_better: its direction.
        n: images.
        baseline: the baseline's mean over categories.
        candidate: the candidate's.
        difference: the oriented difference of the two.
        low: lower bound of its 95 % interval.
        high: upper bound.
        p: one-sided p-value of a loss; with `same`, the smaller one of both directions.
        adjusted_p: after Holm over the gate's sample metrics; None outside the gate.
        standard_error: analytic, None for a single image.
        margin: in the metric's unit; for a set metric the largest share by which it may move.
        verdict: None for a metric without margin.
        close: the verdict was so near a threshold that it rests on ten times as many draws.
        draws: bootstrap draws; 0 for none.
        gate: whether it has a say in the gate.
        categories: the difference of each category.
    """

    metric: str
    kind: Literal["sample", "set"]
    unit: str
    view: str
    higher_is_better: bool
    n: int
    baseline: float
    candidate: float
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted_p: float | None = None
    standard_error: float | None = None
    margin: float | None = None
    verdict: Verdict | None = None
    close: bool = False
    draws: int = 0
    gate: bool = False
    categories: tuple[CategoryDifference, ...] = ()

    @property
    def detectable(self) -> float | None:
        """Return the smallest true difference found with 80 % power."""
        return None if self.standard_error is None else detectable_effect(self.standard_error)

    @property
    def images_needed(self) -> int | None:
        """Return how many images would settle an inconclusive verdict, None where there is none to settle."""
        if self.verdict != "inconclusive" or self.standard_error is None or not self.margin:
            return None
        return images_needed(self.n, self.standard_error, self.margin)


@dataclass(frozen=True)
class ChangedSample:
    """One of the images that changed most."""

    sample: str
    category: str
    baseline: float
    candidate: float
    difference: float


@dataclass(frozen=True)
class Comparison:
    """Two records compared.

    Attributes:
        baseline: the record compared with.
        candidate: the record that is judged.
        rules: margins and gate.
        same: whether a gain counts like a loss.
        metrics: those that both records have, in the protocol's order.
        left_out: why others are not compared.
        verdict: of the gate; None where not one of its metrics, or not each of them, can be compared.
        primary: the metric that `most_changed` is about.
        most_changed: the images with the largest difference, the largest first.
        notes: what the reader should know about the two records.
    """

    baseline: Record
    candidate: Record
    rules: Rules
    same: bool
    metrics: tuple[MetricComparison, ...]
    left_out: dict[str, str]
    verdict: Verdict | None
    primary: str | None
    most_changed: tuple[ChangedSample, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def signature(self) -> str:
        """Return the candidate's signature with the gate, the draws and the seed of the comparison."""
        gate = self.rules.name.replace("@", ":")
        return f"{self.candidate.signature}|{gate}|bs:{intervals.DRAWS}|seed:{intervals.SEED}"


def compare(baseline: Record, candidate: Record, rules: Rules, *, same: bool = False) -> Comparison:
    """Compare two records over the same images.

    The unit is the image: its difference is the mean over backgrounds. The statistic is the mean over
    categories of the mean over images, its interval comes from `intervals.resample`.

    Args:
        baseline: the record compared with.
        candidate: the record that is judged.
        rules: margins and gate.
        same: the two should be equal: a gain counts like a loss.

    Raises:
        DataError: other protocol, other data, other images, or no metric in common.
    """
    pairs, left_out = pair_records(baseline, candidate)
    gate = rules.gate_metrics(baseline.protocol.metrics)
    found = {item.metric: item for item in _sample_metrics(pairs, rules, gate, same=same)}
    for item in _set_metrics(baseline, candidate, rules, gate, left_out, same=same):
        found[item.metric] = item
    if not found:
        name, reason = next(iter(left_out.items()))
        raise DataError(
            f"the records {baseline.id[:8]} and {candidate.id[:8]} have no metric in common: {name} is {reason}",
            remedy="Finish both runs, then compare their records.",
        )
    adjusted = holm({name: found[name].p or 1.0 for name in gate if name in found and found[name].kind == "sample"})
    for name, value in adjusted.items():
        found[name] = replace(found[name], adjusted_p=value)
    primary = rules.primary_of(baseline.protocol.metrics)
    verdict = None
    if gate and all(name in found for name in gate):
        entries = [GateEntry(name, found[name].verdict or "inconclusive", found[name].adjusted_p) for name in gate]
        verdict = gate_verdict(entries, primary=primary)
    shown = next((item for item in pairs if item.metric == primary), pairs[0] if pairs else None)
    return Comparison(
        baseline=baseline,
        candidate=candidate,
        rules=rules,
        same=same,
        metrics=tuple(found[name] for name in baseline.protocol.metrics if name in found),
        left_out=left_out,
        verdict=verdict,
        primary=None if shown is None else shown.metric,
        most_changed=() if shown is None else _most_changed(shown),
        notes=tuple(_notes(baseline, candidate)),
    )


def check_complete(baseline: Record, candidate: Record, rules: Rules) -> None:
    """Check that two records can go through the gate.

    Raises:
        DataError: they are not comparable, or the gate has no metric of their protocol.
        IncompleteError: one of them is not complete.
    """
    check_comparable(baseline, candidate)
    if not rules.gate_metrics(baseline.protocol.metrics):
        raise DataError(
            f"{rules.name} has no metric of {baseline.protocol.id}",
            remedy="Look at the differences with `alphabench leaderboard compare`.",
        )
    for record, role in ((baseline, "baseline"), (candidate, "candidate")):
        if not record.complete:
            reasons = record.document["incomplete_reasons"]
            raise IncompleteError(
                f"the {role} {record.id[:8]} is incomplete: {reasons[0]}"
                + (f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""),
                remedy=next((item["remedy"] for item in record.missing if item["remedy"]), "")
                or "Repeat its run over all samples, then check again.",
            )


def _sample_metrics(
    pairs: Sequence[Pairs], rules: Rules, gate: Sequence[str], *, same: bool
) -> Iterable[MetricComparison]:
    """Yield the comparison of each sample metric; metrics over the same images share their draws."""
    together: dict[tuple[str, ...], list[Pairs]] = defaultdict(list)
    for item in pairs:
        together[item.images].append(item)
    for members in together.values():
        categories = members[0].categories
        values = np.stack([item.gains for item in members])
        drawn = intervals.resample(categories, values)
        errors = intervals.standard_error(categories, values)
        for row, item in enumerate(members):
            difference = macro_mean(categories, values[row])
            margin = rules.margins.get(item.metric)
            compared = MetricComparison(
                metric=item.metric,
                kind="sample",
                unit=item.unit,
                view=item.view,
                higher_is_better=item.higher_is_better,
                n=len(item.images),
                baseline=macro_mean(categories, item.baseline),
                candidate=macro_mean(categories, item.candidate),
                difference=difference,
                standard_error=None if errors is None else float(errors[row]),
                gate=item.metric in gate,
                categories=tuple(_category_differences(categories, values[row], row, drawn)),
            )
            if margin is not None:
                compared = replace(compared, margin=margin.of(compared.baseline))
            if drawn is None:
                yield _single_image(compared, same=same)
                continue
            judged = _judged(compared, drawn.macro[row], same=same)
            if _rests_on_noise(judged, same=same):
                again = intervals.resample(categories, values[[row]], draws=DRAWS_IF_CLOSE, each_category=False)
                assert again is not None
                judged = replace(_judged(compared, again.macro[0], same=same), close=True)
            yield judged


def _judged(compared: MetricComparison, draws: intervals.Floats, *, same: bool) -> MetricComparison:
    bounds = intervals.interval(compared.difference, draws)
    low, high = float(bounds["low"]), float(bounds["high"])
    losses = (1 + int(np.count_nonzero(draws >= 0))) / (len(draws) + 1)
    gains = (1 + int(np.count_nonzero(draws <= 0))) / (len(draws) + 1)
    verdict = None if compared.margin is None else metric_verdict(low, high, compared.margin, same=same)
    p = min(losses, gains) if same else losses
    return replace(compared, low=low, high=high, p=p, verdict=verdict, draws=len(draws))


def _single_image(compared: MetricComparison, *, same: bool) -> MetricComparison:
    """Return the verdict on one image: no interval; only no difference at all is ok."""
    verdict: Verdict | None = None
    if compared.margin is not None:
        verdict = "ok" if compared.difference == 0 else "inconclusive"
    return replace(compared, p=1.0, verdict=verdict)


def _rests_on_noise(compared: MetricComparison, *, same: bool) -> bool:
    low, high, margin, error = compared.low, compared.high, compared.margin, compared.standard_error
    if low is None or high is None or margin is None or error is None:
        return False
    return is_close(low, high, margin, error, same=same)


def _category_differences(
    categories: Sequence[str], gains: intervals.Floats, row: int, drawn: intervals.Resampled | None
) -> Iterable[CategoryDifference]:
    for category in sorted(set(categories)):
        chosen = [value for value, name in zip(gains, categories, strict=True) if name == category]
        difference = macro_mean([category] * len(chosen), chosen)
        if drawn is None or category not in drawn.categories:
            yield CategoryDifference(category, len(chosen), difference)
            continue
        bounds = intervals.interval(difference, drawn.categories[category][row])
        yield CategoryDifference(category, len(chosen), difference, float(bounds["low"]), float(bounds["high"]))


def _set_metrics(
    baseline: Record, candidate: Record, rules: Rules, gate: Sequence[str], left_out: dict[str, str], *, same: bool
) -> Iterable[MetricComparison]:
    facts = metric_facts(baseline)
    for metric in baseline.protocol.set_metrics():
        if reason := not_computed(metric, baseline, candidate):
            left_out[metric] = reason
            continue
        first, second = (record.aggregates[metric] for record in (baseline, candidate))
        if first["n"] != second["n"]:
            raise DataError(
                f"the records are not comparable: {metric} is over {first['n']} images in the baseline "
                f"and over {second['n']} in the candidate",
                remedy="Finish both runs over all samples, then compare their records.",
            )
        higher = bool(facts[metric]["higher_is_better"])
        before, after = float(first["value"]), float(second["value"])
        rule = None if higher else rules.point_rules.get(metric)
        yield MetricComparison(
            metric=metric,
            kind="set",
            unit=facts[metric]["unit"],
            view=baseline.protocol.headline(metric),
            higher_is_better=higher,
            n=first["n"],
            baseline=before,
            candidate=after,
            difference=after - before if higher else before - after,
            margin=None if rule is None else rule.relative,
            verdict=None if rule is None else point_verdict(before, after, rule, same=same),
            gate=metric in gate,
        )


def _most_changed(pairs: Pairs) -> tuple[ChangedSample, ...]:
    gains = pairs.gains
    order = sorted(range(len(gains)), key=lambda index: (-abs(gains[index]), pairs.images[index]))
    return tuple(
        ChangedSample(
            sample=pairs.images[index],
            category=pairs.categories[index],
            baseline=float(pairs.baseline[index]),
            candidate=float(pairs.candidate[index]),
            difference=float(gains[index]),
        )
        for index in order[:MOST_CHANGED]
    )


def _notes(baseline: Record, candidate: Record) -> Iterable[str]:
    first, second = baseline.document, candidate.document
    places: tuple[tuple[str, Any, Any], ...] = (
        ("device", first["environment"]["device"]["kind"], second["environment"]["device"]["kind"]),
        ("dtype", first["environment"]["dtype"], second["environment"]["dtype"]),
        ("tier", first["verification"]["tier"], second["verification"]["tier"]),
        ("version of alphabench", first["code"]["version"], second["code"]["version"]),
    )
    for what, ours, theirs in places:
        if ours != theirs:
            yield f"{what} differs: {ours} in the baseline, {theirs} in the candidate"
    for name in sorted(first["seeds"].keys() | second["seeds"].keys()):
        ours, theirs = first["seeds"].get(name), second["seeds"].get(name)
        if ours != theirs:
            yield f"seed {name!r} differs: {ours} in the baseline, {theirs} in the candidate"
    for record, role in ((baseline, "baseline"), (candidate, "candidate")):
        if not record.complete:
            yield f"the {role} is incomplete: {record.document['incomplete_reasons'][0]}"
        if record.document["code"]["dirty"]:
            yield f"the {role} was made from a changed work tree"
    if baseline.protocol.aggregation.mode != "macro":
        yield f"means here are plain means over categories; {baseline.protocol.id} itself nests and rounds"
