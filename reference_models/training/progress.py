"""What a training tells its caller after each step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainProgress:
    """How far a training is; the caller decides how to show it.

    Attributes:
        step: optimiser steps done.
        steps: optimiser steps in all.
        losses: value of each term of this step, by name; empty between steps.
        message: an event worth a line (preparing data, a checkpoint, a validation), or None.
        remaining_seconds: time that the remaining steps will take at the recent speed, None while unknown.
        facts: numbers about the whole run, told once each: `images` read, `procedural` ones, files
            `skipped`, `parameters` trained, `seconds_per_step`, `peak_memory_bytes` (on a GPU `peak_gpu_memory_bytes`),
            `recipe_steps` of the whole run.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    message: str | None = None
    remaining_seconds: float | None = None
    facts: Mapping[str, float | int] = field(default_factory=dict)


Report = Callable[[TrainProgress], None]
