"""The connectivity error of alpha mattes, in the two forms that published evaluators use.

Rhemann et al. 2009: at each of ten thresholds the largest 4-connected region where both mattes reach the
threshold is kept. A pixel's level l is the last threshold before it leaves that region, its distance is
d = α − l, counted from 0.15 upwards. All comparisons are of integers (8-bit codes), because in floating
point 153/255 ≥ 0.6 depends on the precision.
"""

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from alphabench.image.codec import quantise
from alphabench.image.types import Alpha, Mask
from alphabench.metrics.alpha_errors import counted_pixels
from alphabench.metrics.check import check_pair, check_region

STEPS = 10
_UNIT = 255 * STEPS
"""One, in the units of this module: 10·code − 255·step."""
_TOLERATED_HALF_UNITS = 3 * 255
"""Twice 0.15 in those units, the least distance that counts."""

Codes = NDArray[np.int32]


def conn_rhemann(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return Σ|φ_p − φ_t| / 1000, where an empty region at a threshold ends all levels there.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`; rounded to 8-bit codes.
        reference: the same shape, dtype and device.
        region: only pixels where this is true are summed; all pixels when None.

    Returns:
        `(batch,)` in kilo-pixels; NaN (not applicable) where the region is empty. Not differentiable.

    Raises:
        DataError: see `alphabench.metrics.check`.

    Source: the port of the MATLAB evaluation in `PeterL1n/RobustVideoMatting`, `evaluation/evaluate_lr.py`.
    """
    return _error(prediction, reference, region, skip_empty=False)


def conn_aim(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return Σ|φ_p − φ_t| / 1000, where a threshold with an empty region is skipped.

    An all-transparent prediction therefore scores 0, as if perfect: read it beside `conn_rhemann`.
    Arguments, result and errors as in `conn_rhemann`.

    Source: `JizhiziLi/AIM`, `core/evaluate.py`.
    """
    return _error(prediction, reference, region, skip_empty=True)


def largest_component(mask: NDArray[np.bool_], *, diagonal: bool = False) -> NDArray[np.bool_]:
    """Return the largest connected component of `mask`; of equal ones that with the first pixel by rows.

    Args:
        mask: `(height, width)`.
        diagonal: whether pixels that touch at a corner are connected (8- instead of 4-connected).
    """
    structure = ndimage.generate_binary_structure(2, 2 if diagonal else 1)
    labels, count = ndimage.label(mask, structure)
    if count <= 1:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0  # the background
    largest: NDArray[np.bool_] = labels == areas.argmax()  # labels are numbered in row order: first wins
    return largest


def _error(prediction: Tensor, reference: Tensor, region: Mask | None, *, skip_empty: bool) -> Tensor:
    prediction, reference = check_pair(prediction, reference, channels=1)
    if region is not None:
        check_region(region, prediction)
    scores = prediction.new_zeros(prediction.shape[0], dtype=torch.float64)
    codes = [quantise(image.detach()).cpu().numpy()[:, 0].astype(np.int32) for image in (prediction, reference)]
    for index, (one, other) in enumerate(zip(*codes, strict=True)):
        if np.array_equal(one, other):
            continue
        levels = _levels(np.minimum(one, other), skip_empty=skip_empty)
        error = np.abs(_disconnected(one, levels) - _disconnected(other, levels))
        counted = error if region is None else error[region[index, 0].cpu().numpy()]
        scores[index] = int(counted.sum(dtype=np.int64)) / _UNIT / 1000
    return scores.where(counted_pixels(prediction, region) > 0, scores.new_tensor(float("nan")))


def _levels(codes: Codes, *, skip_empty: bool) -> Codes:
    """Return for each pixel the step (0…10) of the last threshold it is connected at.

    Args:
        codes: the smaller of both alphas, `(height, width)`: both reach a threshold where this does.
        skip_empty: whether a threshold that no pixel reaches is passed over.
    """
    levels = np.full_like(codes, STEPS)
    assigned = np.zeros(codes.shape, dtype=np.bool_)
    previous = -1
    for step in range(1, STEPS + 1):
        reached = STEPS * codes >= 255 * step
        pixels = int(reached.sum())
        if pixels == 0 and skip_empty:
            break
        if pixels != previous:  # the sets are nested: an equal count is an equal set, which leaves nobody out
            lost = ~largest_component(reached) & ~assigned
            levels[lost] = step - 1
            assigned |= lost
        if assigned.all():
            break
        previous = pixels
    return levels


def _disconnected(codes: Codes, levels: Codes) -> Codes:
    """Return 1 − φ in units of 1/2550: how far the alpha rises above its level, from 0.15 upwards."""
    distance = STEPS * codes - 255 * levels
    return np.where(2 * distance >= _TOLERATED_HALF_UNITS, distance, 0)
