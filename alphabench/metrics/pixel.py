"""PSNR of two images as they are: opaque composites, alpha, and straight colour weighted by alpha."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.image.types import Alpha, Rgba
from alphabench.metrics.blocks import one_thread
from alphabench.metrics.check import check_pair
from alphabench.metrics.closed_form import psnr_from_mse


@one_thread()
def psnr(
    prediction: Float[Tensor, "batch channel height width"],
    reference: Float[Tensor, "batch channel height width"],
) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB: −10·log10 of the mean squared error over channels and pixels, no epsilon.

    Args:
        prediction: `(batch, channel, height, width)` in [0,1], float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch,)`; +inf for identical images. Differentiable.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference)
    rows = (prediction - reference).double().square().sum(-1)
    return psnr_from_mse(rows.sum((1, 2)) / prediction[0].numel())


def psnr_alpha(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB of two alphas `(batch, 1, height, width)`; +inf where they are equal.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    check_pair(prediction, reference, channels=1)
    return psnr(prediction, reference)


@one_thread()
def psnr_straight_rgb(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB of straight colour, weighted by the reference's alpha.

    Pixels that the prediction makes fully transparent have no colour of their own and are left out, as are
    those of the reference: hidden colour of neither side counts.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch,)`; +inf where the colours agree, NaN (not applicable) where no pixel is visible in both.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    weight = torch.where(prediction[:, 3:] > 0, reference[:, 3:], 0.0).double()
    # A sum of products with weight 0 is the same to the last bit whatever colour is hidden there.
    error = (prediction[:, :3] - reference[:, :3]).double().square() * weight
    total = error.sum(-1).sum((1, 2)) / (3 * weight.sum(-1).sum((1, 2)))
    return psnr_from_mse(total)
