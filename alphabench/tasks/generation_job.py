"""One run over prompts, everything resolved, and what scores its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, runtime_checkable
from typing import Protocol as Interface

import torch

from alphabench.data.prompts import Prompt, PromptSet
from alphabench.image.types import AnyCodes
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable
from alphabench.tasks.generation_plan import PlannedImage
from alphabench.tasks.generation_sources import ImageSource
from alphabench.tasks.scorers import Features
from alphabench.tasks.scoring import Scores


@runtime_checkable
class ImageScorer(Interface):
    """Scores images without a reference of their own, under one protocol."""

    @property
    def unavailable(self) -> Mapping[str, Unavailable]:
        """Return the metrics of the protocol that cannot be computed here, with reason and remedy."""
        ...

    @property
    def networks(self) -> tuple[str, ...]:
        """Return the networks whose features every image keeps."""
        ...

    @property
    def libraries(self) -> dict[str, str]:
        """Return what else belongs among the libraries of a record's environment, such as the reference set."""
        ...

    def score(self, prompts: Sequence[Prompt], images: Sequence[AnyCodes]) -> Scores:
        """Return the scores of each image, made of the prompt at the same place."""
        ...

    def set_values(self, features: Features, groups: Mapping[str, str]) -> dict[str, dict[str, dict[str, float | str]]]:
        """Return each set metric by group and background: a number, or the reason why there is none."""
        ...

    def deviations(
        self, groups: Mapping[str, str], metrics: Sequence[Mapping[str, Any]] | None = None
    ) -> tuple[str, ...]:
        """Return the sentences that the record must confess, from the category of each image and the metrics."""
        ...

    def notes(self, groups: Mapping[str, str]) -> str:
        """Return words for the reader of the record, from the category of each image; empty for none."""
        ...


@dataclass(frozen=True)
class GenerationJob:
    """One run over prompts, everything resolved.

    Attributes:
        task: `generation`, or `scoring` where the images are there already.
        protocol: the ruler.
        prompts: the whole set.
        per_prompt: images for each prompt.
        images: what is to be judged, in order: all, or the first few.
        source: where the images come from.
        seeds: every seed of the run by name.
        device: where metrics are computed.
        dtype: precision inside the model, for the record.
        batch_size: images at a time.
        out: work folder; None takes the one that the request's hash names.
        fresh: start over.
        limit: number of first images that were asked for; None for all.
        absent: ids of images that should be there and are not: left out, and named in the record.
        folder: folder of finished images, where there is one.
    """

    task: str
    protocol: Protocol
    prompts: PromptSet
    per_prompt: int
    images: Sequence[PlannedImage]
    source: ImageSource
    seeds: Mapping[str, int]
    device: torch.device
    dtype: str
    batch_size: int
    out: Path | None
    fresh: bool
    limit: int | None = None
    absent: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def total(self) -> int:
        """Return how many images the whole set asks for."""
        return len(self.prompts.prompts) * self.per_prompt

    @cached_property
    def groups(self) -> dict[str, str]:
        """Return the category of each image by id."""
        return {image.id: image.prompt.category for image in self.images}
