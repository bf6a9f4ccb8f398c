"""What a training tells its caller after each step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is; the caller decides how to show it.

    Attributes:
        step: optimiser steps done.
        steps: optimiser steps in all.
        losses: value of each term of this step, by name; empty between steps.
        message: an event worth a line (preparing data, a checkpoint, a validation), or None.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    message: str | None = None


Report = Callable[[TrainProgress], None]
