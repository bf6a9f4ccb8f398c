"""JPEG files: segments up to the scan (ITU-T T.81); such files are opaque."""

from alphabench.errors import DataError
from alphabench.image.formats.exif import orientation_of
from alphabench.image.formats.header import Header, cut_off, damaged

SIGNATURE = b"\xff\xd8\xff"

_SCAN, _FIRST_APP, _LAST_APP, _COMMENT = 0xDA, 0xE0, 0xEF, 0xFE
_KEPT_APPS = (0xE0, 0xEE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MODES = {1: "L", 3: "RGB"}


def read_jpeg(data: bytes, name: str) -> Header:
    """Return the header of a JPEG file.

    Raises:
        DataError: the file is cut off or damaged, or stores CMYK.
    """
    pixels, frame, icc, orientation, position = [data[:2]], b"", False, None, 2
    while True:
        if position + 4 > len(data):
            raise cut_off(name)
        if data[position] != 0xFF:
            raise damaged(name, f"no segment begins at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _SCAN:
            break
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        content = data[position + 4 : end]
        if marker in _FRAMES:
            frame = content
        icc |= marker == 0xE2 and content.startswith(b"ICC_PROFILE\0")
        if marker == 0xE1 and content.startswith(b"Exif\0\0"):
            orientation = orientation_of(content)
        if marker in _KEPT_APPS or not (_FIRST_APP <= marker <= _LAST_APP or marker == _COMMENT):
            pixels.append(data[position:end])
        position = end
    if len(frame) < 6 or data.find(b"\xff\xd9", position) < 0:
        raise cut_off(name)
    if frame[5] not in _MODES:
        raise DataError(f"{name} stores {frame[5]} colour components (CMYK)", remedy="Convert it to 8-bit sRGB first.")
    return Header(
        format="JPEG",
        mode=_MODES[frame[5]],
        width=int.from_bytes(frame[3:5]),
        height=int.from_bytes(frame[1:3]),
        bits=frame[0],
        pixels=b"".join([*pixels, data[position:]]),
        icc=icc,
        orientation=orientation,
    )
