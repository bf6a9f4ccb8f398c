"""Alpha-blending mean squared error: the expected squared error over random backgrounds, in closed form."""

import torch
from jaxtyping import Float
from torch import Tensor

from reference_models.losses.backgrounds import RELEASED_MOMENTS, BackgroundMoments

__all__ = [
    "RELEASED_MOMENTS",
    "BackgroundMoments",
    "abmse",
    "blend",
    "blend_error",
    "premultiplied_error",
    "sampled_error",
    "two_point_backgrounds",
    "weigh",
]


def blend_error(
    colour: Float[Tensor, "*batch 3 height width"],
    opacity: Float[Tensor, "*batch 1 height width"],
    moments: BackgroundMoments,
) -> Float[Tensor, "*batch 3 height width"]:
    """Return E_b (P - D·b)² of each pixel and channel (arXiv 2507.09308, ABMSE).

    Written as (P - m·D)² + (s - m²)·D², which shows that it is never negative.

    Args:
        colour: P, the difference of the colours multiplied by their opacities, target minus prediction.
        opacity: D, the difference of the opacities in [0,1], target minus prediction.
        moments: m and s.
    """
    mean = colour.new_tensor(moments.mean).reshape(3, 1, 1)
    variance = colour.new_tensor(moments.second).reshape(3, 1, 1) - mean.square()
    return (colour - mean * opacity).square() + variance * opacity.square()


def weigh(
    images: Float[Tensor, "*batch 4 height width"],
) -> tuple[Float[Tensor, "*batch 3 height width"], Float[Tensor, "*batch 1 height width"]]:
    """Split straight RGBA in [-1,1] into colour times opacity, and opacity in [0,1] (unclamped)."""
    opacity = (images[..., 3:, :, :] + 1) / 2
    return images[..., :3, :, :] * opacity, opacity


def abmse(
    prediction: Float[Tensor, "batch 4 height width"],
    target: Float[Tensor, "batch 4 height width"],
    moments: BackgroundMoments,
) -> Float[Tensor, " batch"]:
    """Return the expected squared error over random backgrounds, summed over the colours of each image.

    Args:
        prediction: straight RGBA in [-1,1], alpha too; may lie outside.
        target: straight RGBA in [-1,1].
        moments: of the background.
    """
    predicted_colour, predicted_opacity = weigh(prediction)
    colour, opacity = weigh(target)
    error = blend_error(colour - predicted_colour, opacity - predicted_opacity, moments)
    return error.flatten(1).sum(1)


def blend(
    colour: Float[Tensor, "batch 3 height width"],
    opacity: Float[Tensor, "batch 1 height width"],
    background: float,
) -> Float[Tensor, "batch 3 height width"]:
    """Return the image over a background of one level in [-1,1]; `colour` is weighed by its opacity."""
    return torch.add(colour, (1 - opacity) * background)


def premultiplied_error(
    colour: Float[Tensor, "*batch 3 height width"], opacity: Float[Tensor, "*batch 1 height width"]
) -> Float[Tensor, "*batch 4 height width"]:
    """Return the squared error of premultiplied RGBA in [-1,1], alpha too, from the P and D of `blend_error`.

    With y = 2ca-1 the difference of two premultiplied colours is P + D, that of two alphas 2·D.
    """
    return torch.cat([colour + opacity, 2 * opacity], -3).square()


def sampled_error(
    colour: Float[Tensor, "batch 3 height width"],
    opacity: Float[Tensor, "batch 1 height width"],
    backgrounds: Float[Tensor, "batch colours 3"],
) -> Float[Tensor, "batch 3 height width"]:
    """Return the mean of (P - D·b)² over each image's own solid backgrounds: what `blend_error` expects.

    Args:
        colour: P, as in `blend_error`.
        opacity: D, as in `blend_error`.
        backgrounds: colours in [-1,1].
    """
    levels = backgrounds[..., None, None]
    return (colour[:, None] - opacity[:, None] * levels).square().mean(1)


def two_point_backgrounds(
    signs: Float[Tensor, "batch colours 3"], moments: BackgroundMoments
) -> Float[Tensor, "batch colours 3"]:
    """Return colours m ± √(s - m²) by the signs ±1 of each channel: coins with exactly these moments."""
    mean, second = signs.new_tensor(moments.mean), signs.new_tensor(moments.second)
    return mean + (second - mean.square()).clamp_min(0).sqrt() * signs
