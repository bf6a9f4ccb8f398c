"""The one training loop: steps, averaged weights, checkpoints, log, validation, sample grids."""

import os
import time
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from safetensors import SafetensorError

from alphabench.errors import NO_SPACE, DiskFullError, Interrupted, UsageError
from alphabench.image.codec import write_png
from alphabench.models.spec import TrainRequest
from alphabench.runtime import peak_memory_bytes, resolve_device
from reference_models.training import checkpoint, run_folder
from reference_models.training.curves import write_curves
from reference_models.training.progress import Report, TrainProgress
from reference_models.training.run_log import RunLog
from reference_models.training.step import DivergedError, Stepper
from reference_models.training.task import Recipe, Task

__all__ = ["Recipe", "Task", "train"]

DRY_STEPS = 2
RECENT = 50  # steps that the remaining time is estimated from
DRAWING_PAUSE = 60.0  # seconds between drawings of the curves, which take about one


def train(task: Task, recipe: Recipe, request: TrainRequest, report: Report) -> Path:
    """Train, and return the folder of the exported checkpoint (of a dry run: the run's folder, not written).

    Raises:
        UsageError: the folder cannot be used, or holds a run and resuming was not asked for; the environment asks
            for processes or plugins that are not there.
        DataError: a loss or gradient is not finite (the state before that step is saved), or the resume point
            does not fit.
        DiskFullError: the disk is full; the last resume point is whole.
        Interrupted: Ctrl-C; the last resume point is whole.
    """
    if not request.dry_run:
        run_folder.prepare(request.out, resume=request.resume)
    try:
        return _Loop(task, recipe, request, report).run()
    except KeyboardInterrupt as stop:
        raise Interrupted("the training was stopped", remedy=f"Go on with --resume --out {request.out}.") from stop
    except (OSError, SafetensorError) as error:
        # safetensors wraps the system's error in its own and keeps only the words.
        full = getattr(error, "errno", None) in NO_SPACE or any(
            os.strerror(number) in str(error) for number in NO_SPACE
        )
        if not full:
            raise
        raise DiskFullError(
            f"no space left for {request.out}", remedy="Free some space and go on with --resume."
        ) from error


class _Loop:
    def __init__(self, task: Task, recipe: Recipe, request: TrainRequest, report: Report) -> None:
        self.task, self.recipe, self.request, self.report = task, recipe, request, report
        self.steps = DRY_STEPS if request.dry_run else recipe.run.steps
        self.points = request.out / run_folder.CHECKPOINTS
        device = resolve_device(request.device)
        self.accelerator = _accelerator(device)
        self.stepper = Stepper(task, recipe, self.accelerator)
        self.main = self.accelerator.is_main_process
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.drawn = time.perf_counter()

    def run(self) -> Path:
        trained = sum(p.numel() for p in self.task.model.parameters() if p.requires_grad)
        facts = {"parameters": float(trained), "recipe_steps": float(self.recipe.run.steps)}
        self._say(0, f"{trained:,} trained parameters", facts)
        opponent = self.stepper.opponent
        if opponent and not opponent.plays(self.recipe.run.steps - 1):
            self._say(0, f"the adversary never plays: it would start after step {opponent.adversary.start}")
        if self.request.dry_run:
            return self._dry()
        start = 0
        if self.request.resume and (point := checkpoint.last(self.points)) is not None:
            inputs = self.recipe.inputs
            start = checkpoint.load(point, settings=self.recipe.settings, state=self.stepper.state, inputs=inputs)
            self._say(start, f"resumed at step {start}")
            if checkpoint.changed_inputs(point, inputs):
                self._say(start, "the training images are not those of the run so far")
        elif self.request.resume:
            self._say(0, f"there is no checkpoint in {self.points}: the run begins anew")
        log = RunLog(self.request.out / run_folder.LOG, resumed_at=start) if self.main else None
        try:
            for step in range(start, self.steps):
                self._one(step, log)
        finally:
            self._draw_curves()
        self.accelerator.wait_for_everyone()
        folder = self.request.out / run_folder.MODEL
        if self.main:
            self.task.export(self.stepper.average.model, folder, self.steps)
            self._say(self.steps, f"exported {folder.name}")
        return folder

    def _one(self, step: int, log: RunLog | None) -> None:
        """Do one step and, in the main process, what is due after it."""
        began = time.perf_counter()
        try:
            values = self.stepper.step(step)
        except DivergedError:
            if self.main and checkpoint.last(self.points) != self.points / f"step_{step:07d}":
                self._save(step)
            raise
        if log is None:
            return
        self.recent.append(time.perf_counter() - began)
        done = step + 1
        due = done == self.steps or done % self.recipe.run.validate_every == 0
        if due:
            values |= self._look(done)
        log.write(done, time.perf_counter() - began, values)
        remaining = (self.steps - done) * sum(self.recent) / len(self.recent)
        self.report(TrainProgress(done, self.steps, values, remaining_seconds=remaining))
        if due and done < self.steps and time.perf_counter() - self.drawn > DRAWING_PAUSE:
            self._draw_curves()
        if done == self.steps or done % self.recipe.run.checkpoint_every == 0:
            self._save(done)

    def _save(self, step: int) -> None:
        recipe, state = self.recipe, self.stepper.state
        checkpoint.save(self.points, step=step, settings=recipe.settings, state=state, inputs=recipe.inputs)

    def _look(self, step: int) -> Mapping[str, float]:
        model = self.stepper.average.model if self.recipe.run.ema > 0 else self.task.model
        with torch.no_grad(), self._uncompiled():
            found = self.task.validate(model)
            grid = self.task.samples(model)
        if grid is not None:
            folder = self.request.out / run_folder.SAMPLES
            folder.mkdir(exist_ok=True)
            write_png(folder / f"step_{step:07d}.png", grid)
        said = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        self._say(step, f"validation: {said}")
        return found

    def _uncompiled(self) -> AbstractContextManager[object]:
        """Compile nothing: what is looked at has other shapes than a batch, and is computed sooner than compiled."""
        return torch.compiler.set_stance("force_eager") if self.recipe.run.compile else nullcontext()

    def _draw_curves(self) -> None:
        """Draw the curves of the log; no training fails of its pictures."""
        if not self.main:
            return
        self.drawn = time.perf_counter()
        try:
            write_curves(self.request.out / run_folder.LOG, self.request.out)
        except (OSError, ImportError) as error:
            self._say(0, f"the curves could not be drawn: {error}")

    def _dry(self) -> Path:
        """Do the first step, and one with the adversary where the recipe has one: it needs the most memory."""
        opponent = self.stepper.opponent
        later = min(max(1, opponent.adversary.start), self.recipe.run.steps - 1) if opponent else 1
        for count, step in enumerate((0, later), start=1):
            began = time.perf_counter()
            losses = self.stepper.step(step)
            seconds = time.perf_counter() - began
            self.report(TrainProgress(count, DRY_STEPS, losses))
        device = self.accelerator.device
        peak = peak_memory_bytes(device)
        whose, name = ("GPU ", "peak_gpu_memory_bytes") if device.type == "cuda" else ("", "peak_memory_bytes")
        memory = "" if peak is None else f", peak {whose}memory {peak / 2**20:.0f} MiB"
        facts = {"seconds_per_step": seconds} | ({} if peak is None else {name: float(peak)})
        self._say(DRY_STEPS, f"{seconds:.3f} seconds a step{memory}", facts)
        return self.request.out

    def _say(self, step: int, message: str, facts: Mapping[str, float] | None = None) -> None:
        if self.main:
            self.report(TrainProgress(step, self.steps, {}, message, facts=facts or {}))


def _accelerator(device: torch.device) -> Accelerator:
    """Return the processes of the training.

    Precision, accumulation and compilation are the recipe's: said here, no variable of the environment can change
    them.
    """
    try:
        return Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            dynamo_backend="no",
        )
    except (ImportError, ValueError, RuntimeError, AssertionError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"the training cannot be set up as the environment asks: {why}",
            remedy="Start several processes by torchrun; for one, unset WORLD_SIZE, RANK and the variables that "
            "begin with ACCELERATE_.",
        ) from error
