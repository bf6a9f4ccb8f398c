"""`hard`: opaque shapes with shading and pattern, and an edge of one pixel."""

from collections.abc import Callable

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import SIZE, Array, Canvas, Colour, Mask, Picture, grid, mix, ramp, shrink, spot
from alphabench.data.mini.noise import Dice
from alphabench.data.mini.shapes import box, disc, heart, inside, length, polygon, regular, rotate, star, turned


def ball(dice: Dice) -> Canvas:
    """Draw a striped beach ball, shaded like a sphere."""
    x, y = grid()
    X, Y = grid(4)
    cx, cy, radius = 128.0, 130.0, 96.0
    canvas = Canvas()
    colours = (palette.CRIMSON, palette.PAPER, palette.AZURE, palette.PAPER, palette.AMBER, palette.PAPER)
    px, py = cx - 30.0, cy - 34.0
    paint = mix(palette.PAPER, palette.PAPER, x * 0.0 + y * 0.0)
    start = dice.uniform(0.0, 0.1)
    for k, colour in enumerate(colours):
        wedge = _wedge(X, Y, px, py, start + k / 6.0, start + (k + 1) / 6.0)
        paint = mix(paint, colour, shrink(wedge))
    paint = mix(paint, palette.PAPER, shrink(disc(X, Y, px, py, 15.0) < 0.0))
    light = spot(x, y, cx - 34.0, cy - 40.0, 190.0, 190.0)
    paint = mix(paint * 0.38, paint, np.clip(0.15 + 1.1 * light, 0.0, 1.0))
    rim = ramp(length(x - cx, y - cy), 60.0, 98.0)
    paint = mix(paint, palette.NAVY, 0.3 * rim)
    paint = mix(paint, palette.WHITE, 0.85 * spot(x, y, cx - 44.0, cy - 50.0, 34.0, 24.0))
    canvas.over(paint, shrink(disc(X, Y, cx, cy, radius) < 0.0))
    return canvas


def gold_star(dice: Dice) -> Canvas:
    """Draw a faceted star of gold."""
    X, Y = grid(4)
    x, y = grid()
    cx, cy = 128.0, 136.0
    corners = star(cx, cy, 112.0, 46.0, 5, -0.25)
    paint = mix(palette.GOLD, palette.GOLD, x * 0.0 + y * 0.0)
    for k, corner in enumerate(corners):
        after = corners[(k + 1) % len(corners)]
        facet = shrink(inside(X, Y, [(cx, cy), corner, after]))
        tone = 0.16 + 0.5 * ((k * 7) % 10) / 9.0 + dice.uniform(-0.04, 0.04)
        colour = mix(palette.COPPER, palette.LEMON, tone + (0.22 if k % 2 else 0.0))
        paint = mix(paint, colour, facet)
    paint = mix(paint, palette.WHITE, 0.35 * spot(x, y, 108.0, 90.0, 70.0, 60.0))
    canvas = Canvas()
    canvas.over(palette.CHESTNUT, shrink(inside(X, Y, star(cx, cy, 118.0, 50.0, 5, -0.25))))
    canvas.over(paint, shrink(inside(X, Y, corners)))
    return canvas


def striped_box(dice: Dice) -> Canvas:
    """Draw a rounded tile with slanting stripes."""
    X, Y = grid(4)
    x, y = grid()
    lean = dice.uniform(0.5, 0.7)
    stripes = np.floor((X + lean * Y) / 22.0) % 2.0 < 1.0
    base = mix(palette.TEAL, palette.NAVY, np.clip(y / 256.0 + x * 0.0, 0.0, 1.0))
    bright = mix(palette.MINT, palette.CYAN, np.clip(y / 256.0 + x * 0.0, 0.0, 1.0))
    paint = mix(base, bright, shrink(stripes))
    depth = box(x - 128.0, y - 128.0, 98.0, 98.0, 40.0)
    paint = mix(paint, palette.WHITE, 0.5 * ramp(depth, -9.0, -2.0) * ramp(y + 0.0 * x, 128.0, 20.0))
    paint = mix(paint, palette.INK, 0.5 * ramp(depth, -9.0, -2.0) * ramp(y + 0.0 * x, 128.0, 240.0))
    canvas = Canvas()
    canvas.over(paint, shrink(box(X - 128.0, Y - 128.0, 98.0, 98.0, 40.0) < 0.0))
    return canvas


def dotted_hexagon(dice: Dice) -> Canvas:
    """Draw a hexagon with dots that grow downwards."""
    X, Y = grid(4)
    x, y = grid()
    row = np.floor(Y / 18.0)
    shift = (row % 2.0) * 10.0 + dice.uniform(0.0, 4.0)
    u = (X + shift) - 20.0 * np.floor((X + shift) / 20.0) - 10.0
    v = Y - 18.0 * row - 9.0
    dots = u * u + v * v < np.square(2.0 + 6.5 * Y / 256.0)
    base = mix(palette.PLUM, palette.MAGENTA, np.clip((x + y) / 512.0, 0.0, 1.0))
    paint = mix(base, mix(palette.BLUSH, palette.LEMON, np.clip(y / 256.0 + 0.0 * x, 0.0, 1.0)), shrink(dots))
    canvas = Canvas()
    corners = regular(128.0, 128.0, 112.0, 6, 0.083)
    canvas.over(palette.WHITE, shrink(inside(X, Y, corners)))
    depth = polygon(x, y, corners)
    paint = mix(paint, palette.INK, 0.25 * ramp(depth, -26.0, -8.0))
    canvas.over(paint, shrink(inside(X, Y, regular(128.0, 128.0, 104.0, 6, 0.083))))
    return canvas


def gear(dice: Dice) -> Canvas:
    """Draw a gear of brushed steel with a hole in it."""
    X, Y = grid(4)
    x, y = grid()
    cx = cy = 128.0
    body: Mask = disc(X, Y, cx, cy, 84.0) < 0.0
    start = dice.uniform(0.0, 0.08)
    for k in range(12):
        tx, ty = turned(88.0, start + k / 12.0)
        rows, columns = (slice(4 * (int(at) - 25), 4 * (int(at) + 26)) for at in (cy + ty, cx + tx))
        u, v = rotate(X[:, columns], Y[rows], cx + tx, cy + ty, start + k / 12.0)
        body[rows, columns] |= box(u, v, 20.0, 12.0, 4.0) < 0.0
    body &= disc(X, Y, cx, cy, 26.0) > 0.0
    for k in range(6):
        tx, ty = turned(54.0, start + k / 6.0 + 1.0 / 12.0)
        body &= disc(X, Y, cx + tx, cy + ty, 13.0) > 0.0
    away = length(x - cx, y - cy)
    sweep = (x - cx) * (y - cy) / np.maximum(away * away, 1.0)
    rings = 0.06 * (np.floor(away / 2.0) % 2.0)
    paint = mix(palette.SLATE, palette.SILVER, np.clip(0.5 + 0.9 * sweep + rings, 0.0, 1.0))
    paint = mix(paint, palette.INK, 0.55 * shrink(np.abs(length(X - cx, Y - cy) - 78.0) < 1.5))
    paint = mix(paint, palette.INK, 0.6 * shrink(np.abs(length(X - cx, Y - cy) - 31.0) < 2.0))
    paint = mix(paint, palette.WHITE, 0.6 * spot(x, y, 88.0, 76.0, 80.0, 60.0))
    canvas = Canvas()
    canvas.over(paint, shrink(body))
    return canvas


def cards(dice: Dice) -> Canvas:
    """Draw three fanned cards with a sun, a moon and a leaf of circles."""
    X, Y = grid(4)
    canvas = Canvas()
    faces = ((-0.07, 84.0, palette.CORAL), (0.0, 128.0, palette.AMBER), (0.07, 172.0, palette.TEAL))
    for k, (turn, cx, colour) in enumerate(faces):
        u, v = rotate(X, Y, cx, 134.0 + 9.0 * abs(k - 1), turn + dice.uniform(-0.006, 0.006))
        canvas.over(palette.INK, shrink(box(u, v, 48.0, 74.0, 12.0) < 0.0))
        canvas.over(palette.PAPER, shrink(box(u, v, 46.0, 72.0, 10.0) < 0.0))
        canvas.over(colour, shrink(box(u, v, 38.0, 64.0, 6.0) < 0.0))
        emblem = _emblem(k, u, v)
        canvas.over(palette.PAPER, shrink(emblem))
        canvas.over(mix(colour, palette.WHITE, 0.35), shrink(np.abs(box(u, v, 33.0, 59.0, 4.0)) < 0.8))
    return canvas


def glossy_heart(_: Dice) -> Canvas:
    """Draw a glossy heart with a bevelled edge."""
    X, Y = grid(4)
    x, y = grid()
    depth = heart(x, y, 128.0, 120.0, 152.0)
    paint = mix(palette.ROSE, palette.CRIMSON, ramp(x * 0.35 + y, 60.0, 210.0))
    paint = mix(paint, palette.PLUM, 0.75 * ramp(depth, -20.0, 0.0) * ramp(x * 0.5 + y, 120.0, 260.0))
    paint = mix(paint, palette.BLUSH, 0.8 * ramp(depth, -14.0, -5.0) * ramp(x * 0.6 + y, 190.0, 70.0))
    paint = mix(paint, palette.WHITE, 0.9 * spot(x, y, 88.0, 84.0, 26.0, 18.0))
    paint = mix(paint, palette.BLUSH, 0.45 * spot(x, y, 172.0, 92.0, 34.0, 40.0))
    canvas = Canvas()
    canvas.over(paint, shrink(heart(X, Y, 128.0, 120.0, 152.0) < 0.0))
    return canvas


def waves(dice: Dice) -> Canvas:
    """Draw rows of scale-shaped waves that fill the lower part to the border."""
    canvas = Canvas()
    shift = dice.uniform(0.0, 16.0)
    for row in range(9):
        for column in range(-1, 8):
            if row < 2 and not 1 <= column <= 4 - row:
                continue
            cx, cy = 44.0 * column + (22.0 if row % 2 else 0.0) + shift, 104.0 + 22.0 * row
            _scale(canvas, cx, cy, row / 8.0)
    return canvas


def _scale(canvas: Canvas, cx: float, cy: float, fade: float) -> None:
    X, Y = grid(4)
    left, right = (max(0, min(SIZE, int(cx) + step)) for step in (-33, 34))
    top, bottom = (max(0, min(SIZE, int(cy) + step)) for step in (-33, 34))
    if left >= right or top >= bottom:
        return
    away = length(X[:, 4 * left : 4 * right] - cx, Y[4 * top : 4 * bottom] - cy)
    blue = mix(palette.AZURE, palette.NAVY, fade)
    for ring, radius in enumerate((31.0, 28.0, 20.0, 17.0, 9.0, 6.0)):
        tone = palette.PAPER if ring % 2 == 0 else mix(palette.SKY, blue, 0.85) if ring == 3 else blue
        canvas.over_window(tone, shrink(away < radius), top, left)


def _wedge(x: Array, y: Array, cx: float, cy: float, first: float, last: float) -> Mask:
    ax, ay = turned(1.0, first)
    bx, by = turned(1.0, last)
    u, v = x - cx, y - cy
    wedge: Mask = (ax * v - ay * u >= 0.0) & (bx * v - by * u < 0.0)
    return wedge


def _emblem(kind: int, u: Array, v: Array) -> Mask:
    if kind == 0:
        moon: Mask = (length(u, v) < 24.0) & (length(u - 10.0, v + 6.0) > 20.0)
        return moon
    if kind == 1:
        sun: Mask = (length(u, v) < 14.0) | (inside(u, v, star(0.0, 0.0, 30.0, 16.0, 12, 0.0)) & (length(u, v) > 17.0))
        return sun
    leaf: Mask = (length(u - 14.0, v) < 26.0) & (length(u + 14.0, v) < 26.0)
    return leaf & ~(np.abs(u) < 1.2)


def _hidden(colour: Colour) -> Callable[[], Array]:
    return lambda: palette.hide_flat(colour)


PICTURES = (
    Picture("beach-ball", "a striped beach ball with a bright highlight", ball),
    Picture("gold-star", "a faceted five-pointed star of gold with a dark outline", gold_star, palette.hide_sky),
    Picture("striped-tile", "a rounded tile with slanting teal stripes", striped_box),
    Picture("dotted-hexagon", "a magenta hexagon with dots that grow towards the bottom", dotted_hexagon),
    Picture("steel-gear", "a gear of brushed steel with round holes", gear, palette.hide_squares),
    Picture("three-cards", "three fanned cards with a moon, a sun and a leaf", cards),
    Picture("glossy-heart", "a glossy red heart with bevelled edges", glossy_heart, _hidden(palette.WHITE)),
    Picture("paper-waves", "overlapping rows of blue paper waves that run off the border", waves),
)
