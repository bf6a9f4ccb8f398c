"""Two records over the same images: what must agree, and the values of each image side by side."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphabench.errors import DataError
from alphabench.results.aggregate import Column, columns_of, mean
from alphabench.results.intervals import Floats
from alphabench.results.record import Record


@dataclass(frozen=True)
class Pairs:
    """One sample metric on its headline view, image by image, in sample order.

    Attributes:
        metric: its name.
        unit: unit of the values.
        view: the headline view.
        higher_is_better: its direction.
        images: the images' names.
        categories: the category of each image.
        baseline: the baseline's value of each image, caps applied, mean over backgrounds.
        candidate: the candidate's values.
    """

    metric: str
    unit: str
    view: str
    higher_is_better: bool
    images: tuple[str, ...]
    categories: tuple[str, ...]
    baseline: Floats
    candidate: Floats

    @property
    def gains(self) -> Floats:
        """Return the oriented differences: positive is a gain of the candidate."""
        difference = self.candidate - self.baseline
        return difference if self.higher_is_better else -difference


def check_comparable(baseline: Record, candidate: Record) -> None:
    """Check that two records were measured with one ruler on the same files.

    Raises:
        DataError: their protocols or their data differ; the message gives both hashes.
    """
    for what, key in (("protocol", "hash"), ("data", "manifest_hash")):
        first, second = baseline.document[what], candidate.document[what]
        if first[key] != second[key]:
            raise DataError(
                f"the records are not comparable: {what} {first['name']}@{first['version']} ({first[key][:8]}) "
                f"of {baseline.id[:8]} against {second['name']}@{second['version']} ({second[key][:8]}) "
                f"of {candidate.id[:8]}",
                remedy="Measure both models under one protocol on one data set.",
            )


def pair_records(baseline: Record, candidate: Record) -> tuple[list[Pairs], dict[str, str]]:
    """Return each sample metric's pairs, in the protocol's order, and why others cannot be paired.

    A metric that only one record could compute is left out with the reason; so is one that may lack whole
    categories and has its values on other images.

    Raises:
        DataError: not comparable, or a metric has its values on other images; with counts and the first one.
    """
    check_comparable(baseline, candidate)
    protocol = baseline.protocol
    wanted = protocol.sample_metrics()
    tables = [_table(record) for record in (baseline, candidate)]
    categories = [{row[0]: row[1] for row in record.rows} for record in (baseline, candidate)]
    shared = sorted(categories[0].keys() & categories[1].keys())
    moved = next((name for name in shared if categories[0][name] != categories[1][name]), None)
    if moved is not None:
        raise DataError(
            f"sample {moved!r} is in category {categories[0][moved]!r} of {baseline.id[:8]} "
            f"and in {categories[1][moved]!r} of {candidate.id[:8]}",
            remedy="Measure both models with the same grouping of the data.",
        )
    pairs, left_out = [], {}
    facts = metric_facts(baseline)
    for metric in wanted:
        reason = not_computed(metric, baseline, candidate)
        if reason is None and facts[metric]["higher_is_better"] is None:
            reason = "it has no better direction"
        if reason is not None:
            left_out[metric] = reason
            continue
        view = protocol.headline(metric)
        columns = [columns_of(protocol, metric, table[metric])[view] for table in tables]
        fault = _other_images(columns)
        if fault and protocol.is_partial(metric, view):
            left_out[metric] = fault
            continue
        if fault:
            raise DataError(
                f"the records {baseline.id[:8]} and {candidate.id[:8]} are not comparable: {metric} {fault}",
                remedy="Finish both runs over all samples, then compare their records.",
            )
        if not columns[0].values:
            left_out[metric] = "it has a value on no image"
            continue
        images = tuple(sorted(columns[0].values))
        values = [np.array([column.values[image] for image in images]) for column in columns]
        pairs.append(
            Pairs(
                metric=metric,
                unit=facts[metric]["unit"],
                view=view,
                higher_is_better=facts[metric]["higher_is_better"],
                images=images,
                categories=tuple(categories[0][image] for image in images),
                baseline=values[0],
                candidate=values[1],
            )
        )
    return pairs, left_out


def metric_facts(record: Record) -> dict[str, dict[str, Any]]:
    """Return the entries of a record's metrics by name."""
    return {metric["name"]: metric for metric in record.document["metrics"]}


def not_computed(metric: str, baseline: Record, candidate: Record) -> str | None:
    """Return why `metric` has no value in one of the records; None where both have it."""
    for record, role in ((baseline, "baseline"), (candidate, "candidate")):
        entry = metric_facts(record).get(metric)
        if entry is None:
            return f"not applicable in the {role}: its images are too few, or none is of the kind that it judges"
        if entry["state"] != "ok":
            return f"{entry['state']} in the {role}: {entry['reason']}"
    return None


def macro_mean(categories: Sequence[str], values: Iterable[float]) -> float:
    """Return the mean over categories of the means of their images."""
    groups: dict[str, list[float]] = defaultdict(list)
    for category, value in zip(categories, values, strict=True):
        groups[category].append(float(value))
    return mean([mean(members) for members in groups.values()])


def _table(record: Record) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    table: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for sample, _, view, metric, value in record.rows:
        table[metric][view][sample] = value
    return table


def _other_images(columns: Sequence[Column]) -> str | None:
    first, second = (column.values.keys() for column in columns)
    for have, lack, role in ((first, second, "candidate"), (second, first, "baseline")):
        if missing := sorted(have - lack):
            return f"lacks {len(missing)} of {len(have | lack)} samples in the {role}, first {missing[0]!r}"
    return None
