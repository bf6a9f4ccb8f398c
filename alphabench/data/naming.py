"""Names: the slug of a set and the id of a sample, both safe on every file system."""

import hashlib
import re
import unicodedata

SLUG = re.compile(r"(?!.*__)[a-z0-9][a-z0-9._-]{0,62}(?<![.])")
SAMPLE_ID = re.compile(r"(?!.*(?:^|/)[.]{1,2}(?:/|$))(?!.*//)[A-Za-z0-9][A-Za-z0-9._/-]{0,199}(?<!/)")
LABEL = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
DEVICE_STEMS = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))}
)
JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db", "$recycle.bin"})
"""Names, in lower case, of what systems put into folders: never data."""

MAX_ID = 200


def slug_of(name: str, *, fallback: str = "data") -> str:
    """Return `name` as a slug: `[a-z0-9][a-z0-9._-]{0,62}`, no `__`, no trailing dot.

    Marks are dropped from letters, everything else that does not fit becomes one hyphen; a name of which
    nothing is left becomes `fallback`; a device name of Windows or a name in `JUNK` gets `fallback` in front.
    """
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9._-]+", "-", plain)
    slug = re.sub(r"_{2,}", "_", slug).lstrip("._-")[:63].rstrip(".-")
    if not slug:
        return fallback
    reserved = slug.partition(".")[0] in DEVICE_STEMS or slug in JUNK
    return f"{fallback}-{slug}"[:63].rstrip(".-") if reserved else slug


def sample_id_of(stem: str) -> str:
    """Return the sample id of a relative posix path without its extension: at most 200 safe characters.

    A path that fits already is its own id. Otherwise marks are dropped from letters, letters of other
    scripts are spelt as `u` and their code point in hexadecimal, anything else becomes a hyphen, and a
    path that is too long keeps its beginning and ends in 16 digits of its SHA-256.
    """
    fitted = "/".join(_fit_part(part) for part in stem.split("/"))
    if not fitted[0].isalnum():
        fitted = f"x{fitted}"
    if len(fitted) > MAX_ID:
        digest = hashlib.sha256(unicodedata.normalize("NFC", stem).encode()).hexdigest()[:16]
        fitted = f"{fitted[: MAX_ID - 17].rstrip('/')}-{digest}"
    return fitted


def _fit_part(part: str) -> str:
    letters = []
    for letter in unicodedata.normalize("NFKD", part):
        if letter.isascii():
            letters.append(letter if re.match(r"[A-Za-z0-9._-]", letter) else "-")
        elif not unicodedata.combining(letter):
            letters.append(f"u{ord(letter):x}" if letter.isalnum() else "-")
    fitted = "".join(letters)
    return "x" if fitted in {"", ".", ".."} else fitted
