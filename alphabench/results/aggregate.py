"""The one averaging rule: sample, then category, then the macro mean; nothing is averaged elsewhere.

Sums are exact (`math.fsum`), so a mean depends neither on the order of the rows nor on how many processes
made them. Rounding is display, and display only.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from alphabench.protocols import Protocol as Ruler
from alphabench.results import intervals
from alphabench.results.paper_average import paper_aggregates
from alphabench.results.rows import Row

SetValues = Mapping[str, Mapping[str, Mapping[str, float | str]]]
"""Set metrics by metric, group and background: a value, or the reason why there is none.

Groups are the categories where the metric's scope is `category`, the leaves where it is `leaf`, and `all`
where it is `all`. A leaf or category that the authors' scripts skip is absent.
"""


@runtime_checkable
class Lacking(Protocol):
    """Why a metric cannot be computed here, and the command that mends it."""

    @property
    def reason(self) -> str:
        """What is missing."""
        ...

    @property
    def remedy(self) -> str:
        """How to mend it."""
        ...


@dataclass(frozen=True)
class Column:
    """One metric on one view: values by sample, caps applied, and how many rows of each were capped."""

    values: Mapping[str, float]
    capped: Mapping[str, int]


def aggregate(
    protocol: Ruler,
    samples: Sequence[tuple[str, str]],
    rows: Iterable[Row],
    not_applicable: Iterable[tuple[str, str, str]],
    *,
    set_values: SetValues | None = None,
    unavailable: Mapping[str, Lacking] | None = None,
    failed: Mapping[str, str] | None = None,
    draws: int = intervals.DRAWS,
) -> list[dict[str, Any]]:
    """Return the metrics of a record, in the protocol's order, each with its state and its means.

    Left out are metrics that do not apply to so few samples (`Protocol.inapplicable`), and of generated images
    those that apply to none of them: a record is complete without either.

    Args:
        protocol: which metrics, views, caps and scopes.
        samples: `(id, category)` of every sample that was to be measured.
        rows: `(sample, category, view, metric, value)` in any order.
        not_applicable: `(sample, view, metric)` without a value.
        set_values: what the set metrics came to.
        unavailable: metrics that this machine cannot compute.
        failed: metrics whose computation failed, with the reason.
        draws: bootstrap draws of the headline's intervals; 0 for none.
    """
    table: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for sample, _, view, metric, value in rows:
        table[metric][view][sample] = value
    absent = Counter(metric for _, _, metric in not_applicable)
    metrics = []
    for metric in applicable_metrics(protocol, len(samples)):
        if unavailable and metric in unavailable:
            lacking = unavailable[metric]
            state = {"state": "unavailable", "reason": lacking.reason, "remedy": lacking.remedy}
        elif failed and metric in failed:
            state = {"state": "failed", "reason": failed[metric]}
        elif applies_nowhere(protocol, metric, len(samples), present=len(table[metric]), absent=absent[metric]):
            continue
        elif protocol.scope(metric) is None:
            state = _sample_metric(protocol, metric, samples, table[metric], absent[metric])
        else:
            state = _set_metric(protocol, metric, samples, (set_values or {}).get(metric))
        metrics.append({**_facts(metric), **state})
    if draws and protocol.aggregation.mode == "macro":
        _add_intervals(protocol, samples, table, metrics, draws)
    return metrics


def applicable_metrics(protocol: Ruler, samples: int) -> list[str]:
    """Return the metrics of `protocol` that a record of so many samples has, in order."""
    left_out = protocol.inapplicable(samples)
    return [metric for metric in protocol.metrics if metric not in left_out]


def applies_nowhere(protocol: Ruler, metric: str, samples: int, *, present: int, absent: int) -> bool:
    """Say whether a metric of single generated images applies to none of them, as it may.

    An opaque image has no rim to judge, and a model may make nothing else: its record is complete without.

    Args:
        protocol: the ruler.
        metric: its name.
        samples: number of images.
        present: values, or views with values.
        absent: values that do not apply.
    """
    views = protocol.metric_views(metric)
    return (
        protocol.task == "generation"
        and protocol.scope(metric) is None
        and all(protocol.is_partial(metric, view) for view in views)
        and not present
        and absent == len(views) * samples
    )


def headline_aggregates(document: Mapping[str, Any], protocol: Ruler) -> dict[str, dict[str, Any]]:
    """Return each metric's headline: `{metric: {value, unit, n, state}}`; no value where it is not `ok`."""
    headline = {}
    for metric in document["metrics"]:
        view = protocol.headline(metric["name"])
        found = next(
            (entry for entry in metric.get("aggregates", []) if entry["view"] == view and entry["scope"] == "macro"),
            {"value": None, "n": 0},
        )
        headline[metric["name"]] = {
            "value": found["value"],
            "unit": metric["unit"],
            "n": found["n"],
            "state": metric["state"],
        }
    return headline


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value, independent of their order."""
    return math.fsum(values) / len(values)


def columns_of(protocol: Ruler, metric: str, views: Mapping[str, Mapping[str, float]]) -> dict[str, Column]:
    """Return every column of `metric`, derived views first: a derived value exists where all its parts do."""
    cap = protocol.mean_cap(metric)
    limit = math.inf if cap is None else cap
    own = {
        view: Column(
            values={sample: min(value, limit) for sample, value in views.get(view, {}).items()},
            capped={sample: int(value > limit) for sample, value in views.get(view, {}).items()},
        )
        for view in protocol.metric_views(metric)
    }
    derived = {}
    for name, members in protocol.derived_views(metric).items():
        parts = [own[view] for view in members]
        whole = [sample for sample in parts[0].values if all(sample in part.values for part in parts)]
        derived[name] = Column(
            values={sample: mean([part.values[sample] for part in parts]) for sample in whole},
            capped={sample: sum(part.capped[sample] for part in parts) for sample in whole},
        )
    return derived | own


def _facts(metric: str) -> dict[str, Any]:
    from alphabench.metrics.catalog import CATALOG

    entry = CATALOG[metric]
    return {
        "name": metric,
        "version": entry.version,
        "unit": entry.unit,
        "higher_is_better": entry.higher_is_better,
        "kind": entry.kind,
    }


def _sample_metric(
    protocol: Ruler,
    metric: str,
    samples: Sequence[tuple[str, str]],
    views: Mapping[str, Mapping[str, float]],
    absent: int,
) -> dict[str, Any]:
    expected = len(protocol.metric_views(metric)) * len(samples)
    present = sum(len(column) for column in views.values())
    counts = {"rows": {"expected": expected, "present": present, "not_applicable": absent}}
    remedy = f"Use a protocol without {metric}, or a data set to which it applies."
    if present + absent != expected:
        reason = f"{expected - present - absent} of {expected} values are missing"
        return {"state": "failed", "reason": reason, **counts}
    if protocol.aggregation.mode != "macro":
        if not present:
            level = "leaf" if protocol.aggregation.mode == "paper" else "category"
            reason = f"no {level} has a value: every one was skipped"
            return {"state": "failed", "reason": reason, "remedy": remedy, **counts}
        aggregates = paper_aggregates(protocol, metric, dict(samples), views)
        return {"state": "ok", **counts, "aggregates": aggregates}
    members = _members(samples)
    aggregates = []
    for view, column in columns_of(protocol, metric, views).items():
        entries, empty = _column_means(column, members, capped=protocol.mean_cap(metric) is not None)
        if empty and not protocol.is_partial(metric, view):
            reason = f"category {empty[0]!r} has 0 of {len(members[empty[0]])} values on view {view!r}"
            return {"state": "failed", "reason": reason, "remedy": remedy, **counts}
        aggregates += [{"view": view, **entry} for entry in entries]
    if not aggregates:
        return {
            "state": "unavailable",
            "reason": f"it does not apply to any of the {len(samples)} samples",
            "remedy": remedy,
            **counts,
        }
    if fault := _not_finite(aggregates):
        return {"state": "failed", "reason": fault, **counts}
    return {"state": "ok", **counts, "aggregates": aggregates}


def _column_means(
    column: Column, members: Mapping[str, Sequence[str]], *, capped: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return macro, micro and category means of a column, and the categories that have no value."""
    chosen = {category: [sample for sample in names if sample in column.values] for category, names in members.items()}
    empty = [category for category, names in chosen.items() if not names]
    filled = {category: names for category, names in chosen.items() if names}
    if not filled:
        return [], empty

    def entry(scope: str, value: float, names: Sequence[str]) -> dict[str, Any]:
        count = {"capped": sum(column.capped[name] for name in names)} if capped else {}
        return {"scope": scope, "value": value, "n": len(names), **count}

    means = {category: mean([column.values[name] for name in names]) for category, names in filled.items()}
    every = [name for names in filled.values() for name in names]
    entries = [
        entry("macro", mean(list(means.values())), every),
        entry("micro", mean([column.values[name] for name in every]), every),
    ]
    entries += [
        {**entry("category", means[category], names), "category": category} for category, names in filled.items()
    ]
    return entries, empty


def _set_metric(
    protocol: Ruler,
    metric: str,
    samples: Sequence[tuple[str, str]],
    values: Mapping[str, Mapping[str, float | str]] | None,
) -> dict[str, Any]:
    views = {view.removeprefix("set/"): view for view in protocol.metric_views(metric)}
    scope = protocol.scope(metric)
    sizes = {"all": len(samples)} if scope == "all" else Counter(category for _, category in samples)
    authors = protocol.aggregation.mode != "macro"
    if authors:  # a leaf or category that their scripts skip has no value, and none is missed
        sizes = {group: size for group, size in sizes.items() if group in (values or {})}
    if not sizes:
        return {"state": "failed", "reason": "no value was computed"}
    numbers: dict[str, dict[str, float]] = {}
    for group in sorted(sizes):
        for background, view in views.items():
            value = (values or {}).get(group, {}).get(background)
            if value is None and protocol.is_partial(metric, view):
                continue
            if value is None:
                return {"state": "failed", "reason": f"no value was computed for {group!r} on {background!r}"}
            if isinstance(value, str):
                remedy = f"Use more images in each group, groups that have references, or a protocol without {metric}."
                return {"state": "unavailable", "reason": f"{group!r}: {value}"[:500], "remedy": remedy}
            numbers.setdefault(group, {})[background] = float(value)
    if not numbers:
        return {"state": "failed", "reason": "no value was computed"}
    if authors:
        tables = {view: {group: numbers[group][name] for group in numbers} for name, view in views.items()}
        return {"state": "ok", "aggregates": paper_aggregates(protocol, metric, dict(sizes), tables)}
    aggregates = []
    derived = protocol.derived_views(metric)
    present = [view for name, view in views.items() if all(name in table for table in numbers.values())]
    for view in (*(derived if len(present) == len(views) else ()), *present):
        means = {
            group: mean([numbers[group][part.removeprefix("set/")] for part in derived.get(view, (view,))])
            for group in numbers
        }
        macro = mean(list(means.values()))
        aggregates.append({"view": view, "scope": "macro", "value": macro, "n": len(samples)})
        if scope == "category":
            aggregates += [
                {"view": view, "scope": "category", "category": group, "value": value, "n": sizes[group]}
                for group, value in means.items()
            ]
    if fault := _not_finite(aggregates):
        return {"state": "failed", "reason": fault}
    return {"state": "ok", "aggregates": aggregates}


def _add_intervals(
    protocol: Ruler,
    samples: Sequence[tuple[str, str]],
    table: Mapping[str, Mapping[str, Mapping[str, float]]],
    metrics: Sequence[dict[str, Any]],
    draws: int,
) -> None:
    """Add bootstrap intervals to the headline view of each sample metric; equal images share their draws."""
    columns = {}
    for metric in metrics:
        name = metric["name"]
        if metric["kind"] == "sample" and metric["state"] == "ok":
            columns[name] = columns_of(protocol, name, table[name])[protocol.headline(name)].values
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, values in columns.items():
        together[tuple(sorted(values))].append(name)
    categories = dict(samples)
    by_name = {metric["name"]: metric for metric in metrics}
    for images, names in together.items():
        matrix = np.array([[columns[name][image] for image in images] for name in names])
        drawn = intervals.resample([categories[image] for image in images], matrix, draws=draws)
        for position, name in enumerate(names if drawn is not None else []):
            assert drawn is not None
            for entry in by_name[name]["aggregates"]:
                if entry["view"] != protocol.headline(name) or entry["scope"] == "micro":
                    continue
                source = drawn.macro if entry["scope"] == "macro" else drawn.categories.get(entry["category"])
                if source is not None:
                    entry["interval"] = intervals.interval(entry["value"], source[position])


def _members(samples: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for sample, category in sorted(samples):
        members[category].append(sample)
    return dict(sorted(members.items()))


def _not_finite(aggregates: Iterable[Mapping[str, Any]]) -> str | None:
    for entry in aggregates:
        if not math.isfinite(entry["value"]):
            return f"the mean on view {entry['view']!r} is not finite"
    return None
