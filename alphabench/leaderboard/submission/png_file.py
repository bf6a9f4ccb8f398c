"""One prediction: a PNG file of exactly the kind that a run writes, checked chunk by chunk before it is decoded."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from alphabench.errors import DataError
from alphabench.image.codec import decode_rgba
from alphabench.image.types import Codes
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {b"IHDR", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"pHYs", b"tEXt"}
ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
ONCE = {b"sRGB", b"gAMA", b"pHYs"}
SRGB_GAMMA = (45455).to_bytes(4)
SAVE = "Save it as 8-bit RGBA PNG, not interlaced, without profile."
LEAST_CHUNK = 12
MOST_CHUNKS = 100_000


@dataclass(frozen=True)
class Chunk:
    """One chunk: kind, content, whether its checksum is right."""

    kind: bytes
    content: memoryview
    sound: bool


def checked_png(data: bytes, path: str, width: int, height: int) -> Codes:
    """Return the codes `(4, height, width)` of a prediction.

    Args:
        data: the file.
        path: its place in the pack.
        width: of the reference.
        height: of the reference.

    Raises:
        Refused: the file is not exactly one plain 8-bit RGBA image of that size.
    """
    refuse(check_signature(data, path))
    refuse(check_header(data, path, width, height))
    chunks = list(_chunks(data, path))
    refuse(check_chunks(chunks, path))
    refuse(check_order(chunks, path))
    refuse(check_checksums(chunks, path))
    refuse(check_end(data, chunks, path))
    refuse(check_pixels([chunk.content for chunk in chunks if chunk.kind == b"IDAT"], path, width, height))
    try:
        return decode_rgba(data, name=path)
    except DataError as error:
        raise Refused([finding("E_PNG_DATA", path, error.message, error.remedy)]) from error


def check_signature(data: bytes, path: str) -> list[Finding]:
    """Refuse what is no PNG, whatever its name says."""
    if data.startswith(SIGNATURE) and data[12:16] == b"IHDR" and len(data) >= 33 and data[8:12] == b"\0\0\0\r":
        return []
    return [finding("E_PNG_FORMAT", path, "it is no PNG file", SAVE)]


def check_header(data: bytes, path: str, width: int, height: int) -> list[Finding]:
    """Refuse another size than the reference's, and anything but 8-bit RGBA without interlacing."""
    wide, high = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if (wide, high) != (width, height) or wide * high > limits.IMAGE_PIXELS:
        fact = f"it is {wide}x{high} pixels, its reference {width}x{height}"
        return [finding("E_PNG_SIZE", path, fact, "Predict at the reference's size: nothing is resized.")]
    depth, colour, compression, filtering, interlace = data[24:29]
    if (depth, colour, compression, filtering, interlace) != (8, 6, 0, 0, 0):
        fact = f"it has {depth} bits, colour type {colour} and interlacing {interlace}"
        return [finding("E_PNG_FORMAT", path, fact, SAVE)]
    return []


def check_chunks(chunks: list[Chunk], path: str) -> list[Finding]:
    """Refuse animations, and chunks that are not needed to hold the pixels (profiles, compressed texts)."""
    seen = [chunk.kind for chunk in chunks]
    if ANIMATION & set(seen):
        return [finding("E_PNG_FORMAT", path, "it is animated", SAVE)]
    for chunk in chunks:
        fact, name = "", chunk.kind.decode("ascii", "backslashreplace")
        if chunk.kind not in KINDS:
            fact = f"it has the chunk {name}"
        elif chunk.kind == b"gAMA" and bytes(chunk.content) != SRGB_GAMMA:
            fact = "its gamma is not that of sRGB"
        elif chunk.kind == b"tEXt" and len(chunk.content) > limits.TEXT_CHUNK_BYTES:
            fact = f"it has a text of {len(chunk.content)} bytes"
        elif chunk.kind in ONCE and seen.count(chunk.kind) > 1:
            fact = f"it has the chunk {name} twice"
        if fact:
            return [finding("E_PNG_CHUNK", path, fact, SAVE)]
    return []


def check_order(chunks: list[Chunk], path: str) -> list[Finding]:
    """Refuse a second header or end, and pixels in several places."""
    kinds = [chunk.kind for chunk in chunks]
    places = [index for index, kind in enumerate(kinds) if kind == b"IDAT"]
    together = bool(places) and places[-1] - places[0] + 1 == len(places)
    if kinds[0] == b"IHDR" and kinds.count(b"IHDR") == 1 and kinds[-1] == b"IEND" and together:
        return []
    return [finding("E_PNG_DATA", path, "its chunks are not header, pixels, end", SAVE)]


def check_checksums(chunks: list[Chunk], path: str) -> list[Finding]:
    """Refuse a chunk whose checksum is wrong."""
    if bad := next((chunk.kind for chunk in chunks if not chunk.sound), None):
        fact = f"the checksum of its chunk {bad.decode('ascii', 'backslashreplace')} is wrong"
        return [finding("E_PNG_DATA", path, fact, SAVE)]
    return []


def check_end(data: bytes, chunks: list[Chunk], path: str) -> list[Finding]:
    """Refuse anything behind the end of the image."""
    used = len(SIGNATURE) + sum(LEAST_CHUNK + len(chunk.content) for chunk in chunks)
    if chunks[-1].kind == b"IEND" and len(chunks[-1].content) == 0 and used == len(data):
        return []
    return [finding("E_PNG_DATA", path, f"{len(data) - used} bytes follow the end of its image", SAVE)]


def check_pixels(parts: list[memoryview], path: str, width: int, height: int) -> list[Finding]:
    """Refuse pixel data that do not inflate to exactly the image; no more than that is ever inflated."""
    stride = 1 + 4 * width
    expected = height * stride
    inflater = zlib.decompressobj()
    pixels = bytearray()
    try:
        for part in parts:
            pixels += inflater.decompress(part, expected + 1 - len(pixels))
            if len(pixels) > expected:
                break
    except zlib.error as error:
        return [finding("E_PNG_DATA", path, f"its pixels cannot be inflated: {error}", SAVE)]
    if len(pixels) != expected or not inflater.eof or inflater.unused_data:
        fact = f"its pixels inflate to {'more' if len(pixels) > expected else 'other'} than {expected} bytes"
        return [finding("E_PNG_DATA", path, fact, SAVE)]
    if max(pixels[::stride]) > 4:
        return [finding("E_PNG_DATA", path, "a row has an unknown filter", SAVE)]
    return []


def _chunks(data: bytes, path: str) -> Iterator[Chunk]:
    view, position, kind, count = memoryview(data), len(SIGNATURE), b"", 0
    while kind != b"IEND":
        end = position + LEAST_CHUNK + int.from_bytes(view[position : position + 4])
        if position + LEAST_CHUNK > len(data) or end > len(data):
            raise Refused([finding("E_PNG_DATA", path, "it is cut off", SAVE)])
        kind = bytes(view[position + 4 : position + 8])
        sound = zlib.crc32(view[position + 4 : end - 4]) == int.from_bytes(view[end - 4 : end])
        count += 1
        if count > MOST_CHUNKS:
            raise Refused([finding("E_PNG_DATA", path, f"it has more than {MOST_CHUNKS} chunks", SAVE)])
        yield Chunk(kind, view[position + 8 : end - 4], sound)
        position = end
