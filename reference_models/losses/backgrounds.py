"""The random backgrounds of the alpha-blending loss, as the two moments that the loss needs of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor

from alphabench.image.moments import colour_moments

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class BackgroundMoments:
    """First two moments of the random background, per colour channel, in [-1,1].

    Attributes:
        mean: E[b].
        second: E[b²], at least the square of the mean.

    Raises:
        ValueError: a second moment is below the square of its mean, which no random background has.
    """

    mean: Triple
    second: Triple

    def __post_init__(self) -> None:
        for channel, mean, second in zip(("red", "green", "blue"), self.mean, self.second, strict=True):
            # Negated, so that a NaN is refused as well.
            if not second >= mean**2:
                raise ValueError(
                    f"second moment {second} of {channel} is below the square of its mean {mean}: "
                    "no background has such moments"
                )

    @classmethod
    def from_samples(cls, images: Iterable[Float[Tensor, "3 _ _"]]) -> "BackgroundMoments":
        """Return the moments of a pixel of one of `images`, drawn evenly from the images whatever their size.

        Args:
            images: opaque RGB in [0,1]; read one after the other, so that a folder need not fit in memory.

        Raises:
            ValueError: there is no image.
        """
        found = colour_moments(images)
        return cls(found.mean, found.second)

    @classmethod
    def from_colours(cls, colours: Float[Tensor, "background 3"]) -> "BackgroundMoments":
        """Return the moments of a list of solid backgrounds in [-1,1], all equally likely."""
        return cls.from_samples((colour[:, None, None] + 1) / 2 for colour in colours.double())

    @classmethod
    def from_statistics(cls, mean: Triple, deviation: Triple) -> "BackgroundMoments":
        """Return the moments in [-1,1] of backgrounds whose mean and standard deviation are given in [0,1]."""
        means = (2 * mean[0] - 1, 2 * mean[1] - 1, 2 * mean[2] - 1)
        red, green, blue = (4 * d**2 + m**2 for d, m in zip(deviation, means, strict=True))
        return cls(means, (red, green, blue))


def _grey(mean: float, second: float) -> BackgroundMoments:
    return BackgroundMoments((mean, mean, mean), (second, second, second))


RELEASED_MOMENTS = BackgroundMoments((-0.0357, -0.0811, -0.1797), (0.3163, 0.3060, 0.3634))
"""The moments AlphaVAE was trained with (arXiv 2507.09308, its released training code)."""

PRESETS: Mapping[str, BackgroundMoments] = MappingProxyType(
    {
        "imagenet": RELEASED_MOMENTS,
        # The constants that classifiers are normalised with; the released ones above differ from them.
        "customary-imagenet": BackgroundMoments.from_statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        # Black, white, grey 128/255 and six saturated colours: eight channels of ±1, one of 1/255.
        "nine-colours": _grey(1 / 255 / 9, (8 + 1 / 255**2) / 9),
        "uniform": _grey(0.0, 1 / 3),
        "white": _grey(1.0, 1.0),
        "black": _grey(-1.0, 1.0),
        "black-white-coin": _grey(0.0, 1.0),
        "grey": _grey(0.0, 0.0),
    }
)
"""Backgrounds that a recipe can name."""
