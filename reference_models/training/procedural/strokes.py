"""Families of thin strokes: hair over a soft body, writing, grids."""

import numpy as np

from reference_models.training.procedural.canvas import (
    Layer,
    Plane,
    blur,
    colour,
    coverage,
    distance_to_shape,
    empty,
    fill,
    grid,
    over,
    turned,
)


def draw_points(points: Plane, radii: Plane, size: int) -> Plane:
    """Return the coverage of discs at `points` `(count, 2)` as (x, y), with `radii` `(count,)` in pixels.

    Points closer than a pixel to each other along a curve give the curve.
    """
    alpha = np.zeros((size, size), np.float32)
    reach = int(np.ceil(float(radii.max()) + 1))
    corner = np.floor(points).astype(np.int64)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            column, row = corner[:, 0] + dx, corner[:, 1] + dy
            inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
            distance = np.hypot(column[inside] + 0.5 - points[inside, 0], row[inside] + 0.5 - points[inside, 1])
            share = np.clip(radii[inside] + 0.5 - distance, 0, 1) * np.minimum(2 * radii[inside], 1)
            np.maximum.at(alpha, (row[inside], column[inside]), share.astype(np.float32))
    return alpha


def curves(rng: np.random.Generator, starts: Plane, ends: Plane, bend: float) -> Plane:
    """Return points along quadratic curves from `starts` to `ends`, `(count, samples, 2)`."""
    middle = (starts + ends) / 2 + rng.normal(0, bend, starts.shape)
    samples = int(np.ceil(1.6 * float(np.hypot(*(ends - starts).T).max()) + 2 * bend)) + 2
    t = np.linspace(0, 1, samples)[None, :, None]
    return (1 - t) ** 2 * starts[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * ends[:, None]


def hair(rng: np.random.Generator, size: int) -> Layer:
    """Draw tapering strands that leave a soft body."""
    body = coverage(distance_to_shape(rng, size, size * rng.uniform(0.12, 0.3)), rng.uniform(2, 24))
    image = Layer(fill(rng, size), body) if rng.random() < 0.8 else empty(size)
    centre = rng.uniform(0.3, 0.7, 2) * size
    base = colour(rng)
    spread = rng.uniform(0.3, 2 * np.pi)
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(2, 5)):
        count = int(rng.integers(10, 70))
        angle = heading + rng.uniform(-spread / 2, spread / 2, count)
        direction = np.stack([np.cos(angle), np.sin(angle)], 1)
        starts = centre + direction * size * rng.uniform(0.0, 0.2, (count, 1))
        ends = centre + direction * size * rng.uniform(0.25, 0.6, (count, 1))
        strands = curves(rng, starts, ends, rng.uniform(2, size * 0.12))
        taper = np.linspace(1, rng.uniform(0.1, 0.8), strands.shape[1])
        radii = rng.uniform(0.3, 1.3) * taper[None] * rng.uniform(0.6, 1.2, (count, 1))
        alpha = draw_points(strands.reshape(-1, 2).astype(np.float32), radii.reshape(-1).astype(np.float32), size)
        ink = np.clip(base + rng.normal(0, 0.18), 0, 1).astype(np.float32)
        shade = ink * (0.7 + 0.5 * fill(rng, size).mean(2, keepdims=True)) if rng.random() < 0.3 else ink
        tinted = np.clip(np.broadcast_to(shade, (size, size, 3)), 0, 1).astype(np.float32)
        image = over(Layer(tinted, alpha * np.float32(rng.uniform(0.5, 1.0))), image)
    return image


def writing(rng: np.random.Generator, size: int) -> Layer:
    """Draw rows of invented letters out of short strokes, one to three pixels wide."""
    image = empty(size)
    rows = int(rng.integers(1, 4))
    for _ in range(rows):
        height = np.exp(rng.uniform(np.log(6), np.log(size * 0.5)))
        advance = height * rng.uniform(0.5, 0.9)
        slant = rng.normal(0, 0.15)
        angle = rng.choice([0.0, 0.0, 0.0, rng.uniform(-np.pi, np.pi)])
        line_count = int(rng.integers(1, max(2, int(size / (height * 1.5)) + 1)))
        segments = []
        corners = np.array([(i / 2, j / 2) for i in range(3) for j in range(3)])
        for line in range(line_count):
            top = rng.uniform(0, size - height) if line_count == 1 else line * height * 1.5
            for letter in range(int(size / advance)):
                if rng.random() < 0.12:
                    continue
                for _ in range(rng.integers(2, 5)):
                    a, b = corners[rng.integers(9, size=2)]
                    for point in (a, b):
                        glyph_x = letter * advance + point[0] * advance * 0.75 - slant * point[1] * height
                        segments.append((glyph_x, top + point[1] * height))
        if not segments:
            continue
        ends = np.array(segments).reshape(-1, 2, 2)
        middle = size / 2
        cx, cy = ends[..., 0] - middle, ends[..., 1] - middle
        ends = np.stack([np.cos(angle) * cx - np.sin(angle) * cy, np.sin(angle) * cx + np.cos(angle) * cy], -1)
        ends = ends + middle
        strokes = curves(rng, ends[:, 0], ends[:, 1], rng.choice([0.0, height * 0.15]))
        points = strokes.reshape(-1, 2).astype(np.float32)
        radius = min(rng.uniform(0.4, 1.8), height / 8) if rng.random() < 0.8 else height / 10
        alpha = draw_points(points, np.full(len(points), max(radius, 0.4), np.float32), size)
        ink = fill(rng, size) if rng.random() < 0.2 else np.broadcast_to(colour(rng), (size, size, 3))
        if rng.random() < 0.15:
            glow = blur(alpha, rng.uniform(1.5, 5))
            image = over(Layer(np.broadcast_to(colour(rng), (size, size, 3)), np.clip(glow * 1.5, 0, 1)), image)
        image = over(Layer(ink.astype(np.float32), alpha), image)
    return image


def grid_lines(rng: np.random.Generator, size: int) -> Layer:
    """Draw one or two grids or hatchings of thin lines, some on a translucent pane."""
    image = empty(size)
    if rng.random() < 0.3:
        image = Layer(fill(rng, size), np.full((size, size), rng.uniform(0.05, 0.7), np.float32))
    x, y = grid(size)
    for _ in range(rng.integers(1, 3)):
        angle = rng.choice([0.0, 0.0, rng.uniform(0, np.pi)])
        u, v = turned(x, y, angle)
        period, half = np.float32(rng.uniform(5, 40)), np.float32(rng.uniform(0.25, 1.5))
        lines = [np.abs(np.mod(u + rng.uniform(0, 40), period) - period / 2) - half]
        if rng.random() < 0.7:
            lines.append(np.abs(np.mod(v + rng.uniform(0, 40), period) - period / 2) - half)
        alpha = coverage(np.minimum.reduce(lines).astype(np.float32))
        if rng.random() < 0.4:
            alpha = alpha * coverage(distance_to_shape(rng, size, size * rng.uniform(0.2, 0.5)))
        ink = fill(rng, size) if rng.random() < 0.2 else np.broadcast_to(colour(rng), (size, size, 3))
        image = over(Layer(ink.astype(np.float32), alpha * np.float32(rng.uniform(0.5, 1))), image)
    return image
