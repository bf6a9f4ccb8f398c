"""A small experiment on disk, and results of its jobs without any training."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from alphabench.experiments.jobs import Job, Outcome, write_outcome
from alphabench.experiments.judging import Row
from alphabench.experiments.plan import Experiment, read_experiment

TOML = """
title = "Does it matter?"
question = "Whether it matters."
recipe = "alphavae/mini"
model = "alphavae"
seeds = [1, 2, 3]
primary = "psnr"
primary_set = "few"
report = ["psnr", "mad"]

[set]
"run.precision" = "float32"

[scales.screening]
"data.size" = 64
"run.steps" = 8

[scales.confirm]
"data.size" = 128
"run.steps" = 16

[[judged]]
name = "few"
data = "alpha-mini"
images = 4

[[arms]]
name = "strong"
label = "a large change"
set = { "loss.kl_weight" = 0.5, "loss.perceptual_weight" = 0.25 }
confirm = { "loss.kl_weight" = 0.25 }

[[arms]]
name = "idle"
label = "a change that does nothing"
set = { "loss.kl_weight" = 0.0 }

[[claims]]
text = "A large change is worse."
arm = "strong"
expected = "worse"

[[claims]]
text = "No change is no change."
arm = "idle"
expected = "equal"
margin = 0.5
"""


@pytest.fixture
def experiment_file(tmp_path: Path) -> Path:
    path = tmp_path / "matter.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


@pytest.fixture
def small_experiment(experiment_file: Path) -> Experiment:
    return read_experiment(experiment_file)


@pytest.fixture
def pretend() -> Callable[[Job, Path], None]:
    """Return a stand-in for training: PSNR about 30 dB, less 5 dB where the divergence weighs a lot."""

    def finish(job: Job, root: Path) -> None:
        weight, seed = job.recipe["loss"]["kl_weight"], job.recipe["run"]["seed"]
        job.folder(root).mkdir(parents=True, exist_ok=True)
        write_outcome(job, root, outcome(30 - 5 * (weight > 0.1) + 0.01 * seed, numbers={"kl": weight}))

    return finish


def outcome(psnr: float, *, samples: int = 4, numbers: Mapping[str, float] | None = None, seed: int = 0) -> Outcome:
    spread = np.random.default_rng(seed).normal(0, 2, samples)
    rows = [Row("few", f"s{index}", "all", "psnr", psnr + float(spread[index])) for index in range(samples)]
    rows += [Row("few", f"s{index}", "all", "mad", 0.01) for index in range(samples)]
    return Outcome(tuple(rows), dict(numbers or {}))
