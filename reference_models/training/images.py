"""The images of a training and the samples of each step."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from alphabench.errors import DataError, UsageError
from alphabench.image.codec import read_rgba
from alphabench.image.types import Codes
from alphabench.runtime import is_main_process
from reference_models.training.augment import (
    centre_crop,
    faded,
    flattened,
    halved,
    on_white,
    recoloured,
    resized,
    turned,
    with_hidden_colour,
)
from reference_models.training.data_config import DataConfig, HiddenColour, SourceConfig
from reference_models.training.sources import Images, Tally, data_root, images_of, list_source, rank_of
from reference_models.training.streams import array_stream

ATTEMPTS = 10  # images that may turn out unreadable one after the other before the run stops

Key = tuple[int, int, str]


def validation_images(
    config: DataConfig, *, hidden_colour: HiddenColour = "keep", progress: Callable[[str], None] = lambda _: None
) -> list[Codes]:
    """Return the recipe's validation images, evenly spaced in path order; none if it has none.

    They are never augmented, flattened or contaminated; where the recipe resizes, they are resized and
    cropped at their centre; last, their colours under alpha 0 become what `hidden_colour` says.

    Raises:
        DataError: there are files and none can be read.
    """
    if config.validation:
        files = list_source(SourceConfig(config.validation), config)
        count = min(config.validation_images, len(files))
        files = [files[index * len(files) // count] for index in range(count)]
    else:
        files = [
            file
            for source in config.sources
            if config.hold_out and not source.opaque
            for file in list_source(source, config)[-config.hold_out :]
        ]
    images, failures = [], []
    for file in files:
        try:
            codes = read_rgba(file.path, allow_opaque=True)
        except DataError as error:
            failures.append(error)
            continue
        if config.resize == "shortest_side":
            codes = torch.from_numpy(centre_crop(resized(codes.numpy(), config.size), config.size).copy())
        images.append(torch.from_numpy(with_hidden_colour(codes.numpy(), hidden_colour).copy()))
    if failures:
        told = f"{len(failures)} of {len(files)} validation images could not be read: first {failures[0].message}"
        if not images:
            raise DataError(told, remedy=failures[0].remedy) from failures[0]
        progress(told)
    return images


class ImagePool:
    """All training images of a recipe; every sample is a pure function of the seed and its global number.

    The global number of a sample is `step·batch + position`: which process draws it, with which others, and
    whether its image lay in memory, changes nothing.

    Args:
        config: the recipe's table.
        progress: told what was found, and each file that cannot be read, once.
        hidden_colour: what lies under alpha 0 of the samples, applied last.
    """

    def __init__(
        self, config: DataConfig, *, progress: Callable[[str], None], hidden_colour: HiddenColour = "keep"
    ) -> None:
        self.config, self.progress, self.hidden_colour = config, progress, hidden_colour
        self.tally = Tally()
        self.sources: list[Images] = images_of(config, self.tally, progress)
        weights = [source.weight for source in config.sources] + [config.procedural_weight]
        self.shares = np.array(weights[: len(self.sources)]) / sum(weights[: len(self.sources)])
        self.paints = [
            (source, index) for source in self.sources if source.opaque for index in range(len(source.names))
        ]
        self._workers = ThreadPoolExecutor(config.workers, "samples") if config.workers else None
        self._pending: dict[Key, Future[np.ndarray]] = {}
        self._tell()

    @property
    def facts(self) -> dict[str, int]:
        """Return how many images were read, how many are drawn, and how many files could not be read."""
        drawn = self.config.procedural_images
        images = sum(len(source.names) for source in self.sources) - drawn
        return {"images": images, "procedural": drawn, "skipped": len(self.tally.skipped)}

    def sha256(self) -> str:
        """Return the digest of all images that are trained on, procedural ones included."""
        lines = "".join(f"{source.label}\t{source.digest()}\n" for source in self.sources)
        return hashlib.sha256(lines.encode()).hexdigest()

    def count(self, ranks: int, accumulate: int = 1) -> int:
        """Return the samples of one micro-batch: of one of `accumulate` parts of a step on each process.

        Raises:
            UsageError: the batch cannot be shared evenly.
        """
        if self.config.batch % (ranks * accumulate):
            parts = f"{ranks} processes" if accumulate == 1 else f"{ranks} processes in {accumulate} parts"
            raise UsageError(
                f"a batch of {self.config.batch} cannot be shared by {parts}",
                remedy="Set data.batch to a multiple of the number of processes times optimizer.accumulate.",
            )
        return self.config.batch // (ranks * accumulate)

    def numbers(self, step: int, first: int = 0, count: int | None = None) -> range:
        """Return the global numbers of `count` samples of a step (default: all) from position `first` on.

        Raises:
            UsageError: they do not lie inside the step's batch.
        """
        batch = self.config.batch
        count = batch - first if count is None else count
        if not 0 <= first < first + count <= batch:
            raise UsageError(
                f"samples {first} to {first + count - 1} do not lie in a batch of {batch}",
                remedy="Ask for a part of the step's batch.",
            )
        return range(step * batch + first, step * batch + first + count)

    def batch(self, seed: int, step: int, *, first: int = 0, count: int | None = None) -> Tensor:
        """Return samples of one step as uint8 codes `(count, 4, size, size)`, those from position `first` on.

        Meanwhile the same positions of the next step are prepared in threads.
        """
        numbers = self.numbers(step, first, count)
        if self._workers is None:
            return self.samples(seed, numbers)
        if len(self._pending) > 4 * self.config.batch:  # left behind by a jump to another step
            self._pending.clear()
        now = [self._submit((seed, number, "batch")) for number in numbers]
        for number in numbers:
            key = (seed, number + self.config.batch, "batch")
            self._pending[key] = self._submit(key)
        return self._stacked(future.result() for future in now)

    def samples(self, seed: int, numbers: Sequence[int], stream: str = "batch") -> Tensor:
        """Return the samples of these global numbers as codes `(len(numbers), 4, size, size)`.

        Args:
            seed: of the run.
            numbers: global numbers.
            stream: name of the random numbers; another one than `batch` never repeats what is trained on.
        """
        return self._stacked(self._sample((seed, number, stream)) for number in numbers)

    def close(self) -> None:
        """Stop preparing samples, and tell about files that could not be read."""
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)
        self._tell()
        if told := self.tally.describe():
            self.progress(told)

    def _submit(self, key: Key) -> Future[np.ndarray]:
        assert self._workers is not None
        return self._pending.pop(key, None) or self._workers.submit(self._sample, key)

    def _stacked(self, samples: Iterable[np.ndarray]) -> Tensor:
        stacked = torch.from_numpy(np.stack(list(samples)))
        self._tell()
        return stacked

    def _tell(self) -> None:
        """Say what the threads found out; a process whose progress nobody shows speaks by a warning."""
        while self.tally.news:
            text = self.tally.news.pop(0)
            self.progress(text)
            if not is_main_process():
                logging.getLogger(__name__).warning(text)

    def _sample(self, key: Key) -> np.ndarray:
        config, rng = self.config, array_stream(*key)
        for _ in range(3):  # mostly empty crops teach little: look for another one twice
            source, index, image = self._image(rng)
            crop = self._crop(rng, image)
            if np.count_nonzero(crop[3]) >= crop[3].size * config.visible_share:
                break
        if config.repaint_probability > 0 and rng.random() < config.repaint_probability:
            paint = self._crop(rng, self._paint(rng))
            crop = np.concatenate([paint[:3] * (crop[3:] > 0), crop[3:]])
        if config.flips:
            crop = turned(rng, crop)
        if config.recolour:
            crop = recoloured(rng, crop)
        if rng.random() < config.fade_probability:
            crop = faded(rng, crop)
        if config.white != "none" and rank_of(f"{source.label}/{source.names[index]}") < config.white_share:
            crop = on_white(crop, keep_alpha=config.white == "contaminated")
        if rng.random() < config.flatten_probability:
            crop = flattened(rng, crop, truncate=config.flatten_levels == "truncated")
        return np.ascontiguousarray(with_hidden_colour(crop, self.hidden_colour))

    def _image(self, rng: np.random.Generator) -> tuple[Images, int, np.ndarray]:
        for _ in range(ATTEMPTS):
            source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
            index = int(rng.integers(len(source.names)))
            image = source.fetch(index)
            if image is not None:
                return source, index, image
        raise self._gone()

    def _paint(self, rng: np.random.Generator) -> np.ndarray:
        for _ in range(ATTEMPTS):
            source, index = self.paints[int(rng.integers(len(self.paints)))]
            image = source.fetch(index)
            if image is not None:
                return image
        raise self._gone()

    def _gone(self) -> DataError:
        return DataError(
            f"{ATTEMPTS} images in a row can no longer be read; {self.tally.describe()}",
            remedy=f"Bring back the files below {data_root(self.config)} and go on with --resume.",
        )

    def _crop(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        size = self.config.size
        half = rng.random() < self.config.half_scale_probability and min(image.shape[1:]) >= 2 * size
        side = 2 * size if half else size
        height, width = image.shape[1:]
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        crop = image[:, top : top + side, left : left + side]
        return halved(crop) if half else crop
