"""Where the images of a generation run come from: a model, or a folder of finished ones."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from alphabench.data.prompts import Prompt
from alphabench.errors import DataError
from alphabench.image.codec import quantise
from alphabench.image.types import AnyCodes
from alphabench.models.contract import Generator, PromptReader, Sampling
from alphabench.models.predictions import PredictionFolder
from alphabench.models.spec import ModelInfo
from alphabench.results.request import model_document
from alphabench.runtime import enough_memory
from alphabench.tasks.generation_plan import PlannedImage
from alphabench.tasks.judged import check_output


@runtime_checkable
class ImageSource(Protocol):
    """A source of images, in two halves: while a batch is finished, the next one is begun."""

    @property
    def writes(self) -> bool:
        """Say whether the images are new and are to be written as PNG files."""
        ...

    @property
    def info(self) -> ModelInfo:
        """Return who made the images, and with which settings."""
        ...

    @property
    def seconds(self) -> float:
        """Return the time spent in the model so far."""
        ...

    def begin(self, images: Sequence[PlannedImage]) -> Tensor | None:
        """Return what `finish` needs; called in one thread."""
        ...

    def finish(self, images: Sequence[PlannedImage], begun: Tensor | None) -> list[AnyCodes]:
        """Return each image as 8-bit codes; called in any one thread, in the order of the batches."""
        ...

    def notes(self, image: PlannedImage) -> dict[str, str]:
        """Return what is written into the image's file, by key."""
        ...

    def remarks(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return what a reader of the record must know of how the prompts were read."""
        ...


class GeneratorSource:
    """A generator, called on batches of prompts.

    Args:
        model: the generator.
        sampling: how images are drawn.
        device: where the model works.
    """

    writes = True

    def __init__(self, model: Generator, sampling: Sampling, device: torch.device) -> None:
        self.model = model
        self.sampling = sampling
        self.device = device
        self._sampling_seconds = self._decoding_seconds = 0.0  # one for each thread

    @cached_property
    def info(self) -> ModelInfo:
        """Return who the model is, the sampling inside its configuration: it is part of what made the images."""
        info = self.model.info
        return dataclasses.replace(info, config={**info.config, "sampling": dataclasses.asdict(self.sampling)})

    @property
    def seconds(self) -> float:
        """Return the time spent in sampling and decoding; the two overlap, so it may exceed the run's."""
        return self._sampling_seconds + self._decoding_seconds

    def begin(self, images: Sequence[PlannedImage]) -> Tensor:
        """Draw one latent for each image.

        Raises:
            DataError: the model returned something else.
        """
        started = time.perf_counter()
        with torch.inference_mode(), enough_memory(len(images)):
            latents = self.model.sample(
                [image.prompt.text for image in images], [image.seed for image in images], self.sampling
            )
        self._wait()
        self._sampling_seconds += time.perf_counter() - started
        if not isinstance(latents, Tensor) or latents.ndim < 1 or len(latents) != len(images):
            what = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
            raise DataError(
                f"the model's `sample` returned {what} for {len(images)} prompts, first {images[0].id!r}",
                remedy="Mend the model's adapter: it returns one latent for each prompt, `(batch, ...)`.",
            )
        return latents

    def finish(self, images: Sequence[PlannedImage], begun: Tensor | None) -> list[AnyCodes]:
        """Decode the latents and round the images to 8 bits, once, halves up.

        Raises:
            DataError: the model's output has another shape, is not finite or leaves [0,1].
        """
        started = time.perf_counter()
        assert begun is not None
        with torch.inference_mode(), enough_memory(len(images)):
            output = self.model.decode(begun)
        self._wait()
        self._decoding_seconds += time.perf_counter() - started
        size = self.sampling.height, self.sampling.width
        asked = torch.empty((), device=self.device).expand(len(images), 4, *size)
        return list(quantise(check_output(output, asked, [image.id for image in images])).cpu())

    def notes(self, image: PlannedImage) -> dict[str, str]:
        """Return prompt, seed, model and sampling: what it takes to make this image again."""
        return {
            "prompt": image.prompt.text,
            "id": image.id,
            "image number": str(image.number),
            "seed": str(image.seed),
            "model": f"{self.info.org}/{self.info.name}",
            "model hash": self._hash,
            "steps": str(self.sampling.steps),
            "guidance": repr(self.sampling.guidance),
            "size": f"{self.sampling.height}x{self.sampling.width}",
        }

    def remarks(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return how many prompts the model does not read whole, where it can tell."""
        if not isinstance(self.model, PromptReader):
            return []
        read = list(zip(prompts, self.model.unread([prompt.text for prompt in prompts]), strict=True))
        strange = [(prompt, unread.words) for prompt, unread in read if unread.words]
        cut = [prompt for prompt, unread in read if unread.cut]
        found = []
        if strange:
            prompt, words = strange[0]
            found.append(
                f"{len(strange)} of {len(prompts)} prompts have words that the model does not know, first "
                f"{words[0]!r} in {prompt.id}"
            )
        if cut:
            found.append(f"{len(cut)} of {len(prompts)} prompts are longer than the model reads, first {cut[0].id}")
        return found

    @cached_property
    def _hash(self) -> str:
        return str(model_document(self.info)["hash"])

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class FolderSource:
    """A folder of finished images, read as they are."""

    folder: PredictionFolder
    writes: bool = False

    @property
    def info(self) -> ModelInfo:
        """Return who made the images."""
        return self.folder.info

    @property
    def seconds(self) -> float:
        """Return 0: no model runs."""
        return 0.0

    def begin(self, images: Sequence[PlannedImage]) -> None:
        """Begin nothing: files are read where they are needed."""

    def finish(self, images: Sequence[PlannedImage], begun: Tensor | None) -> list[AnyCodes]:
        """Read each image.

        Raises:
            DataError: a file is gone, has changed, or cannot be read.
        """
        return [self.folder.read(image.id) for image in images]

    def notes(self, image: PlannedImage) -> dict[str, str]:
        """Return nothing: no file is written."""
        return {}

    def remarks(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return nothing: who made the images is not asked."""
        return []
