"""First and second moments of opaque images: what the alpha-blending loss knows of its backgrounds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Triple = tuple[float, float, float]

DECIMALS = 6


@dataclass(frozen=True)
class ColourMoments:
    """Moments of a random pixel's colour in [-1,1], per channel.

    Attributes:
        mean: E[b].
        second: E[b²], at least the square of the mean.
        images: number of images they were measured on.
    """

    mean: Triple
    second: Triple
    images: int

    def rounded(self) -> "ColourMoments":
        """Return the moments with six decimals, still such that a random colour can have them."""
        mean = _triple([round(value, DECIMALS) for value in self.mean])
        scale = 10**DECIMALS
        pairs = zip(mean, self.second, strict=True)
        second = [max(round(s, DECIMALS), math.ceil(m * m * scale) / scale) for m, s in pairs]
        return ColourMoments(mean, _triple(second), self.images)


def colour_moments(images: Iterable[Float[Tensor, "3 _ _"]]) -> ColourMoments:
    """Return the moments of a pixel of one of `images`, drawn evenly from the images whatever their size.

    Args:
        images: opaque RGB in [0,1] of any sizes; looked at one after the other, so that they need not fit in
            memory together. The sums are in float64.

    Raises:
        ValueError: there is no image.
    """
    mean, second, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 0
    for image in images:
        pixels = image.double().flatten(1) * 2 - 1
        mean += pixels.mean(1)
        second += pixels.square().mean(1)
        count += 1
    if count == 0:
        raise ValueError("there is no image to measure the background's moments of")
    mean /= count
    # A single colour has exactly s = m², which two separate means miss by a rounding error.
    second = torch.maximum(second / count, mean.square())
    return ColourMoments(_triple(mean.tolist()), _triple(second.tolist()), count)


def _triple(values: list[float]) -> Triple:
    red, green, blue = values
    return red, green, blue
