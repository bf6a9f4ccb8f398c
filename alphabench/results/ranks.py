"""Ranks that a paired test bears out: a model is behind another only where that is proved.

For two models the differences of their values, image by image, have the mean over categories `D` and the
standard error `sqrt(sum_g v_g)` (`intervals.standard_error`). `D / error` is judged by Student's t with
Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110), one-sided, and the
comparisons of one model with all others are adjusted by Holm's method. A bootstrap could not do this: with
10,000 draws no p-value falls below 1e-4, so that no more than 250 comparisons could prove anything.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alphabench.results.intervals import Floats, resampling_groups
from alphabench.results.verdicts import LEVEL

BLOCK = 256
"""Models that are compared with all others at once: bounds the memory."""
PAIRS = 4096
"""Pairs of nearly equal models whose differences are formed at once: bounds the memory."""
SAME = 1e-9
"""Means that differ by less, relative to values of 1 or more, are one mean: records state no more digits."""
CLEAR_OF = 0.999
"""What a statistic keeps away from a quantile that decides for it: more than quantiles are off by."""
NEAR = 1e-9
"""Below this share of the two variances a variance of differences is computed from the differences."""


def proved_ranks(values: Floats, categories: Sequence[str]) -> NDArray[np.int64]:
    """Return each model's rank: 1 + the number of models proved better, so that ties share a rank.

    Args:
        values: `(model, image)`, finite, larger is better; every model on the same images.
        categories: category of each image.
    """
    models, images = values.shape
    if models < 2 or images < 2:
        return np.ones(models, dtype=np.int64)
    sizes = Counter(categories)
    weights = np.array([1 / sizes[category] for category in categories]) / len(sizes)
    parts = []
    for members in resampling_groups(sizes):
        chosen = [index for index, category in enumerate(categories) if category in members]
        parts.append(np.ascontiguousarray(values[:, chosen] * weights[chosen]))
    means = np.sum([part.sum(axis=1) for part in parts], axis=0)
    ranks = np.empty(models, dtype=np.int64)
    for first in range(0, models, BLOCK):
        rows = slice(first, min(first + BLOCK, models))
        p = _p_values(parts, means, rows, models - 1)
        p[np.arange(p.shape[0]), np.arange(rows.start, rows.stop)] = np.inf  # nobody is compared with itself
        ranks[rows] = 1 + _rejected(p[:, :], models - 1)
    return ranks


def _p_values(parts: Sequence[Floats], means: Floats, rows: slice, family: int) -> Floats:
    """Return p of "column's model is better than row's" for the models of `rows` against all.

    Where Holm's method over `family` comparisons decides the same for every p of a range, an end of the range
    stands for it: 1 where p is above `LEVEL`, 0 where it is below `LEVEL / family`. A larger statistic and more
    degrees of freedom both make p smaller, so two quantiles of t tell those, and most pairs are among them.
    """
    from scipy.special import ndtri, stdtr, stdtrit

    gain = means[None, :] - means[rows, None]
    scale = np.maximum(1.0, np.maximum(np.abs(means[None, :]), np.abs(means[rows, None])))
    variance = np.zeros_like(gain)
    fourth = np.zeros_like(gain)
    for part in parts:
        size = part.shape[1]
        spread = size * _difference_variance(part, rows)
        variance += spread
        fourth += spread**2 / (size - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(fourth > 0, variance**2 / fourth, np.inf)
        statistic = np.where(variance > 0, gain / np.sqrt(variance), np.inf)
    p = np.ones_like(gain)
    ahead = (gain > SAME * scale) & (statistic > CLEAR_OF * ndtri(1 - LEVEL))  # above it even for a normal tail
    if ahead.any():
        proved = ahead & (statistic > stdtrit(freedom[ahead].min(), 1 - LEVEL / family) / CLEAR_OF)
        p[proved] = 0.0
        close = ahead & ~proved
        p[close] = stdtr(np.minimum(freedom[close], 1e9), -statistic[close])
    return p


def _difference_variance(part: Floats, rows: slice) -> Floats:
    """Return the variance over images of the difference of each pair, `(row, model)`."""
    size = part.shape[1]
    centred = part - part.mean(axis=0)  # what all models share of an image falls out of every difference
    centred = centred - centred.mean(axis=1, keepdims=True)
    own = (centred**2).sum(axis=1)
    total = own[rows, None] + own[None, :]
    found = total - 2 * (centred[rows] @ centred.T)
    near = np.nonzero((found < NEAR * total) & (total > 0))
    for first in range(0, len(near[0]), PAIRS):
        row, column = near[0][first : first + PAIRS], near[1][first : first + PAIRS]
        difference = centred[rows.start + row] - centred[column]
        difference -= difference.mean(axis=1, keepdims=True)
        found[row, column] = (difference**2).sum(axis=1)
    variance: Floats = np.maximum(found, 0.0) / (size - 1)
    return variance


def _rejected(p: Floats, family: int) -> NDArray[np.int64]:
    """Return for each row how many of its hypotheses Holm's method rejects."""
    ordered = np.sort(p, axis=1)[:, :family]
    held = ordered * np.arange(family, 0, -1) >= LEVEL
    return np.where(held.any(axis=1), held.argmax(axis=1), family).astype(np.int64)
