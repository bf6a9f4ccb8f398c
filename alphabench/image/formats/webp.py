"""WebP files: RIFF chunks and the three kinds of image header (RFC 9649)."""

from collections.abc import Iterator

from alphabench.image.formats.exif import orientation_of
from alphabench.image.formats.header import Header, cut_off, damaged, several_images

_ANIMATED = 0x02


def read_webp(data: bytes, name: str) -> Header:
    """Return the header of a WebP file.

    Raises:
        DataError: the file is cut off, damaged or animated.
    """
    found = dict(_chunks(data, name))
    extended = found.get(b"VP8X", b"")
    if extended and extended[0] & _ANIMATED:
        raise several_images(name, "is an animated WebP")
    if b"VP8L" in found:
        width, height, alpha = _lossless(found[b"VP8L"], name)
    elif b"VP8 " in found:
        width, height = _lossy(found[b"VP8 "], name)
        alpha = b"ALPH" in found
    else:
        raise damaged(name, "it holds no image")
    return Header(
        format="WEBP",
        mode="RGBA" if alpha else "RGB",
        width=width,
        height=height,
        bits=8,
        pixels=data,
        icc=b"ICCP" in found,
        orientation=orientation_of(found.get(b"EXIF", b"")),
    )


def _lossless(content: bytes, name: str) -> tuple[int, int, bool]:
    if len(content) < 5 or content[0] != 0x2F:
        raise damaged(name, "its lossless image has no valid header")
    fields = int.from_bytes(content[1:5], "little")
    return (fields & 0x3FFF) + 1, (fields >> 14 & 0x3FFF) + 1, bool(fields >> 28 & 1)


def _lossy(content: bytes, name: str) -> tuple[int, int]:
    if len(content) < 10 or content[3:6] != b"\x9d\x01\x2a":
        raise damaged(name, "its lossy image has no valid header")
    return int.from_bytes(content[6:8], "little") & 0x3FFF, int.from_bytes(content[8:10], "little") & 0x3FFF


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each chunk, the last first, so that a mapping keeps the first."""
    size = 8 + int.from_bytes(data[4:8], "little")
    if size > len(data):
        raise cut_off(name)
    chunks, position = [], 12
    while position + 8 <= size:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > size:
            raise damaged(name, f"its chunk at byte {position} reaches past its end")
        chunks.append((data[position : position + 4], data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    yield from reversed(chunks)
