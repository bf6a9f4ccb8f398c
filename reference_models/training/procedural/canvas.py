"""What the procedural families draw with: layers, noise, colours, fills and soft edges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layer:
    """A straight-alpha layer: colour `(height, width, 3)` and alpha `(height, width)`, both in [0,1]."""

    colour: Plane
    alpha: Plane


def over(top: Layer, bottom: Layer) -> Layer:
    """Return `top` composited over `bottom` (Porter and Duff 1984)."""
    rest = bottom.alpha * (1 - top.alpha)
    alpha = top.alpha + rest
    colour = top.colour * top.alpha[..., None] + bottom.colour * rest[..., None]
    return Layer(colour / np.maximum(alpha, 1e-6)[..., None], alpha)


def empty(size: int) -> Layer:
    """Return a fully transparent layer."""
    return Layer(np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32))


def to_codes(layer: Layer) -> NDArray[np.uint8]:
    """Return the layer as codes `(4, height, width)`, colour 0 where alpha rounds to 0."""
    planes = np.concatenate([layer.colour.transpose(2, 0, 1), layer.alpha[None]])
    codes: NDArray[np.uint8] = np.floor(np.clip(planes, 0, 1) * 255 + 0.5).astype(np.uint8)
    codes[:3] *= codes[3:] > 0
    return codes


def grid(size: int) -> tuple[Plane, Plane]:
    """Return the pixel centres (x, y), each `(size, size)`."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) + np.float32(0.5)
    return x, y


def spectral_noise(rng: np.random.Generator, size: int, slope: float) -> Plane:
    """Return noise in [0,1] whose amplitude falls with frequency to the power `slope`."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1.0
    spectrum = rng.standard_normal(frequency.shape) + 1j * rng.standard_normal(frequency.shape)
    spectrum *= frequency**-slope
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(size, size))
    low, high = np.quantile(noise, (0.01, 0.99))
    return np.asarray(np.clip((noise - low) / (high - low), 0, 1), np.float32)


def colour(rng: np.random.Generator) -> Plane:
    """Return a random colour: pure, greyish, dark or bright in turn."""
    kind = rng.random()
    if kind < 0.25:
        return rng.integers(0, 2, 3).astype(np.float32)
    if kind < 0.4:
        return np.full(3, rng.random(), np.float32) + rng.normal(0, 0.03, 3).astype(np.float32)
    return rng.random(3).astype(np.float32)


def turned(x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
    """Return the coordinates turned by `angle` radians."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def coverage(distance: Plane, softness: float = 1.0) -> Plane:
    """Return the share of each pixel inside the shape whose signed distance (negative inside) is given."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(softness), 0, 1))


def blur(plane: Plane, radius: float) -> Plane:
    """Return the plane blurred by a Gaussian of standard deviation `radius` pixels."""
    return np.asarray(ndimage.gaussian_filter(plane, radius, mode="constant", truncate=3.0), np.float32)


def shifted(plane: Plane, dx: int, dy: int) -> Plane:
    """Return the plane moved by whole pixels, zeros moving in."""
    height, width = plane.shape
    out = np.zeros_like(plane)
    out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = plane[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return out


def distance_to_shape(rng: np.random.Generator, size: int, radius: float) -> Plane:
    """Return the signed distance in pixels to a random shape of about `radius` pixels."""
    return np.asarray(_distance(rng, size, radius), np.float32)


def _distance(rng: np.random.Generator, size: int, radius: float) -> Any:
    x, y = grid(size)
    centre = rng.uniform(0.15, 0.85, 2) * size
    x, y = turned(x - np.float32(centre[0]), y - np.float32(centre[1]), rng.uniform(0, 2 * np.pi))
    kind = rng.integers(6)
    aspect = np.float32(rng.uniform(0.4, 1.0))
    if kind == 0:  # ellipse
        return (np.hypot(x, y / aspect) - radius) * aspect
    if kind == 1:  # rounded rectangle
        corner = radius * rng.uniform(0, 0.4)
        dx, dy = np.abs(x) - (radius - corner), np.abs(y) - (radius * aspect - corner)
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
        return outside + np.minimum(np.maximum(dx, dy), 0) - np.float32(corner)
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    if kind == 2:  # regular polygon
        sides = rng.integers(3, 9)
        sector = np.mod(angle, 2 * np.pi / sides) - np.pi / sides
        return distance * np.cos(sector) - radius * np.cos(np.pi / sides)
    if kind == 3:  # star, its edge as a radius over the angle
        points, depth = rng.integers(4, 12), rng.uniform(0.3, 0.8)
        saw = np.abs(np.mod(angle * points / (2 * np.pi), 1) * 2 - 1)
        return (distance - radius * (depth + (1 - depth) * saw)) * 0.7
    if kind == 4:  # ring
        return np.abs(distance - radius) - np.float32(radius * rng.uniform(0.08, 0.4))
    waves = sum(  # blob
        rng.normal(0, 0.35 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 7)
    )
    return (distance - radius * (1 + 0.5 * waves)) * 0.8


def fill(rng: np.random.Generator, size: int) -> Plane:
    """Return a random colour texture `(size, size, 3)`: plain, shaded, striped, checked, dotted or noisy."""
    x, y = grid(size)
    x, y = turned(x, y, rng.uniform(0, 2 * np.pi))
    first, second = colour(rng), colour(rng)
    kind = rng.integers(7)
    period = np.float32(np.exp(rng.uniform(np.log(3), np.log(40))))
    if kind == 0:
        share = np.zeros_like(x)
    elif kind == 1:
        share = np.clip((x - x.min()) / (x.max() - x.min()), 0, 1)
    elif kind == 2:
        wave = np.sin(2 * np.pi * x / period)
        share = np.clip(0.5 + wave * rng.uniform(0.5, period / 3), 0, 1)
    elif kind == 3:
        wave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
        share = np.clip(0.5 + wave * period / 3, 0, 1)
    elif kind == 4:
        cell = np.hypot(np.mod(x, period) - period / 2, np.mod(y, period) - period / 2)
        share = coverage(cell - period * np.float32(rng.uniform(0.15, 0.45)))
    else:
        share = spectral_noise(rng, size, rng.uniform(0.6, 2.0))
    share = share.astype(np.float32)[..., None]
    texture = first + (second - first) * share
    if rng.random() < 0.35:
        texture = texture * (0.6 + 0.6 * spectral_noise(rng, size, rng.uniform(0.8, 2.0))[..., None])
    return np.clip(texture, 0, 1).astype(np.float32)
