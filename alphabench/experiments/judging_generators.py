"""Judge one trained generator: what it makes from the words of real images, beside those images.

No text-image network takes part: whether an image shows what it was asked for is told by the real image that lies
nearest in random features, which is right where that image has the words. Chance is one in the number of images.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from alphabench.errors import DataError
from alphabench.experiments.judging import Row, spaced
from alphabench.experiments.measures import GENERATED_MEASURES
from alphabench.experiments.plan import JudgedSet
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, read_rgba, to_float
from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import Rgba
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.perceptual import composite_features
from alphabench.metrics.random_features import random_features
from alphabench.metrics.set_distance import frechet_distance, kernel_distance
from alphabench.models.contract import Generator, Sampling
from alphabench.tasks.generation_plan import image_seed

BATCH = 16
NEAREST = "nearest_caption"

Features = Float64[Tensor, "batch background dim"]


def judge_generator(
    model: Generator, sets: Sequence[JudgedSet], *, data_root: Path
) -> tuple[list[Row], Mapping[str, float]]:
    """Return the rows of single images, and the distances of all of them to the real ones.

    Args:
        model: the model; it draws with its own default sampling, from seeds that depend on the words alone.
        sets: one set of captions.
        data_root: what the table of captions is relative to.

    Raises:
        DataError: there is not exactly one set, the table or an image cannot be read, or the model's answer is not
            finite.
    """
    if len(sets) != 1 or not sets[0].captions:
        raise DataError("a generator is judged on one set of captions", remedy="Name one [[judged]] with captions.")
    (judged,) = sets
    named = captioned(judged, data_root)
    model.check(model.defaults)
    height, width = model.defaults.height, model.defaults.width
    real = torch.cat([resize_premultiplied(_read(path), height, width) for _, path in named])
    made = images_of(model, [words for words, _ in named])
    features, references = _features(made), _features(real)
    values = {NEAREST: _hits(features, references)}
    values |= {name: CATALOG[name].resolve()(made) for name in GENERATED_MEASURES if name != NEAREST}
    rows = [
        Row(judged.name, words, "all", measure, float(value))
        for measure, column in values.items()
        for (words, _), value in zip(named, column, strict=True)
        if bool(value.isfinite())
    ]
    distances = {"kid-rand": kernel_distance, "fid-rand": frechet_distance}
    return rows, {
        name: sum(float(distance(features[:, b], references[:, b])) for b in range(features.shape[1]))
        / features.shape[1]
        for name, distance in distances.items()
    }


def captioned(judged: JudgedSet, data_root: Path) -> list[tuple[str, Path]]:
    """Return words and file of the images of a set of captions, evenly spaced in order; each words once.

    Raises:
        DataError: the table cannot be read, or has no row of the split.
    """
    table = data_root / judged.captions
    try:
        rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
        chosen = [row for row in rows if not judged.split or row["split"] == judged.split]
        named = {str(row["name"]): table.parent / row["file"] for row in chosen}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{table} is no table of captions: {error!r}", remedy="Name JSON lines with file, name and split."
        ) from error
    if not named:
        raise DataError(f"{table} has no row of the split {judged.split!r}", remedy="Name another split.")
    return spaced(list(named.items()), judged.images)


def images_of(model: Generator, words: Sequence[str], *, seed: int = 0, sampling: Sampling | None = None) -> Rgba:
    """Return an image for each words, `(image, 4, height, width)`, as a user would receive it: in 8 bits.

    Args:
        model: draws them.
        words: of each image; its seed depends on them alone.
        seed: of all of them together.
        sampling: how they are drawn; None for the model's defaults.

    Raises:
        DataError: an image is not finite.
    """
    made, sampling = [], sampling or model.defaults
    for first in range(0, len(words), BATCH):
        asked = words[first : first + BATCH]
        images = model.decode(model.sample(asked, [image_seed(seed, prompt, 0) for prompt in asked], sampling)).cpu()
        if not bool(torch.isfinite(images).all()):
            raise DataError("the model's images are not finite", remedy="Train with a lower learning rate.")
        made.append(to_float(quantise(images)))
    return torch.cat(made)


def _read(path: Path) -> Rgba:
    return to_float(read_rgba(path, allow_opaque=True))[None]


def _features(images: Rgba) -> Features:
    return composite_features(images, canonical_tensor(), random_features("cpu")).double()


def _hits(features: Features, references: Features) -> Float64[Tensor, " batch"]:
    """Return 1 where the nearest reference has the image's own number; each number of a feature in its own spread."""
    spread = references.std(0).clamp(min=1e-9)
    distances = torch.cdist((features / spread).flatten(1), (references / spread).flatten(1))
    return (distances.argmin(1) == torch.arange(len(features))).double()
