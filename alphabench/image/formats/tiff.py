"""TIFF files: one page of at most 8 bits with straight alpha (TIFF revision 6.0, BigTIFF)."""

from alphabench.errors import DataError
from alphabench.image.formats.exif import (
    ORIENTATION,
    BrokenDirectoryError,
    Directory,
    read_directory,
    valid_orientation,
)
from alphabench.image.formats.header import Header, cut_off, damaged, several_images

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 262, 277
_DATA = ((273, 279), (324, 325))
_EXTRA, _SAMPLE_FORMAT, _ICC = 338, 339, 34675
_COLOUR_SPACE = (301, 318, 319)
_WANTED = {
    *(_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA, _SAMPLE_FORMAT, _ICC, ORIENTATION),
    *_COLOUR_SPACE,
    *(tag for pair in _DATA for tag in pair),
}
_ASSOCIATED, _STRAIGHT = 1, 2
_COLOURS = {0: ("L", 1), 1: ("L", 1), 2: ("RGB", 3), 3: ("P", 1), 6: ("RGB", 3)}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA", "P": "PA"}


def read_tiff(data: bytes, name: str) -> Header:
    """Return the header of a TIFF file.

    Raises:
        DataError: the file is cut off, has several pages, or stores something else than gray, palette or
            RGB samples with at most one straight alpha.
    """
    try:
        tags = read_directory(data, _WANTED)
    except BrokenDirectoryError as error:
        raise cut_off(name) from error
    if tags.following:
        raise several_images(name, "is a TIFF of two or more pages")
    _check_extent(data, tags, name)
    return Header(
        format="TIFF",
        mode=_mode(tags, name),
        width=tags.first(_WIDTH, 0),
        height=tags.first(_HEIGHT, 0),
        bits=max(tags.values.get(_BITS, (1,))),
        pixels=_upright(data, tags),
        icc=_ICC in tags.values,
        gamma=any(tag in tags.values for tag in _COLOUR_SPACE),
        orientation=valid_orientation(tags.first(ORIENTATION, 0)),
    )


def _mode(tags: Directory, name: str) -> str:
    photometric = tags.first(_PHOTOMETRIC, -1)
    if photometric not in _COLOURS or set(tags.values.get(_SAMPLE_FORMAT, (1,))) - {1, 4}:
        raise DataError(
            f"{name} stores no gray, palette or RGB codes (photometric interpretation {photometric}, "
            f"sample format {tags.first(_SAMPLE_FORMAT, 1)})",
            remedy="Convert it to 8-bit sRGB with alpha, for example as PNG.",
        )
    mode, colours = _COLOURS[photometric]
    surplus = tags.first(_SAMPLES, 1) - colours
    extra = tags.values.get(_EXTRA, ())
    if surplus == 0:
        return mode
    if surplus == 1 and extra == (_STRAIGHT,):
        return _WITH_ALPHA[mode]
    if _ASSOCIATED in extra:
        raise DataError(
            f"{name} stores premultiplied colour (associated alpha), from which the straight codes cannot be recovered",
            remedy="Export it again with straight (unassociated) alpha, for example as PNG.",
        )
    raise DataError(
        f"{name} has {surplus} samples beside its colour instead of one marked as straight alpha "
        f"(ExtraSamples {', '.join(map(str, extra)) or 'absent'})",
        remedy="Export it again with straight (unassociated) alpha, for example as PNG.",
    )


def _check_extent(data: bytes, tags: Directory, name: str) -> None:
    """Refuse a file that ends before its strips or tiles do."""
    for offsets, lengths in _DATA:
        places = tags.values.get(offsets, ())
        sizes = tags.values.get(lengths, (0,) * len(places))
        if any(place + size > len(data) for place, size in zip(places, sizes, strict=False)):
            raise cut_off(name)
    if not any(offsets in tags.values for offsets, _ in _DATA):
        raise damaged(name, "it holds no image")


def _upright(data: bytes, tags: Directory) -> bytes:
    """Return the bytes with rotation tag 1, because the decoder would rotate the codes."""
    if ORIENTATION not in tags.places:
        return data
    place, first = tags.places[ORIENTATION], (1).to_bytes(2, tags.order)
    return data[:place] + first + data[place + 2 :]
