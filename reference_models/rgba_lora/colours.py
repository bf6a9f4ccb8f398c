"""Colour words: which one fits an image, and the same image in another one.

Few images say their colour, and none shows the same thing in two. Turning the hue of things that have a single one
teaches a small model that colour and thing are two words.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.color import hsv2rgb, rgb2hsv

from reference_models.training.augment import CropCodes

HUES: Final = {
    "red": 0.0,
    "orange": 28.0,
    "yellow": 48.0,
    "green": 120.0,
    "blue": 215.0,
    "purple": 275.0,
    "pink": 335.0,
}
"""Degrees of hue that each word stands for."""

WORDS: Final = (*HUES, "white", "black", "grey", "brown")
"""Every colour word."""

PINK_SATURATION = 0.6
"""Factor on the saturation of what is turned pink."""

VISIBLE = 128
"""Least alpha code of a pixel that counts."""

VIVID = 0.3
"""Least saturation of a pixel whose hue counts."""

ONE_HUE = 0.8
"""Least share of the vivid pixels within `NEAR` degrees of their mean hue, in a thing of a single hue."""

VIVID_SHARE = 0.5
"""Least share of vivid pixels in a thing that has a colour."""

NEAR = 28.0

Hsv = NDArray[np.float64]


def colour_word(codes: CropCodes) -> str:
    """Return the word for the colour of a thing of a single one, an empty text for anything else.

    Args:
        codes: RGBA codes `(4, height, width)`.
    """
    pixels = _visible(codes)
    if not len(pixels):
        return ""
    hue, vivid = _single_hue(pixels)
    if hue is None:
        return "" if vivid > 1 - ONE_HUE else _achromatic(pixels)
    own = pixels[pixels[:, 1] >= VIVID]
    saturation, value = np.median(own[:, 1]), np.median(own[:, 2])
    if 8 <= hue <= 45 and value < 0.62:
        return "brown"
    if (hue >= 325 or hue <= 12) and saturation < 0.6 and value > 0.75:
        return "pink"
    return min(HUES, key=lambda word: _apart(HUES[word], hue))


def turned_to(codes: CropCodes, word: str) -> CropCodes | None:
    """Return a thing of a single hue with the hue that `word` names, None if it has several or none.

    Alpha and everything grey stay as they are.

    Args:
        codes: RGBA codes `(4, height, width)`.
        word: one of `HUES`.
    """
    pixels = _visible(codes)
    if not len(pixels):
        return None
    hue, _ = _single_hue(pixels)
    if hue is None:
        return None
    hsv = rgb2hsv(codes[:3].transpose(1, 2, 0).astype(np.float64) / 255)
    hsv[..., 0] = (hsv[..., 0] + (HUES[word] - hue) / 360) % 1
    if word == "pink":
        hsv[..., 1] *= PINK_SATURATION
    turned = np.floor(hsv2rgb(hsv).transpose(2, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.concatenate([turned, codes[3:]])


def _visible(codes: CropCodes) -> Hsv:
    """Return hue, saturation and value in [0,1] of the pixels that count, `(pixel, 3)`."""
    colours = codes[:3, codes[3] >= VISIBLE].T.astype(np.float64) / 255
    found: Hsv = rgb2hsv(colours[None])[0] if len(colours) else colours
    return found


def _single_hue(pixels: Hsv) -> tuple[float | None, float]:
    """Return the hue in degrees of a thing that has one, else None, and the share of vivid pixels."""
    vivid = pixels[pixels[:, 1] >= VIVID]
    share = len(vivid) / len(pixels)
    if share < VIVID_SHARE:
        return None, share
    angles = vivid[:, 0] * 2 * np.pi
    mean = float(np.degrees(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())) % 360)
    near = np.mean([_apart(mean, hue) <= NEAR for hue in (vivid[:, 0] * 360)[:: max(1, len(vivid) // 2000)]])
    return (mean if near >= ONE_HUE else None), share


def _achromatic(pixels: Hsv) -> str:
    value = float(np.median(pixels[:, 2]))
    if value > 0.8:
        return "white"
    return "black" if value < 0.3 else "grey"


def _apart(first: float, second: float) -> float:
    """Return the angle between two hues, in degrees."""
    return float(abs((first - second + 180) % 360 - 180))
