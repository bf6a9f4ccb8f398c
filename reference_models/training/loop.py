"""The one training loop: steps, averaged weights, checkpoints, log, validation, sample grids."""

import errno
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from torch import Tensor, nn

from alphabench.errors import DataError, DiskFullError, Interrupted, UsageError
from alphabench.image.codec import write_png
from alphabench.image.types import Codes
from alphabench.models.spec import TrainRequest
from alphabench.runtime import peak_memory_bytes, resolve_device
from reference_models.training import checkpoint
from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.ema import AveragedModel
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.run_log import RunLog

DRY_STEPS = 2


@runtime_checkable
class Task(Protocol):
    """What a room brings to the loop.

    Attributes:
        objective: maps a batch to the terms of its loss, among them `loss`, the one that is minimised.
        model: the part of the objective that is trained, averaged, checkpointed and exported.
    """

    objective: nn.Module
    model: nn.Module

    def batch(self, step: int, rank: int, ranks: int) -> dict[str, Tensor]:
        """Return the batch of one step: a pure function of its arguments and the recipe."""
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
    """

    optimizer: OptimizerConfig
    run: RunConfig
    settings: str


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the learning rate of `step`, counted from 0: linear warm-up, then half a cosine."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, steps - config.warmup)
    return config.lr * (config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * share)))


def adamw(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Return AdamW over the trained parameters; vectors (biases, norms) do not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)


def train(task: Task, recipe: Recipe, request: TrainRequest, report: Report) -> Path:
    """Train `task` to the recipe's last step and return the folder of the exported model.

    Raises:
        UsageError: the folder holds a run and resuming was not asked for.
        DataError: the loss is not finite, or the resume point does not fit.
        DiskFullError: the disk is full; the last resume point is whole.
        Interrupted: Ctrl-C; the last resume point is whole.
    """
    points = request.out / "checkpoints"
    if not request.resume and not request.dry_run and checkpoint.last(points) is not None:
        raise UsageError(
            f"{request.out} holds a run already",
            remedy="Go on with it by --resume, or choose another folder with --out.",
        )
    try:
        return _Loop(task, recipe, request, report).run()
    except KeyboardInterrupt as stop:
        raise Interrupted("the training was stopped", remedy=f"Go on with --resume --out {request.out}.") from stop
    except (OSError, SafetensorError) as error:
        # safetensors wraps the system's error in its own and keeps only the words.
        full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(error)
        if not full:
            raise
        raise DiskFullError(
            f"no space left for {request.out}", remedy="Free some space and go on with --resume."
        ) from error


class _Loop:
    def __init__(self, task: Task, recipe: Recipe, request: TrainRequest, report: Report) -> None:
        self.task, self.recipe, self.request, self.report = task, recipe, request, report
        self.steps = DRY_STEPS if request.dry_run else recipe.run.steps
        device = resolve_device(request.device)
        self.accelerator = Accelerator(cpu=device.type == "cpu")
        self.optimizer = adamw(task.model, recipe.optimizer)
        # The average is taken before wrapping, so that its names are the model's own.
        self.average = AveragedModel(task.model, recipe.run.ema)
        self.average.model.to(self.accelerator.device)
        self.objective, self.wrapped = self.accelerator.prepare(task.objective, self.optimizer)
        self.start = 0

    def run(self) -> Path:
        if self.request.dry_run:
            return self._dry()
        points = self.request.out / "checkpoints"
        self.request.out.mkdir(parents=True, exist_ok=True)
        if self.request.resume and (point := checkpoint.last(points)) is not None:
            self.start = checkpoint.load(
                point,
                settings=self.recipe.settings,
                model=self.task.model,
                average=self.average.model,
                optimizer=self.optimizer,
            )
            self._say(self.start, f"resumed at step {self.start}")
        if self.accelerator.is_main_process:
            log = RunLog(self.request.out / "train.jsonl", resumed_at=self.start)
        for step in range(self.start, self.steps):
            began = time.perf_counter()
            losses = self._step(step)
            done = step + 1
            if not self.accelerator.is_main_process:
                continue
            if done == self.steps or done % self.recipe.run.validate_every == 0:
                found = self._look(done)
                losses = {**losses, **found}
            log.write(done, time.perf_counter() - began, losses)
            self.report(TrainProgress(done, self.steps, losses))
            if done == self.steps or done % self.recipe.run.checkpoint_every == 0:
                checkpoint.save(
                    points,
                    step=done,
                    settings=self.recipe.settings,
                    model=self.task.model,
                    average=self.average.model,
                    optimizer=self.optimizer,
                )
        self.accelerator.wait_for_everyone()
        folder = self.request.out / "model"
        if self.accelerator.is_main_process:
            self.task.export(self.average.model, folder, self.steps)
            self._say(self.steps, f"exported {folder.name}")
        return folder

    def _step(self, step: int) -> dict[str, float]:
        rate = learning_rate(self.recipe.optimizer, step, self.recipe.run.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        device = self.accelerator.device
        batch = {name: tensor.to(device) for name, tensor in self.task.batch(step, rank, ranks).items()}
        self.objective.train()
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=self.recipe.run.precision == "bf16")
        with autocast:
            terms = self.objective(batch)
        loss = terms["loss"]
        if not bool(torch.isfinite(loss)):
            raise DataError(
                f"the loss is not finite at step {step + 1}",
                remedy="Lower the learning rate, or resume with precision float32.",
            )
        self.accelerator.backward(loss)
        values = {name: float(term.detach()) for name, term in terms.items()}
        if self.recipe.optimizer.clip > 0:
            norm = self.accelerator.clip_grad_norm_(self.task.model.parameters(), self.recipe.optimizer.clip)
            values["gradient_norm"] = float(norm)
        self.wrapped.step()
        self.wrapped.zero_grad()
        self.average.update(self.task.model, step + 1)
        return values | {"lr": rate}

    def _look(self, step: int) -> Mapping[str, float]:
        model = self.average.model if self.recipe.run.ema > 0 else self.task.model
        with torch.no_grad():
            found = self.task.validate(model)
            grid = self.task.samples(model)
        if grid is not None:
            folder = self.request.out / "samples"
            folder.mkdir(exist_ok=True)
            write_png(folder / f"step_{step:07d}.png", grid)
        said = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        self._say(step, f"validation: {said}")
        return found

    def _dry(self) -> Path:
        began = time.perf_counter()
        for step in range(DRY_STEPS):
            losses = self._step(step)
            self.report(TrainProgress(step + 1, DRY_STEPS, losses))
        seconds = (time.perf_counter() - began) / DRY_STEPS
        peak = peak_memory_bytes()
        memory = "" if peak is None else f", peak memory {peak / 2**20:.0f} MiB"
        self._say(DRY_STEPS, f"{seconds:.3f} seconds a step{memory}")
        return self.request.out

    def _say(self, step: int, message: str) -> None:
        if self.accelerator.is_main_process:
            self.report(TrainProgress(step, self.steps, {}, message))
