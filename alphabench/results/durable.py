"""Files that are either whole or absent, also after a power cut."""

import contextlib
import errno
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from alphabench.errors import NO_SPACE, DataError

_TEMPORARY = re.compile(r"tmp-[0-9]+-[0-9a-f]{16}")
NO_PERMISSION = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def write_durably(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a crash at any moment leaves the old file, the new one, or none.

    The bytes go to a temporary file in the same folder, reach the disk, take their name, and then the
    folder's entry reaches the disk. On a fault the temporary file is removed and the `OSError` passes.
    """
    temporary = path.parent / f"tmp-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    sync_folder(path.parent)


def replace_folder(temporary: Path, target: Path) -> None:
    """Give a finished temporary folder its name and let both folders' entries reach the disk."""
    sync_folder(temporary)
    os.replace(temporary, target)  # noqa: PTH105
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Let the entries of `folder` reach the disk; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary_files(folders: Iterable[Path]) -> None:
    """Remove what a killed process left half written in `folders`; call it under the lock."""
    for folder in folders:
        if folder.is_dir():
            for path in folder.rglob("tmp-*"):
                if is_temporary(path):
                    path.unlink()


def is_temporary(path: Path) -> bool:
    """Say whether `path` is a file that `write_durably` began: no other name and no folder is ours to remove."""
    return bool(_TEMPORARY.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


@contextlib.contextmanager
def readable_refusals(folder: Path) -> Iterator[None]:
    """Turn a folder that cannot be written into an error with a remedy; a full disk passes as it is.

    Raises:
        DataError: the folder is read-only, not permitted, not a folder, or otherwise out of use.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise
        reason = "is read-only" if error.errno in NO_PERMISSION else f"cannot be used: {error.strerror}"
        raise DataError(
            f"the folder {str(folder)!r} {reason}",
            remedy="Give a folder that you may write to with --out DIR.",
        ) from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
