"""Colour under transparency: the pyramid by which LayerDiffuse fills what alpha hides.

The image is shrunk again and again, premultiplied and by exact box averages, and on the way back each level is
filled from the next smaller one. Source: LayerDiffuse_DiffusersCLI, lib_layerdiffuse/vae.py, whose result it
gives to 1e-6, the floor on an almost empty image included. Neither `adaptive_avg_pool2d` nor
`interpolate(mode="area")` averages over boxes with fractional edges, hence the matrices.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgb, Rgba

STEP = 1.2  # sides of a level over those of the next smaller one
ALPHA_FLOOR = 1e-8

Matrix = Float[Tensor, "into out_of"]


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return height and width of each level, the largest first; the shorter side of the last is 1."""
    sizes = [(height, width)]
    while min(sizes[-1]) != 1:
        sizes.append((int(sizes[-1][0] / STEP), int(sizes[-1][1] / STEP)))
    return sizes


@lru_cache(maxsize=512)
def area_matrix(size: int, smaller: int) -> Matrix:
    """Return the `(smaller, size)` matrix of exact box averages, edges weighed by their share (OpenCV's area)."""
    edges = torch.arange(smaller + 1, dtype=torch.float64) * (size / smaller)
    pixels = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (smaller / size)).float()


@lru_cache(maxsize=512)
def bilinear_matrix(size: int, larger: int) -> Matrix:
    """Return the `(larger, size)` matrix of linear interpolation between pixel centres, clamped at the edges."""
    centres = ((torch.arange(larger, dtype=torch.float64) + 0.5) * (size / larger) - 0.5).clamp(0, size - 1)
    distance = (centres[:, None] - torch.arange(size, dtype=torch.float64)).abs()
    return (1 - distance).clamp(min=0).float()


def pad_rgb(images: Rgba) -> Rgb:
    """Return the colours of straight RGBA in [0,1], filled where alpha is below 1, in [0,1].

    Opaque pixels keep their colour bit for bit, hidden colour changes no bit, an image that is transparent
    everywhere becomes black. At partial alpha the result is neither straight nor premultiplied: it is the image
    over its own fill.
    """
    planes = torch.cat([premultiply(images), images[:, 3:]], 1)
    levels = [planes]
    sizes = level_sizes(*images.shape[-2:])
    for height, width in sizes[1:]:
        rows = area_matrix(levels[-1].shape[-2], height).to(planes)
        columns = area_matrix(levels[-1].shape[-1], width).to(planes)
        levels.append(rows @ levels[-1] @ columns.T)
    total = levels[-1].sum((2, 3), keepdim=True)
    fill = total[:, :3] / total[:, 3:].clamp(min=ALPHA_FLOOR)
    fill = fill.expand(-1, -1, *sizes[-1])
    for level in reversed(levels):
        rows = bilinear_matrix(fill.shape[-2], level.shape[-2]).to(planes)
        columns = bilinear_matrix(fill.shape[-1], level.shape[-1]).to(planes)
        fill = level[:, :3] + (rows @ fill @ columns.T) * (1 - level[:, 3:])
    return fill
