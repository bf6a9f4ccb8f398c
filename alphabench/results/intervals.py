"""Bootstrap over images, category by category, for means of categories.

The image is the unit: backgrounds are a fixed list shared within an image and are no replicates. In a
category of k images, k - 1 are drawn, which makes the variance of the mean unbiased (Rao and Wu 1988,
JASA 83:231).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
SEED = 12345
LEVEL = 0.95
METHOD = "bootstrap-percentile-image-stratified"
CHUNK_BYTES = 64 * 1024 * 1024

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """Resampled means.

    Attributes:
        macro: mean over categories, `(column, draw)`.
        categories: mean of each category of two images or more, `(column, draw)`.
    """

    macro: Floats
    categories: Mapping[str, Floats]


def resample(
    categories: Sequence[str], values: Floats, *, draws: int = DRAWS, seed: int = SEED, each_category: bool = True
) -> Resampled | None:
    """Return bootstrap draws of the macro mean and of each category's mean.

    Every column sees the same images in each draw. For the macro mean, categories of one image are drawn
    together, a single one with the smallest other category. Each category alone starts from the seed.

    Args:
        categories: category of each image, images in sample order.
        values: `(column, image)`, finite.
        draws: number of draws.
        seed: seed of the generator.
        each_category: also draw the means of single categories.

    Returns:
        The draws, or None for a single image.
    """
    if len(categories) < 2:
        return None
    sizes = Counter(categories)
    weights = np.array([1 / sizes[category] for category in categories])
    generator = _generator(seed)
    total = np.zeros((len(values), draws))
    for members in resampling_groups(sizes):
        chosen = [index for index, category in enumerate(categories) if category in members]
        total += len(chosen) * _group_means(generator, values[:, chosen] * weights[chosen], draws)
    alone = {}
    for name, size in sizes.items():
        if each_category and size > 1:
            chosen = [index for index, category in enumerate(categories) if category == name]
            alone[name] = _group_means(_generator(seed), values[:, chosen], draws)
    return Resampled(macro=total / len(sizes), categories=alone)


def standard_error(categories: Sequence[str], values: Floats) -> Floats | None:
    """Return the standard error of each column's macro mean, which is the exact spread of `resample`'s draws.

    Where every category has two images or more it is `sqrt(sum_c s_c**2 / n_c) / C`.

    Args:
        categories: category of each image.
        values: `(column, image)`, finite.

    Returns:
        One number for each column, or None for a single image.
    """
    if len(categories) < 2:
        return None
    sizes = Counter(categories)
    weights = np.array([1 / sizes[category] for category in categories])
    variance = np.zeros(len(values))
    for members in resampling_groups(sizes):
        chosen = [index for index, category in enumerate(categories) if category in members]
        variance += len(chosen) * (values[:, chosen] * weights[chosen]).var(axis=1, ddof=1)
    return np.sqrt(variance) / len(sizes)


def interval(value: float, draws: Floats, *, level: float = LEVEL) -> dict[str, float | str]:
    """Return the percentile interval of a record around `value`, which always lies inside."""
    tail = 50 * (1 - level)
    low, high = (float(bound) for bound in np.percentile(draws, [tail, 100 - tail]))
    return {"low": min(low, value), "high": max(high, value), "level": level, "method": METHOD}


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def resampling_groups(sizes: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return the categories that are resampled together, in order of their first name.

    Args:
        sizes: images of each category; two images or more in all.
    """
    single = sorted(category for category in sizes if sizes[category] == 1)
    groups = [(category,) for category in sizes if sizes[category] > 1]
    if len(single) == 1:
        partner = min(groups, key=lambda group: (sizes[group[0]], group[0]))
        groups.remove(partner)
        single = sorted([*single, *partner])
    return sorted([*groups, *([tuple(single)] if single else [])])


def _group_means(generator: np.random.Generator, values: Floats, draws: int) -> Floats:
    """Return means of k - 1 draws among the k columns of `values`, `(row, draw)`."""
    size = values.shape[1]
    rows = max(1, CHUNK_BYTES // (16 * size))
    means = np.empty((len(values), draws))
    for first in range(0, draws, rows):
        count = min(rows, draws - first)
        picked = generator.integers(0, size, size=(count, size - 1))
        for row, column in enumerate(values):
            means[row, first : first + count] = column[picked].mean(axis=1)
    return means
