"""Random numbers that depend on (seed, step, stream name) only, so that a resumed run repeats them."""

import hashlib

import numpy as np
import torch


def stream_seed(seed: int, step: int, stream: str, rank: int = 0) -> int:
    """Return the 63-bit seed of one stream at one step: the same on every machine."""
    digest = hashlib.sha256(f"{seed}/{step}/{stream}/{rank}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def array_stream(seed: int, step: int, stream: str, rank: int = 0) -> np.random.Generator:
    """Return a NumPy generator for `stream` at `step`."""
    return np.random.default_rng(stream_seed(seed, step, stream, rank))


def tensor_stream(seed: int, step: int, stream: str, rank: int = 0) -> torch.Generator:
    """Return a CPU torch generator for `stream` at `step`."""
    return torch.Generator().manual_seed(stream_seed(seed, step, stream, rank))
