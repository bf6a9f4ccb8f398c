"""How generated images lie beside the real ones of their protocol: what gives metrics without a direction a meaning."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from alphabench.leaderboard.site.shown import column, shown
from alphabench.leaderboard.site.values import SampleValues
from alphabench.protocols import Protocol

VIEW = "prediction"

Values = Mapping[str, Mapping[str, list[float]]]
"""The values of each metric by category."""


@dataclass(frozen=True)
class ReferenceTable:
    """Means of the generated images and of the references, and the distance of their distributions.

    Attributes:
        reference: id of the reference set.
        count: its images.
        head: heads of the columns.
        rows: a metric each, the first cell is its name.
    """

    reference: str
    count: int
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def beside_references(protocol: Protocol, values: SampleValues) -> ReferenceTable | None:
    """Return the metrics of single images beside those of the references; None where these are not here.

    The distance is Wasserstein-1, in the metric's own unit: over all images, and over those of each category that
    both have.

    Args:
        protocol: of the record.
        values: of the record, image by image.
    """
    if protocol.hash not in _KNOWN:
        _KNOWN[protocol.hash] = _of_references(protocol)
    found = _KNOWN[protocol.hash]
    if found is None:
        return None
    reference, count, theirs = found
    ours = _by_category(values, theirs)
    shared = sorted(set(values.categories.values()) & {name for groups in theirs.values() for name in groups})
    rows = []
    for metric, groups in theirs.items():
        pairs = [(_all(ours[metric]), _all(groups)), *((ours[metric].get(c, []), groups.get(c, [])) for c in shared)]
        means = [shown(math.fsum(side) / len(side) if side else None, metric) for side in pairs[0]]
        rows.append((column(metric).label, *means, *(shown(_distance(*pair), metric) for pair in pairs)))
    head = ("metric", "mean of the images", "mean of the references", "distance", *(f"in {name}" for name in shared))
    return ReferenceTable(reference, count, head, tuple(rows))


def _distance(ours: list[float], theirs: list[float]) -> float | None:
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(ours, theirs)) if ours and theirs else None


def _all(groups: Mapping[str, list[float]]) -> list[float]:
    return [value for members in groups.values() for value in members]


def _by_category(values: SampleValues, metrics: Values) -> Values:
    found: dict[str, dict[str, list[float]]] = {metric: {} for metric in metrics}
    for metric, groups in found.items():
        for sample, value in values.headline(metric).items() if metric in values.columns else ():
            groups.setdefault(values.categories[sample], []).append(value)
    return found


_KNOWN: dict[str, tuple[str, int, Values] | None] = {}
"""By hash of the protocol: a site has many records of one."""


def _of_references(protocol: Protocol) -> tuple[str, int, Values] | None:
    """Return id and size of the reference set, and what the metrics of single images say of its images.

    They are brought to the side that the protocol states, as many of these metrics change with the size.
    """
    from alphabench.image.codec import quantise, to_float
    from alphabench.image.resizing import resize_premultiplied
    from alphabench.metrics.catalog import CATALOG
    from alphabench.tasks.generated_references import References, find_references

    references = find_references(protocol)
    if not isinstance(references, References):
        return None
    metrics = [name for name in protocol.sample_metrics() if protocol.headline(name) == VIEW]
    found: dict[str, dict[str, list[float]]] = {metric: {} for metric in metrics}
    for sample in references.data:
        image = to_float(references.data.read(sample))[None]
        if protocol.reference.side is not None:
            resized = resize_premultiplied(image, protocol.reference.side, protocol.reference.side)
            image = to_float(quantise(resized))
        for metric, groups in found.items():
            value = float(CATALOG[metric].resolve()(image))
            if math.isfinite(value):
                groups.setdefault(sample.category, []).append(value)
    return references.id, len(references.data), found
