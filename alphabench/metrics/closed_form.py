"""PSNR on every solid background from seven sums per sample.

With premultiplied colour P = A·C, the composite on a background b is P + (1 − A)·b, so the error of a
prediction is e = dP − b·dA, and the mean of e² is a quadratic in b whose coefficients are the means of dP²,
dP·dA and dA². The sums are taken in float64. The random-background form is the one AlphaVAE trains with
(arXiv 2507.09308).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgba
from alphabench.metrics.blocks import one_thread, stripes
from alphabench.metrics.check import check_backgrounds, check_pair

UNIFORM_MOMENTS = ((1 / 2, 1 / 2, 1 / 2), (1 / 3, 1 / 3, 1 / 3))
"""E[b] and E[b²] of a background drawn uniformly from the colour cube."""

ABMSE_MOMENTS = (
    tuple((mean + 1) / 2 for mean in (-0.0357, -0.0811, -0.1797)),
    tuple(
        (square + 2 * mean + 1) / 4
        for mean, square in zip((-0.0357, -0.0811, -0.1797), (0.3163, 0.3060, 0.3634), strict=True)
    ),
)
"""E[b] and E[b²] of the photographs AlphaVAE trains on, moved from [−1,1] to [0,1].

Source: the constants in `train/losses.py` of `o0o0o00o0/AlphaVAE`.
"""


@dataclass(frozen=True)
class PairMoments:
    """The seven sums of a pair of RGBA images from which every solid-background error follows.

    Sums of disjoint parts of the same samples add, so streaming over tiles and joining ranks is `+`.

    Attributes:
        pp: sum of dP² per channel, float64 `(batch, 3)`.
        pa: sum of dP·dA per channel, float64 `(batch, 3)`.
        aa: sum of dA², float64 `(batch,)`.
        pixels: the number of pixels summed over, per sample.
    """

    pp: Float64[Tensor, "batch 3"]
    pa: Float64[Tensor, "batch 3"]
    aa: Float64[Tensor, " batch"]
    pixels: int

    def __add__(self, other: "PairMoments") -> "PairMoments":
        return PairMoments(self.pp + other.pp, self.pa + other.pa, self.aa + other.aa, self.pixels + other.pixels)


def moments(prediction: Rgba, reference: Rgba) -> PairMoments:
    """Return the seven sums of each pair.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    return moments_of_difference(premultiplied_difference(prediction, reference))


@one_thread()
def premultiplied_difference(prediction: Rgba, reference: Rgba) -> Float[Tensor, "batch 4 height width"]:
    """Return dP (three channels) and dA (the fourth) of checked images."""
    colour = premultiply(prediction) - premultiply(reference)
    return torch.cat([colour, prediction[:, 3:] - reference[:, 3:]], dim=1)


@one_thread()
def moments_of_difference(difference: Float[Tensor, "batch 4 height width"]) -> PairMoments:
    """Return the seven sums from dP and dA, stripe by stripe in float64."""
    batch, _, height, width = difference.shape
    sums = difference.new_zeros((batch, 7), dtype=torch.float64)
    for rows in stripes(height, width, difference.device):
        stripe = difference[:, :, rows].double()
        colour, alpha = stripe[:, :3], stripe[:, 3:]
        products = (colour * colour, colour * alpha, alpha * alpha)
        # Rows first: the order of the additions depends neither on the batch nor on the threads.
        sums = sums + torch.cat([product.sum(-1).sum(-1) for product in products], dim=1)
    return PairMoments(sums[:, :3], sums[:, 3:6], sums[:, 6], height * width)


def mse_on_solid(pair: PairMoments, backgrounds: Float[Tensor, "background 3"]) -> Float64[Tensor, "batch background"]:
    """Return the mean squared error of the composites on each solid background.

    Args:
        pair: the sums of `moments`.
        backgrounds: colours in [0,1], `(background, 3)`.

    Raises:
        DataError: see `alphabench.metrics.check.check_backgrounds`.
    """
    return _mse_with(pair, *_powers(check_backgrounds(backgrounds), pair))


def mse_on_random(pair: PairMoments, mean: Sequence[float], square: Sequence[float]) -> Float64[Tensor, " batch"]:
    """Return the expected squared error on a random solid background with E[b] and E[b²] per channel."""
    first, second = (pair.aa.new_tensor(tuple(values)).expand(1, 3) for values in (mean, square))
    return _mse_with(pair, first, second)[:, 0]


def worst_solid_background(pair: PairMoments) -> Float64[Tensor, "batch 3"]:
    """Return the solid colour with the largest error of each sample: a corner of the cube, ties to 0."""
    return (pair.aa[:, None] > 2 * pair.pa).to(torch.float64)


def mildest_solid_background(pair: PairMoments) -> Float64[Tensor, "batch 3"]:
    """Return the solid colour with the smallest error of each sample; black where both alphas agree."""
    return torch.where(pair.aa[:, None] > 0, pair.pa / pair.aa[:, None], 0.0).clamp(0.0, 1.0)


def mse_on_own(pair: PairMoments, backgrounds: Float64[Tensor, "batch 3"]) -> Float64[Tensor, " batch"]:
    """Return the mean squared error of each sample on its own solid background."""
    quadratic = pair.pp - 2 * backgrounds * pair.pa + backgrounds**2 * pair.aa[:, None]
    return quadratic.mean(-1).clamp_min(0.0) / pair.pixels


def psnr_from_mse(mse: Tensor) -> Tensor:
    """Return −10·log10 of a mean squared error on the data range 1; an error of 0 gives +inf."""
    return -10 * torch.log10(mse)


def composite_psnr(
    prediction: Rgba, reference: Rgba, backgrounds: Float[Tensor, "background 3"]
) -> Float64[Tensor, "batch background"]:
    """Return the PSNR in dB of the composites on each solid background.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.
        backgrounds: colours in [0,1], `(background, 3)`.

    Returns:
        `(batch, background)`; +inf where the composites are equal. Differentiable in both images.

    Raises:
        DataError: see `alphabench.metrics.check`.
    """
    return psnr_from_mse(mse_on_solid(moments(prediction, reference), backgrounds))


def psnr_worst_solid(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB on the solid colour where each prediction is worst, found in closed form.

    Arguments and errors as in `moments`. The gradient runs through the chosen colour only.
    """
    pair = moments(prediction, reference)
    return psnr_from_mse(mse_on_own(pair, worst_solid_background(pair).detach()))


def psnr_adversarial(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB on the worst background whatever, chosen per pixel and channel.

    No background with values in [0,1], textured ones included, gives a lower PSNR. Arguments and errors
    as in `moments`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    return psnr_adversarial_of_difference(premultiplied_difference(prediction, reference))


@one_thread()
def psnr_adversarial_of_difference(
    difference: Float[Tensor, "batch 4 height width"],
) -> Float64[Tensor, " batch"]:
    """Return the adversarial PSNR from dP and dA: the mean of max(dP², (dP − dA)²)."""
    batch, _, height, width = difference.shape
    total = difference.new_zeros(batch, dtype=torch.float64)
    for rows in stripes(height, width, difference.device):
        stripe = difference[:, :, rows].double()
        colour, alpha = stripe[:, :3], stripe[:, 3:]
        worst = torch.maximum(colour.square(), (colour - alpha).square())
        total = total + worst.sum(-1).sum(-1).sum(-1)
    return psnr_from_mse(total / (3 * height * width))


def psnr_uniform(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB of the expected error on a colour drawn uniformly; arguments as in `moments`."""
    return psnr_from_mse(mse_on_random(moments(prediction, reference), *UNIFORM_MOMENTS))


def psnr_abmse(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB of the expected error on AlphaVAE's photographs (`ABMSE_MOMENTS`).

    Arguments and errors as in `moments`. Source: arXiv 2507.09308, alpha-blending mean squared error.
    """
    return psnr_from_mse(mse_on_random(moments(prediction, reference), *ABMSE_MOMENTS))


def _powers(backgrounds: Tensor, pair: PairMoments) -> tuple[Tensor, Tensor]:
    """Return b and b² beside the sums."""
    levels = backgrounds.to(pair.aa.device)
    return levels, levels.square()


def _mse_with(pair: PairMoments, first: Tensor, second: Tensor) -> Tensor:
    """Return the mean of the quadratic in b for the rows of b and b² (or their expectations)."""
    if pair.pixels < 1:
        raise DataError("the sums of a pair cover no pixel", remedy="Add the sums of at least one image.")
    quadratic = pair.pp[:, None] - 2 * first * pair.pa[:, None] + second * pair.aa[:, None, None]
    return quadratic.mean(-1).clamp_min(0.0) / pair.pixels
