"""From a file's pixel bytes to 8-bit RGBA codes."""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alphabench.errors import DataError
from alphabench.image.formats.header import Header, damaged

_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_QUIET = threading.Lock()


def decode_pixels(header: Header, name: str) -> NDArray[np.uint8]:
    """Return the codes of an image whose header was read, `(height, width, 4)`; alpha 255 where it has none.

    Raises:
        DataError: the pixels cannot be decoded.
    """
    with _quiet_decoder(header.format):
        try:
            with Image.open(io.BytesIO(header.pixels), formats=[header.format]) as picture:
                if picture.size != (header.width, header.height):
                    raise damaged(name, f"its image is {picture.width}x{picture.height}")
                return _rgba(picture, header, name)
        except UnidentifiedImageError as error:
            raise DataError(
                f"{name} is a {header.format} file of a variant that cannot be read here",
                remedy="Save the image as PNG with alpha.",
            ) from error
        except _DECODER_ERRORS as error:
            raise damaged(name, f"it cannot be decoded ({error or type(error).__name__})") from error


def _rgba(picture: Image.Image, header: Header, name: str) -> NDArray[np.uint8]:
    if header.format == "PNG" and header.mode.startswith("P"):
        return _from_palette(np.asarray(picture), header, name)
    if picture.mode in {"RGBA", "PA", "LA"}:
        return np.array(picture.convert("RGBA"))
    colour = np.asarray(picture.convert("RGB"))
    alpha = np.full(colour.shape[:2], 255, np.uint8)
    if header.transparency:
        key = _transparent_colour(header, name)
        alpha[(colour == key).all(axis=2)] = 0
    return np.dstack([colour, alpha])


def _from_palette(indices: NDArray[np.uint8], header: Header, name: str) -> NDArray[np.uint8]:
    colours = np.frombuffer(header.palette[: len(header.palette) // 3 * 3], np.uint8).reshape(-1, 3)
    if int(indices.max()) >= len(colours):
        raise damaged(name, f"a pixel uses colour {int(indices.max())} of a palette of {len(colours)}")
    table = np.full((len(colours), 4), 255, np.uint8)
    table[:, :3] = colours
    opacity = np.frombuffer(header.transparency, np.uint8)[: len(colours)]
    table[: len(opacity), 3] = opacity
    return table[indices]


def _transparent_colour(header: Header, name: str) -> NDArray[np.uint8]:
    """Return the one colour that a PNG marks as transparent, scaled to 8 bits like the samples."""
    gray = header.mode.startswith("L")
    if len(header.transparency) != (2 if gray else 6):
        raise damaged(name, "its tRNS chunk has a wrong length")
    largest = 2**header.bits - 1
    samples = [value & largest for value in header.transparency[1::2]]
    return np.array([sample * 255 // largest for sample in samples], np.uint8)


@contextlib.contextmanager
def _quiet_decoder(format_name: str) -> Iterator[None]:
    """Keep the decoder's warnings about a TIFF's notes away; what matters of them is an error here."""
    if format_name != "TIFF":
        yield
        return
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
