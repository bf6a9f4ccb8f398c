"""`glass`: tinted panes and bubbles with rims and highlights."""

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import Array, Canvas, Colour, Picture, grid, mix, ramp, spot
from alphabench.data.mini.noise import Dice
from alphabench.data.mini.shapes import box, disc, inside, length, polygon, regular, rotate, turned
from alphabench.data.mini.strokes import bezier, polyline, stroke


def fill(distance: Array) -> Array:
    """Return the coverage of a shape with an edge of one pixel."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def outline(distance: Array, width: float) -> Array:
    """Return the coverage of a line of `width` pixels on the inner side of a shape's edge."""
    return np.clip(width / 2.0 + 0.5 - np.abs(distance + width / 2.0), 0.0, 1.0)


def bubble(canvas: Canvas, cx: float, cy: float, radius: float, tint: Colour | Array, alpha: float = 0.16) -> None:
    """Draw a bubble: a thin tinted skin that thickens towards its rim, and two reflections."""
    x, y = grid()
    distance = disc(x, y, cx, cy, radius)
    skin = ramp(distance, -0.55 * radius, 0.0)
    paint = mix(tint, palette.WHITE, 0.35 * skin)
    canvas.over(paint, fill(distance) * (alpha + (0.6 - alpha) * skin * skin))
    canvas.over(mix(tint, palette.WHITE, 0.55), outline(distance, max(0.03 * radius, 1.0)))
    bright = spot(x, y, cx - 0.4 * radius, cy - 0.45 * radius, 0.34 * radius, 0.24 * radius)
    canvas.over(palette.WHITE, np.clip(1.5 * bright, 0.0, 1.0))
    canvas.over(palette.WHITE, 0.7 * spot(x, y, cx + 0.42 * radius, cy + 0.5 * radius, 0.3 * radius, 0.16 * radius))


def soap_bubble(_: Dice) -> Canvas:
    """Draw one large soap bubble in the colours of thin film."""
    x, y = grid()
    film = mix(palette.CYAN, palette.MAGENTA, ramp(x + 0.5 * y, 90.0, 250.0))
    film = mix(film, palette.LEMON, spot(x, y, 172.0, 190.0, 80.0, 70.0))
    film = mix(film, palette.LIME, 0.7 * spot(x, y, 70.0, 160.0, 70.0, 90.0))
    canvas = Canvas()
    bubble(canvas, 128.0, 128.0, 108.0, film, 0.15)
    window = box(*rotate(x, y, 84.0, 76.0, -0.11), 20.0, 13.0, 5.0)
    canvas.over(palette.WHITE, 0.5 * fill(window))
    return canvas


def bubbles(dice: Dice) -> Canvas:
    """Draw rising bubbles of many sizes."""
    canvas = Canvas()
    places = (
        (84.0, 158.0, 58.0), (172.0, 112.0, 46.0), (104.0, 66.0, 32.0), (182.0, 196.0, 36.0), (48.0, 72.0, 20.0),
        (150.0, 42.0, 18.0), (220.0, 52.0, 22.0), (134.0, 224.0, 16.0), (34.0, 222.0, 14.0), (226.0, 150.0, 12.0),
    )  # fmt: skip
    for cx, cy, radius in places:
        tint = mix(palette.SKY, palette.TEAL, dice.uniform(0.0, 0.8))
        bubble(canvas, cx, cy, radius, tint, dice.uniform(0.15, 0.26))
    return canvas


def bottle(_: Dice) -> Canvas:
    """Draw a green bottle with a cork."""
    x, y = grid()
    canvas = Canvas()
    trunk = box(x - 128.0, y - 166.0, 46.0, 76.0, 16.0)
    neck = box(x - 128.0, y - 66.0, 15.0, 40.0, 4.0)
    blend = np.maximum(36.0 - np.abs(trunk - neck), 0.0) / 36.0
    glass = np.minimum(trunk, neck) - blend * blend * 9.0
    canvas.over(palette.COPPER, fill(box(x - 128.0, y - 26.0, 11.0, 14.0, 3.0)))
    canvas.over(palette.SAND, 0.6 * fill(box(x - 124.0, y - 26.0, 3.0, 11.0, 2.0)))
    paint = mix(palette.LEAF, palette.FOREST, ramp(np.abs(x - 128.0) + 0.0 * y, 12.0, 48.0))
    canvas.over(paint, fill(glass) * (0.34 + 0.26 * ramp(glass, -14.0, 0.0)))
    wine = np.maximum(glass + 5.0, 128.0 - y)
    canvas.over(palette.FOREST, 0.4 * fill(wine))
    canvas.over(palette.LIME, 0.55 * fill(np.abs(y - 128.0) + 0.0 * x - 1.0) * fill(glass + 5.0))
    canvas.over(palette.FOREST, outline(glass, 2.4))
    canvas.over(palette.FOREST, fill(box(x - 128.0, y - 38.0, 18.0, 5.0, 3.0)))
    canvas.over(palette.WHITE, 0.85 * fill(box(x - 98.0, y - 172.0, 3.5, 52.0, 3.5)))
    canvas.over(palette.WHITE, 0.6 * fill(box(x - 119.0, y - 74.0, 2.2, 24.0, 2.2)))
    canvas.over(palette.WHITE, 0.4 * fill(box(x - 163.0, y - 196.0, 2.0, 26.0, 2.0)))
    return canvas


def panes(_: Dice) -> Canvas:
    """Draw three overlapping tinted discs of glass in a row of light."""
    x, y = grid()
    canvas = Canvas()
    for cx, cy, tint in (
        (94.0, 98.0, palette.CRIMSON),
        (162.0, 98.0, palette.AZURE),
        (128.0, 158.0, palette.AMBER),
    ):
        distance = disc(x, y, cx, cy, 66.0)
        canvas.over(tint, fill(distance) * (0.42 + 0.12 * ramp(distance, -30.0, 0.0)))
        canvas.over(mix(tint, palette.INK, 0.25), outline(distance, 2.2))
        arc = np.abs(disc(x, y, cx, cy, 56.0)) - 1.6
        canvas.over(palette.WHITE, 0.8 * fill(arc) * ramp(x + y, cx + cy - 58.0, cx + cy - 76.0))
    return canvas


def magnifier(_: Dice) -> Canvas:
    """Draw a magnifying glass with a brass ring and a wooden handle."""
    x, y = grid()
    canvas = Canvas()
    u, v = rotate(x, y, 112.0, 108.0, 0.125)
    shine = np.clip(1.0 - np.abs(v + 4.0) / 14.0, 0.0, 1.0)
    canvas.over(mix(palette.CHESTNUT, palette.SAND, 0.8 * shine), fill(box(u - 138.0, v, 44.0, 10.0, 8.0)))
    canvas.over(mix(palette.SLATE, palette.WHITE, shine), fill(box(u - 94.0, v, 10.0, 7.5, 2.0)))
    distance = disc(x, y, 112.0, 108.0, 84.0)
    lens = mix(palette.SKY, palette.TEAL, ramp(x + y, 100.0, 330.0))
    canvas.over(lens, fill(distance) * (0.17 + 0.25 * ramp(distance, -40.0, 0.0)))
    canvas.over(palette.WHITE, 0.85 * np.clip(1.6 * spot(x, y, 82.0, 72.0, 34.0, 22.0), 0.0, 1.0))
    glint = np.abs(disc(x, y, 112.0, 108.0, 66.0)) - 2.0
    canvas.over(palette.WHITE, 0.5 * fill(glint) * ramp(x + y, 286.0, 306.0))
    brass = mix(palette.COPPER, palette.LEMON, ramp(np.abs((x - 112.0) - (y - 108.0)) + 0.0 * y, 120.0, 10.0))
    canvas.over(brass, outline(distance, 9.0))
    canvas.over(palette.CHESTNUT, outline(distance, 1.2))
    return canvas


def stained(dice: Dice) -> Canvas:
    """Draw a round window of stained glass with lead between its panes."""
    x, y = grid()
    canvas = Canvas()
    round_ = disc(x, y, 128.0, 128.0, 114.0)
    tints = (palette.CRIMSON, palette.AMBER, palette.AZURE, palette.LEAF, palette.VIOLET, palette.TEAL)
    paint = mix(palette.LEMON, palette.LEMON, x * 0.0 + y * 0.0)
    for k in range(12):
        tip, side = turned(160.0, k / 12.0), turned(160.0, (k + 1) / 12.0)
        wedge = [(128.0, 128.0), (128.0 + tip[0], 128.0 + tip[1]), (128.0 + side[0], 128.0 + side[1])]
        within = inside(x, y, wedge).astype(np.float64)
        paint = mix(paint, tints[k % 6], within * (disc(x, y, 128.0, 128.0, 70.0) > 0.0))
        paint = mix(paint, tints[(k + 3 + k % 2) % 6], within * (disc(x, y, 128.0, 128.0, 70.0) <= 0.0))
    paint = mix(paint, palette.LEMON, (disc(x, y, 128.0, 128.0, 28.0) < 0.0).astype(np.float64))
    light = 0.46 + 0.1 * spot(x, y, 100.0, 90.0, 150.0, 150.0) + dice.uniform(0.0, 0.01)
    canvas.over(mix(paint, palette.WHITE, 0.3 * spot(x, y, 96.0, 84.0, 110.0, 90.0)), fill(round_) * light)
    for k in range(12):
        near, far = turned(28.0, k / 12.0), turned(114.0, k / 12.0)
        lead = bezier(((128.0 + near[0], 128.0 + near[1]), (128.0 + far[0], 128.0 + far[1])))
        stroke(canvas, lead, 3.0, palette.INK)
    for radius, width in ((114.0, 7.0), (72.0, 3.0), (29.5, 3.0)):
        canvas.over(palette.INK, outline(disc(x, y, 128.0, 128.0, radius), width))
    return canvas


def gem(_: Dice) -> Canvas:
    """Draw a cut gem of violet glass."""
    x, y = grid()
    canvas = Canvas()
    outer, inner = regular(128.0, 128.0, 108.0, 8, 0.0625), regular(128.0, 128.0, 58.0, 8, 0.0625)
    for k in range(8):
        after = (k + 1) % 8
        facet = polygon(x, y, [outer[k], outer[after], inner[after], inner[k]])
        light = (0.9, 0.55, 0.2, 0.05, 0.15, 0.35, 0.7, 1.0)[k]
        tint = mix(palette.PLUM, palette.LILAC, light)
        canvas.over(tint, fill(facet) * (0.34 + 0.2 * light))
    table = polygon(x, y, inner)
    canvas.over(mix(palette.LILAC, palette.VIOLET, ramp(x + y, 190.0, 330.0)), 0.4 * fill(table))
    canvas.over(palette.WHITE, 0.7 * fill(table + 3.0) * fill(np.abs(x + y - 214.0) * 0.7 - 5.0))
    canvas.over(palette.WHITE, 0.45 * fill(table + 3.0) * fill(np.abs(x + y - 236.0) * 0.7 - 2.0))
    for corners, width in ((inner, 1.2), (outer, 2.2)):
        stroke(canvas, polyline([*corners, corners[0]]), width, palette.WHITE if width < 2.0 else palette.PLUM)
    for near, far in zip(inner, outer, strict=True):
        stroke(canvas, bezier((near, far)), 1.0, palette.BLUSH)
    return canvas


def rain(dice: Dice) -> Canvas:
    """Draw a pane of smoked glass with drops of rain, from border to border."""
    x, y = grid()
    canvas = Canvas()
    slope = 0.3 * (x - 128.0) + y
    pane = np.maximum(30.0 - slope, slope - 236.0)
    canvas.over(mix(palette.SLATE, palette.AZURE, ramp(x + y, 90.0, 420.0)), 0.38 * fill(pane))
    for middle, half, alpha in ((70.0, 26.0, 0.16), (124.0, 10.0, 0.2)):
        canvas.over(palette.WHITE, alpha * fill(pane + 4.0) * fill(np.abs(x - 0.6 * y - middle) * 0.86 - half))
    canvas.over(palette.SILVER, outline(pane, 4.0))
    for _ in range(34):
        cx, across = dice.uniform(8.0, 248.0), dice.uniform(0.0, 1.0)
        cy = 52.0 - 0.3 * (cx - 128.0) + 164.0 * across
        radius = 2.5 + 7.5 * dice.uniform(0.0, 1.0) * dice.uniform(0.3, 1.0)
        away = length(x - cx, (y - cy) * 0.86) - radius
        canvas.over(palette.NAVY, 0.5 * fill(away) * ramp(y - cy + 0.0 * x, radius, -radius))
        canvas.over(palette.WHITE, 0.55 * outline(away, 1.2) * ramp(y - cy + 0.0 * x, -radius, radius))
        canvas.over(
            palette.WHITE,
            np.clip(1.4 * spot(x, y, cx - 0.3 * radius, cy - 0.4 * radius, 0.5 * radius, 0.5 * radius), 0.0, 1.0),
        )
    return canvas


PICTURES = (
    Picture("soap-bubble", "a large soap bubble with the colours of thin film", soap_bubble),
    Picture("rising-bubbles", "rising bubbles of many sizes", bubbles, lambda: palette.hide_flat(palette.TEAL)),
    Picture("green-bottle", "a green glass bottle with a cork, half full", bottle),
    Picture("three-discs", "three overlapping discs of red, blue and amber glass", panes),
    Picture("magnifier", "a magnifying glass with a brass ring and a wooden handle", magnifier, palette.hide_sky),
    Picture("stained-window", "a round window of stained glass with lead between its panes", stained),
    Picture("violet-gem", "a cut gem of violet glass", gem, palette.hide_squares),
    Picture("rainy-pane", "a slanting pane of smoked glass with drops of rain, from border to border", rain),
)
