"""Absolute and squared errors of alpha, whole image or inside a region such as the unknown part of a trimap.

A prediction p and a reference t are alphas in [0,1]. Sums are float64. Gradient and connectivity errors
live in `gradient` and `connectivity`.
"""

from jaxtyping import Float64
from torch import Tensor

from alphabench.image.types import Alpha, Mask
from alphabench.metrics.blocks import one_thread
from alphabench.metrics.check import check_pair, check_region


def sad(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return Σ|p − t| / 1000, in kilo-pixels: grows with the size of the image.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.
        region: only pixels where this is true count; all pixels when None.

    Returns:
        `(batch,)`; NaN (not applicable) where the region is empty.

    Raises:
        DataError: see `alphabench.metrics.check`.
    """
    total, pixels = absolute_error(prediction, reference, region)
    return (total / 1000).where(pixels > 0, total.new_tensor(float("nan")))


def sad_per_mpx(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return the SAD per million pixels, 1000·MAD: free of the size; arguments as in `sad`."""
    return 1000 * mad(prediction, reference, region)


def mad(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return the mean of |p − t| over the counted pixels; arguments as in `sad`."""
    total, pixels = absolute_error(prediction, reference, region)
    return total / pixels


def mse(prediction: Alpha, reference: Alpha, region: Mask | None = None) -> Float64[Tensor, " batch"]:
    """Return the mean of (p − t)² over the counted pixels; arguments as in `sad`."""
    difference = _difference(prediction, reference, region)
    return difference.square().sum(-1).sum((1, 2)) / counted_pixels(difference, region)


def absolute_error(
    prediction: Alpha, reference: Alpha, region: Mask | None
) -> tuple[Float64[Tensor, " batch"], Float64[Tensor, " batch"]]:
    """Return Σ|p − t| and the number of pixels summed over."""
    difference = _difference(prediction, reference, region)
    return difference.abs().sum(-1).sum((1, 2)), counted_pixels(difference, region)


def counted_pixels(image: Tensor, region: Mask | None) -> Float64[Tensor, " batch"]:
    """Return how many pixels of each sample count, as float64."""
    if region is None:
        return image.new_full((image.shape[0],), image.shape[2] * image.shape[3]).double()
    return region.sum((1, 2, 3)).double()


@one_thread()
def _difference(prediction: Tensor, reference: Tensor, region: Mask | None) -> Tensor:
    """Return p − t in float64, 0 outside the region, after checking the arguments."""
    prediction, reference = check_pair(prediction, reference, channels=1)
    difference = prediction.double() - reference.double()
    return difference if region is None else difference * check_region(region, prediction)
