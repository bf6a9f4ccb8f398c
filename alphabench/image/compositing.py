"""Premultiplying, un-premultiplying and placing images over backgrounds.

Every composite in the project is formed here, in one order: `P = A·C` first, then `K_b = P + b·(1 − A)`.
Because `P` is formed before anything else touches the colour, colour hidden under alpha 0 cannot change
any result, not even by the last bit. Colours are sRGB code values divided by 255, blended as they are.
Source of the operator: Porter and Duff 1984, "Compositing digital images", `over`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.types import Alpha, Rgb, Rgba


def premultiply(rgba: Rgba) -> Rgb:
    """Return the colour multiplied by the alpha, `(batch, 3, height, width)`."""
    return rgba[:, :3] * rgba[:, 3:]


def unpremultiply(premultiplied: Rgb, alpha: Alpha) -> Rgba:
    """Return straight-alpha images: colour `P / A` where `A > 0`, colour 0 where `A = 0`.

    With `0 <= P <= A` the result lies in [0,1].
    """
    visible = alpha > 0
    colour = premultiplied / torch.where(visible, alpha, torch.ones_like(alpha))
    return torch.cat([torch.where(visible, colour, torch.zeros_like(colour)), alpha], dim=1)


def clear_hidden(rgba: Rgba) -> Rgba:
    """Return the images with colour 0 wherever alpha is 0; every other value is kept bit for bit."""
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    return torch.cat([torch.where(alpha > 0, colour, torch.zeros_like(colour)), alpha], dim=1)


def composite(rgba: Rgba, background: Float[Tensor, "..."]) -> Rgb:
    """Return the images over one background, `K_b = A·C + b·(1 − A)`.

    Args:
        rgba: straight-alpha images `(batch, 4, height, width)`.
        background: a colour `(3,)`, one colour per image `(batch, 3, 1, 1)`, a picture `(3, height, width)`
            or one picture per image `(batch, 3, height, width)`, in [0,1], dtype and device of `rgba`.

    Raises:
        DataError: the background has another shape.
    """
    return premultiply(rgba) + _as_batch(background, rgba) * (1 - rgba[:, 3:])


def composite_over(
    rgba: Rgba, backgrounds: Float[Tensor, "background 3"]
) -> Float[Tensor, "batch background 3 height width"]:
    """Return the images over each of several solid colours.

    The result at `[:, k]` equals `composite(rgba, backgrounds[k])` bit for bit.
    """
    transparency = (1 - rgba[:, 3:]).unsqueeze(1)
    return premultiply(rgba).unsqueeze(1) + backgrounds[None, :, :, None, None] * transparency


def _as_batch(background: Tensor, rgba: Tensor) -> Tensor:
    batch, _, height, width = rgba.shape
    if tuple(background.shape) == (3,):
        return background.view(1, 3, 1, 1)
    if tuple(background.shape) == (3, height, width):
        return background.unsqueeze(0)
    if background.ndim == 4 and tuple(background.shape) in {
        (size, 3, *extent) for size in (1, batch) for extent in ((1, 1), (height, width))
    }:
        return background
    raise DataError(
        f"a background of shape {tuple(background.shape)} does not fit images of shape {tuple(rgba.shape)}",
        remedy=f"Give a colour (3,), one colour per image ({batch}, 3, 1, 1) or a picture (3, {height}, {width}).",
    )
