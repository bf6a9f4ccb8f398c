"""Chance without a random number generator: integer hashes, equal on every machine."""

import numpy as np
import numpy.typing as npt

_WORD = 0xFFFFFFFF
Array = npt.NDArray[np.float64]


def lattice(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], channel: int) -> Array:
    """Return one number in [0,1) for each pair of integers: a multiplicative hash in 32-bit arithmetic."""
    word = np.uint64(_WORD)
    h = (
        (x.astype(np.uint64) & word) * np.uint64(374761393)
        + (y.astype(np.uint64) & word) * np.uint64(668265263)
        + np.uint64((channel * 2246822519) & _WORD)
    ) & word
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(1274126177)) & word
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(2654435761)) & word
    h ^= h >> np.uint64(15)
    numbers: Array = h.astype(np.float64) / 4294967296.0
    return numbers


def value_noise(x: Array, y: Array, cell: float, channel: int) -> Array:
    """Return smooth noise in [0,1): random values on a lattice of `cell` pixels, joined by smooth steps."""
    u, v = np.broadcast_arrays(x / cell, y / cell)
    left, top = np.floor(u), np.floor(v)
    s, t = u - left, v - top
    s, t = s * s * s * (s * (s * 6.0 - 15.0) + 10.0), t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
    i, j = left.astype(np.int64) + 4096, top.astype(np.int64) + 4096
    upper = lattice(i, j, channel) * (1.0 - s) + lattice(i + 1, j, channel) * s
    lower = lattice(i, j + 1, channel) * (1.0 - s) + lattice(i + 1, j + 1, channel) * s
    blended: Array = upper * (1.0 - t) + lower * t
    return blended


def fractal(x: Array, y: Array, cell: float, channel: int, octaves: int = 5) -> Array:
    """Return fractal value noise in [0,1): each octave has half the cell and about half the strength."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    strength, weight = 1.0, 0.0
    for octave in range(octaves):
        # Each octave lies on a lattice turned by the 3-4-5 triangle, so that no axis shows.
        total = total + strength * value_noise(x, y, cell, channel * 16 + octave)
        weight += strength
        x, y = 0.8 * x - 0.6 * y + 31.7, 0.6 * x + 0.8 * y + 11.3
        cell, strength = cell * 0.5, strength * 0.52
    return total / weight


class Dice:
    """A row of random numbers from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._throws = 0

    def uniform(self, low: float, high: float) -> float:
        """Return the next number in [`low`, `high`)."""
        self._throws += 1
        row, column = np.array([self._throws], np.int64), np.array([self.seed], np.int64)
        return low + (high - low) * float(lattice(row, column, 77)[0])

    def below(self, count: int) -> int:
        """Return the next integer in 0 ... `count` - 1."""
        return int(self.uniform(0.0, float(count)))

    def bell(self, width: float) -> float:
        """Return the next number around 0, hardly ever beyond ±`width`: a sum of three uniform ones."""
        third = width / 3.0
        return self.uniform(-third, third) + self.uniform(-third, third) + self.uniform(-third, third)
