"""`hair`: bundles of thin strokes over a soft body."""

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import Array, Canvas, Colour, Picture, grid, mix, ramp, spot
from alphabench.data.mini.noise import Dice, fractal
from alphabench.data.mini.shapes import box, disc, length, rotate, turned
from alphabench.data.mini.strokes import Point, bezier, stroke


def strand(canvas: Canvas, points: tuple[Point, ...], width: float, root: Colour | Array, tip: Colour | Array) -> None:
    """Draw one hair: it tapers towards its tip and changes its colour on the way."""
    line = bezier(points)
    t = np.arange(len(line), dtype=np.float64) / (len(line) - 1.0)
    taper = np.maximum(width * (1.0 - 0.75 * t * t), 0.35)
    stroke(canvas, line, taper, mix(root, tip, t))


def shade(dice: Dice, dark: Colour, light: Colour) -> Array:
    """Return a colour somewhere between two, the middle more often."""
    return mix(dark, light, 0.5 + dice.bell(0.5))


def body(canvas: Canvas, distance: Array, feather: float, colour: Colour | Array) -> None:
    """Lay the soft body on which the hair grows."""
    canvas.over(colour, ramp(distance, feather, -feather))


def fur_ball(dice: Dice) -> Canvas:
    """Draw a round creature of copper fur with two eyes."""
    x, y = grid()
    canvas = Canvas()
    body(
        canvas,
        disc(x, y, 128.0, 134.0, 68.0),
        9.0,
        mix(palette.COPPER, palette.CHESTNUT, ramp(y + 0.0 * x, 90.0, 200.0)),
    )
    for _ in range(380):
        turn = dice.uniform(0.0, 1.0)
        out = 30.0 + 40.0 * dice.uniform(0.0, 1.0)
        dx, dy = turned(1.0, turn)
        bend = dice.bell(0.06)
        ex, ey = turned(1.0, turn + bend + 0.02)
        long = dice.uniform(20.0, 38.0)
        base = (128.0 + out * dx, 134.0 + out * dy)
        middle = (base[0] + 0.5 * long * dx, base[1] + 0.5 * long * dy)
        tip = (base[0] + long * ex, base[1] + long * ey + 4.0)
        lit = 0.5 - 0.4 * dy + dice.bell(0.3)
        root = mix(palette.CHESTNUT, palette.COPPER, min(max(lit, 0.0), 1.0))
        end = mix(palette.COPPER, palette.AMBER, min(max(lit, 0.0), 1.0))
        strand(canvas, (base, middle, tip), dice.uniform(0.8, 2.2), root, end)
    for cx in (104.0, 150.0):
        canvas.over(palette.PAPER, ramp(disc(x, y, cx, 122.0, 16.0), 0.8, -0.8))
        canvas.over(palette.INK, ramp(disc(x, y, cx + 2.0, 124.0, 9.5), 0.8, -0.8))
        canvas.over(palette.WHITE, ramp(disc(x, y, cx - 1.5, 119.5, 3.2), 0.8, -0.8))
    return canvas


def wavy_lock(dice: Dice) -> Canvas:
    """Draw a wavy lock of auburn hair."""
    x, y = grid()
    canvas = Canvas()
    body(canvas, disc(x, y, 120.0, 34.0, 16.0), 8.0, palette.CHESTNUT)
    for k in range(190):
        place = dice.bell(1.0)
        spread = 1.0 + dice.uniform(-0.2, 0.5)
        x0 = 120.0 + 22.0 * place
        points = (
            (x0, 20.0 + 10.0 * place * place + dice.uniform(0.0, 6.0)),
            (x0 + 62.0 * spread + dice.bell(8.0), 88.0),
            (x0 - 92.0 * spread + 16.0 * place, 138.0 + dice.bell(8.0)),
            (x0 + 36.0 * place + 22.0 + dice.bell(12.0), 236.0 - 26.0 * place * place - dice.uniform(0.0, 34.0)),
        )
        glow = min(max(0.35 + 0.5 * k / 190.0 + dice.bell(0.3), 0.0), 1.0)
        root = mix(palette.CHESTNUT, palette.COPPER, glow)
        strand(canvas, points, dice.uniform(0.7, 2.0), root, mix(root, palette.AMBER, 0.55))
    return canvas


def dandelion(dice: Dice) -> Canvas:
    """Draw a dandelion clock with its parachutes."""
    x, y = grid()
    canvas = Canvas()
    stroke(canvas, bezier(((132.0, 110.0), (140.0, 180.0), (118.0, 250.0))), 2.5, palette.LEAF)
    body(canvas, disc(x, y, 132.0, 106.0, 16.0), 7.0, palette.SAND)
    for k in range(50):
        turn = 0.618033988749895 * k
        out = 30.0 + 54.0 * float(np.sqrt((k + 0.5) / 50.0)) + dice.bell(5.0)
        dx, dy = turned(1.0, turn)
        head = (132.0 + out * dx, 106.0 + out * dy)
        strand(canvas, ((132.0 + 10.0 * dx, 106.0 + 10.0 * dy), head), 1.0, palette.CHESTNUT, palette.PAPER)
        for fan in range(6):
            fx, fy = turned(dice.uniform(11.0, 17.0), turn + (fan - 2.5) * 0.07)
            colour = mix(palette.WHITE, palette.SKY, dice.uniform(0.0, 0.5))
            strand(canvas, (head, (head[0] + fx, head[1] + fy)), 0.9, colour, palette.WHITE)
    return canvas


def grass(dice: Dice) -> Canvas:
    """Draw a tuft of grass that grows from the lower border."""
    x, y = grid()
    canvas = Canvas()
    hill = 236.0 + 0.0024 * (x - 128.0) * (x - 128.0) - y
    canvas.over(palette.FOREST, ramp(hill, 8.0, -10.0))
    for k in range(240):
        depth = k / 240.0
        foot = 128.0 + dice.bell(104.0)
        tall = dice.uniform(70.0, 205.0) * (1.0 - 0.3 * abs(foot - 128.0) / 104.0) * (1.0 - 0.25 * depth)
        lean = dice.bell(46.0) + 0.25 * (foot - 128.0)
        points = ((foot, 256.0), (foot + 0.1 * lean, 256.0 - 0.6 * tall), (foot + lean, 256.0 - tall))
        root = mix(palette.FOREST, palette.LEAF, dice.uniform(0.0, 0.5) + 0.4 * depth)
        tip = mix(palette.LEAF, palette.LIME, dice.uniform(0.2, 0.6) + 0.4 * depth)
        strand(canvas, points, dice.uniform(1.2, 2.5), root, tip)
    return canvas


def plume(dice: Dice) -> Canvas:
    """Draw a peacock-coloured plume with an eye."""
    x, y = grid()
    canvas = Canvas()
    quill = bezier(((70.0, 240.0), (96.0, 150.0), (174.0, 52.0)), 0.5)
    soft = disc(x, y, 164.0, 70.0, 24.0)
    body(canvas, soft, 16.0, palette.TEAL)
    for k in range(170):
        t = 0.2 + 0.8 * k / 169.0
        place = quill[int(t * (len(quill) - 1))]
        reach = 62.0 * float(np.sqrt(max(1.02 - (1.7 * t - 0.95) * (1.7 * t - 0.95), 0.05)))
        for side in (-1.0, 1.0):
            along = turned(reach * dice.uniform(0.85, 1.08), -0.145 - side * (0.17 - 0.17 * t))
            sag = turned(reach * 0.5, -0.145 - side * (0.24 - 0.225 * t))
            base = (float(place[0]), float(place[1]))
            tone = dice.uniform(0.0, 1.0)
            root = mix(palette.NAVY, palette.TEAL, tone)
            tip = mix(palette.LIME, palette.CYAN, tone)
            points = (base, (base[0] + sag[0], base[1] + sag[1]), (base[0] + along[0], base[1] + along[1]))
            strand(canvas, points, dice.uniform(0.6, 1.3), root, tip)
    for radius, colour in ((25.0, palette.GOLD), (19.0, palette.TEAL), (12.0, palette.NAVY)):
        canvas.over(colour, 0.9 * ramp(length((x - 160.0) * 1.0, y - 72.0), radius + 3.0, radius - 3.0))
    stroke(canvas, quill, np.maximum(2.5 - 2.0 * np.arange(len(quill)) / len(quill), 0.6), palette.PAPER)
    return canvas


def jellyfish(dice: Dice) -> Canvas:
    """Draw a jellyfish with long tentacles."""
    x, y = grid()
    canvas = Canvas()
    for k in range(90):
        x0 = 68.0 + 120.0 * (k + 0.5) / 90.0
        drop = dice.uniform(80.0, 146.0)
        sway = dice.bell(30.0)
        points = (
            (x0, 98.0),
            (x0 + sway, 98.0 + 0.35 * drop),
            (x0 - 1.2 * sway, 98.0 + 0.7 * drop),
            (x0 + 0.6 * sway, 98.0 + drop),
        )
        tone = dice.uniform(0.0, 1.0)
        tip = mix(palette.CYAN, palette.BLUSH, dice.uniform(0.0, 1.0))
        strand(canvas, points, dice.uniform(0.6, 1.8), mix(palette.MAGENTA, palette.VIOLET, tone), tip)
    scallop = (x % 20.0) / 10.0 - 1.0
    dome = np.maximum(length(x - 128.0, (y - 100.0) * 1.12) - 70.0, y - 108.0 - 5.0 * scallop * scallop)
    paint = mix(palette.LILAC, palette.VIOLET, ramp(length(x - 110.0, y - 66.0), 10.0, 92.0))
    paint = mix(paint, palette.WHITE, 0.8 * spot(x, y, 102.0, 58.0, 28.0, 16.0))
    canvas.over(paint, 0.86 * ramp(dome, 3.0, -3.0))
    return canvas


def brush(dice: Dice) -> Canvas:
    """Draw a paint brush with dark bristles, dipped into blue paint."""
    x, y = grid()
    canvas = Canvas()
    u, v = rotate(x, y, 128.0, 128.0, 0.09)
    body(canvas, length(u * 1.5, v - 58.0) - 30.0, 6.0, palette.BLACK)
    for k in range(260):
        place = dice.bell(0.85)
        foot = 25.0 * place
        belly = 44.0 * place + dice.bell(3.0)
        tip = (13.0 * place + dice.bell(3.0), 122.0 - 12.0 * place * place - dice.uniform(0.0, 26.0))
        points = tuple(
            _lean(across, along) for across, along in ((foot, 24.0), (belly, 58.0), (0.8 * belly, 92.0), tip)
        )
        sheen = min(max(0.14 + 0.3 * k / 260.0 + 0.25 * (0.5 - place) + dice.bell(0.12), 0.0), 1.0)
        root = mix(palette.BLACK, palette.SAND, 0.5 * sheen)
        paint = mix(palette.NAVY, palette.CYAN, 0.25 + 0.8 * sheen)
        line = bezier(points)
        t = np.arange(len(line), dtype=np.float64) / (len(line) - 1.0)
        colour = mix(root, paint, ramp(t, 0.42 + dice.bell(0.1), 0.72))
        stroke(canvas, line, np.maximum(dice.uniform(0.9, 2.2) * (1.0 - 0.7 * t * t), 0.4), colour)
    shine = np.clip(0.75 - np.abs(u + 9.0) / 26.0, 0.0, 1.0)
    handle = box(u, v + 70.0, 7.0 + 0.0 * v, 66.0, 7.0) - 5.0 * np.maximum(1.0 - np.square((v + 50.0) / 60.0), 0.0)
    canvas.over(mix(palette.CRIMSON, palette.BLUSH, ramp(shine, 0.35, 0.75)), ramp(handle, 0.7, -0.7))
    ferrule = box(u, v - 10.0, 17.0 + 0.2 * np.clip(v, -10.0, 30.0), 22.0, 3.0)
    metal = mix(palette.SLATE, palette.WHITE, shine)
    metal = mix(metal, palette.INK, 0.5 * ramp(np.abs(np.abs(v - 10.0) - 12.0), 2.0, 0.6))
    canvas.over(metal, ramp(ferrule, 0.7, -0.7))
    return canvas


def _lean(across: float, along: float) -> Point:
    c, s = turned(1.0, 0.09)
    return 128.0 + across * c - along * s, 128.0 + across * s + along * c


def nest(dice: Dice) -> Canvas:
    """Draw a nest of straw with three eggs."""
    x, y = grid()
    canvas = Canvas()
    body(canvas, length((x - 128.0) * 0.72, (y - 168.0) * 1.5) - 58.0, 8.0, palette.CHESTNUT)
    _straws(canvas, dice, 90, -16.0, 34.0)
    speck = ramp(fractal(x, y, 9.0, 5, 3), 0.6, 0.68)
    for cx, cy in ((98.0, 128.0), (160.0, 128.0), (128.0, 136.0)):
        egg = length((x - cx) * 1.3, (y - cy) * 1.0) - 36.0
        paint = mix(palette.MINT, palette.TEAL, 0.8 * ramp(length(x - cx + 10.0, y - cy + 14.0), 8.0, 62.0))
        paint = mix(paint, palette.SLATE, 0.6 * speck)
        canvas.over(mix(paint, palette.WHITE, 0.7 * spot(x, y, cx - 9.0, cy - 14.0, 13.0, 16.0)), ramp(egg, 0.8, -0.8))
    _straws(canvas, dice, 190, 20.0, 30.0)
    return canvas


def _straws(canvas: Canvas, dice: Dice, count: int, drop: float, deep: float) -> None:
    for _ in range(count):
        cx, cy = 128.0 + dice.bell(74.0), 158.0 + drop + dice.bell(deep * 0.8)
        half = dice.uniform(24.0, 52.0)
        rise = dice.bell(20.0)
        sag = 14.0 + dice.bell(10.0)
        lift = 0.002 * (cx - 128.0) * (cx - 128.0)
        points = ((cx - half, cy - rise - lift), (cx, cy + sag - lift), (cx + half, cy + rise - lift))
        root = shade(dice, palette.COPPER, palette.SAND)
        strand(canvas, points, dice.uniform(0.7, 2.3), root, shade(dice, palette.CHESTNUT, palette.LEMON))


PICTURES = (
    Picture("fur-ball", "a round creature of copper fur with two wide eyes", fur_ball),
    Picture("auburn-lock", "a wavy lock of auburn hair", wavy_lock, palette.hide_sky),
    Picture("dandelion", "a white dandelion clock on a thin green stem", dandelion),
    Picture("grass", "a dense tuft of grass that grows from the lower border", grass),
    Picture("plume", "a peacock-coloured plume with a golden eye", plume, palette.hide_squares),
    Picture("jellyfish", "a violet jellyfish with long thin tentacles", jellyfish),
    Picture(
        "paint-brush",
        "a paint brush with dark bristles dipped in blue paint",
        brush,
        lambda: palette.hide_flat(palette.SAND),
    ),
    Picture("nest", "a nest of loose straw with three speckled eggs", nest),
)
