"""What each training sample is: which image in which version, as latents or pixels, and the words it is shown with."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.codec import read_rgba, to_float
from alphabench.image.resizing import resize_premultiplied
from reference_models.rgba_lora.captions import Entry, phrase
from reference_models.rgba_lora.colours import HUES, colour_word, turned_to
from reference_models.rgba_lora.config import CaptionConfig
from reference_models.training.augment import CropCodes, resized
from reference_models.training.streams import array_stream

SMALLEST, FARTHEST = 0.85, 0.05
"""Least side of a shrunk icon, and its farthest shift from the centre beside what shrinking allows, as shares."""

UNKNOWN_WORD = "\N{REPLACEMENT CHARACTER}"
"""Stands for a word that is withheld; no tokenizer knows it."""

ATTEMPTS = 10

Square = Float[Tensor, "1 4 side side"]


Encode = Callable[[Square, np.random.Generator | None], Tensor]
"""Makes of a square image what is learned from it, `(1, ...)`; the generator draws where something is drawn."""


@dataclass(frozen=True, eq=False)
class Version:
    """One augmented image.

    Attributes:
        content: what is learned from it, float16.
        colour: word for its colour, or empty.
        turned: whether its hue was turned to that colour.
    """

    content: Tensor
    colour: str
    turned: bool


@dataclass(frozen=True, eq=False)
class Sample:
    """What a network is shown: an image in the pool's form, float32, and words."""

    content: Tensor
    words: str


class SamplePool:
    """All samples of a training; each is a pure function of the seed and its global number.

    Args:
        entries: images and words.
        config: how they are drawn and varied.
        encode: what is made of each image.
        seed: of the run.
    """

    def __init__(self, entries: Sequence[Entry], config: CaptionConfig, encode: Encode, seed: int) -> None:
        self.entries, self.config, self.encode, self.seed = entries, config, encode, seed
        known = {item.name: item.weight for item in config.weights}
        if foreign := known.keys() - {entry.category for entry in entries}:
            categories = sorted({entry.category for entry in entries})
            raise DataError(
                f"data.weights names the category {min(foreign)!r}, which no image has",
                remedy=f"The table has {', '.join(map(repr, categories))}.",
            )
        shares = np.array([known.get(entry.category, 1.0) for entry in entries])
        if shares.sum() == 0:
            raise DataError("all images have the weight 0", remedy="Raise a weight in data.weights.")
        self._cumulative = np.cumsum(shares / shares.sum())
        self._images: dict[int, CropCodes] = {}
        self._versions: dict[tuple[int, int], Version] = {}
        self.skipped: dict[Path, str] = {}

    def batch(self, step: int, *, first: int, count: int) -> list[Sample]:
        """Return `count` samples of a step's batch from position `first` on."""
        start = step * self.config.batch + first
        return [self.sample(number) for number in range(start, start + count)]

    def sample(self, number: int) -> Sample:
        """Return the sample of a global number.

        Raises:
            DataError: ten images in a row cannot be read.
        """
        rng = array_stream(self.seed, number, "sample")
        for _ in range(ATTEMPTS):
            index = min(int(np.searchsorted(self._cumulative, rng.random(), side="right")), len(self.entries) - 1)
            version = self._version(index, number, int(rng.integers(max(1, self.config.variants))))
            if version is not None:
                return Sample(version.content.float(), self._words(self.entries[index], version, rng))
        path, reason = next(reversed(self.skipped.items()))
        raise DataError(
            f"{ATTEMPTS} images drawn one after the other cannot be read, the last {path}: {reason}",
            remedy="Mend the caption table or the files that it names.",
        )

    def whole(self, index: int) -> Tensor | None:
        """Return an image as it is, not varied, in the pool's form, `(1, ...)`; None if it cannot be read."""
        codes = self._codes(index)
        return None if codes is None else self.encode(fitted(codes, self.config.size), None)

    def colours(self, index: int) -> set[str]:
        """Return the colour words that the kept versions of an image are shown with; needs `variants` above 0."""
        versions = (self._version(index, 0, variant) for variant in range(self.config.variants))
        return {version.colour for version in versions if version is not None and version.colour}

    def sha256(self) -> str:
        """Return the digest of the words and file names of all entries."""
        lines = (f"{entry.path.name}\t{entry.caption}\t{entry.name}\n" for entry in self.entries)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _words(self, entry: Entry, version: Version, rng: np.random.Generator) -> str:
        said = phrase(entry, self.config, rng, colour=version.colour, turned=version.turned)
        if rng.random() < self.config.prompt_dropout:
            return ""
        if self.config.word_dropout == 0:
            return said
        kept = (UNKNOWN_WORD if rng.random() < self.config.word_dropout else word for word in said.split())
        return " ".join(kept)

    def _version(self, index: int, number: int, variant: int) -> Version | None:
        if self.config.variants == 0:
            return self._made(index, array_stream(self.seed, number, "version"), plain=False)
        key = (index, variant)
        if key not in self._versions:
            stream = index * self.config.variants + variant
            made = self._made(index, array_stream(self.seed, stream, "version"), plain=variant == 0)
            if made is None:
                return None
            self._versions[key] = made
        return self._versions[key]

    def _made(self, index: int, rng: np.random.Generator, *, plain: bool) -> Version | None:
        codes = self._codes(index)
        if codes is None:
            return None
        config, colour, turned = self.config, "", False
        if config.words == "phrases":
            if not plain and rng.random() < config.recolour_share:
                word = str(rng.choice(list(HUES)))
                other = turned_to(codes, word)
                codes, colour, turned = (other, word, True) if other is not None else (codes, "", False)
            colour = colour or colour_word(codes)
        if config.augment == "crop":
            images = random_crop(rng, codes, config.size)
        else:
            images = fitted(codes, config.size) if plain else varied(rng, codes, config.size)
        return Version(self.encode(images, rng)[0].half().cpu(), colour, turned)

    def _codes(self, index: int) -> CropCodes | None:
        """Return an image's codes, kept in memory where its versions are too; None if it cannot be read."""
        if index in self._images:
            return self._images[index]
        path = self.entries[index].path
        try:
            codes = read_rgba(path, allow_opaque=True).numpy()
        except DataError as error:
            self.skipped[path] = error.message
            return None
        if self.config.variants:
            self._images[index] = codes
        return codes


def fitted(codes: CropCodes, size: int) -> Square:
    """Return an image as large as fits into a square of `size` pixels, in its middle, `(1, 4, size, size)` in [0,1]."""
    return _placed(codes, size, 1.0, 0.5, 0.5)


def varied(rng: np.random.Generator, codes: CropCodes, size: int) -> Square:
    """Return an icon flipped or not, a little smaller and a little aside, in a square of `size` pixels."""
    if rng.random() < 0.5:
        codes = np.ascontiguousarray(codes[:, :, ::-1])
    share = rng.uniform(SMALLEST, 1.0)
    down, right = (0.5 + rng.uniform(-FARTHEST, FARTHEST) / (1 - SMALLEST) for _ in range(2))
    return _placed(codes, size, share, down, right)


def random_crop(rng: np.random.Generator, codes: CropCodes, size: int) -> Square:
    """Return a square of an image whose shortest side was brought to `size`, `(1, 4, size, size)` in [0,1]."""
    small = resized(codes, size)
    top, left = (int(rng.integers(extent - size + 1)) for extent in small.shape[1:])
    return to_float(torch.from_numpy(np.ascontiguousarray(small[:, top : top + size, left : left + size])))[None]


def _placed(codes: CropCodes, size: int, share: float, down: float, right: float) -> Square:
    """Return an image shrunk to `share` of the square; `down` and `right` say how its room is divided."""
    _, rows, columns = codes.shape
    scale = size * share / max(rows, columns)
    height, width = (max(1, round(extent * scale)) for extent in (rows, columns))
    small = resize_premultiplied(to_float(torch.from_numpy(codes))[None], height, width)
    canvas = torch.zeros(1, 4, size, size)
    top, left = round((size - height) * min(max(down, 0.0), 1.0)), round((size - width) * min(max(right, 0.0), 1.0))
    canvas[:, :, top : top + height, left : left + width] = small
    return canvas
