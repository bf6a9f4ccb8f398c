"""Stop a run politely: SIGINT and SIGTERM become one error that says how to go on."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from alphabench.errors import Interrupted


@contextlib.contextmanager
def interruptible(
    out: Path, remedy: str = "Repeat the same command: it goes on at the first missing sample."
) -> Iterator[None]:
    """Turn an interrupt inside the context into `Interrupted`.

    The batch in flight is dropped: what was written before it is safe. A second signal while the first
    one is being handled ends the process at once.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for signum in previous:
            signal.signal(signum, signal.SIG_DFL)
        raise KeyboardInterrupt

    previous = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(f"interrupted; what was finished before is safe in {out}", remedy=remedy) from error
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
