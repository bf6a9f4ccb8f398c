"""The median over the eight symmetries of the square, which makes the decoder blind to flips and turns."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.image.types import Rgb

Latents = Float[Tensor, "batch latent rows columns"]
Planes = Float[Tensor, "batch 4 height width"]
Decoder = Callable[[Tensor, Tensor], Tensor]

# Even quarter turns first: they keep height and width, so that those four go through the network together.
SYMMETRIES = tuple((flip, turns) for turns in (0, 2, 1, 3) for flip in (False, True))
PASSES = 4
"""Passes that run together, at most."""

BATCH_PIXELS = {"cpu": 256 * 256}
"""Pixels that run together, at most, by kind of device; a larger image goes through by itself.

The bound on memory: the passes need what one pass over this many pixels needs, or one pass over the image. On a
CPU more does not pay: large tensors come fresh from the system each time, at the price of their pages."""

OTHER_BATCH_PIXELS = 4 * 512 * 512
"""The bound of all other devices."""


def transformed(images: Tensor, symmetry: tuple[bool, int]) -> Tensor:
    """Return `images`, `(batch, channel, height, width)`, flipped left to right if asked, then turned."""
    flip, turns = symmetry
    return torch.rot90(images.flip(3) if flip else images, turns, (2, 3))


def restored(images: Tensor, symmetry: tuple[bool, int]) -> Tensor:
    """Return the images that `transformed` made `images` of."""
    flip, turns = symmetry
    turned = torch.rot90(images, -turns, (2, 3))
    return turned.flip(3) if flip else turned


def lower_median(passes: Float[Tensor, "eight *shape"]) -> Float[Tensor, "*shape"]:
    """Return the fourth smallest of eight values of each number, not the mean of the two in the middle.

    By Batcher's merges of sorted halves: elementwise minima and maxima are several times faster than a median
    along a strided dimension, and choose the same value.
    """
    first, second = _sorted_four(*passes[:4].unbind()), _sorted_four(*passes[4:].unbind())
    # The lower half of the merged eight: element i of one against element 3 - i of the other.
    lower = [torch.minimum(mine, theirs) for mine, theirs in zip(first, reversed(second), strict=True)]
    return torch.maximum(torch.maximum(lower[0], lower[1]), torch.maximum(lower[2], lower[3]))


def _sorted_four(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    a, b = torch.minimum(a, b), torch.maximum(a, b)
    c, d = torch.minimum(c, d), torch.maximum(c, d)
    a, c = torch.minimum(a, c), torch.maximum(a, c)
    b, d = torch.minimum(b, d), torch.maximum(b, d)
    b, c = torch.minimum(b, c), torch.maximum(b, c)
    return a, b, c, d


def ensembled(decode: Decoder, rgb: Rgb, latents: Latents, *, batch_pixels: int | None = None) -> Planes:
    """Return the lower median of eight passes of `decode`, each clipped to [0,1].

    Args:
        decode: images and latents to four planes.
        rgb: frozen decode in [0,1], `(batch, 3, height, width)`.
        latents: what it was decoded from.
        batch_pixels: pixels that run together, at most; None takes the bound of the device.
    """
    if batch_pixels is None:
        batch_pixels = BATCH_PIXELS.get(rgb.device.type, OTHER_BATCH_PIXELS)
    pixels = rgb.shape[0] * rgb.shape[2] * rgb.shape[3]
    together = max(1, min(PASSES, batch_pixels // pixels))
    passes: list[Tensor] = []
    for half in (SYMMETRIES[:PASSES], SYMMETRIES[PASSES:]):
        for start in range(0, PASSES, together):
            group = half[start : start + together]
            seen = torch.cat([transformed(rgb, symmetry) for symmetry in group])
            codes = torch.cat([transformed(latents, symmetry) for symmetry in group])
            planes = decode(seen, codes).float().clamp(0.0, 1.0)
            passes += [restored(p, s) for p, s in zip(planes.chunk(len(group)), group, strict=True)]
    return lower_median(torch.stack(passes))
