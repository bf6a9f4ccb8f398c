"""Families with outlines: hard textured shapes, feathered shapes with shadows, line art."""

import numpy as np

from reference_models.training.procedural.canvas import (
    Layer,
    blur,
    colour,
    coverage,
    distance_to_shape,
    empty,
    fill,
    over,
    shifted,
)


def hard_shapes(rng: np.random.Generator, size: int) -> Layer:
    """Draw opaque textured shapes with one-pixel edges, some of them outlined or cut out."""
    image = empty(size)
    for _ in range(rng.integers(1, 6)):
        distance = distance_to_shape(rng, size, size * rng.uniform(0.06, 0.45))
        image = over(Layer(fill(rng, size), coverage(distance)), image)
        if rng.random() < 0.4:
            width = rng.uniform(0.5, 4)
            rim = coverage(np.abs(distance) - np.float32(width))
            image = over(Layer(np.broadcast_to(colour(rng), (size, size, 3)), rim), image)
    if rng.random() < 0.3:
        hole = coverage(distance_to_shape(rng, size, size * rng.uniform(0.05, 0.25)))
        image = Layer(image.colour, image.alpha * (1 - hole))
    return image


def feathered_shapes(rng: np.random.Generator, size: int) -> Layer:
    """Draw shapes with soft edges over soft shadows."""
    image = empty(size)
    for _ in range(rng.integers(1, 4)):
        distance = distance_to_shape(rng, size, size * rng.uniform(0.1, 0.4))
        softness = np.exp(rng.uniform(np.log(1.0), np.log(size * 0.25)))
        alpha = coverage(distance, softness)
        alpha = alpha * alpha * (3 - 2 * alpha) * np.float32(rng.uniform(0.5, 1.0))
        shadow = blur(shifted(alpha, *(int(v) for v in rng.integers(-12, 13, 2))), rng.uniform(1.5, 10))
        dark = np.broadcast_to(colour(rng) * np.float32(rng.choice([0.0, 0.0, 0.3])), (size, size, 3))
        image = over(Layer(dark, shadow * np.float32(rng.uniform(0.15, 0.8))), image)
        image = over(Layer(fill(rng, size), alpha), image)
    return image


def line_art(rng: np.random.Generator, size: int) -> Layer:
    """Draw thin outlines of shapes, some filled with a translucent colour."""
    image = empty(size)
    for _ in range(rng.integers(2, 9)):
        distance = distance_to_shape(rng, size, size * rng.uniform(0.05, 0.45))
        if rng.random() < 0.3:
            image = over(Layer(fill(rng, size), coverage(distance) * np.float32(rng.uniform(0.1, 0.9))), image)
        spacing = rng.uniform(4, 14)
        if rng.random() < 0.3:  # repeated contours
            distance = np.mod(distance + 200 * spacing, spacing) - np.float32(spacing / 2)
        rim = coverage(np.abs(distance) - np.float32(rng.uniform(0.2, 1.6)))
        ink = np.broadcast_to(colour(rng), (size, size, 3)).astype(np.float32)
        image = over(Layer(ink, rim * np.float32(rng.uniform(0.6, 1.0))), image)
    return image
