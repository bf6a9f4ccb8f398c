"""Lines of any width: curves become dense points, points become coverage."""

import itertools
from collections.abc import Sequence

import numpy as np

from alphabench.data.mini.canvas import SIZE, Array, Canvas, Colour

SPACING = 0.3
Point = tuple[float, float]


def bezier(points: Sequence[Point], spacing: float = SPACING) -> Array:
    """Return dense points `(n, 2)` on a line, a quadratic or a cubic Bézier curve (2, 3 or 4 points)."""
    legs = np.asarray(points, dtype=np.float64)
    steps = legs[1:] - legs[:-1]
    span = sum(float(np.sqrt(u * u + v * v)) for u, v in steps)
    count = max(int(span / spacing) + 2, 2)
    t = (np.arange(count, dtype=np.float64) / (count - 1.0))[:, None]
    level: list[Array] = [legs[k] + 0.0 * t for k in range(len(legs))]
    while len(level) > 1:
        level = [a + (b - a) * t for a, b in itertools.pairwise(level)]
    return level[0]


def polyline(points: Sequence[Point], spacing: float = SPACING) -> Array:
    """Return dense points `(n, 2)` on a chain of straight legs."""
    return np.concatenate([bezier(leg, spacing) for leg in itertools.pairwise(points)])


def stroke(canvas: Canvas, points: Array, width: float | Array, colour: Colour | Array, alpha: float = 1.0) -> None:
    """Draw a line over the picture.

    Args:
        canvas: the picture.
        points: dense points, `(n, 2)`.
        width: width in pixels, one or one per point; below one pixel the line grows fainter instead.
        colour: one colour, or one per point `(n, 3)`.
        alpha: opacity of the whole line.
    """
    cover, top, left, owner = cover_line(points, width)
    if not cover.size:
        return
    paint = np.asarray(colour)
    if paint.ndim == 2:
        paint = paint[owner]
    canvas.over_window(paint, cover * alpha, top, left)


def cover_line(
    points: Array, width: float | Array
) -> tuple[Array, int, int, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Return the coverage of a line in a window, the window's upper left pixel, the point next to each pixel."""
    widths = np.broadcast_to(np.asarray(width, dtype=np.float64), points.shape[:1])
    # A pixel is touched only if its index is less than half a width + 1 away from the point's.
    reach = int(np.ceil(max(float(widths.max()), 1.0) / 2.0))
    low = np.floor(points.min(axis=0)).astype(np.int64) - reach
    high = np.floor(points.max(axis=0)).astype(np.int64) + reach + 1
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    right, bottom = min(int(high[0]), SIZE), min(int(high[1]), SIZE)
    shape = (max(bottom - top, 0), max(right - left, 0))
    cover, owner = np.zeros(shape[0] * shape[1]), np.zeros(shape[0] * shape[1], np.int64)
    if not cover.size:
        return cover, top, left, owner
    offsets = np.arange(-reach, reach + 1, dtype=np.int64)
    base = np.floor(points).astype(np.int64)
    columns = base[:, 0, None, None] + offsets[None, None, :]
    rows = base[:, 1, None, None] + offsets[None, :, None]
    dx = columns + 0.5 - points[:, 0, None, None]
    dy = rows + 0.5 - points[:, 1, None, None]
    half = np.maximum(widths, 1.0)[:, None, None] / 2.0
    near = np.clip(half + 0.5 - np.sqrt(dx * dx + dy * dy), 0.0, 1.0) * np.minimum(widths, 1.0)[:, None, None]
    fits = (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom) & (near > 0.0)
    places = ((rows - top) * shape[1] + (columns - left))[fits]
    np.maximum.at(cover, places, near[fits])
    index = np.broadcast_to(np.arange(len(points), dtype=np.int64)[:, None, None], fits.shape)[fits]
    best = near[fits] >= cover[places]
    np.maximum.at(owner, places[best], index[best])
    return cover.reshape(shape), top, left, owner.reshape(shape)
