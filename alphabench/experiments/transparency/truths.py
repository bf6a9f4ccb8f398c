"""Synthetic ground truth: the motifs of the embedded set drawn anew, from seeds that the embedded set does not use."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from alphabench.data.mini.noise import Dice
from alphabench.data.mini.pictures import CATEGORIES
from alphabench.experiments.transparency.damages import turned_hue
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import clear_hidden
from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import Rgba

SIDE = 128
DRAWINGS = 2
FIRST_DRAWING = 2
"""Drawings 0 and 1 served to try the study out; its result is from later ones."""
SEED_STEP = 10_000
"""Embedded pictures have seeds below this; drawing k of a motif has its seed plus (k + 1) times this."""
HUE_STEP = 100.0
"""Degrees by which the hues of one drawing lie from those of the next, so that drawings differ in colour."""


@dataclass(frozen=True)
class Truth:
    """One undamaged image.

    Attributes:
        category: category of the embedded set.
        motif: name of the picture; drawings of one motif are not independent of each other.
        drawing: index among the drawings of the motif.
        seed: what its damages are drawn from.
        image: straight RGBA `(1, 4, side, side)` of 8-bit values in [0,1], float64, hidden colour 0.
    """

    category: str
    motif: str
    drawing: int
    seed: int
    image: Rgba


def truths(
    *, drawings: int = DRAWINGS, first: int = FIRST_DRAWING, motifs: int | None = None, side: int = SIDE
) -> Iterator[Truth]:
    """Draw the ground truth.

    Odd drawings are mirrored, and each has other hues than the one before.

    Args:
        drawings: drawings of each motif.
        first: index of the first of them.
        motifs: only the first so many of each category; all when None.
        side: height and width in pixels; the drawing of 256 pixels is resized to it.
    """
    for place, (category, pictures) in enumerate(CATEGORIES.items()):
        for index, picture in enumerate(pictures[:motifs]):
            for drawing in range(first, first + drawings):
                seed = 1000 * place + index + SEED_STEP * (drawing + 1)
                codes = picture.draw(Dice(seed)).codes(None).transpose(2, 0, 1)
                image = to_float(torch.from_numpy(np.ascontiguousarray(codes)))[None].double()
                image = resize_premultiplied(image, side, side)
                image = turned_hue(image.flip(3) if drawing % 2 else image, HUE_STEP * drawing)
                yield Truth(category, picture.name, drawing, seed, clear_hidden(delivered(image)))


def delivered(image: Rgba) -> Rgba:
    """Return an image as 8-bit files hold it, float64."""
    return to_float(quantise(image)).double()
