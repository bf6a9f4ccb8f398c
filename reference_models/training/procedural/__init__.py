"""Procedural RGBA images for training: soft alpha in many forms, drawn from a seed.

Each family is a function `(rng, size) -> Layer`; `image` draws one image of a random family. The families
of `HELD_OUT` are never trained on: they tell how far a model generalises.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reference_models.training.procedural.canvas import Layer, to_codes
from reference_models.training.procedural.fabric import checker_alpha, mesh, ramps
from reference_models.training.procedural.glass import bubbles, tinted_glass
from reference_models.training.procedural.held_out import cells, rings, spirograph
from reference_models.training.procedural.shapes import feathered_shapes, hard_shapes, line_art
from reference_models.training.procedural.soft import glow, smoke, sparks
from reference_models.training.procedural.strokes import grid_lines, hair, writing

Family = Callable[[np.random.Generator, int], Layer]

FAMILIES: Mapping[str, tuple[Family, float]] = {
    "hard_shapes": (hard_shapes, 3.0),
    "feathered_shapes": (feathered_shapes, 2.0),
    "line_art": (line_art, 1.0),
    "hair": (hair, 3.0),
    "writing": (writing, 3.0),
    "grid_lines": (grid_lines, 1.0),
    "tinted_glass": (tinted_glass, 2.0),
    "bubbles": (bubbles, 1.0),
    "smoke": (smoke, 2.0),
    "glow": (glow, 1.5),
    "sparks": (sparks, 0.7),
    "ramps": (ramps, 0.7),
    "mesh": (mesh, 1.0),
    "checker_alpha": (checker_alpha, 0.4),
}
"""Name of each family, the function that draws it and its share of the images."""

HELD_OUT: Mapping[str, Family] = {"cells": cells, "rings": rings, "spirograph": spirograph}
"""Families for measuring generalisation; no training draws from them."""


def image(rng: np.random.Generator, size: int, families: Sequence[str] = ()) -> np.ndarray:
    """Return one image of a random family, of the named ones or of all, as uint8 codes `(4, size, size)`."""
    chosen = [FAMILIES[name] for name in families or FAMILIES]
    shares = np.array([share for _, share in chosen])
    family, _ = chosen[int(rng.choice(len(shares), p=shares / shares.sum()))]
    return to_codes(family(rng, size))
