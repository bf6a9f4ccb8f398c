"""Families that cover the whole image: alpha ramps, meshes, checks of alpha."""

import numpy as np

from reference_models.training.procedural.canvas import Layer, coverage, distance_to_shape, fill, grid, turned


def ramps(rng: np.random.Generator, size: int) -> Layer:
    """Draw alpha that rises along a line or from a point, smoothly or in steps."""
    x, y = grid(size)
    u, _ = turned(x - size / 2, y - size / 2, rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.4:
        cx, cy = rng.uniform(0, size, 2)
        u = np.hypot(x - np.float32(cx), y - np.float32(cy))
    share = (u - u.min()) / (u.max() - u.min())
    if rng.random() < 0.3:
        steps = rng.integers(3, 12)
        share = np.floor(share * steps) / steps
    alpha = share ** rng.uniform(0.5, 2)
    if rng.random() < 0.3:
        alpha = alpha * coverage(distance_to_shape(rng, size, size * rng.uniform(0.2, 0.5)))
    return Layer(fill(rng, size), alpha.astype(np.float32))


def mesh(rng: np.random.Generator, size: int) -> Layer:
    """Draw a woven cloth of translucent threads, wavy and cut to a shape."""
    x, y = grid(size)
    u, v = turned(x, y, rng.uniform(0, np.pi))
    wave = rng.uniform(0, 6)
    u = u + np.float32(wave) * np.sin(v / np.float32(rng.uniform(8, 40)))
    period = rng.uniform(4, 24)
    low, high = sorted(rng.uniform(0, 1, 2))
    threads = 0.5 + 0.25 * (np.sin(2 * np.pi * u / period) + np.sin(2 * np.pi * v / period))
    sharpness = rng.uniform(1, 5)
    alpha = low + (high - low) * np.clip(0.5 + (threads - 0.5) * sharpness, 0, 1)
    if rng.random() < 0.7:
        alpha = alpha * coverage(distance_to_shape(rng, size, size * rng.uniform(0.25, 0.5)), rng.uniform(1, 20))
    return Layer(fill(rng, size), alpha.astype(np.float32))


def checker_alpha(rng: np.random.Generator, size: int) -> Layer:
    """Draw tiles of random alpha and colour."""
    tile = int(rng.integers(5, 48))
    count = size // tile + 1
    repeat = np.ones((tile, tile), np.float32)
    alpha = np.kron(np.clip(rng.uniform(-0.3, 1.3, (count, count)), 0, 1), repeat)[:size, :size]
    if rng.random() < 0.5:
        ink = fill(rng, size)
    else:
        ink = np.stack([np.kron(rng.random((count, count)), repeat)[:size, :size] for _ in range(3)], -1)
    return Layer(ink.astype(np.float32), alpha.astype(np.float32))
