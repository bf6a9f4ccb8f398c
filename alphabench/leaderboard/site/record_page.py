"""What the page of one record shows, gathered from the record alone and from the record it is compared with."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphabench.leaderboard.site import charts
from alphabench.leaderboard.site.shown import Column, column, shown
from alphabench.leaderboard.site.values import SampleValues
from alphabench.results import intervals
from alphabench.results.paired import macro_mean
from alphabench.results.record import Record

WORST = 10
_NORMAL_975 = 1.959963984540054
_BACKGROUND_KINDS = ("composite/", "set/")


@dataclass(frozen=True)
class Card:
    """One headline number with half of its interval."""

    column: Column
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Chart:
    """A chart, what it says in words, and its numbers as a table.

    Attributes:
        name: unique in the page.
        title: its heading.
        document: the Vega-Lite document.
        summary: one sentence.
        head: heads of the table.
        rows: rows of the table, the first cell is the row's head.
    """

    name: str
    title: str
    document: Mapping[str, Any]
    summary: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Difference:
    """A metric's oriented mean difference to another record; positive is a gain of this one."""

    column: Column
    own: float
    other: float
    gain: float
    low: float | None
    high: float | None
    n: int


def cards(record: Record, metrics: Sequence[str]) -> list[Card]:
    """Return the headline numbers of a record, as far as it has them."""
    found = []
    for metric in record.document["metrics"]:
        if metric["name"] in metrics and metric["state"] == "ok":
            entry = _macro(metric, record.protocol.headline(metric["name"]))
            bounds = entry.get("interval", {})
            low, high = (float(bounds[side]) if side in bounds else None for side in ("low", "high"))
            found.append(Card(column(metric["name"]), float(entry["value"]), low, high))
    return found


def heat_maps(record: Record) -> list[Chart]:
    """Return, for each metric measured on several backgrounds, its means by category and background."""
    found = []
    order = [*record.protocol.backgrounds, *record.protocol.textures]
    for metric in record.document["metrics"]:
        means: dict[str, dict[str, float]] = {}
        for entry in metric.get("aggregates", ()):
            background = entry["view"].partition("/")[2]
            if entry["scope"] == "category" and background in order and entry["view"].startswith(_BACKGROUND_KINDS):
                means.setdefault(entry["category"], {})[background] = entry["value"]
        backgrounds = [name for name in order if any(name in row for row in means.values())]
        if len(backgrounds) > 1:
            found.append(_heat_map(metric, means, backgrounds))
    return found


def distribution(values: SampleValues) -> Chart | None:
    """Return every image's primary value by category, with quartiles as a table; None without sample metric."""
    if values.primary is None:
        return None
    head = column(values.primary)
    own = values.headline(values.primary)
    groups: dict[str, list[float]] = {}
    for sample, value in own.items():
        groups.setdefault(values.categories[sample], []).append(value)
    groups = dict(sorted(groups.items()))
    points: list[dict[str, str | float]] = [
        {"category": values.categories[sample], "sample": sample, "value": float(f"{value:.6g}")}
        for sample, value in sorted(own.items())
    ]
    medians = {category: statistics.median(members) for category, members in groups.items()}
    low, high = min(medians, key=lambda name: medians[name]), max(medians, key=lambda name: medians[name])
    summary = (
        f"{len(own)} images. The medians of {head.metric} lie between {shown(medians[low], head.metric)} ({low}) and "
        f"{shown(medians[high], head.metric)} ({high}){f' {head.unit}' if head.unit else ''}; {head.better}."
    )
    return Chart(
        name="distribution",
        title=f"{head.metric} of every image",
        document=charts.strips(
            head.metric, head.unit or "1", points, categories=list(groups), decimals=min(head.decimals, 3)
        ),
        summary=summary,
        head=("category", "images", "least", "first quartile", "median", "third quartile", "greatest"),
        rows=tuple(
            (category, str(len(members)), *(shown(value, head.metric) for value in _five(members)))
            for category, members in groups.items()
        ),
    )


def worst_samples(values: SampleValues, metrics: Sequence[str]) -> tuple[list[Column], list[list[str]]]:
    """Return the worst images by the primary metric: columns, and rows of sample, category and values."""
    names = [name for name in dict.fromkeys([values.primary, *metrics]) if name is not None and name in values.columns]
    rows = [
        [sample, values.categories[sample], *(shown(values.headline(name).get(sample), name) for name in names)]
        for sample in values.ordered()[:WORST]
    ]
    return [column(name) for name in names], rows


def difference(values: SampleValues, other: SampleValues, metrics: Sequence[str]) -> tuple[list[Difference], str]:
    """Return how a record differs from another in some sample metrics, and why it cannot be said.

    The interval is the mean difference over categories and images with 1.96 standard errors on each side.

    Args:
        values: of the record.
        other: of the record that it is compared with.
        metrics: which metrics, as far as both have them on the same images.
    """
    if values.categories != other.categories:
        return [], "The two records are over other images or other categories."
    found = []
    for metric in metrics:
        if metric not in values.columns or metric not in other.columns or values.higher_is_better[metric] is None:
            continue
        mine, theirs = values.headline(metric), other.headline(metric)
        if not mine or mine.keys() != theirs.keys():
            continue
        images = sorted(mine)
        categories = [values.categories[image] for image in images]
        own, others = (macro_mean(categories, [side[image] for image in images]) for side in (mine, theirs))
        sign = 1.0 if values.higher_is_better[metric] else -1.0
        gains = np.array([sign * (mine[image] - theirs[image]) for image in images])
        gain = macro_mean(categories, gains.tolist())
        error = intervals.standard_error(categories, gains[None])
        half = None if error is None else _NORMAL_975 * float(error[0])
        found.append(
            Difference(
                column=column(metric),
                own=own,
                other=others,
                gain=gain,
                low=None if half is None else gain - half,
                high=None if half is None else gain + half,
                n=len(images),
            )
        )
    return found, "" if found else "The two records have no sample metric of the gate in common."


def metric_rows(record: Record) -> list[tuple[Column, str, str, str, str]]:
    """Return every metric: facts, value, interval, images, and state with its reason."""
    rows = []
    for metric in record.document["metrics"]:
        name = metric["name"]
        entry = _macro(metric, record.protocol.headline(name)) if metric["state"] == "ok" else {}
        bounds = entry.get("interval")
        state = metric["state"] if metric["state"] == "ok" else f"{metric['state']}: {metric['reason']}"
        if metric["state"] != "ok" and metric.get("remedy"):
            state += f" {metric['remedy']}"
        rows.append(
            (
                column(name),
                shown(entry.get("value"), name),
                "–" if bounds is None else f"{shown(bounds['low'], name)} to {shown(bounds['high'], name)}",
                str(entry.get("n", "–")),
                state,
            )
        )
    return rows


def provenance(record: Record) -> list[tuple[str, str]]:
    """Return what a reader needs to check or repeat a record, as terms and values."""
    document = record.document
    model, code, environment = document["model"], document["code"], document["environment"]
    device = environment["device"]
    commit = code["commit"] or "not known (installed without a repository)"
    facts = [
        ("record id", document["record_id"]),
        ("protocol", f"{record.protocol.id}, SHA-256 {document['protocol']['hash']}"),
        ("data", f"{document['data']['name']}@{document['data']['version']}, {document['data']['manifest_hash']}"),
        ("model", f"{model['kind']}{', ' + model['architecture'] if 'architecture' in model else ''}, {model['hash']}"),
        *(
            (f"checkpoint ({item['role']})", f"{item['sha256']}, {item['bytes']} bytes")
            for item in model["checkpoints"]
        ),
        ("licence of the model", model["licence"]),
        ("trained on", ", ".join(model.get("trained_on", ())) or "not stated"),
        ("code", f"alphabench {code['version']}, commit {commit}{', changed work tree' if code['dirty'] else ''}"),
        ("device", f"{device['name']} ({device['kind']}, {device['count']}), {environment['dtype']}"),
        ("machine", f"{environment['platform']}, Python {environment['python']}, torch {environment['torch']}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in sorted(environment["libraries"].items()))),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in sorted(document["seeds"].items())) or "none"),
        ("run", f"{document['run']['hash']}, {document['run']['started']} to {document['run']['finished']}"),
        ("rows", f"{document['samples']['rows']}, SHA-256 {document['samples']['rows_sha256']}"),
        ("verification", _tier_words(document["verification"])),
    ]
    if "parameters" in model:
        facts.insert(4, ("parameters", f"{model['parameters']:,}"))
    return facts


def _tier_words(verification: Mapping[str, Any]) -> str:
    words = ("tier 0: as measured by whoever made the record", "tier 1: scored again", "tier 2: generated again")
    by = f", by {verification['by']}" if "by" in verification else ""
    of = f", of the claimed record {verification['of']}" if "of" in verification else ""
    return words[verification["tier"]] + by + of


def _heat_map(metric: Mapping[str, Any], means: Mapping[str, Mapping[str, float]], backgrounds: Sequence[str]) -> Chart:
    head = column(metric["name"])
    cells: list[dict[str, str | float]] = [
        {"category": category, "background": name, "value": float(f"{row[name]:.6g}")}
        for category, row in means.items()
        for name in backgrounds
        if name in row
    ]
    ordered = sorted(cells, key=lambda cell: cell["value"], reverse=metric["higher_is_better"] is False)
    worst, best = ordered[0], ordered[-1]
    summary = (
        f"{head.metric} by category and background; {head.better}. Best: {best['category']} on {best['background']}, "
        f"{shown(float(best['value']), head.metric)}. Worst: {worst['category']} on {worst['background']}, "
        f"{shown(float(worst['value']), head.metric)}."
    )
    return Chart(
        name=f"heat-{head.metric}",
        title=f"{head.metric}{f' ({head.unit})' if head.unit else ''}",
        document=charts.heat_map(
            head.metric,
            head.unit or "1",
            cells,
            higher_is_better=metric["higher_is_better"],
            categories=list(means),
            backgrounds=backgrounds,
            decimals=_cell_digits(cells, head.decimals),
        ),
        summary=summary,
        head=("category", *backgrounds),
        rows=tuple(
            (category, *(shown(row.get(name), head.metric) for name in backgrounds)) for category, row in means.items()
        ),
    )


def _cell_digits(cells: Sequence[Mapping[str, str | float]], decimals: int) -> int:
    """Return the digits that fit into a cell: fewer for greater numbers."""
    largest = max(abs(float(cell["value"])) for cell in cells)
    return min(decimals, 1 if largest >= 10 else 2 if largest >= 2 else 3)


def _macro(metric: Mapping[str, Any], view: str) -> dict[str, Any]:
    return next(
        (entry for entry in metric["aggregates"] if entry["view"] == view and entry["scope"] == "macro"),
        {"value": None},
    )


def _five(members: Sequence[float]) -> tuple[float, float, float, float, float]:
    if len(members) == 1:
        return (members[0],) * 5
    first, middle, third = statistics.quantiles(members, n=4, method="inclusive")
    return min(members), first, middle, third, max(members)
