"""Backgrounds: the nine canonical colours, colours by name, fixed textures and photographs.

The nine colours and their order are those of AlphaVAE's evaluation (arXiv 2507.09308, repository
`o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/blend_rgba.py`). Gray is code 128, hence 128/255.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from alphabench.errors import DataError, UsageError
from alphabench.image.codec import read_rgba, to_float
from alphabench.image.resizing import resize_planes

Colour = tuple[float, float, float]
"""An opaque colour, red, green and blue in [0,1]."""

_GRAY = 128 / 255

CANONICAL_BACKGROUNDS: Mapping[str, Colour] = MappingProxyType(
    {
        "gray": (_GRAY, _GRAY, _GRAY),
        "black": (0.0, 0.0, 0.0),
        "white": (1.0, 1.0, 1.0),
        "red": (1.0, 0.0, 0.0),
        "green": (0.0, 1.0, 0.0),
        "blue": (0.0, 0.0, 1.0),
        "yellow": (1.0, 1.0, 0.0),
        "cyan": (0.0, 1.0, 1.0),
        "magenta": (1.0, 0.0, 1.0),
    }
)
"""The nine solid backgrounds by name, in the canonical order, red, green and blue in [0,1]."""


def canonical_tensor(
    device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "9 3"]:
    """Return the nine canonical backgrounds as a tensor, in order."""
    return torch.tensor(list(CANONICAL_BACKGROUNDS.values()), dtype=dtype, device=device)


def parse_colour(colour: str | Sequence[float | int]) -> Colour:
    """Return the colour meant by a canonical name, by `#rrggbb` or by three numbers in [0,1].

    Raises:
        UsageError: an unknown name or a colour outside [0,1].
    """
    remedy = f"Use one of {', '.join(CANONICAL_BACKGROUNDS)}, or #rrggbb."
    if isinstance(colour, str):
        word = colour.strip().lower()
        if word in CANONICAL_BACKGROUNDS:
            return CANONICAL_BACKGROUNDS[word]
        if re.fullmatch(r"#[0-9a-f]{6}", word):
            red, green, blue = bytes.fromhex(word[1:])
            return red / 255, green / 255, blue / 255
        raise UsageError(f"there is no colour called {colour!r}", remedy=remedy)
    values = tuple(float(value) for value in colour)
    if len(values) != 3 or not all(0 <= value <= 1 for value in values):
        raise UsageError(f"{values} is not a colour of three numbers in [0,1]", remedy=remedy)
    return values[0], values[1], values[2]


def portable_hash(x: Int64[Tensor, "..."], y: Int64[Tensor, "..."], c: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
    """Return the 32-bit hash of columns, rows and channels, equal on every platform.

    Args:
        x: columns in [0, 2^31); `x`, `y` and `c` broadcast.
        y: rows, likewise.
        c: channels, likewise.

    Returns:
        Integers in [0, 2^32); every product on the way stays below 2^63.
    """
    mask = 0xFFFFFFFF
    mixed = (((x * 374761393) & mask) + ((y * 668265263) & mask) + ((c * 2246822519) & mask)) & mask
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & mask
    return mixed ^ (mixed >> 16)


def portable_noise(x: Int64[Tensor, "..."], y: Int64[Tensor, "..."], c: Int64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    """Return `portable_hash(x, y, c) / 2^32`: white noise in [0,1), equal on every platform."""
    return portable_hash(x, y, c).to(torch.float64) / 2**32


def texture(name: str, height: int, width: int) -> Float32[Tensor, "3 {height} {width}"]:
    """Return one of the four fixed textured backgrounds, float32 in [0,1], on the CPU.

    `checker8`: squares of eight pixels, gray 0.25 (first) and 0.75. `gradient`: red grows to the right,
    green downwards, blue to the left; an image one pixel wide or high has the value of its left or upper
    end. `noise`: `portable_noise`. `stripes`: columns of three pixels, orange (first) and azure.

    Raises:
        UsageError: an unknown name.
    """
    if name not in _PAINTERS:
        raise UsageError(f"there is no texture called {name!r}", remedy=f"Use one of: {', '.join(TEXTURES)}.")
    return _painted(name, height, width).clone()


def photograph(path: Path, height: int, width: int) -> Float32[Tensor, "3 {height} {width}"]:
    """Return an opaque photograph (PNG, WebP, TIFF or JPEG) as a background, float32 in [0,1].

    The largest centred part of the wanted proportions is taken and resized with antialias (area for whole
    factors, else Lanczos-3), so that the picture covers the background.

    Raises:
        DataError: the file cannot be read or is not fully opaque.
    """
    codes = read_rgba(path, allow_opaque=True)
    if bool((codes[3] < 255).any()):
        raise DataError(
            f"{path} cannot be a background: it has transparent pixels",
            remedy="Use an opaque photograph, or flatten this one over a colour first.",
        )
    tall, wide = codes.shape[1:]
    crop_height = min(tall, max(1, round(wide * height / width)))
    crop_width = min(wide, max(1, round(tall * width / height)))
    top, left = (tall - crop_height) // 2, (wide - crop_width) // 2
    picture = to_float(codes[:3, top : top + crop_height, left : left + crop_width])
    return resize_planes(picture[None], height, width)[0].clamp(0, 1)


@functools.lru_cache(maxsize=8)
def _painted(name: str, height: int, width: int) -> Tensor:
    columns = torch.arange(width).expand(height, width)
    rows = torch.arange(height)[:, None].expand(height, width)
    return _PAINTERS[name](columns, rows).to(torch.float32)


def _checker8(x: Tensor, y: Tensor) -> Tensor:
    even = (x // 8 + y // 8) % 2 == 0
    return torch.where(even, 0.25, 0.75).expand(3, *x.shape)


def _gradient(x: Tensor, y: Tensor) -> Tensor:
    across = x.to(torch.float64) / max(x.shape[1] - 1, 1)
    down = y.to(torch.float64) / max(y.shape[0] - 1, 1)
    return torch.stack([across, down, 1 - across])


def _noise(x: Tensor, y: Tensor) -> Tensor:
    return portable_noise(x, y, torch.arange(3)[:, None, None])


def _stripes(x: Tensor, y: Tensor) -> Tensor:
    first, second = torch.tensor([[1.0, 0.2, 0.1], [0.1, 0.4, 1.0]], dtype=torch.float64)
    return torch.where(x % 6 < 3, first[:, None, None], second[:, None, None])


_PAINTERS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "checker8": _checker8,
    "gradient": _gradient,
    "noise": _noise,
    "stripes": _stripes,
}

TEXTURES: tuple[str, ...] = tuple(_PAINTERS)
"""The names of the four textured backgrounds, in order."""
