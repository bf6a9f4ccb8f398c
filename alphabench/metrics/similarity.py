"""SSIM of two images as they are: the local formula, and the score of opaque composites and of alpha.

Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian
window of 11 taps, sigma 1.5, `valid` borders, biased covariances, no clamp, K1 = 0.01, K2 = 0.03, data
range 1. It agrees with scikit-image (`gaussian_weights=True, sigma=1.5, use_sample_covariance=False`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.image.types import Alpha, Rgb
from alphabench.metrics.blocks import one_thread, sample_chunks, stripe_rows
from alphabench.metrics.check import check_pair
from alphabench.metrics.gaussian_window import HALO, TAPS, ValidWindow, padded_width
from alphabench.runtime import exact_matmul

C1 = 0.01**2
C2 = 0.03**2

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma (ITU-R BT.601), unrounded."""


@one_thread()
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
            total = _total(prediction[chunk], reference[chunk], window)
            scores.append(total / (channels * (height - HALO) * (width - HALO)))
    return torch.cat(scores)


def ssim_alpha(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return the SSIM of two alphas `(batch, 1, height, width)`; everything else as in `ssim_direct`."""
    check_pair(prediction, reference, channels=1)
    return ssim_direct(prediction, reference)


def ssim_luma_direct(prediction: Rgb, reference: Rgb) -> Float64[Tensor, " batch"]:
    """Return the SSIM of the unrounded luma of two RGB images; everything else as in `ssim_direct`."""
    check_pair(prediction, reference, channels=3)
    return ssim_direct(*(weighted_luma(image.unbind(1)).unsqueeze(1) for image in (prediction, reference)))


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


def padded_sum_and_difference(
    prediction: Tensor, reference: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return (y + x, its offset) and (y − x, its offset), less their means and padded to whole blocks.

    The offset `(batch, channel, 1, 1)` is the mean of each sample and channel. It cancels from the score,
    so no gradient runs through it.
    """
    width = prediction.shape[-1]
    planes = []
    for plane in (prediction + reference, prediction - reference):
        offset = plane.detach().mean(-1, keepdim=True).mean(-2, keepdim=True)
        centred = torch.nn.functional.pad(plane - offset, (0, padded_width(width) - width))
        planes.append((centred, offset))
    return planes[0], planes[1]


def _total(prediction: Tensor, reference: Tensor, window: ValidWindow) -> Tensor:
    """Return the sum of the SSIM map of each sample, over channels and pixels."""
    _, channels, height, width = prediction.shape
    (plus, plus_offset), (minus, minus_offset) = padded_sum_and_difference(prediction, reference)
    step = stripe_rows(height - HALO, width, prediction.device)
    total = prediction.new_zeros(prediction.shape[0], dtype=torch.float64)
    for top in range(0, height - HALO, step):
        u, v = plus[:, :, top : top + step + HALO], minus[:, :, top : top + step + HALO]
        filtered = window(torch.cat([u, u.square(), v, v.square()], dim=1))
        for channel in range(channels):
            u_mean, u_square, v_mean, v_square = filtered[channel::channels]
            image = similarity_map(
                Windowed(u_mean, u_square, plus_offset[:, channel]),
                Windowed(v_mean, v_square, minus_offset[:, channel]),
            )
            total = total + window.total(image)
    return total
