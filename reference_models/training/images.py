"""The images of a training, held in memory as codes, and the crops of each step."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from alphabench.errors import DataError, UsageError
from alphabench.image.codec import read_rgba
from alphabench.image.types import Codes
from reference_models.training import procedural
from reference_models.training.data_config import DataConfig
from reference_models.training.streams import array_stream

ROOT_VARIABLE = "ALPHABENCH_TRAIN_DATA"
SUFFIXES = (".png", ".webp", ".tif", ".tiff")

CropCodes = UInt8[np.ndarray, "channel height width"]


def data_root(config: DataConfig) -> Path:
    """Return the folder of the training images: `$ALPHABENCH_TRAIN_DATA`, else the recipe's root."""
    return Path(os.environ.get(ROOT_VARIABLE, config.root)).expanduser()


def read_folder(folder: Path, *, opaque: bool = False) -> list[Codes]:
    """Return the images of a folder in name order, `(4, height, width)` codes each.

    Raises:
        DataError: the folder is absent or empty, or a file in it cannot be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(
            f"there are no training images in {folder}",
            remedy=f"Set {ROOT_VARIABLE} to the folder that the recipe's sources are relative to.",
        )
    return [read_rgba(path, allow_opaque=opaque) for path in paths]


def validation_images(config: DataConfig) -> list[Codes]:
    """Return the recipe's validation images, evenly spaced in name order; none if the recipe names none."""
    if not config.validation:
        return []
    images = read_folder(data_root(config) / config.validation)
    count = min(config.validation_images, len(images))
    return [images[index * len(images) // count] for index in range(count)]


class ImagePool:
    """All training images of a recipe; `batch` is a pure function of seed, step and rank."""

    def __init__(self, config: DataConfig, *, progress: Callable[[str], None]) -> None:
        self.config = config
        self.groups: list[list[np.ndarray]] = []
        weights: list[float] = []
        for source in config.sources:
            folder = data_root(config) / source.folder
            self.groups.append([codes.numpy() for codes in read_folder(folder, opaque=source.opaque)])
            weights.append(source.weight)
            progress(f"read {len(self.groups[-1])} images of {source.folder}")
        if config.procedural_images:
            self.groups.append(
                [
                    procedural.image(array_stream(config.procedural_seed, index, "procedural"), config.procedural_size)
                    for index in range(config.procedural_images)
                ]
            )
            weights.append(config.procedural_weight)
            progress(f"drew {config.procedural_images} procedural images")
        self.shares = np.array(weights) / sum(weights)
        self.paints = [
            image
            for source, group in zip(config.sources, self.groups, strict=False)
            if source.opaque
            for image in group
        ]

    def sha256(self) -> str:
        """Return the digest of all images in order, sizes and codes, procedural ones included."""
        digest = hashlib.sha256()
        for image in (image for group in self.groups for image in group):
            digest.update(f"{image.shape}".encode())
            digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    def count(self, ranks: int) -> int:
        """Return the images of one step on each of `ranks` processes.

        Raises:
            UsageError: the batch cannot be shared evenly.
        """
        if self.config.batch % ranks:
            raise UsageError(
                f"a batch of {self.config.batch} cannot be shared by {ranks} processes",
                remedy="Set data.batch to a multiple of the number of processes.",
            )
        return self.config.batch // ranks

    def batch(self, seed: int, step: int, *, rank: int, count: int) -> Tensor:
        """Return `count` crops of one step as uint8 codes `(count, 4, size, size)`."""
        rng = array_stream(seed, step, "batch", rank)
        return torch.from_numpy(np.stack([self._sample(rng) for _ in range(count)]))

    def _sample(self, rng: np.random.Generator) -> np.ndarray:
        for _ in range(3):  # mostly empty crops teach little: look for another one twice
            group = self.groups[int(rng.choice(len(self.groups), p=self.shares))]
            crop = self._crop(rng, group[int(rng.integers(len(group)))])
            if np.count_nonzero(crop[3]) > crop[3].size * 0.04:
                break
        if self.config.repaint_probability > 0 and rng.random() < self.config.repaint_probability:
            paint = self._crop(rng, self.paints[int(rng.integers(len(self.paints)))])
            crop = np.concatenate([paint[:3] * (crop[3:] > 0), crop[3:]])
        crop = _turned(rng, crop)
        crop = _recoloured(rng, crop)
        if rng.random() < self.config.fade_probability:
            crop = crop.copy()
            crop[3] = np.round(crop[3] * rng.uniform(0.1, 0.95))
        if rng.random() < self.config.flatten_probability:
            crop = flattened(rng, crop)
        return np.ascontiguousarray(crop)

    def _crop(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        size = self.config.size
        half = rng.random() < self.config.half_scale_probability and min(image.shape[1:]) >= 2 * size
        side = 2 * size if half else size
        height, width = image.shape[1:]
        if height < side or width < side:
            padding = ((0, 0), (0, max(0, side - height)), (0, max(0, side - width)))
            image = np.pad(image, padding)
            height, width = image.shape[1:]
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        crop = image[:, top : top + side, left : left + side]
        return halved(crop) if half else crop


def halved(codes: CropCodes) -> np.ndarray:
    """Return the image at half the resolution, averaged with its colours weighed by alpha."""
    channels, height, width = codes.shape
    boxes = codes.astype(np.float32).reshape(channels, height // 2, 2, width // 2, 2)
    alpha = boxes[3:].sum((2, 4))
    colour = (boxes[:3] * boxes[3:]).sum((2, 4)) / np.maximum(alpha, 1)
    return np.floor(np.concatenate([colour, alpha / 4]) + 0.5).astype(np.uint8)


def flattened(rng: np.random.Generator, codes: CropCodes) -> np.ndarray:
    """Return the image over one of the 27 colours of levels 0, 128, 255, opaque."""
    background = rng.choice(np.array([0, 128, 255], np.float32), 3).reshape(3, 1, 1)
    alpha = codes[3:].astype(np.float32) / 255
    colour = np.floor(codes[:3] * alpha + background * (1 - alpha) + 0.5).astype(np.uint8)
    return np.concatenate([colour, np.full_like(codes[3:], 255)])


def _turned(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    if rng.random() < 0.5:
        codes = codes[:, :, ::-1]
    if rng.random() < 0.5:
        codes = codes[:, ::-1]
    return codes.transpose(0, 2, 1) if rng.random() < 0.5 else codes


def _recoloured(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Exchange the colour channels, sometimes invert the colours: new colours at no cost."""
    if rng.random() < 0.5:
        codes = codes[np.append(rng.permutation(3), 3)]
    if rng.random() < 0.1:
        codes = np.concatenate([255 - codes[:3], codes[3:]])
    return codes
