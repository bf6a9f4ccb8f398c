"""Which format a file really has, and its header once name, depth and size are in order."""

import re
from pathlib import PurePath

from alphabench.errors import DataError
from alphabench.image.formats import jpeg, png, tiff
from alphabench.image.formats.header import COPY_AGAIN, Header, damaged
from alphabench.image.formats.jpeg import read_jpeg
from alphabench.image.formats.png import read_png
from alphabench.image.formats.tiff import read_tiff
from alphabench.image.formats.webp import read_webp

MAX_PIXELS = 89_478_485
"""Pixels an image may have (about 9459 squared): Pillow's own limit, a quarter of 2^30 bytes of RGB."""

SUFFIXES = {
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
}
"""The format that the ending of a file's name promises."""

_READERS = {"PNG": read_png, "WEBP": read_webp, "TIFF": read_tiff, "JPEG": read_jpeg}

_FOREIGN = (
    (rb"GIF8[79]a", "GIF"),
    (rb"BM.{12}", "BMP"),
    (rb"8BPS", "Photoshop"),
    (rb".{4}ftypavi[fs]", "AVIF"),
    (rb".{4}ftyp(hei[cx]|mif1|msf1)", "HEIC"),
    (rb".{4}ftyp", "MP4"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"%PDF", "PDF"),
    (rb"PK\x03\x04", "ZIP"),
    (rb"\x1f\x8b", "gzip"),
    (rb"\x93NUMPY", "NumPy"),
    (rb"version https://git-lfs", "a Git LFS pointer"),
    (rb"\s*<(\?xml|svg)", "SVG or XML"),
    (rb"\s*<(!doctype )?html", "HTML"),
)


def read_header(data: bytes, name: str) -> Header:
    """Return the header of an image file of at most 8 bits per sample and `MAX_PIXELS` pixels.

    Args:
        data: content of the file.
        name: name of the file; where it ends in a known suffix the content must agree with it.

    Raises:
        DataError: the content is empty, is not what the name promises, is of another format, cut off,
            damaged, animated, of more than 8 bits per sample or too large.
    """
    if not data:
        raise DataError(f"{name} is empty (0 bytes)", remedy=COPY_AGAIN)
    truth = content_format(data)
    promised = SUFFIXES.get(PurePath(name).suffix.lower())
    if promised and truth != promised:
        raise DataError(
            f"{name} is not a {promised} file: it holds {truth}",
            remedy=f"Save the image as {promised}, or give the file the ending of what it holds.",
        )
    if truth not in _READERS:
        raise DataError(f"{name} holds {truth}", remedy="Save the image as 8-bit PNG, WebP or TIFF with alpha.")
    header = _READERS[truth](data, name)
    if header.bits > 8:
        raise DataError(
            f"{name} has {header.bits} bits per sample, and images are compared as 8-bit codes",
            remedy="Convert it to 8 bits per sample yourself, so that the rounding is your choice, for "
            "example with `magick INPUT -depth 8 OUTPUT.png`.",
        )
    if header.width < 1 or header.height < 1:
        raise damaged(name, f"its size is {header.width}x{header.height}")
    if header.width * header.height > MAX_PIXELS:
        raise DataError(
            f"{name} claims {header.width}x{header.height} pixels, more than {MAX_PIXELS:,} "
            "(a decompression bomb, or too large to compare)",
            remedy="Check where the file comes from; crop or shrink it if the size is meant.",
        )
    return header


def content_format(data: bytes) -> str:
    """Return what the first bytes of a file say it is: `PNG`, `WEBP`, `TIFF`, `JPEG` or words."""
    if data.startswith(png.SIGNATURE):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(tiff.SIGNATURES):
        return "TIFF"
    if data.startswith(jpeg.SIGNATURE):
        return "JPEG"
    for pattern, words in _FOREIGN:
        if re.match(pattern, data[:256], re.DOTALL | re.IGNORECASE):
            return words
    return "text" if _is_text(data[:4096]) else "no image format known here"


def _is_text(start: bytes) -> bool:
    try:
        words = start.decode()
    except UnicodeDecodeError as error:
        words = start[: error.start].decode() if error.start > len(start) - 4 else "\0"
    return not any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in words)
