"""TIFF directories, as TIFF files and Exif blocks hold them (TIFF revision 6.0, BigTIFF, Exif 2.32)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

ORIENTATION = 274

_WIDTHS = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}


class BrokenDirectoryError(Exception):
    """A directory that reaches past the end of its file."""


@dataclass(frozen=True)
class Directory:
    """The first directory of tags.

    Attributes:
        values: whole-number values by tag; (0,) for a tag of another type.
        places: offset of the first value by tag.
        order: byte order of the file.
        following: offset of the next directory, 0 without one.
    """

    values: dict[int, tuple[int, ...]]
    places: dict[int, int]
    order: Literal["little", "big"]
    following: int

    def first(self, tag: int, default: int) -> int:
        """Return the first value of a tag."""
        return self.values.get(tag, (default,))[0]


def read_directory(data: bytes, wanted: Collection[int]) -> Directory:
    """Return the wanted tags in the first directory of a TIFF or BigTIFF stream.

    Raises:
        BrokenDirectoryError: it reaches past the end.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(position: int, width: int) -> int:
        if position + width > len(data):
            raise BrokenDirectoryError
        return int.from_bytes(data[position : position + width], order)

    big = number(2, 2) == 43
    word = 8 if big else 4
    start = number(8, 8) if big else number(4, 4)
    count_width = 8 if big else 2
    entry_width = 4 + 2 * word
    entries = number(start, count_width)
    end = start + count_width + entries * entry_width
    following = number(end, word)
    values: dict[int, tuple[int, ...]] = {}
    places: dict[int, int] = {}
    for position in range(start + count_width, end, entry_width):
        tag = number(position, 2)
        if tag not in wanted or tag in values:
            continue
        kind, count = number(position + 2, 2), number(position + 4, word)
        place = position + 4 + word
        width = _WIDTHS.get(kind)
        if width is None or count == 0:
            values[tag] = (0,)
            continue
        if width * count > word:
            place = number(place, word)
        if place + width * count > len(data):
            raise BrokenDirectoryError
        values[tag] = tuple(number(place + index * width, width) for index in range(count))
        places[tag] = place
    return Directory(values=values, places=places, order=order, following=following)


def orientation_of(block: bytes) -> int | None:
    """Return the rotation tag of an Exif block, 1 to 8; None where there is none or it is broken."""
    block = block.removeprefix(b"Exif\0\0")
    if block[:4] not in {b"II*\0", b"MM\0*"}:
        return None
    try:
        return valid_orientation(read_directory(block, {ORIENTATION}).first(ORIENTATION, 0))
    except BrokenDirectoryError:
        return None


def valid_orientation(value: int) -> int | None:
    """Return a rotation tag's value where it has a meaning, else None."""
    return value if 1 <= value <= 8 else None
