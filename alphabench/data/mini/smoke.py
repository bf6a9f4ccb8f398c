"""`smoke`: fractal noise and glow as opacity; no pixel is opaque."""

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import Array, Canvas, Colour, Picture, grid, mix, ramp, spot
from alphabench.data.mini.noise import Dice, fractal
from alphabench.data.mini.shapes import length, sine

DENSEST = 0.93


def curl(dice: Dice, cell: float, strength: float, stretch: float = 1.0) -> Array:
    """Return fractal noise of five octaves whose coordinates are pushed about by other noise."""
    x, y = grid()
    channel = 1 + dice.below(2000)
    push_x = fractal(x, y, cell, channel, 3) - 0.5
    push_y = fractal(x, y, cell, channel + 1, 3) - 0.5
    return fractal(x + strength * push_x, y * stretch + strength * push_y, cell, channel + 2, 5)


def glow(x: Array, y: Array, cx: float, cy: float, radius: float) -> Array:
    """Return a glow: 1 in the centre, falling like an exponential, exactly 0 from `radius` on."""
    near = np.maximum(1.0 - length(x - cx, y - cy) / radius, 0.0)
    square = near * near
    return square * near


def plume(dice: Dice) -> Canvas:
    """Draw a grey plume that rises and spreads."""
    x, y = grid()
    noise = curl(dice, 52.0, 90.0)
    rise = np.clip((250.0 - y) / 240.0, 0.0, 1.0)
    middle = 122.0 + 26.0 * sine(rise * 0.8) * rise + 10.0 * rise
    width = 12.0 + 78.0 * rise
    column = np.maximum(1.0 - np.square((x - middle) / width), 0.0)
    ends = ramp(y + 0.0 * x, 2.0, 90.0) * ramp(y + 0.0 * x, 252.0, 214.0)
    density = column * ramp(noise + 0.3 * column, 0.4, 1.05) * ends
    paint = mix(palette.SLATE, palette.WHITE, 0.1 + 0.75 * ramp(noise, 0.36, 0.74))
    return _cloud(paint, 1.1 * density)


def blue_fog(dice: Dice) -> Canvas:
    """Draw swirls of blue ink in water."""
    x, y = grid()
    noise = curl(dice, 64.0, 150.0)
    falloff = spot(x, y, 128.0, 128.0, 150.0, 132.0)
    density = ramp(noise, 0.34, 0.86) * ramp(falloff, 0.02, 0.5)
    return _cloud(mix(palette.CYAN, palette.NAVY, ramp(noise, 0.4, 0.74)), 1.2 * density)


def fire(dice: Dice) -> Canvas:
    """Draw a flame."""
    x, y = grid()
    noise = curl(dice, 40.0, 70.0, 0.6)
    rise = np.clip((238.0 - y) / 216.0, 0.0, 1.0)
    width = 66.0 * (1.0 - rise) * np.sqrt(np.clip(rise * 6.0, 0.0, 1.0)) + 1.0
    middle = 128.0 + 90.0 * (noise - 0.5) * rise
    core = np.maximum(1.0 - np.square((x - middle) / width), 0.0)
    heat = core * (0.55 + 0.9 * noise) * ramp(rise + 0.0 * x, 0.0, 0.12) * ramp(rise + 0.0 * x, 1.0, 0.5)
    paint = mix(palette.CRIMSON, palette.ORANGE, ramp(heat, 0.12, 0.42))
    paint = mix(paint, palette.LEMON, ramp(heat, 0.4, 0.8))
    canvas = Canvas()
    canvas.over(palette.ORANGE, 0.35 * glow(x, y, 128.0, 168.0, 116.0))
    canvas.over(mix(paint, palette.WHITE, ramp(heat, 0.8, 1.05)), DENSEST * ramp(heat, 0.04, 0.6))
    return canvas


def ring(dice: Dice) -> Canvas:
    """Draw a ring of green smoke."""
    x, y = grid()
    noise = curl(dice, 44.0, 80.0)
    away = np.abs(length(x - 128.0, (y - 128.0) * 1.06) - 78.0 + 30.0 * (noise - 0.5))
    band = np.maximum(1.0 - away / 38.0, 0.0)
    density = band * band * (0.25 + 0.9 * ramp(noise, 0.32, 0.74))
    return _cloud(mix(palette.FOREST, palette.LIME, ramp(density + 0.4 * noise, 0.2, 0.9)), density)


def lamp(_: Dice) -> Canvas:
    """Draw the warm glow of a lamp."""
    x, y = grid()
    canvas = Canvas()
    canvas.over(palette.ORANGE, 0.8 * glow(x, y, 128.0, 128.0, 126.0))
    canvas.over(palette.LEMON, 0.75 * glow(x, y, 128.0, 128.0, 84.0))
    rays = np.maximum(1.0 - np.abs((x - 128.0) * (y - 128.0)) / 420.0, 0.0)
    canvas.over(palette.LEMON, 0.4 * rays * rays * glow(x, y, 128.0, 128.0, 120.0))
    canvas.over(palette.WHITE, 0.8 * glow(x, y, 128.0, 128.0, 46.0))
    canvas.fade(DENSEST)
    return canvas


def nebula(dice: Dice) -> Canvas:
    """Draw a nebula with young stars."""
    x, y = grid()
    first, second = curl(dice, 70.0, 120.0), curl(dice, 46.0, 90.0)
    slant = np.maximum(1.0 - np.square((x - y) / 150.0), 0.0) * spot(x, y, 128.0, 128.0, 140.0, 140.0)
    density = ramp(first, 0.34, 0.74) * ramp(slant, 0.0, 0.42)
    paint = mix(palette.NAVY, palette.MAGENTA, ramp(second, 0.36, 0.66))
    paint = mix(paint, palette.CYAN, 0.9 * ramp(first - second, 0.0, 0.3))
    canvas = _cloud(mix(paint, palette.BLUSH, ramp(first + second, 1.12, 1.4)), density)
    for _ in range(26):
        along, across = dice.bell(96.0), dice.bell(48.0)
        cx, cy = 128.0 + 0.7 * (along + across), 128.0 + 0.7 * (along - across)
        size = dice.uniform(3.0, 9.0)
        canvas.over(mix(palette.WHITE, palette.SKY, dice.uniform(0.0, 0.7)), 0.85 * glow(x, y, cx, cy, size))
    canvas.fade(DENSEST)
    return canvas


def cloud(dice: Dice) -> Canvas:
    """Draw a white cloud with a grey belly."""
    x, y = grid()
    noise = curl(dice, 46.0, 46.0)
    heap = np.zeros((256, 256))
    for cx, cy, radius in ((84.0, 146.0, 58.0), (132.0, 118.0, 74.0), (180.0, 148.0, 56.0), (128.0, 160.0, 84.0)):
        heap = np.maximum(heap, 1.0 - length(x - cx, (y - cy) * 1.25) / radius)
    density = ramp(heap + 0.85 * (noise - 0.5), 0.02, 0.42) * ramp(heap, 0.0, 0.12)
    belly = ramp(y - 40.0 * noise, 105.0, 185.0)
    return _cloud(mix(palette.WHITE, palette.SLATE, 0.75 * belly), density)


def fog_bank(dice: Dice) -> Canvas:
    """Draw two layers of fog at dusk that drift from border to border."""
    x, y = grid()
    canvas = Canvas()
    bands: tuple[tuple[float, float, Colour, Colour], ...] = (
        (110.0, 70.0, palette.LILAC, palette.ROSE),
        (176.0, 64.0, palette.VIOLET, palette.SKY),
    )
    for middle, half, dark, light in bands:
        noise = curl(dice, 60.0, 60.0, 2.2)
        band = np.maximum(1.0 - np.square((y + 40.0 * (noise - 0.5) - middle) / half), 0.0)
        density = band * ramp(noise, 0.26, 0.7)
        canvas.over(mix(dark, light, ramp(noise, 0.35, 0.65)), np.minimum(0.8 * density, 0.8) + 0.0 * x)
    return canvas


def _cloud(paint: Array, density: Array) -> Canvas:
    canvas = Canvas()
    canvas.over(paint, DENSEST * np.clip(density, 0.0, 1.0))
    return canvas


PICTURES = (
    Picture("grey-plume", "a plume of grey smoke that rises and spreads", plume),
    Picture("blue-ink", "swirls of blue ink in water", blue_fog, palette.hide_squares),
    Picture("flame", "a single flame, from red to white heat", fire),
    Picture("green-ring", "a ring of green smoke", ring, palette.hide_sky),
    Picture("lamp-glow", "the warm glow of a small lamp with faint rays", lamp),
    Picture("nebula", "a magenta and cyan nebula with young stars", nebula, lambda: palette.hide_flat(palette.BLACK)),
    Picture("white-cloud", "a white cloud with a grey belly", cloud),
    Picture("fog-bank", "two layers of fog at dusk that drift from border to border", fog_bank),
)
