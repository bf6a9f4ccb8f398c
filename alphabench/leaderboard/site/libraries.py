"""The vendored libraries of the pages: read from the package, each checked against its hash."""

import functools
import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from alphabench.errors import DataError

LISTING = "vendor.toml"


@dataclass(frozen=True)
class Library:
    """One vendored file.

    Attributes:
        name: the library.
        version: its version.
        licence: SPDX name.
        home: the project's page.
        file: path below the vendor folder.
        sha256: of its bytes.
        bytes: how many they are.
        bundles: libraries that it holds inside, with their licences.
    """

    name: str
    version: str
    licence: str
    home: str
    file: str
    sha256: str
    bytes: int
    bundles: tuple[str, ...] = ()

    @property
    def asset(self) -> str:
        """Return the file's name among the assets of a site."""
        return self.file.rpartition("/")[2]


@functools.cache
def libraries() -> tuple[Library, ...]:
    """Return every vendored file in the order of the listing."""
    listing = tomllib.loads(_bytes(LISTING).decode())
    return tuple(Library(**{**entry, "bundles": tuple(entry.get("bundles", ()))}) for entry in listing["file"])


def library_bytes(library: Library) -> bytes:
    """Return the bytes of a vendored file.

    Raises:
        DataError: they are not the ones that were listed.
    """
    data = _bytes(library.file)
    if hashlib.sha256(data).hexdigest() != library.sha256:
        raise DataError(
            f"the vendored file {library.file} was changed: its SHA-256 is another", remedy="Install alphabench again."
        )
    return data


def licence_text() -> str:
    """Return the licences of all vendored files as one text."""
    folders = dict.fromkeys(library.file.partition("/")[0] for library in libraries())
    vendor = files("alphabench.leaderboard") / "vendor"
    names = [f"{folder}/{name}" for folder in folders for name in ("LICENSE", "LICENSE.bundled")]
    parts = [
        f"{name}\n\n{vendor.joinpath(name).read_text(encoding='utf-8').strip()}\n"
        for name in names
        if vendor.joinpath(name).is_file()
    ]
    return f"\n{'=' * 80}\n\n".join(parts)


def _bytes(path: str) -> bytes:
    return (files("alphabench.leaderboard") / "vendor" / path).read_bytes()
