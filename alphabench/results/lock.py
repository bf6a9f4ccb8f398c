"""One process at a time on a work folder; the kernel frees the lock when its holder dies."""

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from alphabench.errors import DataError

BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
UNSUPPORTED = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
BYTE = 1 << 30  # the byte that Windows locks, far behind the text that others may read


class RunLock:
    """An exclusive advisory lock on a file, held until `release` or the end of the process.

    The file says who holds it. It is opened close-on-exec, so programs started meanwhile do not inherit
    the lock; processes made by `fork` do share it, as the system defines.

    Args:
        path: the lock file; it is made if absent and never removed.
        run_hash: names the run in messages.
        started: UTC time of the start, for other processes to read.
        command: the command line, for other processes to read.

    Raises:
        DataError: another process holds the lock, or the file system has no locks.
    """

    def __init__(self, path: Path, *, run_hash: str, started: str, command: str) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _acquire(descriptor)
        except OSError as error:
            holder = _holder(path)
            os.close(descriptor)
            if error.errno in BUSY:
                raise DataError(
                    f"run {run_hash[:16]} is in progress: pid {holder.get('pid', '?')} on "
                    f"{holder.get('host', '?')} since {holder.get('started', '?')}",
                    remedy="Wait for it, or use another folder with --out DIR.",
                ) from error
            if error.errno in UNSUPPORTED:
                raise DataError(
                    f"the file system of {str(path.parent)!r} has no locks",
                    remedy="Use a folder on a local disk with --out DIR.",
                ) from error
            raise
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "started": started, "command": command}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(facts).encode())

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@contextlib.contextmanager
def folder_lock(folder: Path, *, patience_s: float = 30.0) -> Iterator[None]:
    """Hold `folder` for one writer at a time; wait for another one, up to `patience_s` seconds.

    The lock lies on the folder itself and leaves no file; on Windows on a file `.lock` inside it.

    Raises:
        DataError: another process held it all that time, or the file system has no locks.
    """
    windows = sys.platform == "win32"
    path = folder / ".lock" if windows else folder
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT if windows else os.O_RDONLY, 0o666)
    try:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                _acquire(descriptor)
                break
            except OSError as error:
                if error.errno in UNSUPPORTED:
                    raise DataError(
                        f"the file system of {str(folder)!r} has no locks", remedy="Use a folder on a local disk."
                    ) from error
                if error.errno not in BUSY:
                    raise
                if time.monotonic() > deadline:
                    raise DataError(
                        f"another process has been writing to {str(folder)!r} for {patience_s:g} s",
                        remedy="Wait for it, then repeat the command.",
                    ) from error
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
