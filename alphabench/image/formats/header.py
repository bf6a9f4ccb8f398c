"""The facts in a file's header, and the words in which a file is refused."""

from dataclasses import dataclass, field

from alphabench.errors import DataError

COPY_AGAIN = "Copy or export the file again."


@dataclass(frozen=True)
class Header:
    """What a file says about its image before any pixel is decoded.

    Attributes:
        format: `PNG`, `WEBP`, `TIFF` or `JPEG`.
        mode: `RGBA`, `LA`, `PA`, `RGB`, `L` or `P`; `+tRNS` is added where a PNG marks transparent colours.
        width: columns, as stored.
        height: rows, as stored.
        bits: bits per sample as stored (of an index into a palette: 1 to 8).
        pixels: the bytes the decoder gets; no profile, text, rotation or animation is among them.
        palette: red, green and blue codes of a PNG palette.
        transparency: content of a PNG's `tRNS` chunk.
        icc: whether a colour profile is embedded.
        gamma: whether transfer curve, primaries or colour space are stated otherwise.
        orientation: rotation tag, 1 to 8; None without one.
    """

    format: str
    mode: str
    width: int
    height: int
    bits: int
    pixels: bytes = field(repr=False)
    palette: bytes = field(default=b"", repr=False)
    transparency: bytes = field(default=b"", repr=False)
    icc: bool = False
    gamma: bool = False
    orientation: int | None = None

    @property
    def carries_alpha(self) -> bool:
        """Say whether the file stores any opacity."""
        return carries_alpha(self.mode)


def carries_alpha(mode: str) -> bool:
    """Say whether images of this mode store any opacity."""
    return mode.endswith("+tRNS") or mode in {"RGBA", "LA", "PA"}


def cut_off(name: str) -> DataError:
    """Return the refusal of a file that ends too early."""
    return DataError(f"{name} is cut off: it ends before its image does", remedy=COPY_AGAIN)


def damaged(name: str, fact: str) -> DataError:
    """Return the refusal of a file whose structure is broken."""
    return DataError(f"{name} is damaged: {fact}", remedy=COPY_AGAIN)


def several_images(name: str, fact: str) -> DataError:
    """Return the refusal of a file that holds more than one image."""
    return DataError(
        f"{name} {fact}, and a sample is one image", remedy="Save each frame or page as a file of its own."
    )
