"""The contact sheet of a run: for each category the worst and the median sample, and what is wrong with it."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch

from alphabench.data.dataset import DataSet
from alphabench.data.manifest import Sample
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import to_float
from alphabench.image.compositing import composite_over
from alphabench.image.contact_sheet import (
    Note,
    SheetRow,
    Tile,
    alpha_as_grey,
    contact_sheet,
    heat,
    on_checkerboard,
    on_colour,
)
from alphabench.image.types import Codes
from alphabench.protocols import Protocol
from alphabench.tasks.diagnosis import Diagnosis, described, shown_value

COLUMNS = (
    "reference",
    "prediction",
    "prediction on black",
    "prediction on white",
    "reference alpha",
    "predicted alpha",
    "largest error x 8",
)
ERROR_GAIN = 8.0
MAX_CATEGORIES = 12
MAX_SIDE = 512
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

Means = Mapping[str, float]
"""The headline value of each sample."""


def draw_sheet(
    title: str,
    protocol: Protocol,
    data: DataSet,
    means: Means,
    read: Callable[[Sample], Codes],
    diagnosis: Diagnosis | None = None,
) -> bytes:
    """Return the contact sheet of a run as the bytes of a PNG file.

    Args:
        title: the sheet's first line.
        protocol: names the metric that ranks the samples.
        data: the references.
        means: the primary metric of each sample, averaged over the backgrounds; dB or another unit.
        read: returns the prediction for a sample.
        diagnosis: what is wrong in each category, written under its pictures.
    """
    chosen = choose(data.manifest.samples, means)
    rows = [_row(sample, place, means[sample.id], data.read(sample), read(sample)) for sample, place in chosen]
    if diagnosis is not None:
        for index, (sample, _) in enumerate(chosen):
            last = index + 1 == len(chosen) or chosen[index + 1][0].category != sample.category
            if last:
                rows[index] = dataclasses.replace(rows[index], notes=_notes(diagnosis, sample.category))
    subtitle = f"{protocol.id}; worst and median image of each category by mean PSNR over the backgrounds"
    return contact_sheet(title, subtitle, COLUMNS, rows)


def choose(samples: Sequence[Sample], means: Means) -> list[tuple[Sample, str]]:
    """Return the worst and the median sample of each of the first categories, by `means`."""
    by_category: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.id in means:
            by_category.setdefault(sample.category, []).append(sample)
    chosen = []
    for members in list(by_category.values())[:MAX_CATEGORIES]:
        ordered = sorted(members, key=lambda sample: (means[sample.id], sample.id))
        chosen.append((ordered[0], "worst"))
        if len(ordered) > 1:
            chosen.append((ordered[len(ordered) // 2], "median"))
    return chosen


def mean_over_views(rows: Mapping[str, Sequence[float]], cap: float | None) -> dict[str, float]:
    """Return the mean value of each sample, infinities capped."""
    limit = math.inf if cap is None else cap
    return {sample: statistics.fmean(min(value, limit) for value in values) for sample, values in rows.items()}


def _notes(diagnosis: Diagnosis, category: str) -> list[Note]:
    """Return the numbers of a category, and each signature that it shows."""
    found = diagnosis.of(category)
    if found is None:
        return []
    notes = [Note(f"{category}, {found.samples} images: {described(found)}")]
    for name, places in diagnosis.signatures().items():
        notes += [
            Note(f"{name}: {shown_value(signature, place)}", alarm=True)
            for signature, place in places
            if place.category == category
        ]
    return notes


def _row(sample: Sample, place: str, value: float, reference: Codes, prediction: Codes) -> SheetRow:
    ours, truth = (to_float(small(codes)) for codes in (prediction, reference))
    tiles: list[Tile] = [
        on_checkerboard(truth),
        on_checkerboard(ours),
        on_colour(ours, BLACK),
        on_colour(ours, WHITE),
        alpha_as_grey(truth),
        alpha_as_grey(ours),
        heat(_largest_error(ours, truth) * ERROR_GAIN),
    ]
    return SheetRow(f"{sample.id}   {place} of {sample.category}   {value:.2f} dB", tiles)


def _largest_error(prediction: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Return the largest difference over the nine canonical backgrounds and three channels, by pixel."""
    backgrounds = canonical_tensor()
    pair = [composite_over(image[None], backgrounds)[0] for image in (prediction, reference)]
    return (pair[0] - pair[1]).abs().amax(dim=(0, 1))


def small(codes: Codes) -> Codes:
    """Return every n-th pixel of a large image, so that the error map of a sheet stays small in memory."""
    step = max(1, max(codes.shape[1:]) // MAX_SIDE)
    return codes[:, ::step, ::step]
