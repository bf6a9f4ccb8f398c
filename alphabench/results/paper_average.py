"""The averages of the AlphaVAE scripts: leaf, subset, colour, all without weights, rounded on the way.

Source: repository `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/i2i_eval_pipe.py`, `result_json2csv.py`.
A leaf is written `<subset>/<leaf>` and stands in the place of a category.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
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
    """Return the aggregates of one metric as the scripts make them.

    Category entries are the leaves (`subset/leaf`) and the subsets (`subset`), macro entries the mean over
    subsets. On one background every level is rounded; the mean over the backgrounds takes the rounded
    values of the subsets and is not rounded, as in the authors' table.

    Args:
        protocol: names the views and the decimals.
        metric: a sample metric, or a set metric with scope `leaf`.
        groups: for a sample metric the leaf of each sample; for a set metric the number of images of each
            leaf.
        views: values by view and sample, or by view and leaf.
    """
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
