"""Conduct a comparison: judge each checkpoint in a process of its own, compare in pairs, write result and page."""

import dataclasses
import json
import multiprocessing
import shlex
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.experiments.comparison_page import write_comparison_page
from alphabench.experiments.comparison_plan import Comparison, GivenArm
from alphabench.experiments.jobs import Job, Judging, Outcome, data_root, write_outcome
from alphabench.experiments.plan import Arm, Experiment
from alphabench.experiments.report import Result, result_of, write_result
from alphabench.experiments.running import Labour
from alphabench.files import sha256_of
from alphabench.models.registry import load_model, model_spec
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.results.durable import readable_refusals, write_durably

VERSION = 1
"""Raised when the rows of the same checkpoint change."""

SETTINGS_FILE = "alphabench.toml"
"""What a trainer writes beside its weights: the recipe and how far it went."""

SEED = 0
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Judged:
    """What the process of one arm gives back; an error travels as its kind, message and remedy.

    Attributes:
        outcome: rows and numbers; None after an error.
        facts: who the model is and how it was trained.
        fault: the error; None without one.
    """

    outcome: Outcome | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fault: tuple[type[AlphabenchError], str, str] | None = None


def conduct_comparison(
    comparison: Comparison, weights: Mapping[str, Path], root: Path, labour: Labour, report: Report
) -> tuple[Result, Path]:
    """Judge what is not judged yet and return the result and the folder that it is written to.

    An arm that needs weights and was given none is left out, and the page says so.

    Args:
        comparison: what to compare.
        weights: checkpoint folders by arm.
        root: the output root.
        labour: threads and device; one arm is judged at a time, so that none disturbs the timing of another.
        report: called with done, total and a note.

    Raises:
        UsageError: weights for an arm that is not there, or for the base arm none at all.
        AlphabenchError: a checkpoint cannot be loaded, or an image cannot be read.
    """
    if unknown := [name for name in weights if name not in comparison.arm_names]:
        raise UsageError(
            f"{comparison.name} has no arm called {unknown[0]!r}", remedy=f"Arms: {', '.join(comparison.arm_names)}."
        )
    folders = {arm.name: _folder_of(arm, weights) for arm in comparison.arms if _is_there(arm, weights)}
    if comparison.base not in folders or len(folders) < 2:
        raise UsageError(
            f"{comparison.name} needs checkpoints for {comparison.base!r} and at least one other arm",
            remedy="Name each by --checkpoint ARM=FOLDER.",
        )
    jobs, facts = {}, {}
    for number, arm in enumerate(arm for arm in comparison.arms if arm.name in folders):
        job = _job(comparison, arm, folders[arm.name], labour)
        facts_file = job.folder(root) / "facts.json"
        if not (job.done(root) and facts_file.is_file()):
            report(number, len(folders), f"judging {arm.name}")
            _judge_apart(comparison, arm, folders[arm.name], job, root, labour)
        facts[arm.name] = _read_facts(facts_file)
        jobs[arm.name, SEED] = job
        report(number + 1, len(folders), arm.name)
    result = result_of(_as_experiment(comparison), "comparison", jobs, root, command=command_of(comparison, weights))
    left_out = tuple(f"{name}: no checkpoint was named" for name in comparison.arm_names if name not in folders)
    result = dataclasses.replace(
        result,
        setting={
            "line": "finished checkpoints",
            "timing": f"device {labour.device}, {labour.threads} CPU thread{'s' if labour.threads > 1 else ''}",
            "judged": {judged.name: judged.folder or judged.data for judged in comparison.judged},
            "arms": facts,
            "main_set": comparison.main_set.name,
        },
        failures=(*result.failures, *left_out),
    )
    folder = root / comparison.name
    with readable_refusals(folder):
        write_result(result, folder)
        write_comparison_page(result, folder)
    return result, folder


def command_of(comparison: Comparison, weights: Mapping[str, Path]) -> str:
    """Return the command that makes the same result anew, whatever the folders are called there."""
    words = ["alphabench", "experiment", "compare", comparison.name]
    for name in weights:
        words += ["--checkpoint", f"{name}=FOLDER"]
    return f"{shlex.join(words)} --out DIR"


def facts_of(info: ModelInfo, folder: Path | None) -> dict[str, Any]:
    """Return what must be equal for a fair pair, as far as model and checkpoint folder say it.

    Raises:
        DataError: the recipe beside the weights is no TOML.
    """
    path = Path() if folder is None else folder / SETTINGS_FILE
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no TOML: {error}", remedy="Remove the file, or write it again.") from error
    tables = {name: settings.get(name, {}) for name in ("model", "data", "run", "closing")}
    config = dict(info.config)
    digest = settings.get("base_sha256") or config.get("base_sha256") or ""
    facts = {
        "architecture": info.architecture,
        "parameters": info.parameters,
        "latent numbers per pixel": info.latent_numbers_per_pixel,
        "base": tables["model"].get("base") or config.get("base"),
        "base SHA-256": str(digest)[:12] or None,
        "trained on": ", ".join(info.trained_on) or None,
        "training data SHA-256": str(settings.get("data_sha256", ""))[:12] or None,
        "steps": settings.get("step") or tables["run"].get("steps"),
        "batch": tables["data"].get("batch"),
        "crop": tables["data"].get("size"),
        "last steps on other crops": ", ".join(f"{key} {value}" for key, value in tables["closing"].items()) or None,
        "passes of the decoder": config.get("ensemble"),
        "weights SHA-256": ", ".join(f"{role} {digest[:12]}" for role, digest, _ in info.checkpoints),
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def judge_arm(
    comparison: Comparison, model: str, folder: Path | None, images: Path, device: str, threads: int
) -> Judged:
    """Do the work of one arm; this is what its process runs."""
    import torch

    from alphabench.experiments.comparison_judging import judge_checkpoint
    from alphabench.runtime import resolve_device

    torch.set_num_threads(threads)
    try:
        place = str(resolve_device(device))
        loaded = load_model(model, LoadRequest(checkpoint=folder, device=place))
        outcome = judge_checkpoint(
            loaded,
            comparison.judged,
            comparison.main_set,
            data_root=images,
            device=place,
            by_region=comparison.regions,
        )
        return Judged(outcome, facts_of(loaded.info, folder))
    except AlphabenchError as error:
        return Judged(fault=(type(error), error.message, error.remedy))


def _is_there(arm: GivenArm, weights: Mapping[str, Path]) -> bool:
    return arm.weights == "bundled" or arm.name in weights


def _folder_of(arm: GivenArm, weights: Mapping[str, Path]) -> Path | None:
    """Return the arm's checkpoint; None for a model that has no weights at all."""
    return weights[arm.name] if arm.name in weights else model_spec(arm.model).weights


def _job(comparison: Comparison, arm: GivenArm, folder: Path | None, labour: Labour) -> Job:
    """Return the arm's job, whose address knows the weights and all that its numbers depend on."""
    if folder is not None and not folder.is_dir():
        raise DataError(
            f"{arm.name}: there is no checkpoint folder {folder}",
            remedy=f"Train it, or name another one by --checkpoint {arm.name}=FOLDER.",
        )
    paths = [] if folder is None else sorted(path for path in folder.glob("*") if path.is_file())
    files = {path.name: sha256_of(path) for path in paths}
    document = {
        "version": VERSION,
        "model": arm.model,
        "files": files,
        "timed": comparison.main_set.name,
        "regions": comparison.regions,
        "threads": labour.threads,
        "device": labour.device,
    }
    return Job("comparison", document, Judging(arm.model, comparison.judged))


def _judge_apart(
    comparison: Comparison, arm: GivenArm, folder: Path | None, job: Job, root: Path, labour: Labour
) -> None:
    """Judge an arm in a fresh process, so that its memory is its own, and store what came of it."""
    task = (comparison, arm.model, folder, data_root({}), labour.device, labour.threads)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            judged = pool.submit(judge_arm, *task).result()
        except BrokenProcessPool as error:
            raise DataError(
                f"the process that judged {arm.name} died", remedy="Most often memory was short: free some, and repeat."
            ) from error
    if judged.fault is not None:
        kind, message, remedy = judged.fault
        raise kind(f"{arm.name}: {message}", remedy=remedy)
    assert judged.outcome is not None
    with readable_refusals(root):
        job.folder(root).mkdir(parents=True, exist_ok=True)
        write_durably(job.folder(root) / "facts.json", json.dumps(dict(judged.facts), indent=1).encode())
        write_outcome(job, root, judged.outcome)


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", remedy="Remove its folder and repeat.") from error
    return facts


def _as_experiment(comparison: Comparison) -> Experiment:
    """Return the comparison in the shape that results are made of: nothing changes a recipe, one seed."""
    return Experiment(
        name=comparison.name,
        title=comparison.title,
        question=comparison.question,
        recipe="-",
        model="-",
        base=comparison.base,
        arms=tuple(Arm(arm.name, arm.label) for arm in comparison.arms),
        unset=(),
        changes={},
        scales={},
        seeds=(SEED,),
        judged=comparison.judged,
        photographs="",
        primary=comparison.primary,
        primary_set=comparison.main_set.name,
        report=comparison.report,
        claims=comparison.claims,
        note=comparison.note,
    )
