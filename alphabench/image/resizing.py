"""Resizing: our own premultiplied resize, the paper protocol's Pillow resize, the clean-FID resize.

Three different operations on purpose; the two through Pillow exist because published numbers are made so.
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from alphabench.errors import UsageError
from alphabench.image.compositing import clear_hidden, premultiply, unpremultiply
from alphabench.image.types import Rgb
from alphabench.runtime import exact_matmul

_LANCZOS_LOBES = 3
_CLEAN_SIDE = 299


def resize_premultiplied(
    rgba: Float[Tensor, "batch 4 rows columns"], height: int, width: int
) -> Float[Tensor, "batch 4 {height} {width}"]:
    """Return the images at another size, filtered as premultiplied colour with antialias.

    Area averaging where both sides shrink by a whole factor, else Lanczos-3 with the support scaled by the
    factor. The alpha is clipped to [0,1], the premultiplied colour to [0, alpha]; the straight colour is
    recovered where the alpha is above 0 and is 0 elsewhere. At the same size only hidden colour is cleared.

    Args:
        rgba: straight-alpha images `(batch, 4, rows, columns)` in [0,1].
        height: rows wanted.
        width: columns wanted.

    Raises:
        UsageError: a size below one pixel.
    """
    if (height, width) == tuple(rgba.shape[2:]):
        return clear_hidden(rgba)
    planes = resize_planes(torch.cat([premultiply(rgba), rgba[:, 3:]], dim=1), height, width)
    alpha = planes[:, 3:].clamp(0, 1)
    return unpremultiply(torch.minimum(planes[:, :3].clamp(min=0), alpha), alpha)


def resize_planes(
    planes: Float[Tensor, "batch channel rows columns"], height: int, width: int
) -> Float[Tensor, "batch channel {height} {width}"]:
    """Return planes that need no premultiplying at another size; the values are not clipped.

    Area averaging where both sides shrink by a whole factor, else Lanczos-3 with scaled support, its window
    cut at the border and renormalised, as Pillow does.

    Raises:
        UsageError: a size below one pixel.
    """
    if height < 1 or width < 1:
        raise UsageError(f"there is no image of {width}x{height} pixels", remedy="Give sizes of at least 1.")
    rows, columns = planes.shape[2:]
    if rows % height == 0 and columns % width == 0:
        return avg_pool2d(planes, (rows // height, columns // width))
    with exact_matmul():
        if width != columns:
            planes = planes @ lanczos_weights(columns, width).to(planes).T
        if height != rows:
            planes = lanczos_weights(rows, height).to(planes) @ planes
    return planes


def lanczos_weights(source: int, target: int) -> Float64[Tensor, "{target} {source}"]:
    """Return the matrix that resamples `source` samples to `target` by Lanczos-3 with antialias.

    Row i holds the kernel centred at `(i + 0.5)·source/target`, stretched by the factor when shrinking, and
    sums to 1. Source: C. Duchon 1979, "Lanczos filtering in one and two dimensions".
    """
    factor = source / target
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * factor
    samples = torch.arange(source, dtype=torch.float64) + 0.5
    distance = (samples[None, :] - centres[:, None]) / max(factor, 1.0)
    kernel = torch.sinc(distance) * torch.sinc(distance / _LANCZOS_LOBES)
    kernel[distance.abs() >= _LANCZOS_LOBES] = 0
    return kernel / kernel.sum(dim=1, keepdim=True)


def pillow_resize_crop(
    codes: UInt8[Tensor, "channel height width"], size: int = 1024
) -> UInt8[Tensor, "channel {size} {size}"]:
    """Return the image with its shorter side at `size`, then cropped to a centred square, through Pillow.

    These are torchvision's `Resize(size)` and `CenterCrop(size)` on a Pillow image, as AlphaVAE's
    `scripts/resize.py` uses them (arXiv 2507.09308): bilinear with antialias in 8 bits, RGBA filtered
    premultiplied, longer side `int(size·long/short)`, crop offset `round((side − size)/2)` with halves to
    even. An image whose shorter side is `size` is not filtered and keeps its hidden colour.

    Args:
        codes: 8-bit codes `(3 or 4, height, width)`.
        size: side of the square wanted.

    Raises:
        UsageError: `size` is below one pixel.
    """
    if size < 1:
        raise UsageError(f"there is no image of {size} pixels a side", remedy="Give a size of at least 1.")
    picture = Image.fromarray(codes.cpu().permute(1, 2, 0).contiguous().numpy())
    shorter, longer = sorted(picture.size)
    if shorter != size:
        stretched = int(size * longer / shorter)
        extent = (size, stretched) if picture.width <= picture.height else (stretched, size)
        picture = picture.resize(extent, Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2.0) for side in picture.size)
    square = np.array(picture.crop((left, top, left + size, top + size)))
    return torch.from_numpy(square).permute(2, 0, 1).contiguous()


def clean_resize_299(rgb: Rgb) -> Float32[Tensor, "batch 3 299 299"]:
    """Return opaque images in [0,1] at 299×299, in [0,1], unrounded, as clean-FID resizes them.

    Each channel goes through Pillow's antialiased bicubic filter as float32 and is then clipped. Source:
    Parmar, Zhang and Zhu 2022, arXiv 2104.11222 (there in [0,255], which differs by the scale only). Runs on
    the CPU and returns to the device of `rgb`.
    """
    planes = rgb.detach().to("cpu", torch.float32).flatten(0, 1).contiguous().numpy()
    resized = np.empty((len(planes), _CLEAN_SIDE, _CLEAN_SIDE), np.float32)
    for index, plane in enumerate(planes):
        picture = Image.fromarray(plane).resize((_CLEAN_SIDE, _CLEAN_SIDE), Image.Resampling.BICUBIC)
        resized[index] = np.asarray(picture)
    batch = resized.reshape(len(rgb), 3, _CLEAN_SIDE, _CLEAN_SIDE)
    return torch.from_numpy(batch).clamp(0, 1).to(rgb.device)
