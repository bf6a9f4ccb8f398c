"""The process of one job: `python -m alphabench.experiments.worker ROOT JOB --device cpu --threads 1`."""

import argparse
import json
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alphabench.errors import AlphabenchError, DataError, Interrupted
from alphabench.experiments.documents import to_toml
from alphabench.experiments.jobs import Job, Outcome, data_root, write_outcome
from alphabench.models.registry import load_generator, load_model, model_spec, resolve, trainer_spec
from alphabench.models.spec import LoadRequest, TrainRequest
from alphabench.results.durable import write_durably
from alphabench.results.lock import RunLock

FAILED = 3
BUSY = 75
"""Exit code: another process does this job already."""

LAST_STEPS = 50
"""Training steps whose logged terms are averaged."""


def work(job: Job, root: Path, *, device: str) -> None:
    """Do a job: train unless the model is there, judge, store the result.

    Raises:
        AlphabenchError: the trainer or the judging refused.
    """
    folder = job.folder(root)
    trained = folder / "trained.json"
    if not trained.is_file():
        began = time.monotonic()
        model = _train(job, folder, device=device)
        facts = {"model": model.relative_to(folder).as_posix(), "training_seconds": round(time.monotonic() - began, 1)}
        write_durably(trained, json.dumps(facts).encode())
        # The moments of the optimiser are ten times the model, and a finished run is not gone on with.
        shutil.rmtree(folder / "run" / "checkpoints", ignore_errors=True)
    write_outcome(job, root, _judged(job, folder, device=device))


def last_numbers(log: Path) -> Mapping[str, float]:
    """Return the numbers of a training log, means of the last steps that have them; none without a log.

    Raises:
        DataError: a line is no JSON.
    """
    if not log.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise DataError(f"the training log {log} cannot be read: {error}", remedy="Remove the job's folder.") from error
    columns: dict[str, list[float]] = {}
    for line in lines[-LAST_STEPS:]:
        for name, value in line.items():
            if isinstance(value, int | float) and name not in {"step", "seconds", "lr"}:
                columns.setdefault(name, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in columns.items()}


def _train(job: Job, folder: Path, *, device: str) -> Path:
    run = (folder / "run").resolve()
    shutil.rmtree(run, ignore_errors=True)  # what a killed process left: it had no resume point
    recipe = folder / "recipe.toml"
    write_durably(recipe, to_toml(job.recipe).encode())
    train = resolve(trainer_spec(job.trainer).run)
    model = Path(train(recipe, TrainRequest(out=run, device=device), _log)).resolve()
    if not model.is_relative_to(run) or not model.exists():
        raise DataError(f"the trainer {job.trainer!r} left no checkpoint in {run}", remedy="Mend the trainer.")
    return folder / "run" / model.relative_to(run)


def _judged(job: Job, folder: Path, *, device: str) -> Outcome:
    from alphabench.experiments.judging import judge
    from alphabench.experiments.judging_generators import judge_generator
    from alphabench.runtime import resolve_device

    place = str(resolve_device(device))
    facts = json.loads((folder / "trained.json").read_bytes())
    numbers = dict(last_numbers(folder / "run" / "train.jsonl"))
    numbers["training_seconds"] = facts["training_seconds"]
    request = LoadRequest(checkpoint=folder / facts["model"], device=place)
    if model_spec(job.judging.model).task == "generation":
        generator = load_generator(job.judging.model, request)
        rows, distances = judge_generator(generator, job.judging.sets, data_root=data_root(job.recipe))
        return Outcome(tuple(rows), {**numbers, **distances})
    model = load_model(job.judging.model, request)
    rows = judge(
        model,
        job.judging.sets,
        data_root=data_root(job.recipe),
        photographs=job.judging.photographs,
        device=place,
    )
    config = model.info.config
    if "shift_factor" in config and "scaling_factor" in config:
        numbers |= {"latent_mean": config["shift_factor"], "latent_std": 1 / config["scaling_factor"]}
    return Outcome(tuple(rows), numbers)


def _log(state: Any) -> None:
    step, message = getattr(state, "step", 0), getattr(state, "message", None)
    if message or step % 100 == 0:
        losses = " ".join(f"{name} {value:.4g}" for name, value in getattr(state, "losses", {}).items())
        sys.stdout.write(f"{datetime.now(tz=UTC):%H:%M:%S} step {step} {message or losses}\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Do the job of a command line and return the exit code: 0, `FAILED` or `BUSY`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("job", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    import torch

    torch.set_num_threads(options.threads)
    job = Job.from_json(options.job.read_bytes())
    folder = job.folder(options.root)
    try:
        lock = RunLock(
            folder / "lock", run_hash=job.address, started=f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}", command="job"
        )
    except DataError as error:
        sys.stdout.write(f"{error}\n")
        return BUSY
    with lock:
        if job.done(options.root):
            return 0
        try:
            work(job, options.root, device=options.device)
        except Interrupted:
            return 130
        except AlphabenchError as error:
            return _failed(job, options.root, str(error).replace("\n", " "))
        except Exception as error:  # noqa: BLE001 - one job's fault must not end the others
            traceback.print_exc()
            return _failed(job, options.root, f"internal error: {type(error).__name__}: {error} (see job.log)")
    return 0


def _failed(job: Job, root: Path, message: str) -> int:
    write_durably(job.failure_file(root), json.dumps({"message": message}).encode())
    sys.stdout.write(f"failed: {message}\n")
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
