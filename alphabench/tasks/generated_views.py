"""How one generated image, or one reference, is looked at: over which backgrounds, by which network."""

from functools import cached_property

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from alphabench.image.codec import to_float
from alphabench.image.compositing import composite_over
from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import Rgb, Rgba
from alphabench.metrics.features import SetNetwork
from alphabench.metrics.inception import inception
from alphabench.metrics.perceptual import composite_features
from alphabench.metrics.random_features import random_features
from alphabench.protocols import Protocol
from alphabench.tasks.paper_scoring import picture

INCEPTION, RANDOM = "inception", "random-features"
BARE = "straight-rgb-noalpha"
"""The view that drops alpha and shows the straight colour."""

Image = UInt8[Tensor, "4 _ _"]
"""One RGBA image as 8-bit codes, `(4, height, width)`."""


class Viewed:
    """Makes the opaque pictures and the set features of single images as a protocol asks.

    Composites are float32 in memory, or 8 bits truncated and through JPEG. Where the protocol states a side,
    images are brought to it before the features of sets are made, and for nothing else.

    Args:
        protocol: which backgrounds and composites.
        device: where to compute.
    """

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        self.protocol = protocol
        self.device = device

    def rgba(self, codes: Image) -> Rgba:
        """Return an image as a batch of one, straight alpha in [0,1]."""
        return to_float(codes.to(self.device))[None]

    def picture(self, codes: Image, name: str) -> Rgb:
        """Return the opaque picture of an image over a background, or without alpha, `(1, 3, height, width)`."""
        background = None if name == BARE else self.protocol.backgrounds[name]
        if self.protocol.views.composite != "float32":
            return to_float(picture(codes, background).to(self.device))
        if background is None:
            return self.rgba(codes)[:, :3]
        colour = self._colours[list(self.protocol.backgrounds).index(name)]
        return composite_over(self.rgba(codes), colour[None])[:, 0]

    def features(self, codes: Image, network: str) -> Float32[Tensor, "background dim"]:
        """Return what a network makes of an image over each background of `protocol.set_views()`, on the CPU."""
        maker: SetNetwork = (inception if network == INCEPTION else random_features)(str(self.device))
        if self.protocol.views.composite != "float32":
            names = [view.partition("/")[2] for view in self.protocol.set_views()]
            rows = [maker.pooled(self.picture(codes, name)) for name in names]
            return torch.cat(rows).float().cpu()
        image, side = self.rgba(codes), self.protocol.reference.side
        if side is not None:
            image = resize_premultiplied(image, side, side)
        return composite_features(image, self._colours, maker)[0].float().cpu()

    @cached_property
    def _colours(self) -> Float32[Tensor, "background 3"]:
        codes = torch.tensor(list(self.protocol.backgrounds.values()), dtype=torch.float64)
        return (codes / 255).to(self.device, torch.float32)
