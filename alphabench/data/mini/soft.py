"""`soft`: shapes with wide feathered edges, and drop shadows."""

import numpy as np

from alphabench.data.mini import palette
from alphabench.data.mini.canvas import Array, Canvas, Colour, Picture, grid, mix, ramp, spot
from alphabench.data.mini.noise import Dice, fractal
from alphabench.data.mini.shapes import box, disc, heart, length, polygon, regular, rotate, soft_union, star


def feathered(distance: Array, feather: float) -> Array:
    """Return opacity that falls from 1 to 0 over `feather` pixels around the outline of a shape."""
    return ramp(distance, feather / 2.0, -feather / 2.0)


def shadow(canvas: Canvas, distance: Array, feather: float, strength: float, colour: Colour) -> None:
    """Lay a soft shadow under what follows."""
    canvas.over(colour, strength * feathered(distance, feather))


def sun(_: Dice) -> Canvas:
    """Draw an evening sun over its shadow, feather 4."""
    x, y = grid()
    canvas = Canvas()
    shadow(canvas, disc(x, y, 138.0, 150.0, 84.0), 44.0, 0.55, palette.NAVY)
    paint = mix(palette.LEMON, palette.CORAL, ramp(y + 0.0 * x, 40.0, 150.0))
    paint = mix(paint, palette.VIOLET, ramp(y + 0.0 * x, 120.0, 220.0))
    for k in range(5):
        middle, half = 122.0 + 19.0 * k, 1.5 + 1.2 * k
        band = ramp(abs(y - middle) + 0.0 * x, half + 1.5, half - 1.5)
        paint = mix(paint, palette.PLUM, 0.8 * band)
    canvas.over(paint, feathered(disc(x, y, 122.0, 120.0, 86.0), 4.0))
    return canvas


def card(_: Dice) -> Canvas:
    """Draw a floating card of many colours with a drop shadow, feather 8."""
    x, y = grid()
    canvas = Canvas()
    u, v = rotate(x, y, 132.0, 146.0, 0.02)
    shadow(canvas, box(u, v, 84.0, 62.0, 22.0), 60.0, 0.7, palette.INK)
    u, v = rotate(x, y, 126.0, 118.0, 0.02)
    paint = mix(palette.AZURE, palette.VIOLET, ramp(u + v, -110.0, 90.0))
    paint = mix(paint, palette.CYAN, spot(x, y, 60.0, 60.0, 120.0, 110.0))
    paint = mix(paint, palette.MAGENTA, 0.9 * spot(x, y, 210.0, 170.0, 130.0, 120.0))
    paint = mix(paint, palette.LEMON, 0.7 * spot(x, y, 190.0, 70.0, 80.0, 80.0))
    canvas.over(paint, feathered(box(u, v, 90.0, 64.0, 24.0), 8.0))
    return canvas


def soft_star(_: Dice) -> Canvas:
    """Draw a soft star with a halo of its own colour, feather 12."""
    x, y = grid()
    canvas = Canvas()
    shadow(canvas, disc(x, y, 128.0, 132.0, 74.0), 84.0, 0.5, palette.ORANGE)
    distance = polygon(x, y, star(128.0, 132.0, 94.0, 46.0, 5, -0.25)) - 8.0
    paint = mix(palette.WHITE, palette.AMBER, ramp(length(x - 116.0, y - 112.0), 6.0, 84.0))
    canvas.over(mix(paint, palette.ORANGE, ramp(distance, -18.0, 8.0)), feathered(distance, 12.0))
    return canvas


def soft_heart(_: Dice) -> Canvas:
    """Draw a soft heart with a violet shadow, feather 16."""
    x, y = grid()
    canvas = Canvas()
    shadow(canvas, heart(x, y, 134.0, 146.0, 122.0), 56.0, 0.5, palette.PLUM)
    paint = mix(palette.BLUSH, palette.MAGENTA, ramp(x * 0.4 + y, 70.0, 240.0))
    canvas.over(paint, feathered(heart(x, y, 126.0, 116.0, 124.0), 16.0))
    canvas.over(palette.WHITE, 0.75 * spot(x, y, 88.0, 82.0, 36.0, 26.0))
    return canvas


def lantern(_: Dice) -> Canvas:
    """Draw a striped hexagonal lantern, feather 24."""
    x, y = grid()
    canvas = Canvas()
    distance = polygon(x, y, regular(128.0, 128.0, 88.0, 6, 0.0)) - 6.0
    shadow(canvas, distance, 54.0, 0.45, palette.CRIMSON)
    bands = ramp(abs((y + 0.5 * x) % 32.0 - 16.0), 4.0, 11.0)
    paint = mix(palette.CRIMSON, palette.ORANGE, bands)
    paint = mix(paint, palette.LEMON, spot(x, y, 128.0, 128.0, 110.0, 110.0))
    canvas.over(paint, feathered(distance, 24.0))
    return canvas


def moon(dice: Dice) -> Canvas:
    """Draw a crescent moon with spots and a pale glow, feather 10."""
    x, y = grid()
    canvas = Canvas()
    canvas.over(palette.SKY, 0.4 * spot(x, y, 124.0, 128.0, 122.0, 122.0))
    crescent = np.maximum(disc(x, y, 116.0, 130.0, 88.0), -disc(x, y, 160.0, 104.0, 78.0))
    spots = fractal(x, y, 34.0, int(dice.uniform(1.0, 90.0)), 3)
    paint = mix(palette.PAPER, palette.SAND, ramp(spots, 0.42, 0.62))
    paint = mix(paint, palette.SLATE, 0.5 * ramp(y + 0.0 * x, 120.0, 220.0))
    canvas.over(paint, feathered(crescent, 10.0))
    return canvas


def blobs(_: Dice) -> Canvas:
    """Draw three blobs of paint that melt into each other, feather 32."""
    x, y = grid()
    canvas = Canvas()
    joined = soft_union(disc(x, y, 96.0, 100.0, 50.0), disc(x, y, 166.0, 112.0, 44.0), 40.0)
    joined = soft_union(joined, disc(x, y, 126.0, 168.0, 46.0), 40.0)
    paint = mix(palette.CYAN, palette.MAGENTA, ramp(x + 0.0 * y, 80.0, 180.0))
    paint = mix(paint, palette.LEMON, ramp(y - 0.2 * abs(x - 126.0), 110.0, 176.0))
    canvas.over(paint, feathered(joined, 32.0))
    return canvas


def haze(_: Dice) -> Canvas:
    """Draw a large disc of dawn that runs off two borders, feather 48."""
    x, y = grid()
    canvas = Canvas()
    paint = mix(palette.MINT, palette.TEAL, ramp(y - 0.4 * x, -40.0, 140.0))
    paint = mix(paint, palette.NAVY, ramp(y - 0.2 * x, 110.0, 250.0))
    paint = mix(paint, palette.LEMON, 0.8 * spot(x, y, 190.0, 90.0, 110.0, 110.0))
    canvas.over(paint, feathered(disc(x, y, 176.0, 164.0, 128.0), 48.0))
    return canvas


PICTURES = (
    Picture("evening-sun", "a striped evening sun in yellow, coral and violet above its shadow", sun),
    Picture("floating-card", "a floating card of many colours with a soft drop shadow", card),
    Picture("soft-star", "a soft yellow star with an orange halo", soft_star, lambda: palette.hide_flat(palette.NAVY)),
    Picture("soft-heart", "a soft pink heart above a violet shadow", soft_heart),
    Picture("lantern", "a glowing hexagonal paper lantern with slanting bands", lantern, palette.hide_sky),
    Picture("crescent", "a crescent moon with pale spots in a faint blue glow", moon),
    Picture("paint-blobs", "three blobs of cyan, magenta and yellow that melt together", blobs, palette.hide_squares),
    Picture("dawn", "a hazy disc of dawn light that runs off the border", haze),
)
