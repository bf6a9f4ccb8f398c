"""How a batch is cut into blocks, so that the maps of one block stay in the processor's cache.

On a CPU each sample is worked on alone, in stripes whose height depends on the image size only: a score
does not depend on the batch it came in, to the last bit. A block is small work: it runs on one thread,
because threads that wait for each other after every operation cost more than they help, and twentyfold
where another program uses the processor; several threads take several stripes. On an accelerator samples
are taken together, as many as a memory budget allows.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

CPU_BLOCK_PIXELS = 1 << 15
"""Pixels of one stripe on a CPU: one float32 map of it takes 128 KiB, a part of the level-2 cache."""

ACCELERATOR_BLOCK_ROWS = 256
"""Rows of one stripe on an accelerator, where few large kernels beat many small ones."""

ACCELERATOR_BUDGET = 2 << 30
"""Bytes that the maps of one block may take on an accelerator."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one processor thread inside the context; also a decorator."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def sample_chunks(batch: int, bytes_per_sample: int, device: torch.device) -> Iterator[slice]:
    """Yield slices of the batch: single samples on a CPU, else as many as the memory budget holds."""
    step = 1 if device.type == "cpu" else max(1, ACCELERATOR_BUDGET // max(1, bytes_per_sample))
    for start in range(0, batch, step):
        yield slice(start, min(start + step, batch))


def stripes(height: int, width: int, device: torch.device) -> list[slice]:
    """Return slices of rows that cover `height` once, from top to bottom."""
    rows = CPU_BLOCK_PIXELS // width if device.type == "cpu" else ACCELERATOR_BLOCK_ROWS
    step = max(1, min(rows, height))
    return [slice(start, min(start + step, height)) for start in range(0, height, step)]


def sum_over_stripes(work: Callable[[slice], Tensor], height: int, width: int, device: torch.device) -> Tensor:
    """Return the sum of `work` over all stripes, added from top to bottom.

    On a CPU each of torch's threads takes whole stripes and waits for the others only at the end. The
    result does not depend on the number of threads.
    """
    parts = stripes(height, width, device)
    threads = min(torch.get_num_threads(), len(parts)) if device.type == "cpu" else 1
    if threads == 1:
        results = [work(part) for part in parts]
    else:
        with one_thread(), ThreadPoolExecutor(threads, initializer=_join, initargs=(torch.is_grad_enabled(),)) as pool:
            results = list(pool.map(work, parts))
    return torch.stack(results).sum(0)


def _join(grad: bool) -> None:
    """Prepare a thread of the pool: its own work is not divided further."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(grad)
