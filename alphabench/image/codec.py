"""Reading and writing image files: every file passes here, as 8-bit codes.

What is read: PNG, WebP and TIFF of at most 8 bits per sample that carry alpha (RGBA, gray with alpha,
palette with alpha, or colours marked transparent); opaque images, JPEG among them, only where the caller
allows it (the alpha is then 255). What is refused: more bits, several frames, CMYK, more than
`MAX_PIXELS` pixels, content that is not what the name says, anything cut off or damaged.

Code values are used as they are stored:
- Colour profiles and the gamma, primaries and colour-space notes of a file are not applied. Composites are
  formed in code space, as in every published number.
- A rotation tag (Exif orientation) is not applied: reference and prediction are compared in the
  arrangement of their stored pixels, which is the one that training code and metrics libraries see.
- A TIFF with premultiplied colour is refused, because the straight codes cannot be recovered from it.
Each of these facts stands in `ImageFacts`, so that a record can say so.
"""

import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from alphabench.errors import NO_SPACE, DataError, DiskFullError
from alphabench.image.formats.decoding import decode_pixels
from alphabench.image.formats.header import Header, carries_alpha
from alphabench.image.formats.recognition import MAX_PIXELS, SUFFIXES, read_header
from alphabench.image.types import Codes

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "ImageFacts",
    "decode_rgba",
    "decode_webp",
    "dequantise",
    "encode_png",
    "encode_webp",
    "encode_webp_lossless",
    "quantise",
    "read_facts",
    "read_rgba",
    "to_float",
    "write_png",
]

MAX_BYTES = 2**30
"""Bytes a file may have; more than any image of `MAX_PIXELS` needs."""


@dataclass(frozen=True)
class ImageFacts:
    """What a file says about its image.

    Attributes:
        width: columns as stored (before any rotation).
        height: rows as stored.
        mode: `RGBA`, `LA`, `PA`, `P+tRNS`, `RGB+tRNS`, `L+tRNS`, or without alpha `RGB`, `L`, `P`.
        format: `PNG`, `WEBP`, `TIFF` or `JPEG`.
        icc: whether a colour profile is embedded (it is not applied).
        gamma: whether gamma, primaries or a colour space are stated (they are not applied).
        exif_orientation: rotation tag, 1 to 8 (it is not applied); None without one.
        sha256: of the file, lower-case hexadecimal.
    """

    width: int
    height: int
    mode: str
    format: str
    icc: bool
    gamma: bool
    exif_orientation: int | None
    sha256: str

    @property
    def carries_alpha(self) -> bool:
        """Say whether the file stores any opacity."""
        return carries_alpha(self.mode)


def read_facts(path: Path, *, allow_opaque: bool = False) -> ImageFacts:
    """Return the facts of an image file, from its structure and without decoding pixels.

    Args:
        path: the file.
        allow_opaque: let images without alpha through.

    Raises:
        DataError: the file is missing, or is one that `read_rgba` refuses by its structure.
    """
    data = _content(path)
    header = _header(data, str(path), allow_opaque=allow_opaque)
    return ImageFacts(
        width=header.width,
        height=header.height,
        mode=header.mode,
        format=header.format,
        icc=header.icc,
        gamma=header.gamma,
        exif_orientation=header.orientation,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def read_rgba(path: Path, *, allow_opaque: bool = False) -> Codes:
    """Return the codes of an image file, `(4, height, width)` uint8 on the CPU.

    Args:
        path: the file.
        allow_opaque: give images without alpha the alpha 255 instead of refusing them.

    Raises:
        DataError: the file is missing, unreadable, or one of those that this module refuses.
    """
    return decode_rgba(_content(path), name=str(path), allow_opaque=allow_opaque)


def decode_rgba(data: bytes, *, name: str, allow_opaque: bool = False) -> Codes:
    """Return the codes of an image file's content, `(4, height, width)` uint8 on the CPU.

    Args:
        data: the content.
        name: what to call it in messages; a known suffix must agree with the content.
        allow_opaque: give images without alpha the alpha 255 instead of refusing them.

    Raises:
        DataError: the content is one of those that this module refuses.
    """
    return _planes(decode_pixels(_header(data, name, allow_opaque=allow_opaque), name))


def to_float(codes: UInt8[Tensor, "*shape"]) -> Float32[Tensor, "*shape"]:
    """Return codes as float32 in [0,1], `code / 255` correctly rounded, alike on every device."""
    return codes.to(torch.float32) / torch.full((), 255.0, dtype=torch.float32, device=codes.device)


dequantise = to_float


def quantise(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Return the 8-bit codes of images, `floor(255·clip(x, 0, 1) + 0.5)` in float32.

    `quantise(to_float(codes))` gives the codes back.

    Raises:
        DataError: a value is not finite.
    """
    values = images.detach().to(torch.float32)
    if not bool(torch.isfinite(values).all()):
        wrong = (~torch.isfinite(values)).nonzero()
        raise DataError(
            f"{len(wrong)} of {values.numel()} values are not finite, the first at index {tuple(wrong[0].tolist())}",
            remedy="Find out where the image becomes NaN or infinite; such values have no 8-bit code.",
        )
    return values.clamp(0, 1).mul_(255).add_(0.5).floor_().to(torch.uint8)


def encode_png(codes: Codes, *, text: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file of codes with 1, 3 or 4 channels; equal input gives equal bytes.

    Args:
        codes: `(1, 3 or 4, height, width)`; colour under alpha 0 is kept.
        text: notes to store in the file as UTF-8 (`iTXt` chunks), by key; a key has 1 to 79 Latin letters.
    """
    notes = PngInfo()
    for key, value in sorted((text or {}).items()):
        notes.add_itxt(key, value)
    return _encoded(codes, "PNG", pnginfo=notes)


def write_png(path: Path, codes: Codes, *, text: Mapping[str, str] | None = None) -> None:
    """Write codes as a PNG file, all or nothing; missing folders are made.

    Raises:
        DiskFullError: the disk is full or a quota is reached; nothing was changed.
        DataError: the file cannot be written there.
    """
    content = encode_png(codes, text=text)
    with _writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def encode_webp(codes: Codes, quality: int) -> bytes:
    """Return a lossy WebP file, colour and alpha both at `quality` (0 to 100)."""
    return _encoded(codes, "WEBP", quality=quality, alpha_quality=quality, lossless=False)


def encode_webp_lossless(codes: Codes) -> bytes:
    """Return a lossless WebP file: `decode_webp` gives the codes back, colour under alpha 0 too."""
    return _encoded(codes, "WEBP", lossless=True, exact=True, quality=100, method=4)


def decode_webp(data: bytes) -> Codes:
    """Return the codes of a WebP file's content, `(4, height, width)`; alpha 255 where it stores none.

    Raises:
        DataError: the content is not a readable WebP.
    """
    return decode_rgba(data, name="image.webp", allow_opaque=True)


def _content(path: Path) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{path} is not an image file by its name",
            remedy=f"Use one of the endings {', '.join(SUFFIXES)}.",
        )
    try:
        size = path.stat().st_size
        if size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", remedy="Check the path and your right to read it."
        ) from error
    raise DataError(
        f"{path} has {size:,} bytes, more than any image that can be compared",
        remedy="Check where the file comes from.",
    )


def _header(data: bytes, name: str, *, allow_opaque: bool) -> Header:
    header = read_header(data, name)
    if not allow_opaque and not header.carries_alpha:
        raise DataError(
            f"{name} has no alpha channel ({header.format}, {header.mode})",
            remedy='Save it as RGBA; for a set that is opaque on purpose, let its manifest say alpha = "opaque".',
        )
    return header


def _planes(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _encoded(codes: Tensor, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = codes.cpu().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels[..., 0] if codes.shape[0] == 1 else pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


@contextlib.contextmanager
def _writing_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(
                f"{path} cannot be written: {error.strerror}",
                remedy="Make room on the disk, or choose another folder, and run the same command again.",
            ) from error
        raise DataError(
            f"{path} cannot be written: {error.strerror}", remedy="Choose a folder you may write to."
        ) from error
