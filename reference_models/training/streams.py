"""Random numbers that depend on (seed, index, stream name) only, so that a resumed run repeats them.

What is drawn for a sample is keyed by the sample's index in the whole run, counted over steps, micro-batches
and processes alike: however a batch is shared out, its samples are the same.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor


def stream_seed(seed: int, step: int, stream: str, rank: int = 0) -> int:
    """Return the 63-bit seed of one stream at one step (or sample): the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{step}/{stream}/{rank}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def array_stream(seed: int, step: int, stream: str, rank: int = 0) -> np.random.Generator:
    """Return a NumPy generator for `stream` at `step`."""
    return np.random.default_rng(stream_seed(seed, step, stream, rank))


def tensor_stream(seed: int, step: int, stream: str, rank: int = 0) -> torch.Generator:
    """Return a CPU torch generator for `stream` at `step`."""
    return torch.Generator().manual_seed(stream_seed(seed, step, stream, rank))


def sample_normals(seed: int, stream: str, *, first: int, shape: tuple[int, ...]) -> Tensor:
    """Return standard normal numbers for `shape[0]` samples from index `first` on, each from its own stream."""
    return torch.stack(
        [
            torch.randn(shape[1:], generator=tensor_stream(seed, index, stream))
            for index in range(first, first + shape[0])
        ]
    )


def sample_signs(seed: int, stream: str, *, first: int, shape: tuple[int, ...]) -> Tensor:
    """Return -1 or 1, equally likely, for `shape[0]` samples from index `first` on, each from its own stream."""
    return (sample_normals(seed, stream, first=first, shape=shape) >= 0).float() * 2 - 1
