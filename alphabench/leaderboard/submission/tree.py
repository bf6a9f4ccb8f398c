"""The first stage: what lies in a pack, seen without following a link, and a private copy of it.

Every entry is reached from the folder's own descriptor, so that no part of its path can be swapped for a link
in between. Sizes come from the file system: a file too large is never read. All later stages see the copy only.
"""

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.errors import NO_SPACE, DataError
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.findings import Finding, finding, refuse, shown_path
from alphabench.leaderboard.submission.names import (
    ARCHIVES,
    CARD,
    CONFIG,
    RECORD_FILES,
    check_name,
    check_path_length,
    check_place,
)

BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd and os.scandir in os.supports_fd
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OPEN_FOLDER = _OPEN | getattr(os, "O_DIRECTORY", 0)
_OPEN_FILE = _OPEN | getattr(os, "O_NONBLOCK", 0)  # a pipe must not make us wait
_BLOCK = 1 << 20
HIDDEN = re.compile(r"[.][A-Za-z0-9._-]*")
LARGEST = {CARD: limits.TOML_BYTES, CONFIG: limits.TOML_BYTES} | dict(
    zip(RECORD_FILES, (limits.RECORD_BYTES, limits.ROWS_BYTES), strict=True)
)


@dataclass(frozen=True)
class Held:
    """A file of the private copy: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass
class _Seen:
    """What the walk has met so far."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    entries: int = 0


def private_copy(source: Path, target: Path) -> dict[str, Held]:
    """Copy a pack into the empty folder `target` and return its files by path.

    Raises:
        Refused: links, special files, names, extra files or sizes that a pack may not have; nothing was opened.
        DataError: there is no such folder, or it cannot be read.
    """
    check_is_folder(source)
    seen = _Seen()
    try:
        with _folder(source) as root:
            _walk(root, "", seen)
            found = [*seen.findings, *check_budget({path: facts.st_size for path, facts in seen.files.items()})]
            refuse(found[: limits.SHOWN_FINDINGS])
            return {path: _copied(root, path, facts, target) for path, facts in sorted(seen.files.items())}
    except OSError as error:
        if error.errno in NO_SPACE:  # of the private copy, which is no fault of the pack
            raise
        raise DataError(
            f"the pack {str(source)!r} cannot be read: {error.strerror}", remedy="Check the path and your rights."
        ) from error


def check_is_folder(source: Path) -> None:
    """Refuse what is no plain folder.

    Raises:
        Refused: an archive, a file or a link.
        DataError: nothing is there.
    """
    try:
        mode = source.lstat().st_mode
    except (OSError, ValueError) as error:
        raise DataError(
            f"there is no folder {shown_path(str(source))}", remedy="Give the folder of a pack, with its card.toml."
        ) from error
    if stat.S_ISLNK(mode):
        refuse([finding("E_LINK", source.name, "it is a link", "Give the folder itself.")])
    if not stat.S_ISDIR(mode):
        archive = source.name.lower().endswith(ARCHIVES)
        remedy = "unpack it: packs are plain folders" if archive else "Give the folder of a pack."
        refuse([finding("E_EXTRA" if archive else "E_FILETYPE", source.name, "it is no folder", remedy)])


def check_link(path: str, facts: os.stat_result) -> list[Finding]:
    """Refuse a symbolic link, and a file that has another name somewhere."""
    if stat.S_ISLNK(facts.st_mode):
        return [finding("E_LINK", path, "it is a symbolic link", "Put the file itself there.")]
    if stat.S_ISREG(facts.st_mode) and facts.st_nlink != 1:
        fact = f"it is a hard link: the file has {facts.st_nlink} names"
        return [finding("E_LINK", path, fact, "Put a copy there.")]
    return []


def check_type(path: str, facts: os.stat_result) -> list[Finding]:
    """Refuse what is neither a file nor a folder; it is never opened."""
    if stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode) or stat.S_ISLNK(facts.st_mode):
        return []
    return [finding("E_FILETYPE", path, "it is neither a file nor a folder", "Delete it.")]


def check_not_empty(path: str, count: int) -> list[Finding]:
    """Refuse a folder without entries, which no version control keeps."""
    return [] if count else [finding("E_EXTRA", path, "it is an empty folder", f"Delete it: rmdir '{path}'")]


def check_budget(sizes: dict[str, int]) -> list[Finding]:
    """Refuse files, and packs, that are too large, by what the file system says of them."""
    found = []
    for path, size in sizes.items():
        largest = LARGEST.get(path, limits.FILE_BYTES)
        if size > largest:
            remedy = "Name it in [source] instead, see the README." if largest == limits.FILE_BYTES else "Shorten it."
            found.append(finding("E_BUDGET", path, f"it has {size} bytes, more than {largest}", remedy))
    if (total := sum(sizes.values())) > limits.PACK_BYTES:
        fact = f"its files have {total} bytes together, more than {limits.PACK_BYTES}"
        found.append(finding("E_BUDGET", ".", fact, "Name large files in [source] instead, see the README."))
    return found


def check_count(entries: int, files: int) -> None:
    """Refuse a pack of too many files without listing them all.

    Raises:
        Refused: there are more.
    """
    if files > limits.FILES or entries > 2 * limits.FILES:
        fact = f"it has more than {limits.FILES} files"
        refuse([finding("E_BUDGET", ".", fact, "Name large sets in [source] instead, see the README.")])


def check_unchanged(path: str, before: os.stat_result, now: os.stat_result) -> list[Finding]:
    """Refuse a file that is not the one that was seen a moment ago."""
    same = ("st_ino", "st_dev", "st_size", "st_nlink", "st_mtime_ns")
    if stat.S_ISREG(now.st_mode) and all(getattr(before, name) == getattr(now, name) for name in same):
        return []
    return [finding("E_CHANGED", path, "it changed while it was copied", "Repeat once nothing writes to the pack.")]


class _Folder:
    """A folder whose entries are reached by its descriptor, or by its path where a system has no such thing."""

    def __init__(self, descriptor: int | None, path: Path) -> None:
        self.descriptor, self.path = descriptor, path

    def names(self) -> Iterator[str]:
        with os.scandir(self.path if self.descriptor is None else self.descriptor) as entries:
            for entry in entries:
                yield entry.name

    def facts(self, name: str) -> os.stat_result:
        if self.descriptor is None:
            return (self.path / name).lstat()
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    @contextlib.contextmanager
    def folder(self, name: str) -> Iterator["_Folder"]:
        if self.descriptor is None:
            yield _Folder(None, self.path / name)
            return
        descriptor = os.open(name, _OPEN_FOLDER, dir_fd=self.descriptor)
        try:
            yield _Folder(descriptor, self.path / name)
        finally:
            os.close(descriptor)

    def open_file(self, name: str) -> int:
        if self.descriptor is None:
            return os.open(self.path / name, _OPEN_FILE)
        return os.open(name, _OPEN_FILE, dir_fd=self.descriptor)


@contextlib.contextmanager
def _folder(source: Path) -> Iterator[_Folder]:
    if not BY_DESCRIPTOR:
        yield _Folder(None, source)
        return
    descriptor = os.open(source, _OPEN_FOLDER)
    try:
        yield _Folder(descriptor, source)
    finally:
        os.close(descriptor)


def _walk(folder: _Folder, above: str, seen: _Seen) -> int:
    """Look at every entry below `folder` and return how many it has."""
    names: dict[str, str] = {}
    count = 0
    for name in folder.names():
        count += 1
        seen.entries += 1
        check_count(seen.entries, len(seen.files))
        path = f"{above}{name}"
        facts = folder.facts(name)
        is_folder = stat.S_ISDIR(facts.st_mode)
        found = check_link(path, facts) + check_type(path, facts)
        if HIDDEN.fullmatch(name):  # what systems and tools leave behind: better named as that than as a bad name
            found = found or check_place(path, folder=is_folder)
        found = found or check_name(path, name, names)
        found = found or check_place(path, folder=is_folder)
        found = found or check_path_length(path)
        names.setdefault(name.casefold(), name)
        if found:
            seen.findings += found
        elif is_folder:
            with folder.folder(name) as inside:
                seen.findings += check_not_empty(path, _walk(inside, f"{path}/", seen))
        elif stat.S_ISREG(facts.st_mode):
            seen.files[path] = facts
    return count


def _copied(root: _Folder, path: str, before: os.stat_result, target: Path) -> Held:
    """Copy one file by its descriptor, at most the bytes that it had when it was seen."""
    place = target / path
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        folder = root
        *above, name = path.split("/")
        for part in above:
            folder = stack.enter_context(folder.folder(part))
        with os.fdopen(folder.open_file(name), "rb") as source, place.open("xb") as copy:
            refuse(check_unchanged(path, before, os.fstat(source.fileno())))
            while block := source.read(min(_BLOCK, before.st_size - size)):
                digest.update(block)
                copy.write(block)
                size += len(block)
            refuse(check_unchanged(path, before, folder.facts(name)))
    return Held(size, digest.hexdigest())
