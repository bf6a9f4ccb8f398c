"""`text`: letters, outlines and thin grids of strokes of one to three pixels."""

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import SIZE, Canvas, Colour, Picture, grid, mix, ramp
from alphabench.data.mini.glyphs import text_width, write
from alphabench.data.mini.noise import Dice, fractal
from alphabench.data.mini.shapes import box, disc, heart, polygon, regular, rotate, star, turned
from alphabench.data.mini.strokes import bezier, cover_line, polyline, stroke


def centred(canvas: Canvas, text: str, y: float, height: float, width: float, colour: Colour) -> None:
    """Draw a line of text in the middle of the picture."""
    write(canvas, text, 128.0 - text_width(text, height) / 2.0, y, height, width, colour)


def circle(canvas: Canvas, cx: float, cy: float, radius: float, width: float, colour: Colour) -> None:
    """Draw a circle with a line of one width."""
    x, y = grid()
    away = np.abs(disc(x, y, cx, cy, radius))
    canvas.over(colour, np.clip(width / 2.0 + 0.5 - away, 0.0, 1.0))


def specimen(_: Dice) -> Canvas:
    """Draw the alphabet and the digits, heavier from line to line."""
    canvas = Canvas()
    lines = ("ABCDEFG", "HIJKLMN", "OPQRSTU", "VWXYZ", "0123456789")
    colours = (palette.AZURE, palette.VIOLET, palette.MAGENTA, palette.CORAL, palette.ORANGE)
    for k, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        height = 20.0 if k == 4 else 28.0
        centred(canvas, line, 20.0 + 46.0 * k, height, 1.0 + 0.5 * k, colour)
    return canvas


def alpha_word(_: Dice) -> Canvas:
    """Draw the word ALPHA as an outline above small print."""
    canvas = Canvas()
    letters = Canvas()
    write(letters, "ALPHA", 20.0, 78.0, 44.0, 11.0, palette.TEAL)
    outer = letters.alpha
    letters = Canvas()
    write(letters, "ALPHA", 20.0, 78.0, 44.0, 7.6, palette.TEAL)
    x = grid()[0]
    canvas.over(mix(palette.TEAL, palette.VIOLET, np.clip(x / 256.0 + 0.0 * outer, 0.0, 1.0)), outer)
    canvas.fade(1.0 - letters.alpha)
    centred(canvas, "OPACITY OF A PIXEL", 148.0, 9.0, 1.2, palette.SLATE)
    stroke(canvas, bezier(((20.0, 172.0), (236.0, 172.0))), 1.0, palette.CORAL)
    centred(canvas, "0.00   0.25   0.50   0.75   1.00", 180.0, 6.5, 1.0, palette.SLATE)
    return canvas


def letter(_: Dice) -> Canvas:
    """Draw a page of small print in ink."""
    canvas = Canvas()
    lines = (
        "A PICTURE WITHOUT A GROUND",
        "IS HALF A PICTURE, LAID ON",
        "WHITE IT IS PALE, ON BLACK",
        "IT GLOWS. ITS EDGE BELONGS",
        "TO BOTH, AND THE EYE SEES",
        "EVERY THIN LINE THAT THE",
        "RULER HAS NOT MEASURED.",
    )
    centred(canvas, "NOTE 47", 26.0, 16.0, 2.2, palette.CRIMSON)
    for k, line in enumerate(lines):
        write(canvas, line, 20.0, 66.0 + 21.0 * k, 8.0, 1.1, palette.INK)
    tail = bezier(((150.0, 236.0), (170.0, 206.0), (180.0, 252.0), (236.0, 220.0)))
    stroke(canvas, tail, 1.6, palette.AZURE)
    return canvas


def horizon(_: Dice) -> Canvas:
    """Draw a thin grid in perspective below a sun of lines."""
    canvas = Canvas()
    for k in range(-9, 10):
        far, near = (128.0 + 7.0 * k, 140.0), (128.0 + 40.0 * k, 244.0)
        if abs(near[0] - 128.0) > 118.0:
            share = (118.0 - abs(far[0] - 128.0)) / (abs(near[0] - 128.0) - abs(far[0] - 128.0))
            near = (far[0] + share * (near[0] - far[0]), far[1] + share * (near[1] - far[1]))
        line = bezier((far, near))
        stroke(canvas, line, 1.2, mix(palette.MAGENTA, palette.CYAN, np.clip((line[:, 1] - 140.0) / 104.0, 0.0, 1.0)))
    depth = 140.0
    for k in range(10):
        tone = mix(palette.MAGENTA, palette.CYAN, (depth - 140.0) / 104.0)
        stroke(canvas, bezier(((10.0, depth), (246.0, depth))), 1.0 + 0.12 * k, tone)
        depth += 3.0 + 1.9 * k
    for k in range(13):
        height = 6.0 + 9.0 * k
        half = float(np.sqrt(max(62.0 * 62.0 - (62.0 - height) * (62.0 - height), 0.0)))
        y = 20.0 + height
        if y < 138.0 and half > 1.0:
            tone = mix(palette.LEMON, palette.MAGENTA, k / 12.0)
            stroke(canvas, bezier(((128.0 - half, y), (128.0 + half, y))), 3.0 - 0.15 * k, tone)
    return canvas


def compass(dice: Dice) -> Canvas:
    """Draw a compass rose with ticks and letters."""
    canvas = Canvas()
    cx = cy = 128.0
    for radius, width in ((112.0, 2.0), (104.0, 1.0), (64.0, 1.0), (18.0, 1.5)):
        circle(canvas, cx, cy, radius, width, palette.NAVY)
    for k in range(120):
        inner = 92.0 if k % 10 == 0 else 97.0 if k % 5 == 0 else 100.0
        near, far = turned(inner, k / 120.0), turned(104.0, k / 120.0)
        line = bezier(((cx + near[0], cy + near[1]), (cx + far[0], cy + far[1])))
        stroke(canvas, line, 1.6 if k % 10 == 0 else 1.0, palette.NAVY)
    for name, k in (("E", 0), ("S", 1), ("W", 2), ("N", 3)):
        dx, dy = turned(78.0, k / 4.0)
        write(canvas, name, cx + dx - 4.4, cy + dy - 6.5, 13.0, 2.0, palette.CRIMSON if name == "N" else palette.TEAL)
    rose = star(cx, cy, 60.0, 20.0, 4, 0.0)
    stroke(canvas, polyline([*rose, rose[0]]), 1.4, palette.TEAL)
    for corner in rose:
        stroke(canvas, bezier(((cx, cy), corner)), 1.0, palette.TEAL)
    tip = turned(56.0, -0.25 + dice.uniform(0.07, 0.1))
    needle = [(cx - tip[0], cy - tip[1]), (cx + 0.1 * tip[1], cy - 0.1 * tip[0]), (cx + tip[0], cy + tip[1])]
    needle.append((cx - 0.1 * tip[1], cy + 0.1 * tip[0]))
    stroke(canvas, polyline([*needle, needle[0]]), 1.8, palette.CRIMSON)
    return canvas


def neon(_: Dice) -> Canvas:
    """Draw a neon sign: coloured tubes with a white core in a frame."""
    x, y = grid()
    canvas = Canvas()
    for grow, colour in ((0.0, palette.CYAN), (9.0, palette.AZURE)):
        frame = np.abs(box(x - 128.0, y - 128.0, 112.0 - grow, 78.0 - grow, 24.0 - grow))
        canvas.over(colour, np.clip(1.9 - frame, 0.0, 1.0))
        canvas.over(palette.WHITE, np.clip(1.0 - frame, 0.0, 1.0))
    for width, colour in ((3.0, palette.MAGENTA), (1.2, palette.WHITE)):
        centred(canvas, "OPEN", 78.0, 44.0, width, colour)
    for width, colour in ((2.6, palette.AMBER), (1.0, palette.WHITE)):
        centred(canvas, "24 HOURS", 146.0, 20.0, width, colour)
        stroke(canvas, bezier(((44.0, 178.0), (90.0, 194.0), (166.0, 164.0), (212.0, 178.0))), width, colour)
    return canvas


def icons(_: Dice) -> Canvas:
    """Draw nine outlined icons in a frame of hair lines."""
    x, y = grid()
    canvas = Canvas()
    for k in range(4):
        at = 17.0 + 74.0 * k
        stroke(canvas, bezier(((17.0, at), (239.0, at))), 1.0, palette.SILVER)
        stroke(canvas, bezier(((at, 17.0), (at, 239.0))), 1.0, palette.SILVER)
    first, second, third = 54.0, 128.0, 202.0
    u, v = rotate(x, y, third, second, 0.125)
    outlines = (
        (disc(x, y, first, first, 24.0), palette.CORAL),
        (polygon(x, y, star(second, first, 28.0, 12.0, 5, -0.25)), palette.AMBER),
        (heart(x, y, third, first - 1.0, 44.0), palette.CRIMSON),
        (polygon(x, y, regular(first, second, 26.0, 6, 0.0)), palette.LEAF),
        (box(x - second, y - second, 23.0, 23.0, 9.0), palette.TEAL),
        (box(u, v, 19.0, 19.0, 2.0), palette.AZURE),
        (np.maximum(disc(x, y, first, third, 25.0), -disc(x, y, first + 12.0, third - 8.0, 21.0)), palette.VIOLET),
        (polygon(x, y, regular(second, third + 5.0, 29.0, 3, -0.25)), palette.MAGENTA),
        (np.maximum(disc(x, y, third - 14.0, third, 28.0), disc(x, y, third + 14.0, third, 28.0)), palette.FOREST),
    )
    for k, (distance, colour) in enumerate(outlines):
        canvas.over(colour, np.clip(0.5 + (1.0 + 0.25 * k) / 2.0 - np.abs(distance), 0.0, 1.0))
    return canvas


def contours(dice: Dice) -> Canvas:
    """Draw the contour lines of a map, from border to border, with names and heights."""
    x, y = grid()
    canvas = Canvas()
    channel = 3 + dice.below(500)
    height = 12.0 * fractal(x, y, 110.0, channel, 2)
    right, below = np.roll(height, -1, 1), np.roll(height, -1, 0)
    right[:, -1], below[-1] = 2.0 * height[:, -1] - height[:, -2], 2.0 * height[-1] - height[-2]
    steep = np.sqrt(np.square(right - height) + np.square(below - height)) + 1e-3
    for width, every, colour in ((1.0, 0.5, palette.COPPER), (2.0, 2.5, palette.CHESTNUT)):
        level = height / every
        away = np.abs(level - np.floor(level + 0.5)) * every / steep
        canvas.over(colour, np.clip(width / 2.0 + 0.5 - away, 0.0, 1.0) * ramp(steep, 0.004, 0.012))
    for name, left, top in (("NORTH PASS", 40.0, 60.0), ("842", 168.0, 120.0), ("LOW LAKE", 96.0, 196.0)):
        wide = text_width(name, 10.0)
        cover, row, column, _ = cover_line(bezier(((left, top + 5.0), (left + wide, top + 5.0))), 20.0)
        hole = np.zeros((SIZE, SIZE))
        hole[row : row + cover.shape[0], column : column + cover.shape[1]] = cover
        canvas.fade(1.0 - hole)
        write(canvas, name, left, top, 10.0, 1.5, palette.NAVY)
    return canvas


PICTURES = (
    Picture("specimen", "the alphabet and the digits in thin strokes, heavier from line to line", specimen),
    Picture("alpha-word", "the word ALPHA as an outline above small print", alpha_word, palette.hide_sky),
    Picture("small-print", "a page of small print in dark ink under a red heading", letter),
    Picture("horizon-grid", "a thin neon grid in perspective below a sun of lines", horizon),
    Picture("compass", "a compass rose with ticks, letters and a red needle", compass, palette.hide_squares),
    Picture(
        "neon-sign", "a neon sign that says OPEN 24 HOURS in thin tubes", neon, lambda: palette.hide_flat(palette.INK)
    ),
    Picture("icons", "nine outlined icons in a frame of hair lines", icons),
    Picture("contour-map", "the contour lines of a map, from border to border, with names", contours),
)
