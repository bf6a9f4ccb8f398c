"""Families that no training sees: stained cells, rings of dots, spirographs."""

import numpy as np

from reference_models.training.procedural.canvas import Layer, colour, coverage, empty, grid, over
from reference_models.training.procedural.strokes import draw_points


def cells(rng: np.random.Generator, size: int) -> Layer:
    """Draw a mosaic of translucent cells with dark seams."""
    x, y = grid(size)
    seeds = rng.uniform(0, size, (int(rng.integers(8, 30)), 2))
    distances = np.stack([np.hypot(x - np.float32(cx), y - np.float32(cy)) for cx, cy in seeds])
    nearest = distances.argmin(0)
    ordered = np.partition(distances, 1, axis=0)
    tints = np.stack([colour(rng) for _ in seeds]).clip(0, 1)
    density = rng.uniform(0, 1, len(seeds))
    image = Layer(tints[nearest].astype(np.float32), density[nearest].astype(np.float32))
    seam = coverage((ordered[1] - ordered[0]) / 2 - np.float32(rng.uniform(0.5, 2)))
    ink = np.broadcast_to(colour(rng) * np.float32(0.4), (size, size, 3)).astype(np.float32)
    return over(Layer(ink, seam), image)


def rings(rng: np.random.Generator, size: int) -> Layer:
    """Draw dots on circles, growing outwards, over a fading disc."""
    x, y = grid(size)
    centre = rng.uniform(0.35, 0.65, 2) * size
    distance = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1]))
    image = Layer(
        np.broadcast_to(colour(rng), (size, size, 3)).astype(np.float32),
        np.clip(1 - distance / (size * np.float32(rng.uniform(0.3, 0.6))), 0, 1) ** 2,
    )
    for circle in range(int(rng.integers(3, 8))):
        radius, count = (circle + 1) * size * 0.06, 6 + 5 * circle
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, np.pi)
        points = centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        dots = draw_points(points.astype(np.float32), np.full(count, rng.uniform(1, 1.5 + circle), np.float32), size)
        ink = np.broadcast_to(colour(rng), (size, size, 3)).clip(0, 1).astype(np.float32)
        image = over(Layer(ink, dots), image)
    return image


def spirograph(rng: np.random.Generator, size: int) -> Layer:
    """Draw closed curves of rolling circles with thin pens."""
    image = empty(size)
    for _ in range(rng.integers(1, 4)):
        t = np.linspace(0, 2 * np.pi, 6000)
        k, m, share = rng.integers(2, 9), rng.integers(3, 17), rng.uniform(0.3, 0.7)
        radius = size * rng.uniform(0.25, 0.45)
        px = size / 2 + radius * ((1 - share) * np.cos(k * t) + share * np.cos(m * t))
        py = size / 2 + radius * ((1 - share) * np.sin(k * t) - share * np.sin(m * t))
        points = np.stack([px, py], 1).astype(np.float32)
        alpha = draw_points(points, np.full(len(points), rng.uniform(0.4, 1.4), np.float32), size)
        ink = np.broadcast_to(colour(rng), (size, size, 3)).clip(0, 1).astype(np.float32)
        image = over(Layer(ink, alpha), image)
    return image
