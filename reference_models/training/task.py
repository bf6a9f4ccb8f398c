"""What a room brings to the training loop, and what the loop needs of its recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from alphabench.image.types import Codes
from reference_models.training.config import OptimizerConfig, RunConfig


@runtime_checkable
class Task(Protocol):
    """What a room brings to the loop; it may bring an adversary too, see `training/adversary.py`.

    Attributes:
        objective: maps a batch to the terms of its loss, among them `loss`, the one that is minimised.
        model: the part of the objective that is trained, averaged, checkpointed and exported.
    """

    objective: nn.Module
    model: nn.Module

    def batch(self, index: int, rank: int, ranks: int, /) -> dict[str, Tensor]:
        """Return one process's share of a batch: a pure function of the arguments and the recipe.

        Args:
            index: batches before it in the run; a step takes one, or as many as the recipe accumulates.
            rank: which process asks.
            ranks: processes that share the batch evenly. What is drawn for a sample must depend on the sample's
                number in the run (`index · batch + position`), so that it is the same however it is shared out.
        """
        ...

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Return the numbers to watch, of the averaged model."""
        ...

    def samples(self, model: nn.Module) -> Codes | None:
        """Return a grid of images to look at, `(4, height, width)`, or None."""
        ...

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        """Write the averaged model as a checkpoint folder that the room's adapter loads."""
        ...


@dataclass(frozen=True)
class Recipe:
    """What the loop needs of a recipe.

    Attributes:
        optimizer: the optimiser's table.
        run: the run's table.
        settings: all settings as TOML text: a run is only resumed with the same text.
        inputs: digests of what the run builds on, as `base_sha256`: it is only resumed with the same models, and
            other training images (`data_sha256`) are told.
    """

    optimizer: OptimizerConfig
    run: RunConfig
    settings: str
    inputs: Mapping[str, str] = field(default_factory=dict)
