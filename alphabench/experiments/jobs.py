"""One job: one arm trained with one seed at one scale and judged, in a folder named by what it computes."""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alphabench.errors import DataError, UsageError
from alphabench.experiments.documents import Document, with_seed, without
from alphabench.experiments.judging import Row
from alphabench.experiments.plan import Arm, Experiment, JudgedSet
from alphabench.models.recipe_file import merged, read_recipe
from alphabench.models.registry import resolve
from alphabench.results.durable import write_durably
from alphabench.tasks.training import recipe

JUDGING_VERSION = 1
"""Raised when the rows of the same model change: models stay, only their rows are made again."""

ROOT_VARIABLE = "ALPHABENCH_TRAIN_DATA"
"""Where the training images lie; the trainers read the same variable."""


@dataclass(frozen=True)
class Judging:
    """What a trained model is judged on.

    Attributes:
        model: the registry's model that loads the checkpoint.
        sets: the judged sets.
        photographs: folder of photographs under the data root, or empty.
    """

    model: str
    sets: tuple[JudgedSet, ...]
    photographs: str = ""

    @property
    def address(self) -> str:
        """Return eight hexadecimal digits that name this judging."""
        sets = [_told(judged) for judged in self.sets]
        return _digest({"version": JUDGING_VERSION} | dataclasses.asdict(self) | {"sets": sets})[:8]


@dataclass(frozen=True)
class Job:
    """What one process does: train, export, judge.

    Two experiments that ask for the same recipe share the job, as the base arm of all of them.

    Attributes:
        trainer: the room, for instance `alphavae`.
        recipe: the whole recipe, seed and steps included.
        judging: what the model is judged on.
        inputs: digests of the models that the recipe builds on, where its trainer tells them.
    """

    trainer: str
    recipe: Document
    judging: Judging
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def address(self) -> str:
        """Return the sixteen hexadecimal digits that name the job's folder: a hash of trainer, recipe and inputs."""
        told = {"inputs": dict(self.inputs)} if self.inputs else {}
        return _digest({"trainer": self.trainer, "recipe": self.recipe} | told)[:16]

    def folder(self, root: Path) -> Path:
        """Return the job's folder under the output `root`."""
        return root / "jobs" / self.address

    def rows_file(self, root: Path) -> Path:
        """Return the file of the job's rows."""
        return self.folder(root) / f"rows-{self.judging.address}.parquet"

    def outcome_file(self, root: Path) -> Path:
        """Return the file that says that the job is done; it is written last."""
        return self.folder(root) / f"outcome-{self.judging.address}.json"

    def failure_file(self, root: Path) -> Path:
        """Return the file that says why the job failed the last time."""
        return self.folder(root) / "failure.json"

    def done(self, root: Path) -> bool:
        """Say whether the job's result is there."""
        return self.outcome_file(root).is_file()

    def to_json(self) -> bytes:
        """Return the job as JSON, for the process that does it."""
        return json.dumps(dataclasses.asdict(self), indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Job":
        """Return the job that `to_json` wrote."""
        values = json.loads(data)
        judging = values["judging"]
        sets = tuple(JudgedSet(**judged) for judged in judging["sets"])
        judged = Judging(judging["model"], sets, judging["photographs"])
        return cls(values["trainer"], values["recipe"], judged, values["inputs"])


@dataclass(frozen=True)
class Outcome:
    """What a finished job leaves.

    Attributes:
        rows: measures image by image.
        numbers: measures of the whole run: held-out PSNR, statistics of the latents, last losses.
    """

    rows: tuple[Row, ...]
    numbers: Mapping[str, float]


def job_of(experiment: Experiment, arm: Arm, seed: int, scale: str, *, steps: int | None = None) -> Job:
    """Return the job of one arm and seed; changes lie over the base recipe in the order file, scale, arm.

    `{seed}` in their strings is the seed: an arm can take a model of its own for each.

    Raises:
        UsageError: unknown base recipe, or a scale that the experiment does not have.
    """
    if scale not in experiment.scales:
        raise UsageError(
            f"{experiment.name} has no scale called {scale!r}", remedy=f"Scales: {', '.join(experiment.scales)}."
        )
    trainer, path = recipe(experiment.recipe)
    document = without(read_recipe(path), experiment.unset)
    for changes in (experiment.changes, experiment.scales[scale], arm.changes, arm.at.get(scale, {})):
        document = merged(document, with_seed(changes, seed))
    run: Document = {"seed": seed} | ({} if steps is None else {"steps": steps})
    document = merged(document, {"trainer": trainer.name, "run": run})
    total = document["run"].get("steps")
    # One look at the end is enough, and a job is too short for resume points: each writes all moments.
    document = merged(document, {"run": {"validate_every": total, "checkpoint_every": total}})
    inputs = {} if trainer.inputs is None else resolve(trainer.inputs)(path, document)
    judging = Judging(experiment.model, experiment.judged, experiment.photographs)
    return Job(trainer.name, document, judging, inputs)


def data_root(document: Mapping[str, Any]) -> Path:
    """Return the folder that a recipe's images are relative to, as its trainer finds it."""
    return Path(os.environ.get(ROOT_VARIABLE, document.get("data", {}).get("root", "data"))).expanduser()


def write_outcome(job: Job, root: Path, outcome: Outcome) -> None:
    """Store the result of a job: the rows first, then the file that says that it is done."""
    columns = {field.name: [getattr(row, field.name) for row in outcome.rows] for field in dataclasses.fields(Row)}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    write_durably(job.rows_file(root), sink.getvalue())
    write_durably(job.outcome_file(root), json.dumps({"numbers": dict(outcome.numbers)}, indent=2).encode())
    job.failure_file(root).unlink(missing_ok=True)


def read_outcome(job: Job, root: Path) -> Outcome:
    """Return the stored result of a job.

    Raises:
        DataError: a file is damaged.
    """
    try:
        numbers = json.loads(job.outcome_file(root).read_bytes())["numbers"]
        table = pq.read_table(job.rows_file(root)).to_pydict()
        names = [field.name for field in dataclasses.fields(Row)]
        rows = tuple(Row(*values) for values in zip(*(table[name] for name in names), strict=True))
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(
            f"the result of the job {job.folder(root)} cannot be read: {error}",
            remedy="Remove the folder and repeat the command: only this job is done again.",
        ) from error
    return Outcome(rows, numbers)


def read_failure(job: Job, root: Path) -> str | None:
    """Return why a job failed the last time; None where it did not."""
    try:
        return str(json.loads(job.failure_file(root).read_bytes())["message"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        return "unknown: its failure.json cannot be read"


def unique(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs without those that compute the same, in order."""
    return list({(job.address, job.judging.address): job for job in jobs}.values())


def _told(judged: JudgedSet) -> dict[str, Any]:
    """Return the keys of a set, without those of captions where it has none: so that older addresses stay."""
    values = dataclasses.asdict(judged)
    return values if judged.captions else {name: values[name] for name in values if name not in {"captions", "split"}}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
