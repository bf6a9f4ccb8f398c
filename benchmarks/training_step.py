"""Share of a training step that is not the model's: loader, random numbers, checks, averaging, log.

Run: python benchmarks/training_step.py [--recipe mini] [--steps N]

Rounds of the whole loop and of a bare step (forward, losses, backward, clipping, optimiser on one batch held in
memory, nothing else) take turns, so that a busy machine disturbs both alike; the ratio of the medians is what
should hold anywhere. The parts of the difference are timed one by one below it.
"""

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table

from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import AlphaRecipe
from reference_models.alphavae.folder import base_folder
from reference_models.alphavae.train import AlphaTask
from reference_models.training import procedural
from reference_models.training.loop import Recipe
from reference_models.training.optimizer import learning_rate, optimizer_of, set_learning_rate
from reference_models.training.progress import TrainProgress
from reference_models.training.run_log import RunLog
from reference_models.training.step import Stepper
from reference_models.training.streams import array_stream

CONFIGS = Path(__file__).parents[1] / "reference_models" / "alphavae" / "configs"
WARM_UP = 3  # steps that are not counted
WARMING = 10  # samples a procedural image, so that nearly every one is drawn before
MORE = 10_000  # steps that the timed recipe says it has: none of them is the last one


def ignore(_: TrainProgress) -> None:
    """Take no notice."""


@contextmanager
def taken(seconds: list[float]) -> Iterator[None]:
    """Append the seconds that the body takes."""
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


class Bare:
    """The model's own work on one batch: what a step cannot do without."""

    def __init__(self, task: AlphaTask, recipe: AlphaRecipe) -> None:
        self.task, self.recipe = task, recipe
        self.optimizer = optimizer_of(task.model, recipe.optimizer)
        self.held = task.batch(0, 0, 1)
        task.objective.train()

    def step(self, step: int) -> None:
        """Forward, losses, backward, clipping and optimiser."""
        set_learning_rate(self.optimizer, learning_rate(self.recipe.optimizer, step, self.recipe.run.steps))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.run.precision == "bf16"):
            loss = self.task.objective(self.held)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.task.model.parameters(), self.recipe.optimizer.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()


def timed(work: Callable[[], object], count: int) -> float:
    """Return the median seconds of `count` calls."""
    seconds: list[float] = []
    for _ in range(count):
        with taken(seconds):
            work()
    return statistics.median(seconds)


@click.command()
@click.option("--recipe", "name", default="mini", show_default=True, help="A bundled AlphaVAE recipe, or its file.")
@click.option("--steps", default=30, show_default=True, help="Steps of either kind.")
@click.option("--images", default=200, show_default=True, help="Procedural images to draw.")
@click.option("--workers", default=-1, show_default=True, help="Threads of the loader; -1 as in the recipe.")
def main(name: str, steps: int, images: int, workers: int) -> None:
    """Print two tables."""
    path = CONFIGS / f"{name}.toml" if (CONFIGS / f"{name}.toml").is_file() else Path(name)
    recipe = read_toml_settings(path, AlphaRecipe)
    drawn, length = recipe.data.procedural_images, recipe.run.steps
    data = dataclasses.replace(recipe.data, procedural_images=images)
    if workers >= 0:
        data = dataclasses.replace(data, workers=workers)
    recipe = dataclasses.replace(recipe, data=data, run=dataclasses.replace(recipe.run, steps=MORE))
    base = base_folder(recipe.model.base, path)
    whole_task, bare_task = (AlphaTask(recipe, base, ignore) for _ in range(2))
    loop = Recipe(recipe.optimizer, recipe.run, "")
    for first in range(0, WARMING * images, recipe.data.batch):
        whole_task.pool.samples(2, range(first, first + recipe.data.batch))
    stepper, bare = Stepper(whole_task, loop, Accelerator(cpu=True)), Bare(bare_task, recipe)
    numbers = itertools.count()
    whole_seconds: list[float] = []
    bare_seconds: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        request = TrainRequest(out=Path(scratch), device="cpu")
        log = RunLog(request.out / "train.jsonl", resumed_at=0)
        for step in range(WARM_UP + steps):
            with taken(whole_seconds):
                values = stepper.step(step)
                log.write(step + 1, 1.0, values)
            with taken(bare_seconds):
                bare.step(step)
        parts = {
            "a batch, not prepared ahead": timed(lambda: whole_task.pool.samples(1, range(recipe.data.batch)), steps),
            "moving average of the weights": timed(lambda: stepper.average.update(whole_task.model, 10), steps),
            "gradient norm": timed(
                lambda: torch.nn.utils.get_total_norm([p.detach() for p in whole_task.model.parameters()]), steps
            ),
            "a line of the log": timed(lambda: log.write(1, 1.0, values), steps),
        }
        drawing = timed(lambda: procedural.image(array_stream(0, next(numbers), "new"), data.procedural_size), steps)
        parts[f"drawing {drawn:,} images once, over {length:,} steps"] = drawing * drawn / length
    for task in (whole_task, bare_task):
        task.pool.close()
    whole, plain = (statistics.median(seconds[WARM_UP:]) for seconds in (whole_seconds, bare_seconds))
    table = Table(title=f"a step of {path.stem}, {torch.get_num_threads()} threads, median of {steps} in turns")
    for column in ("step", "ms", "of the bare step"):
        table.add_column(column, justify="left" if column == "step" else "right")
    table.add_row("bare: forward, losses, backward, optimiser", f"{1e3 * plain:.1f}", "1.000")
    table.add_row("whole: loader, checks, average and log as well", f"{1e3 * whole:.1f}", f"{whole / plain:.3f}")
    for part, seconds in parts.items():
        table.add_row(f"  {part}", f"{1e3 * seconds:.2f}", f"{seconds / plain:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
