"""Shapes as signed distances in pixels, negative inside; and turns without a mathematics library."""

from collections.abc import Sequence

import numpy as np

from alphabench.data.mini.canvas import Array, Mask

Point = tuple[float, float]
_TAU = 6.283185307179586


def sine(turns: float | Array) -> Array:
    """Return the sine of an angle given in turns, by its series to the 15th power (error under 1e-8)."""
    t = np.asarray(turns, dtype=np.float64)
    t = t - np.floor(t + 0.5)
    folded = np.where(t > 0.25, 0.5 - t, np.where(t < -0.25, -0.5 - t, t))
    a = folded * _TAU
    square = a * a
    series = np.ones_like(a)
    for n in (14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0):
        series = 1.0 - series * square / (n * (n + 1.0))
    return np.asarray(a * series)


def turned(radius: float, turns: float) -> Point:
    """Return the point at `radius` and an angle in turns, clockwise from the right (y points down)."""
    return radius * float(sine(turns + 0.25)), radius * float(sine(turns))


def rotate(x: Array, y: Array, cx: float, cy: float, turns: float) -> tuple[Array, Array]:
    """Return coordinates relative to (`cx`, `cy`) in a frame turned clockwise by `turns`."""
    c, s = turned(1.0, turns)
    u, v = x - cx, y - cy
    return u * c + v * s, v * c - u * s


def length(x: Array, y: Array) -> Array:
    """Return the Euclidean length, broadcast over both."""
    root: Array = np.sqrt(x * x + y * y)
    return root


def disc(x: Array, y: Array, cx: float, cy: float, radius: float) -> Array:
    """Return the distance to a disc."""
    return length(x - cx, y - cy) - radius


def box(x: Array, y: Array, half_width: float | Array, half_height: float, corner: float) -> Array:
    """Return the distance to a rounded box around the origin."""
    u, v = np.broadcast_arrays(np.abs(x) - half_width + corner, np.abs(y) - half_height + corner)
    outside = length(np.maximum(u, 0.0), np.maximum(v, 0.0))
    distance: Array = outside + np.minimum(np.maximum(u, v), 0.0) - corner
    return distance


def polygon(x: Array, y: Array, corners: Sequence[Point]) -> Array:
    """Return the distance to a polygon, convex or not, by its nearest edge and the even-odd rule."""
    x, y = np.broadcast_arrays(x, y)
    nearest = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in _edges(corners):
        u, v = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = np.clip((px * u + py * v) / (u * u + v * v), 0.0, 1.0)
        dx, dy = px - u * along, py - v * along
        nearest = np.minimum(nearest, dx * dx + dy * dy)
    distance: Array = np.where(inside(x, y, corners), -np.sqrt(nearest), np.sqrt(nearest))
    return distance


def inside(x: Array, y: Array, corners: Sequence[Point]) -> Mask:
    """Say for each point whether it lies in a polygon (even-odd rule)."""
    within = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.bool_)
    for (ax, ay), (bx, by) in _edges(corners):
        if ay == by:
            continue
        crosses = (ay > y) != (by > y)
        within ^= crosses & (x < ax + (y - ay) * ((bx - ax) / (by - ay)))
    return within


def star(cx: float, cy: float, outer: float, inner: float, points: int, turns: float) -> list[Point]:
    """Return the corners of a star, outer and inner by turns; `inner == outer` gives a polygon."""
    corners = []
    for k in range(2 * points):
        dx, dy = turned(outer if k % 2 == 0 else inner, turns + k / (2.0 * points))
        corners.append((cx + dx, cy + dy))
    return corners


def regular(cx: float, cy: float, radius: float, count: int, turns: float) -> list[Point]:
    """Return the corners of a regular polygon."""
    return [(cx + dx, cy + dy) for dx, dy in (turned(radius, turns + k / float(count)) for k in range(count))]


def heart(x: Array, y: Array, cx: float, cy: float, size: float) -> Array:
    """Return the distance to a heart: two discs on the upper sides of a square on its corner."""
    u, v = rotate(x, y, cx, cy + 0.12 * size, 0.125)
    half = 0.36 * size
    square = box(u, v, half, half, 2.0)
    lobes = np.minimum(length(u + half, v) - half, length(u, v + half) - half)
    joined: Array = np.minimum(square, lobes)
    return joined


def soft_union(first: Array, second: Array, blend: float) -> Array:
    """Return the distance to two shapes that melt into each other over `blend` pixels."""
    h = np.maximum(blend - np.abs(first - second), 0.0) / blend
    joined: Array = np.minimum(first, second) - h * h * blend * 0.25
    return joined


def _edges(corners: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(corners, [*corners[1:], corners[0]], strict=True))
