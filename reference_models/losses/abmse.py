"""Alpha-blending mean squared error: the expected squared error over random backgrounds, in closed form."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class BackgroundMoments:
    """First two moments of the random background, per colour channel, in [-1,1].

    Attributes:
        mean: E[b].
        second: E[b²], at least the square of the mean.

    Raises:
        ValueError: a second moment is below the square of its mean, which no random background has.
    """

    mean: tuple[float, float, float]
    second: tuple[float, float, float]

    def __post_init__(self) -> None:
        for channel, mean, second in zip(("red", "green", "blue"), self.mean, self.second, strict=True):
            if second < mean**2:
                raise ValueError(
                    f"second moment {second} of {channel} is below the square of its mean {mean}: "
                    "no background has such moments"
                )

    @classmethod
    def from_samples(cls, images: Float[Tensor, "batch 3 height width"]) -> "BackgroundMoments":
        """Return the moments of background images in [-1,1]."""
        pixels = images.double().transpose(0, 1).flatten(1)
        mean, second = pixels.mean(1), pixels.square().mean(1)
        return cls(
            (float(mean[0]), float(mean[1]), float(mean[2])),
            (float(second[0]), float(second[1]), float(second[2])),
        )

    @classmethod
    def from_colours(cls, colours: Float[Tensor, "background 3"]) -> "BackgroundMoments":
        """Return the moments of a list of solid backgrounds in [-1,1], all equally likely."""
        return cls.from_samples(colours[:, :, None, None])


RELEASED_MOMENTS = BackgroundMoments((-0.0357, -0.0811, -0.1797), (0.3163, 0.3060, 0.3634))
"""The moments AlphaVAE was trained with (arXiv 2507.09308, its released training code)."""


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
