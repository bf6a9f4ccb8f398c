"""Parts of an image by its alpha: opaque, semi-transparent, transparent, the edge band, the unknown region."""

from dataclasses import dataclass

import torch
from torch import Tensor

from alphabench.errors import UsageError
from alphabench.image.codec import quantise
from alphabench.image.types import Alpha, Mask

_OPAQUE = 255


@dataclass(frozen=True)
class Regions:
    """Masks of a batch of images, each `(batch, 1, height, width)`.

    Attributes:
        opaque: alpha code 255.
        semi: alpha codes 1 to 254.
        transparent: alpha code 0.
        edge: the edge band; it overlaps the other three, which share out the image.
    """

    opaque: Mask
    semi: Mask
    transparent: Mask
    edge: Mask


def regions(alpha: Alpha, radius: int | None = None) -> Regions:
    """Return the regions of images by their alpha.

    The alpha is brought to 8-bit codes first, as it is when an image is saved. The edge band holds each
    pixel whose square of side `2·radius + 1` contains pixels of at least two of the three classes opaque,
    semi and transparent: both sides of every contour, but neither the inside of even glass nor the middle
    of a ramp wider than the band. What lies outside the image belongs to no class.

    Args:
        alpha: opacity in [0,1].
        radius: reach of the edge band in pixels; default `default_radius`.

    Raises:
        DataError: the alpha is not finite.
        UsageError: a negative radius.
    """
    codes = quantise(alpha)
    opaque, transparent = codes == _OPAQUE, codes == 0
    semi = ~(opaque | transparent)
    reached = _dilate(torch.cat([opaque, semi, transparent], dim=1), _reach(radius, alpha))
    edge = reached.sum(dim=1, keepdim=True) >= 2
    return Regions(opaque=opaque, semi=semi, transparent=transparent, edge=edge)


def unknown_region(alpha: Alpha, radius: int | None = None) -> Mask:
    """Return the unknown region of the trimap made from an alpha.

    A pixel is known when its whole square of side `2·radius + 1`, as far as it lies in the image, has alpha
    code 255, or has code 0.

    Args:
        alpha: opacity in [0,1], brought to 8-bit codes first.
        radius: reach in pixels; default `default_radius`.

    Raises:
        DataError: the alpha is not finite.
        UsageError: a negative radius.
    """
    codes = quantise(alpha)
    broken = _dilate(torch.cat([codes != _OPAQUE, codes != 0], dim=1), _reach(radius, alpha))
    return broken.all(dim=1, keepdim=True)


def default_radius(height: int, width: int) -> int:
    """Return one hundredth of the shorter side, rounded, at least 1 (3 at 256, 10 at 1024)."""
    return max(1, round(0.01 * min(height, width)))


def _reach(radius: int | None, alpha: Tensor) -> int:
    if radius is None:
        return default_radius(alpha.shape[2], alpha.shape[3])
    if radius < 0:
        raise UsageError(f"a radius of {radius} pixels is negative", remedy="Give a radius of 0 or more.")
    return radius


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """Return the mask grown by a square of side `2·radius + 1`; nothing comes in from outside.

    A mask that has grown by `reach` may be moved by up to `reach + 1` at once without leaving gaps, not even
    at the border, so the work grows with the logarithm of the radius.
    """
    for dim in (2, 3):
        reach, goal = 0, min(radius, mask.shape[dim] - 1)
        while reach < goal:
            step = min(reach + 1, goal - reach)
            kept = mask.shape[dim] - step
            grown = mask.clone()
            grown.narrow(dim, step, kept).logical_or_(mask.narrow(dim, 0, kept))
            grown.narrow(dim, 0, kept).logical_or_(mask.narrow(dim, step, kept))
            mask, reach = grown, reach + step
    return mask
