"""SSIM of two images as they are: the local formula, and the score of opaque composites and of alpha.

Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian
window of 11 taps, sigma 1.5, `valid` borders, biased covariances, no clamp, K1 = 0.01, K2 = 0.03, data
range 1. It agrees with scikit-image (`gaussian_weights=True, sigma=1.5, use_sample_covariance=False`).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import pad

from alphabench.image.types import Alpha, Rgb
from alphabench.metrics.blocks import one_thread, sample_chunks, sum_over_stripes
from alphabench.metrics.check import check_pair
from alphabench.metrics.gaussian_window import HALO, TAPS, ValidWindow, padded_width
from alphabench.runtime import exact_matmul

C1 = 0.01**2
C2 = 0.03**2

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601), unrounded."""


def ssim_direct(
    prediction: Float[Tensor, "batch channel height width"],
    reference: Float[Tensor, "batch channel height width"],
) -> Float64[Tensor, " batch"]:
    """Return the SSIM of two images, the mean over channels and pixels; for composites on textures.

    Args:
        prediction: `(batch, channel, height, width)` in [0,1], float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch,)` in [−1,1]; NaN (not applicable) where a side is shorter than 11 pixels. Differentiable.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference)
    batch, channels, height, width = prediction.shape
    if min(height, width) < TAPS:
        return torch.full((batch,), torch.nan, dtype=torch.float64, device=prediction.device)
    window = ValidWindow(width, prediction)
    scores = []
    with exact_matmul():
        for chunk in sample_chunks(batch, 4 * channels * prediction[0, 0].nbytes, prediction.device):
            stacked = SumAndDifference(prediction[chunk], reference[chunk])
            total = sum_over_stripes(partial(_total, stacked, window), height - HALO, width, prediction.device)
            scores.append(total / (channels * (height - HALO) * (width - HALO)))
    return torch.cat(scores)


def ssim_alpha(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return the SSIM of two alphas `(batch, 1, height, width)`; everything else as in `ssim_direct`."""
    check_pair(prediction, reference, channels=1)
    return ssim_direct(prediction, reference)


def ssim_luma_direct(prediction: Rgb, reference: Rgb) -> Float64[Tensor, " batch"]:
    """Return the SSIM of the unrounded luma of two RGB images; everything else as in `ssim_direct`."""
    check_pair(prediction, reference, channels=3)
    return ssim_direct(*(weighted_luma(image.split(1, dim=1)) for image in (prediction, reference)))


def weighted_luma(colours: Sequence[Tensor]) -> Tensor:
    """Return the luma of red, green and blue maps."""
    red, green, blue = (weight * colour for weight, colour in zip(LUMA_WEIGHTS, colours, strict=True))
    return red + green + blue


class Windowed(NamedTuple):
    """Window averages of a signal u, taken after a constant offset was taken off it.

    Attributes:
        mean: the mean of u − offset in each window.
        square: the mean of (u − offset)² in each window.
        offset: what was taken off; broadcasts.
    """

    mean: Tensor
    square: Tensor
    offset: Tensor


def similarity_map(plus: Windowed, minus: Windowed) -> Tensor:
    """Return the SSIM of each window from the sum y + x and the difference y − x of two signals.

        SSIM = (ū² − v̄² + 2·C1)·(var u − var v + 2·C2) / ((ū² + v̄² + 2·C1)·(var u + var v + 2·C2))

    for u = y + x and v = y − x is the usual form rewritten; identical signals give exactly 1.
    """
    bright = (plus.mean + plus.offset).square() + 2 * C1
    differ = (minus.mean + minus.offset).square()
    # With both shifted by their means the variances are within 1e-6 of the truth, far above −2·C2.
    varied = torch.addcmul(plus.square, plus.mean, plus.mean, value=-1) + 2 * C2
    strange = torch.addcmul(minus.square, minus.mean, minus.mean, value=-1)
    return (bright - differ) * (varied - strange) / ((bright + differ) * (varied + strange))


class SumAndDifference:
    """The sum u = y + x and the difference v = y − x of two images, served stripe by stripe.

    Each comes less the mean of its sample and channel and padded to whole column blocks. The mean cancels
    from the score, so no gradient runs through it.

    Args:
        prediction: y, `(batch, channel, height, width)`.
        reference: x, the same shape.

    Attributes:
        plus_offset: the mean taken off u, `(channel, 1, batch, 1, 1)`.
        minus_offset: the mean taken off v, likewise.
    """

    @one_thread()
    def __init__(self, prediction: Tensor, reference: Tensor) -> None:
        self._pair = prediction, reference
        width = prediction.shape[-1]
        self._padding = (0, padded_width(width) - width)
        y, x = (image.detach().mean(-1, keepdim=True).mean(-2, keepdim=True) for image in self._pair)
        self._offsets = y + x, y - x
        self.plus_offset, self.minus_offset = (each.transpose(0, 1).unsqueeze(1) for each in self._offsets)

    def at(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Return u and v of the rows that the outputs `rows` are filtered from."""
        y, x = (image[:, :, rows.start : rows.stop + HALO] for image in self._pair)
        plus, minus = y + x - self._offsets[0], y - x - self._offsets[1]
        return pad(plus, self._padding), pad(minus, self._padding)


def _total(stacked: SumAndDifference, window: ValidWindow, rows: slice) -> Float64[Tensor, " batch"]:
    """Return the sum of the SSIM map over the channels and some rows of outputs."""
    u, v = stacked.at(rows)
    image = similarity_map(
        Windowed(window(u), window(u.square()), stacked.plus_offset),
        Windowed(window(v), window(v.square()), stacked.minus_offset),
    )
    return window.total(image).sum(0)
