"""The two worlds of AlphaVAE: straight RGBA in [0,1] outside, four channels in [-1,1] inside.

Inside, colour is either straight (as in arXiv 2507.09308) or premultiplied by alpha; alpha is the same.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.image.compositing import unpremultiply
from alphabench.image.types import Rgba

Colour = Literal["straight", "premultiplied"]
Network = Float[Tensor, "batch 4 height width"]
Weighed = tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch 1 height width"]]


def to_network(images: Rgba, colour: Colour) -> Network:
    """Return what the network reads for straight RGBA in [0,1]: colour 2c-1 or 2ca-1, alpha 2a-1."""
    if colour == "premultiplied":
        images = torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], 1)
    return images * 2 - 1


def from_network(images: Network, colour: Colour) -> Rgba:
    """Return straight RGBA in [0,1], clamped, for what the network writes."""
    plain = images.float() * 0.5 + 0.5
    if colour == "straight":
        return plain.clamp(0.0, 1.0)
    alpha = plain[:, 3:].clamp(0.0, 1.0)
    return unpremultiply(torch.minimum(plain[:, :3].clamp(min=0.0), alpha), alpha).clamp(0.0, 1.0)


def weigh_network(images: Network, colour: Colour) -> Weighed:
    """Return colour in [-1,1] times opacity, and opacity in [0,1], of what the network writes; no clamping.

    These are the quantities of the alpha-blending loss. With y = 2ca-1, colour times opacity is
    (2c-1)·a = y + 1 - a.
    """
    opacity = (images[:, 3:] + 1) / 2
    if colour == "premultiplied":
        return images[:, :3] + 1 - opacity, opacity
    return images[:, :3] * opacity, opacity
