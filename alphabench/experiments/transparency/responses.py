"""What each metric says of each image at each strength of each damage."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from alphabench.experiments.transparency.damages import DAMAGES, Damage
from alphabench.experiments.transparency.truths import Truth, delivered
from alphabench.image.types import Rgba
from alphabench.metrics.blocks import one_thread
from alphabench.metrics.catalog import get

Floats = NDArray[np.float64]
Measure = Callable[[Rgba], torch.Tensor]


@dataclass(frozen=True)
class Responses:
    """Values of all metrics on all damaged images.

    Attributes:
        categories: category of each truth.
        motifs: category and motif of each truth.
        drawings: index of each truth among the drawings of its motif.
        values: by metric and damage, `(truth, 1 + strength)`, first the undamaged image; NaN where a metric
            does not apply or an image offers nothing to damage.
        hidden: metrics whose values hidden colour does not change, not even by the last bit.
    """

    categories: tuple[str, ...]
    motifs: tuple[str, ...]
    drawings: tuple[int, ...]
    values: Mapping[tuple[str, str], Floats]
    hidden: frozenset[str]


def measures_of(names: Iterable[str]) -> dict[str, Measure]:
    """Return the functions of metrics of the catalog by name."""
    return {name: get(name).resolve() for name in names}


@one_thread()
def respond(
    truths: Sequence[Truth], measures: Mapping[str, Measure], damages: Mapping[str, Damage] = DAMAGES
) -> Responses:
    """Return what the measures say of the truths and of all their damaged versions, as 8-bit files hold them."""
    values = {
        (name, damage.name): np.full((len(truths), 1 + len(damage.strengths)), np.nan)
        for name in measures
        for damage in damages.values()
    }
    hidden = set(measures)
    for row, truth in enumerate(truths):
        clean = {name: float(measure(truth.image)[0]) for name, measure in measures.items()}
        painted = _painted(truth)
        hidden -= {name for name, measure in measures.items() if not _same(float(measure(painted)[0]), clean[name])}
        for damage in damages.values():
            damaged = [damage.apply(truth.image, strength, truth.seed) for strength in damage.strengths]
            for name, measure in measures.items():
                values[name, damage.name][row, 0] = clean[name]
                for column, image in enumerate(damaged, start=1):
                    if image is not None:
                        values[name, damage.name][row, column] = float(measure(delivered(image))[0])
    return Responses(
        categories=tuple(truth.category for truth in truths),
        motifs=tuple(f"{truth.category}/{truth.motif}" for truth in truths),
        drawings=tuple(truth.drawing for truth in truths),
        values=values,
        hidden=frozenset(hidden),
    )


def _painted(truth: Truth) -> Rgba:
    """Return the truth with noise as hidden colour."""
    noise = torch.from_numpy(np.random.default_rng(truth.seed).integers(0, 256, (1, 3, *truth.image.shape[2:]))) / 255
    colour, alpha = truth.image[:, :3], truth.image[:, 3:]
    return torch.cat([torch.where(alpha == 0, noise.to(colour), colour), alpha], 1)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
