"""The averages of the AlphaVAE scripts, rounded on the way: for pairs leaf, subset, colour, all without weights.

For generated images category and colour, where `mixed` weighs as much as all other categories together.

Source: repository `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/i2i_eval_pipe.py`, `result_json2csv.py`;
`t2i_eval_pipe.py`, `t2i_dump2csv.py`. A leaf is written `<subset>/<leaf>` and stands in the place of a category.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphabench.protocols import Protocol


def round_numpy(value: float, decimals: int) -> float:
    """Round as `numpy.float64` does: scale, round half to even, scale back."""
    return float(np.round(np.float64(value), decimals))


def round_python(value: float, decimals: int) -> float:
    """Round as Python does: correctly from the exact binary value."""
    return round(float(value), decimals)


def leaf_mean(values: Sequence[float], decimals: int) -> float:
    """Return a leaf's mean over its samples, rounded by NumPy's rule."""
    return round_numpy(float(np.mean(np.asarray(values, dtype=np.float64))), decimals)


def paper_aggregates(
    protocol: Protocol,
    metric: str,
    groups: Mapping[str, Any],
    views: Mapping[str, Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return the aggregates of one metric as the scripts for pairs make them, or those for generated images.

    Which of the two, the protocol's averaging rule says; of generated images see `generated_aggregates`. Of
    pairs, category entries are the leaves (`subset/leaf`) and the subsets (`subset`), macro entries the mean
    over subsets. On one background every level is rounded; the mean over the backgrounds takes the rounded
    values of the subsets and is not rounded, as in the authors' table.

    Args:
        protocol: names the views and the decimals.
        metric: a sample metric, or a set metric with scope `leaf`.
        groups: for a sample metric the leaf of each sample; for a set metric the number of images of each
            leaf.
        views: values by view and sample, or by view and leaf.
    """
    if protocol.aggregation.mode == "paper-t2i":
        return generated_aggregates(protocol, metric, groups, views)
    decimals = int(protocol.aggregation.decimals)
    by_leaf = protocol.scope(metric) == "leaf"
    rounded = round_python if by_leaf else round_numpy
    leaves: dict[str, dict[str, float]] = {}
    sizes: dict[str, int] = {}
    for view in protocol.metric_views(metric):
        if by_leaf:
            leaves[view] = {leaf: rounded(value, decimals) for leaf, value in sorted(views[view].items())}
            sizes = {leaf: int(groups[leaf]) for leaf in leaves[view]}
            continue
        members: dict[str, list[float]] = defaultdict(list)
        for sample in sorted(views[view]):
            members[groups[sample]].append(views[view][sample])
        leaves[view] = {leaf: leaf_mean(members[leaf], decimals) for leaf in sorted(members)}
        sizes = {leaf: len(values) for leaf, values in members.items()}
    subsets = {view: _subset_means(values, rounded, decimals) for view, values in leaves.items()}
    entries = []
    for name, members_of in protocol.derived_views(metric).items():
        means = {
            subset: _plain_mean([subsets[view][subset] for view in members_of]) for subset in subsets[members_of[0]]
        }
        entries += _entries(name, means, _plain_mean(list(means.values())), sizes)
    for view in protocol.metric_views(metric):
        colour = rounded(_plain_mean(list(subsets[view].values())), decimals)
        entries += _entries(view, subsets[view], colour, sizes)
        entries += [
            {"view": view, "scope": "category", "category": leaf, "value": value, "n": sizes[leaf]}
            for leaf, value in leaves[view].items()
            if "/" in leaf
        ]
    return entries


def _subset_means(leaves: Mapping[str, float], rounded: Any, decimals: int) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for leaf, value in leaves.items():
        found[leaf.partition("/")[0]].append(value)
    return {subset: rounded(_plain_mean(values), decimals) for subset, values in found.items()}


def _entries(view: str, means: Mapping[str, float], macro: float, sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    inside: dict[str, int] = defaultdict(int)
    for leaf, size in sizes.items():
        inside[leaf.partition("/")[0]] += size
    entries: list[dict[str, Any]] = [{"view": view, "scope": "macro", "value": macro, "n": sum(inside.values())}]
    entries += [
        {"view": view, "scope": "category", "category": subset, "value": value, "n": inside[subset]}
        for subset, value in means.items()
    ]
    return entries


def _plain_mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


MIXED = "mixed"
"""The category of the authors' prompts that alone counts as much as all others together."""


def category_weights(categories: Sequence[str]) -> dict[str, float]:
    """Return the weights of the text-to-image categories in the authors' scripts; they sum to 1.

    `mixed` weighs 0.5 and each of the n others 0.5 / n, divided by the sum: without `mixed` all weigh the
    same, alone it weighs 1.

    Source: `validation_pipeline/scripts/t2i_dump2csv.py` of github.com/o0o0o00o0/AlphaVAE.
    """
    others = [category for category in categories if category != MIXED]
    weights = {category: 0.5 if category == MIXED else 0.5 / len(others) for category in categories}
    total = sum(weights.values())
    return {category: weight / total for category, weight in weights.items()}


def weighted_category_mean(values: Mapping[str, float], decimals: int) -> float:
    """Return the mean over text-to-image categories by `category_weights`, rounded by Python's rule."""
    weights = category_weights(list(values))
    return round_python(sum(weights[category] * value for category, value in values.items()), decimals)


OTHERS = "all but mixed"
"""Stands in a record's aggregates beside the categories, none of whose names has a blank."""


def generated_aggregates(
    protocol: Protocol,
    metric: str,
    groups: Mapping[str, Any],
    views: Mapping[str, Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Return the aggregates of one metric of generated images as the scripts make them.

    Category entries are the categories and, as `all but mixed`, the plain mean of those beside `mixed`; macro
    entries are the means by `category_weights`. On one background each is rounded by Python's rule; the plain
    mean over the backgrounds takes the rounded values and is not rounded.

    Args:
        protocol: names the views and the decimals.
        metric: a sample metric, or a set metric with scope `category`.
        groups: for a sample metric the category of each sample; for a set metric the number of images of
            each category.
        views: values by view and sample, or by view and category.
    """
    decimals = int(protocol.aggregation.decimals)
    own = {}
    sizes: dict[str, int] = {}
    for view in protocol.metric_views(metric):
        members: dict[str, list[float]] = defaultdict(list)
        for name in sorted(views[view]):
            members[name if protocol.scope(metric) else groups[name]].append(views[view][name])
        means = {category: round_python(_plain_mean(members[category]), decimals) for category in sorted(members)}
        sizes = {name: int(groups[name]) if protocol.scope(metric) else len(members[name]) for name in means}
        own[view] = _WeightedMeans.of(means, decimals)
    derived = {
        name: _WeightedMeans.over([own[view] for view in members])
        for name, members in protocol.derived_views(metric).items()
    }
    return [entry for view, means in (derived | own).items() for entry in means.entries(view, sizes)]


@dataclass(frozen=True)
class _WeightedMeans:
    """What the scripts know of one metric on one view."""

    overall: float
    others: float | None
    categories: Mapping[str, float]

    @classmethod
    def of(cls, categories: Mapping[str, float], decimals: int) -> "_WeightedMeans":
        beside = [value for category, value in categories.items() if category != MIXED]
        return cls(
            overall=weighted_category_mean(categories, decimals),
            others=round_python(_plain_mean(beside), decimals) if beside else None,
            categories=categories,
        )

    @classmethod
    def over(cls, colours: Sequence["_WeightedMeans"]) -> "_WeightedMeans":
        others = [colour.others for colour in colours if colour.others is not None]
        return cls(
            overall=_plain_mean([colour.overall for colour in colours]),
            others=_plain_mean(others) if others else None,
            categories={
                category: _plain_mean([colour.categories[category] for colour in colours])
                for category in colours[0].categories
            },
        )

    def entries(self, view: str, sizes: Mapping[str, int]) -> list[dict[str, Any]]:
        every = sum(sizes.values())
        found: list[dict[str, Any]] = [{"view": view, "scope": "macro", "value": self.overall, "n": every}]
        for category, value in self.categories.items():
            found.append(
                {"view": view, "scope": "category", "category": category, "value": value, "n": sizes[category]}
            )
        if self.others is not None:
            beside = every - sizes.get(MIXED, 0)
            found.append({"view": view, "scope": "category", "category": OTHERS, "value": self.others, "n": beside})
        return found
