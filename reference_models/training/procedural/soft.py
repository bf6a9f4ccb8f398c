"""Families without edges: smoke, glow, sparks."""

import numpy as np

from reference_models.training.procedural.canvas import (
    Layer,
    colour,
    coverage,
    distance_to_shape,
    empty,
    grid,
    over,
    spectral_noise,
)


def smoke(rng: np.random.Generator, size: int) -> Layer:
    """Draw noise whose density fades from a centre, in one colour or two."""
    image = empty(size)
    for _ in range(rng.integers(1, 3)):
        noise = spectral_noise(rng, size, rng.uniform(1.0, 2.4))
        envelope = coverage(distance_to_shape(rng, size, size * rng.uniform(0.2, 0.5)), size * rng.uniform(0.2, 0.8))
        density = np.clip(noise * 1.4 - rng.uniform(0, 0.5), 0, 1) ** rng.uniform(0.7, 2.2)
        alpha = density * envelope**1.5 * np.float32(rng.uniform(0.4, 1.0))
        first, second = colour(rng), colour(rng)
        if rng.random() < 0.5:
            second = np.clip(first + rng.normal(0, 0.15), 0, 1).astype(np.float32)
        share = spectral_noise(rng, size, rng.uniform(1.2, 2.4))[..., None]
        tint = np.clip(first + (second - first) * share, 0, 1).astype(np.float32)
        image = over(Layer(tint, alpha.astype(np.float32)), image)
    return image


def glow(rng: np.random.Generator, size: int) -> Layer:
    """Draw lights: a falling-off disc, some with rays, some with a bright core."""
    image = empty(size)
    x, y = grid(size)
    for _ in range(rng.integers(1, 5)):
        cx, cy = rng.uniform(0.1, 0.9, 2) * size
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        distance = np.hypot(dx, dy)
        radius = size * rng.uniform(0.03, 0.3)
        alpha = np.exp(-((distance / radius) ** 2)) if rng.random() < 0.5 else 1 / (1 + (distance / radius) ** 3)
        if rng.random() < 0.4:
            rays, sharpness = rng.integers(3, 16), rng.uniform(1, 12)
            beam = np.abs(np.cos(np.arctan2(dy, dx) * rays / 2 + rng.uniform(0, np.pi))) ** sharpness
            alpha = alpha * (0.3 + 0.7 * beam)
        fade = np.clip(1 - distance / (radius * 4), 0, 1)
        tint, core = colour(rng), np.ones(3, np.float32)
        share = np.exp(-((distance / (radius * rng.uniform(0.2, 0.8))) ** 2))[..., None]
        ink = np.clip(tint + (core - tint) * share, 0, 1).astype(np.float32)
        image = over(Layer(ink, (alpha * fade * rng.uniform(0.4, 1)).astype(np.float32)), image)
    return image


def sparks(rng: np.random.Generator, size: int) -> Layer:
    """Scatter small bright points with soft surroundings."""
    image = empty(size)
    x, y = grid(size)
    tint = colour(rng)
    for _ in range(rng.integers(10, 40)):
        cx, cy = rng.uniform(0, size, 2)
        radius = np.exp(rng.uniform(np.log(0.7), np.log(8)))
        stretch, angle = rng.uniform(1, 5), rng.uniform(0, np.pi)
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        alpha = np.exp(-((along / stretch) ** 2 + across**2) / radius**2).astype(np.float32)
        ink = np.clip(tint + rng.normal(0, 0.25), 0, 1)
        image = over(Layer(np.broadcast_to(ink, (size, size, 3)).astype(np.float32), alpha), image)
    return image
