"""The fixed colours of the set, and colours to hide under alpha 0."""

import numpy as np

from alphabench.data.mini.canvas import Array, Colour, grid, mix


def _colour(code: int) -> Colour:
    return (code >> 16) / 255.0, (code >> 8 & 255) / 255.0, (code & 255) / 255.0


WHITE = _colour(0xFFFFFF)
PAPER = _colour(0xF7F1E3)
SILVER = _colour(0xC9D1DB)
SLATE = _colour(0x5B6778)
INK = _colour(0x1B2030)
BLACK = _colour(0x0B0C10)
CRIMSON = _colour(0xC8102E)
CORAL = _colour(0xFF6B5B)
ROSE = _colour(0xF78FB3)
BLUSH = _colour(0xFFD3DC)
ORANGE = _colour(0xFF8C1A)
AMBER = _colour(0xFFB627)
GOLD = _colour(0xF2C14E)
LEMON = _colour(0xFFF07C)
COPPER = _colour(0xB8592A)
CHESTNUT = _colour(0x5C2E17)
SAND = _colour(0xE3C08F)
LIME = _colour(0xA8D84A)
LEAF = _colour(0x4E9F3D)
FOREST = _colour(0x1E4D2B)
MINT = _colour(0xA8E6CF)
TEAL = _colour(0x14919B)
CYAN = _colour(0x4DD0E1)
SKY = _colour(0x87CEFA)
AZURE = _colour(0x2F80ED)
NAVY = _colour(0x14285A)
VIOLET = _colour(0x7B4FD6)
LILAC = _colour(0xC9A7F5)
PLUM = _colour(0x5A1F6B)
MAGENTA = _colour(0xE0379B)


def hide_flat(colour: Colour) -> Array:
    """Return one colour everywhere, as left by programs that fill what they cut away."""
    x, y = grid()
    return mix(colour, colour, x * 0.0 + y * 0.0)


def hide_sky() -> Array:
    """Return a landscape of soft bands, as left under the mask of a photograph."""
    x, y = grid()
    bands = mix(SKY, SAND, np.clip((y + 0.1 * x) / 281.6, 0.0, 1.0))
    return mix(bands, FOREST, np.clip((y - 170.0 + 0.15 * x) / 90.0, 0.0, 1.0))


def hide_squares() -> Array:
    """Return squares of two colours, as left by a screenshot of a transparent picture."""
    x, y = grid()
    odd = (np.floor(x / 16.0) + np.floor(y / 16.0)) % 2.0
    return mix(WHITE, SILVER, odd)
