"""Families of tinted, mostly translucent bodies with bright rims."""

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
    spectral_noise,
)


def tinted_glass(rng: np.random.Generator, size: int) -> Layer:
    """Draw panes and vessels: an even tint, a denser rim, highlights."""
    image = empty(size)
    for _ in range(rng.integers(1, 4)):
        distance = distance_to_shape(rng, size, size * rng.uniform(0.15, 0.45))
        inside = coverage(distance)
        tint = np.broadcast_to(colour(rng), (size, size, 3)).astype(np.float32)
        if rng.random() < 0.3:
            tint = fill(rng, size)
        density: Plane = np.full((size, size), rng.uniform(0.1, 0.6), np.float32)
        if rng.random() < 0.5:
            density = density * (0.4 + 1.2 * spectral_noise(rng, size, rng.uniform(1.5, 3)))
        depth = rng.uniform(1.5, 14)
        density = density + np.float32(rng.uniform(0.1, 0.6)) * np.exp(np.minimum(distance, 0) / depth)
        image = over(Layer(tint, np.clip(density, 0, 1) * inside), image)
        if rng.random() < 0.6:
            rim = coverage(np.abs(distance + np.float32(rng.uniform(0, 3))) - np.float32(rng.uniform(0.3, 2)))
            light = np.clip(tint + np.float32(rng.uniform(-0.4, 0.8)), 0, 1)
            image = over(Layer(light, rim * np.float32(rng.uniform(0.4, 1))), image)
    white = np.ones((size, size, 3), np.float32)
    for _ in range(rng.integers(0, 4)):
        spot = coverage(distance_to_shape(rng, size, size * rng.uniform(0.01, 0.08)))
        spot = blur(spot, rng.uniform(0.3, 3)) * np.float32(rng.uniform(0.3, 0.95))
        image = over(Layer(white, spot * (image.alpha > 0)), image)
    return image


def bubbles(rng: np.random.Generator, size: int) -> Layer:
    """Draw many discs that are nearly clear inside and dense at the rim."""
    image = empty(size)
    if rng.random() < 0.4:
        image = Layer(fill(rng, size), np.full((size, size), rng.uniform(0.05, 0.5), np.float32))
    x, y = grid(size)
    tint = colour(rng)
    for _ in range(rng.integers(6, 24)):
        cx, cy = rng.uniform(0, size, 2)
        radius = np.exp(rng.uniform(np.log(2.0), np.log(size * 0.18)))
        distance = np.hypot(x - np.float32(cx), y - np.float32(cy))
        share = np.minimum(distance / radius, 1)
        inner = np.float32(rng.uniform(0, 0.25)) + np.float32(rng.uniform(0.3, 0.9)) * share ** rng.uniform(2, 8)
        ink = np.broadcast_to(np.clip(tint + rng.normal(0, 0.2, 3), 0, 1), (size, size, 3)).astype(np.float32)
        image = over(Layer(ink, np.clip(inner, 0, 1) * coverage(distance - np.float32(radius))), image)
        spot = np.hypot(x - np.float32(cx - radius * 0.35), y - np.float32(cy - radius * 0.35))
        light = coverage(spot - np.float32(radius * 0.18)) * np.float32(rng.uniform(0.4, 1))
        image = over(Layer(np.ones((size, size, 3), np.float32), light), image)
    return image
