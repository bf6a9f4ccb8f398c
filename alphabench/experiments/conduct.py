"""Conduct an experiment: its jobs done, its result computed, its files written."""

import dataclasses
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.experiments.jobs import Job, job_of
from alphabench.experiments.plan import SCALES, Experiment
from alphabench.experiments.report import RESULTS, Result, read_result, result_of, write_result
from alphabench.experiments.running import Labour, run_jobs
from alphabench.experiments.story import write_page


@dataclass(frozen=True)
class Wish:
    """Which part of an experiment is wanted.

    Attributes:
        scale: `screening` or `confirm`.
        arms: names, the base arm always being added; None takes all at screening, and at the confirm scale
            those that showed an effect at screening (`Result.showed_an_effect` of `confirm_from`), those of
            claims that screening cannot answer, and what the claims compare them with.
        seeds: replace the experiment's.
        steps: replace the scale's.
    """

    scale: str = "screening"
    arms: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    steps: int | None = None


def conduct(
    experiment: Experiment, wish: Wish, root: Path, labour: Labour, report: Callable[[int, int, str], None]
) -> tuple[Result, Path]:
    """Do what is missing of an experiment and return its result and the folder that it is written to.

    Raises:
        UsageError: an unknown scale or arm; a confirm scale without arms before screening was done, or where it
            showed no effect.
        IncompleteError: the base arm has no result.
    """
    if wish.scale not in SCALES:
        raise UsageError(f"there is no scale called {wish.scale!r}", remedy=f"Scales: {', '.join(SCALES)}.")
    if wish.seeds is not None and (not wish.seeds or len(set(wish.seeds)) < len(wish.seeds)):
        raise UsageError("the seeds are empty or name one twice", remedy="Name each seed once, as in --seeds 1,2,3.")
    if wish.arms is None and wish.scale != SCALES[0]:
        # Named, so that the page's command makes the same anew wherever no screening was done.
        wish = dataclasses.replace(wish, arms=_confirmed_arms(experiment, wish, root))
    jobs = jobs_of(experiment, wish)
    run_jobs(list(jobs.values()), root, labour, report)
    result = result_of(experiment, wish.scale, jobs, root, command=command_of(experiment, wish))
    folder = result_folder(experiment, wish, root)
    write_result(result, folder)
    write_page(result, folder)
    return result, folder


def jobs_of(experiment: Experiment, wish: Wish) -> dict[tuple[str, int], Job]:
    """Return the job of each arm (all arms where none are named) and seed, seed by seed, the base arm first.

    Seed by seed, so that a run that is stopped early has whole comparisons.

    Raises:
        UsageError: as `conduct`.
    """
    names = [arm.name for arm in experiment.arms] if wish.arms is None else wish.arms
    chosen = [experiment.arm(name) for name in dict.fromkeys((experiment.base, *names))]
    seeds = wish.seeds or experiment.seeds
    return {
        (arm.name, seed): job_of(experiment, arm, seed, wish.scale, steps=wish.steps)
        for seed in seeds
        for arm in chosen
    }


def result_folder(experiment: Experiment, wish: Wish, root: Path) -> Path:
    """Return where a result is written: a trial with other steps never replaces the real one."""
    trial = "" if wish.steps is None else f"-{wish.steps}-steps"
    return root / f"{experiment.name}-{wish.scale}{trial}"


def command_of(experiment: Experiment, wish: Wish) -> str:
    """Return the command that makes the same result anew."""
    words = ["alphabench", "experiment", "run", experiment.name, "--scale", wish.scale]
    if wish.arms is not None:
        words += ["--arms", ",".join(wish.arms)]
    if wish.seeds is not None:
        words += ["--seeds", ",".join(map(str, wish.seeds))]
    if wish.steps is not None:
        words += ["--steps", str(wish.steps)]
    return f"{shlex.join(words)} --out DIR"


def _confirmed_arms(experiment: Experiment, wish: Wish, root: Path) -> tuple[str, ...]:
    screening = result_folder(experiment, dataclasses.replace(wish, scale=SCALES[0]), root) / RESULTS
    if not screening.is_file():
        raise UsageError(
            f"which arms of {experiment.name} showed an effect is not known: there is no {screening}",
            remedy="Run it with --scale screening and the same --out first, or name the arms with --arms.",
        )
    shown = read_result(screening).showed_an_effect(experiment.confirm_from)
    shown += [claim.arm for claim in experiment.claims if claim.scales and SCALES[0] not in claim.scales]
    if not shown:
        raise UsageError(
            f"no arm of {experiment.name} showed an effect at screening that is to be confirmed (in {screening})",
            remedy="Name arms with --arms to run them all the same.",
        )
    against = [claim.against for claim in experiment.claims if claim.arm in shown and claim.against]
    return tuple(arm.name for arm in experiment.arms if arm.name in {*shown, *against})
