"""The tables of a recipe that every trainer has: optimiser and run."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimiser, a linear warm-up and half a cosine down to `final_share`.

    Attributes:
        lr: learning rate after the warm-up; a factor on the step that Prodigy finds, ordinarily 1.
        betas: of the two moments.
        weight_decay: decoupled; biases and normalisation weights are left out.
        warmup: steps until the full learning rate.
        final_share: learning rate at the last step, as a share of `lr`.
        clip: largest gradient norm; 0 switches clipping off.
        accumulate: batches of a step, whose mean gradient it takes: the memory of one batch, the step of
            accumulate · batch images.
        name: `adamw`, or `prodigy`, which finds its own step (Mishchenko and Defazio 2023, arXiv 2306.06101), with
            bias correction and safeguarded warm-up.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.01
    warmup: int = 200
    final_share: float = 0.01
    clip: float = 1.0
    accumulate: int = 1
    name: Literal["adamw", "prodigy"] = "adamw"

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise ValueError(f"accumulate must be at least 1, not {self.accumulate}")
        if self.lr <= 0 or min(self.warmup, self.clip, self.weight_decay, self.final_share) < 0:
            raise ValueError("lr must be positive; warmup, clip, weight_decay and final_share must not be negative")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be at least 0 and less than 1, not {list(self.betas)}")


@dataclass(frozen=True)
class RunConfig:
    """Length, seed and habits of a run.

    Attributes:
        steps: optimiser steps.
        seed: of all randomness of the run.
        precision: `bf16` for autocast, `float32` for runs that repeat bit for bit.
        checkpoint_every: steps between checkpoints; the last two are kept.
        validate_every: steps between validations and sample grids.
        ema: largest decay of the averaged weights, which are the ones exported; 0 switches it off. At step n the
            decay is at most (1 + n) / (10 + n): until about step 10 / (1 - ema) the memory is the last ninth of the
            run, and a larger value changes nothing.
        compile: let `torch.compile` fuse the objective's forward and backward: about a minute at the start, faster
            steps from then on. Needs a C++ compiler, and Triton on a GPU.
    """

    steps: int
    seed: int = 0
    precision: Literal["float32", "bf16"] = "bf16"
    checkpoint_every: int = 500
    validate_every: int = 500
    ema: float = 0.999
    compile: bool = False

    def __post_init__(self) -> None:
        if min(self.steps, self.checkpoint_every, self.validate_every) < 1:
            raise ValueError("steps, checkpoint_every and validate_every must be at least 1")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and less than 1, not {self.ema}")
