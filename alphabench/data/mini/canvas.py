"""A picture while it is drawn: layers over layers in premultiplied colour, float64."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphabench.data.mini.noise import Dice

SIZE = 256
SUPERSAMPLING = 4

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Colour = tuple[float, float, float]


class Canvas:
    """A transparent picture of 256 x 256 pixels.

    Attributes:
        colour: premultiplied colour, `(256, 256, 3)` in [0,1].
        alpha: opacity, `(256, 256)` in [0,1].
    """

    def __init__(self) -> None:
        self.colour: Array = np.zeros((SIZE, SIZE, 3))
        self.alpha: Array = np.zeros((SIZE, SIZE))

    def over(self, colour: Colour | Array, coverage: Array) -> None:
        """Lay a colour, one or one per pixel, over the picture where `coverage` in [0,1] says."""
        kept = 1.0 - coverage
        self.colour = np.asarray(colour) * coverage[..., None] + self.colour * kept[..., None]
        self.alpha = coverage + self.alpha * kept

    def over_window(self, colour: Colour | Array, coverage: Array, top: int, left: int) -> None:
        """Lay a colour over a part of the picture whose upper left pixel is (`top`, `left`)."""
        rows = slice(top, top + coverage.shape[0])
        columns = slice(left, left + coverage.shape[1])
        kept = 1.0 - coverage
        layer = np.asarray(colour) * coverage[..., None]
        self.colour[rows, columns] = layer + self.colour[rows, columns] * kept[..., None]
        self.alpha[rows, columns] = coverage + self.alpha[rows, columns] * kept

    def add_light(self, colour: Colour, strength: Array) -> None:
        """Brighten what is there towards `colour`, without adding opacity."""
        lit = np.asarray(colour) * self.alpha[..., None]
        self.colour = self.colour + (lit - self.colour) * strength[..., None]

    def fade(self, factor: Array | float) -> None:
        """Multiply the opacity by a factor in [0,1]."""
        kept = np.broadcast_to(np.asarray(factor, dtype=np.float64), self.alpha.shape)
        self.colour = self.colour * kept[..., None]
        self.alpha = self.alpha * kept

    def codes(self, hidden: Array | None = None) -> Pixels:
        """Return the picture as straight 8-bit RGBA, `(256, 256, 4)`.

        Args:
            hidden: colour `(256, 256, 3)` to keep where alpha is 0; exact zeros if None.
        """
        alpha = quantise(self.alpha)
        straight = self.colour / np.where(self.alpha > 0.0, self.alpha, 1.0)[..., None]
        unseen = np.zeros_like(straight) if hidden is None else hidden
        rgb = quantise(np.where(alpha[..., None] > 0, straight, unseen))
        return np.concatenate([rgb, alpha[..., None]], axis=-1)


@dataclass(frozen=True)
class Picture:
    """One picture of the set: what it is called, what it shows and how it is drawn.

    Attributes:
        name: file name without extension.
        caption: one phrase for people and for text-to-image models.
        draw: draws the picture with the dice of its seed.
        hidden: colour under alpha 0, `(256, 256, 3)`; exact zeros if None.
    """

    name: str
    caption: str
    draw: Callable[[Dice], Canvas]
    hidden: Callable[[], Array] | None = None


def quantise(values: Array) -> Pixels:
    """Return [0,1] as 8-bit codes, rounded half up."""
    return np.floor(np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


@functools.cache
def grid(factor: int = 1) -> tuple[Array, Array]:
    """Return x `(1, n)` and y `(n, 1)` of the sample centres in pixels, `factor` samples per pixel side."""
    steps = (np.arange(SIZE * factor, dtype=np.float64) + 0.5) / factor
    return steps[None, :], steps[:, None]


def shrink(mask: Mask) -> Array:
    """Return the share of set samples in each pixel, from a mask with 4 x 4 samples per pixel."""
    height, width = (side // SUPERSAMPLING for side in mask.shape)
    blocks = mask.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING)
    share: Array = blocks.sum(axis=(1, 3), dtype=np.int64) / float(SUPERSAMPLING * SUPERSAMPLING)
    return share


def mix(first: Colour | Array, second: Colour | Array, share: Array | float) -> Array:
    """Return the colour between two, `share` of the second; a share per pixel gives a colour per pixel."""
    part = np.asarray(share, dtype=np.float64)
    if part.ndim:
        part = part[..., None]
    mixed: Array = np.asarray(first) * (1.0 - part) + np.asarray(second) * part
    return mixed


def ramp(values: Array, low: float, high: float) -> Array:
    """Return 0 below `low`, 1 above `high` and a smooth step between them; `low` may be above `high`."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    smooth: Array = t * t * (3.0 - 2.0 * t)
    return smooth


def spot(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    """Return a soft spot: 1 in the centre of an ellipse, falling to 0 at its rim."""
    u, v = (x - cx) / rx, (y - cy) / ry
    inside = np.maximum(1.0 - (u * u + v * v), 0.0)
    return inside * inside * inside
