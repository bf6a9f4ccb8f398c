"""PNG files: chunks and the image header (PNG third edition, W3C 2025)."""

import zlib
from collections.abc import Iterator

from alphabench.image.formats.exif import orientation_of
from alphabench.image.formats.header import Header, cut_off, damaged, several_images

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_DECODED = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_CHECKED = _DECODED | {b"tRNS"}
_COLOUR_SPACE = {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV"}


def read_png(data: bytes, name: str) -> Header:
    """Return the header of a PNG file.

    Raises:
        DataError: the file is cut off, damaged or animated.
    """
    pixels = [SIGNATURE]
    found: dict[bytes, memoryview] = {}
    for kind, whole in _chunks(data, name):
        if kind in _DECODED:
            pixels.append(bytes(whole))
        if kind != b"IDAT":
            found.setdefault(kind, whole[8:-4])
    header = bytes(found.get(b"IHDR", b""))
    if len(header) != 13 or header[9] not in _MODES:
        raise damaged(name, "it has no valid image header")
    frames = int.from_bytes(found.get(b"acTL", b"")[:4])
    if frames > 1:
        raise several_images(name, f"is an animated PNG of {frames} frames")
    return Header(
        format="PNG",
        mode=_MODES[header[9]] + ("+tRNS" if b"tRNS" in found and header[9] in {0, 2, 3} else ""),
        width=int.from_bytes(header[:4]),
        height=int.from_bytes(header[4:8]),
        bits=header[8],
        pixels=b"".join(pixels),
        palette=bytes(found.get(b"PLTE", b"")),
        transparency=bytes(found.get(b"tRNS", b"")),
        icc=b"iCCP" in found,
        gamma=not _COLOUR_SPACE.isdisjoint(found),
        orientation=orientation_of(bytes(found.get(b"eXIf", b""))),
    )


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the whole bytes of each chunk up to `IEND`."""
    view, position, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        end = position + 12 + int.from_bytes(view[position : position + 4])
        if position + 12 > len(data) or end > len(data):
            raise cut_off(name)
        kind = bytes(view[position + 4 : position + 8])
        if not kind.isalpha():
            raise damaged(name, f"no chunk begins at byte {position}")
        if kind in _CHECKED and zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise damaged(name, f"the checksum of its {kind.decode()} chunk at byte {position} is wrong")
        yield kind, view[position:end]
        position = end
