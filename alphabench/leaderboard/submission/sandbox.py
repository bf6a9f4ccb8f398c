"""A child process that measures a stranger's model: little memory, little time, no network.

Two barriers keep the network away: where the system allows it the child starts in a network namespace of its
own, which has no way out; and in every case an audit hook refuses each socket before it is made.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from alphabench.errors import IncompleteError
from alphabench.leaderboard.submission.findings import shown

GIBIBYTE = 1024**3
UNSHARE = ("unshare", "--user", "--map-root-user", "--net")
PASSED_ON = (
    "ALPHABENCH_CACHE",
    "ALPHABENCH_DATA",
    "HOME",
    "LANG",
    "LOCALAPPDATA",
    "OMP_NUM_THREADS",
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "XDG_CACHE_HOME",
)
"""Variables that a child gets; everything else, secrets among it, stays behind."""

TAIL = 400


@dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of memory, seconds of all processors together, seconds on the clock."""

    memory_bytes: int = 8 * GIBIBYTE
    cpu_s: int = 2 * 1800
    wall_s: float = 1800.0


class Exceeded(IncompleteError):
    """A child used more than it may, so that nothing was measured (exit code 4)."""

    code = "limit"


@functools.cache
def isolation() -> str:
    """Return how a child is kept from the network here: `network namespace and audit hook`, or `audit hook`."""
    if sys.platform != "linux" or shutil.which(UNSHARE[0]) is None:
        return "audit hook"
    try:
        done = subprocess.run([*UNSHARE, "true"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "audit hook"
    return "network namespace and audit hook" if done.returncode == 0 else "audit hook"


def run_limited(
    module: str, arguments: Sequence[str], *, limits: Limits, folder: Path, report: Callable[[int, int], None]
) -> None:
    """Run a module of this package in a child process until it ends.

    Args:
        module: run as `python -I -m module`: nothing of the working folder or the environment is imported.
        arguments: of the module; the limits come after them.
        limits: what it may use.
        folder: its working folder.
        report: called with done and total whenever the child prints these two numbers.

    Raises:
        Exceeded: it used too much and was ended.
        IncompleteError: it ended in another way than by itself.
    """
    command = [sys.executable, "-I", "-m", module, *arguments, str(limits.memory_bytes), str(limits.cpu_s)]
    if isolation() != "audit hook":
        command = [*UNSHARE, *command]
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONHASHSEED": "0"}
    with (folder / "child.log").open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        assert child.stdout is not None
        listener = threading.Thread(target=_listen, args=(child.stdout, report), daemon=True)
        listener.start()
        try:
            code = child.wait(timeout=limits.wall_s)
        except subprocess.TimeoutExpired as error:
            raise _exceeded(f"{limits.wall_s:g} seconds on the clock") from error
        finally:
            _end(child)
            listener.join()
            child.stdout.close()
    if code == -signal.SIGXCPU or code == 128 + signal.SIGXCPU:
        raise _exceeded(f"{limits.cpu_s} seconds of processor time")
    if code == -signal.SIGKILL:
        raise _exceeded(f"its memory of {limits.memory_bytes} bytes, or its processor time")
    if code != 0:
        tail = (folder / "child.log").read_bytes()[-TAIL:].decode("utf-8", "replace").strip()
        raise IncompleteError(
            f"the measuring process ended with {code}: {shown(tail[-200:])}",
            remedy="Repeat the command; if it happens again, report it with this line.",
        )


def restrict(memory_bytes: int, cpu_s: int) -> None:
    """Set the limits of this process, and refuse every socket from here on; there is no way back."""
    try:
        import resource
    except ImportError:  # Windows: the clock alone is watched
        pass
    else:
        for kind, amount in (
            (resource.RLIMIT_AS, memory_bytes),
            (resource.RLIMIT_CPU, cpu_s),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(kind)
            most = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
            resource.setrlimit(kind, (most, most if kind != resource.RLIMIT_CPU else hard))
    sys.addaudithook(_refuse_sockets)


def _refuse_sockets(event: str, arguments: object) -> None:
    if event.startswith("socket.") and event != "socket.gethostname":  # the lock of a run names its host
        raise PermissionError(f"a measuring process has no network ({event})")


def _listen(stream: IO[bytes], report: Callable[[int, int], None]) -> None:
    for line in stream:
        numbers = line.split()
        if len(numbers) == 2 and all(number.isdigit() and len(number) < 9 for number in numbers):
            report(int(numbers[0]), int(numbers[1]))


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


def _exceeded(what: str) -> Exceeded:
    return Exceeded(
        f"measuring the pack took more than {what}; it was ended and nothing was recorded",
        remedy="Submit a smaller model, or its predictions; a maintainer may allow more with --time-limit.",
    )
