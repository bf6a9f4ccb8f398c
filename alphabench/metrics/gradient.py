"""The gradient error of alpha mattes, in the two forms that published evaluators use.

Rhemann et al. 2009, "A perceptually motivated online benchmark for image matting": the sum of squared
differences of gradient magnitudes, with first derivatives of a Gaussian of sigma 1.4. The evaluators
differ in kernel, border, normalisation and divisor, so both are named and their numbers never mix.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from alphabench.image.types import Alpha, Mask
from alphabench.metrics.alpha_errors import counted_pixels
from alphabench.metrics.blocks import one_thread
from alphabench.metrics.check import check_pair, check_region

SIGMA = 1.4
_RHEMANN_RADIUS = math.ceil(SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * SIGMA * 0.01)))
_AIM_RADIUS = int(4 * SIGMA + 0.5)


def grad_rhemann(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return Σ(m_p − m_t)² / 1000 of gradient magnitudes m, each alpha stretched to its own [0,1] first.

    Kernel of 9 × 9 divided by its L2 norm, borders replicated. Because of the stretch it does not see a
    fade of the whole matte; a constant alpha has gradient 0.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.
        region: only pixels where this is true are summed; all pixels when None.

    Returns:
        `(batch,)`; NaN (not applicable) where the region is empty.

    Raises:
        DataError: see `alphabench.metrics.check`.

    Source: the port of the MATLAB evaluation in `PeterL1n/RobustVideoMatting`, `evaluation/evaluate_lr.py`.
    """
    smooth, slope = _derivative_of_gaussian(_RHEMANN_RADIUS)
    evaluator = _Evaluator(smooth / smooth.norm(), slope / slope.norm(), stretch=True, mirror=False)
    return _error(prediction, reference, region, evaluator) / 1000


def grad_aim(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return Σ(m_p − m_t)² / 10 of gradient magnitudes m of the alphas as they are.

    Kernel of 13 × 13 with the smoothing taps summing to 1, borders mirrored about the edge of the pixels.
    Arguments, result and errors as in `grad_rhemann`.

    Source: `JizhiziLi/AIM`, `core/evaluate.py`, which uses SciPy's `gaussian_filter`.
    """
    smooth, slope = _derivative_of_gaussian(_AIM_RADIUS)
    evaluator = _Evaluator(smooth / smooth.sum(), slope / smooth.sum(), stretch=False, mirror=True)
    return _error(prediction, reference, region, evaluator) / 10


class _Evaluator(NamedTuple):
    """How one evaluator takes a gradient.

    Attributes:
        smooth: taps across the derivative.
        slope: taps along the derivative.
        stretch: whether each alpha is first stretched to its own [0,1].
        mirror: whether the border mirrors; else it is replicated.
    """

    smooth: Tensor
    slope: Tensor
    stretch: bool
    mirror: bool


@one_thread()
def _error(prediction: Tensor, reference: Tensor, region: Mask | None, evaluator: _Evaluator) -> Tensor:
    """Return the sum of squared differences of gradient magnitudes."""
    prediction, reference = check_pair(prediction, reference, channels=1)
    if region is not None:
        check_region(region, prediction)
    scores = []
    for index in range(prediction.shape[0]):
        one, other = (_magnitude(image[index, 0].double(), evaluator) for image in (prediction, reference))
        error = (one - other).square()
        if region is not None:
            error = error * region[index, 0]
        scores.append(error.sum(-1).sum())
    pixels = counted_pixels(prediction, region)
    return torch.stack(scores).where(pixels > 0, pixels.new_tensor(float("nan")))


def _derivative_of_gaussian(radius: int) -> tuple[Tensor, Tensor]:
    """Return the unnormalised Gaussian and its first derivative at −radius…radius."""
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    gauss = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return gauss, -offsets * gauss / SIGMA**2


def _magnitude(alpha: Tensor, evaluator: _Evaluator) -> Tensor:
    """Return the gradient magnitude of one alpha `(height, width)`."""
    if evaluator.stretch:
        lowest, highest = alpha.aminmax()
        if lowest == highest:
            return torch.zeros_like(alpha)
        alpha = (alpha - lowest) / (highest - lowest)
    smooth, slope, mirror = evaluator.smooth, evaluator.slope, evaluator.mirror
    along_rows = _correlate(_correlate(alpha, smooth, 0, mirror=mirror), slope, 1, mirror=mirror)
    along_columns = _correlate(_correlate(alpha, slope, 0, mirror=mirror), smooth, 1, mirror=mirror)
    return torch.hypot(along_rows, along_columns)


def _correlate(image: Tensor, taps: Tensor, axis: int, *, mirror: bool) -> Tensor:
    """Return `image` filtered along one axis, at full size."""
    size, radius = image.shape[axis], len(taps) // 2
    places = torch.arange(-radius, size + radius, device=image.device)
    if mirror:  # about the edge of the outermost pixels, as often as a small image needs
        places = places.remainder(2 * size)
        places = torch.minimum(places, 2 * size - 1 - places)
    else:
        places = places.clamp(0, size - 1)
    padded = image.index_select(axis, places)
    result = torch.zeros_like(image)
    for start, tap in enumerate(taps.tolist()):
        result.add_(padded.narrow(axis, start, size), alpha=tap)
    return result
