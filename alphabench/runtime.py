"""Device, dtype, ranks, seeds and folders: resolved here and nowhere else.

Importing this module imports no torch; each function imports what it needs.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabench.errors import DataError, UsageError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")


def cache_dir() -> Path:
    """Return the folder for fetched files: `$ALPHABENCH_CACHE`, else the user's cache folder."""
    if override := os.environ.get("ALPHABENCH_CACHE"):
        return Path(override).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(base).expanduser() / "alphabench"


def expanded(name: str | Path, *, noun: str = "file or folder") -> Path:
    """Return a path with `~` and `~user` expanded.

    Args:
        name: the path.
        noun: what it should be, for the message.

    Raises:
        UsageError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UsageError(f"there is no {noun} {str(name)!r}: {error}", remedy="Write the whole path.") from error


def weights_dir() -> Path:
    """Return the folder of perceptual weights inside the cache folder."""
    return cache_dir() / "weights"


def resolve_device(name: str = "auto") -> "torch.device":
    """Return the torch device called `name`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: the device does not exist on this machine.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    available = available_devices()
    try:
        device = torch.device(name)
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"there is no device called {name!r}", remedy=f"Use one of: auto, {', '.join(available)}."
        ) from error
    if str(device) not in available:
        raise UsageError(
            f"the device {name!r} does not exist on this machine",
            remedy=f"Use one of: auto, {', '.join(available)}.",
        )
    return device


def scoring_device(device: "torch.device") -> "torch.device":
    """Return where metrics are computed beside a model on `device`: there, unless it has no float64."""
    import torch

    return torch.device("cpu") if device.type == "mps" else device


def available_devices() -> list[str]:
    """Return the names of the devices of this machine, the CPU first."""
    import torch

    names = ["cpu"]
    if torch.cuda.is_available():
        names += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def resolve_dtype(name: str) -> "torch.dtype":
    """Return the torch dtype called `name`, one of `DTYPES`.

    Raises:
        UsageError: another name.
    """
    import torch

    if name not in DTYPES:
        raise UsageError(f"there is no dtype called {name!r}", remedy=f"Use one of: {', '.join(DTYPES)}.")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


@dataclass(frozen=True)
class World:
    """One process among the processes of a run.

    Attributes:
        rank: index of this process, 0 is the one that writes the record.
        size: number of processes.
    """

    rank: int
    size: int

    @property
    def is_main(self) -> bool:
        """Say whether this process writes the record."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's `value` on every rank (any picklable object of our own making)."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        holder = [value]
        broadcast_object_list(holder, from_process=0)
        return holder[0]

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in rank order, on every rank."""
        if self.size == 1:
            return [value]
        from accelerate.utils import gather_object

        gathered: list[Any] = gather_object([value])
        return gathered


def is_main_process() -> bool:
    """Say whether this process is the one that speaks, without starting torch.distributed."""
    return os.environ.get("RANK", "0") == "0"


def world() -> World:
    """Return this process's place; starts torch.distributed (through Accelerate) when launched so."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return World(rank=0, size=1)
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())  # told so, several CPU processes find each other
    return World(rank=state.process_index, size=state.num_processes)


def leave_world() -> bool:
    """Close the connections between the processes of a run, and say whether there were any.

    A process that ends with them open may be aborted by their threads, whatever its exit code was to be.
    """
    if "torch" not in sys.modules or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return False
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    distributed.destroy_process_group()
    return True


def peak_memory_bytes(device: "torch.device | None" = None) -> int | None:
    """Return the largest memory this process has held so far; None where the system does not say.

    Args:
        device: a CUDA device, whose allocator is asked; None and any other mean the machine's own memory.
    """
    if device is not None and device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB elsewhere


def set_determinism(seed: int = 0) -> None:
    """Seed torch and choose deterministic kernels, so that one machine repeats its numbers bit for bit."""
    import torch

    torch.manual_seed(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = False


@contextlib.contextmanager
def enough_memory(images: int) -> Iterator[None]:
    """Turn a lack of memory inside a model into an error with a remedy.

    Args:
        images: how many it was given at a time.

    Raises:
        DataError: the memory of the device, or of the machine, is full.
    """
    import torch

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        full = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if not full:
            raise
        raise DataError(
            f"the memory is too small for {images} images at a time",
            remedy="Use a smaller --batch-size, or smaller images: what is finished is safe, and is not done again.",
        ) from error


@contextlib.contextmanager
def exact_matmul() -> Iterator[None]:
    """Switch TF32 and autocast off inside the context: metrics need full float32 products."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device_type="cuda" if torch.cuda.is_available() else "cpu", enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
