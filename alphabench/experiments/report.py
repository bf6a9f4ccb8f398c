"""The result of an experiment at one scale: effects, claims and how they came about, as one document."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from alphabench.errors import DataError, IncompleteError
from alphabench.experiments.effects import NO_DIFFERENCE, Effect, effects_of, intervals_of, verdict_of
from alphabench.experiments.jobs import Job, Outcome, read_outcome
from alphabench.experiments.measures import measure_of
from alphabench.experiments.plan import Claim, Experiment
from alphabench.experiments.running import why
from alphabench.models.recipe_file import merged
from alphabench.results.durable import write_durably
from alphabench.version import __version__

FORMAT = 1
RESULTS = "results.json"
MAPPINGS = ("setting", "labels", "changes", "numbers")
Standing = Literal["holds", "contradicted", "not shown", "not run", "not asked"]


@dataclass(frozen=True)
class Judgement:
    """What this experiment says of one claim.

    Attributes:
        claim: the claim.
        standing: `holds`, `contradicted` (the opposite was shown), `not shown`, `not run`, or `not asked` where
            trainings of this scale cannot answer it.
        effect: the effect that decides; None where it was not run or not asked.
    """

    claim: Claim
    standing: Standing
    effect: Effect | None


@dataclass(frozen=True)
class Result:
    """An experiment at one scale.

    Attributes:
        experiment: name.
        title: heading.
        question: what was asked.
        note: what the arms cannot tell.
        scale: `screening` or `confirm`.
        setting: recipe, crop, batch, steps, precision, seeds, judged sets: what each table states; `shared` has
            the keys of the recipe that the experiment sets for all arms, as the base arm has them.
        base: name of the base arm.
        labels: what is different in each arm, by its name, the base first.
        changes: the changed keys of each arm.
        primary: the measure that decides.
        primary_set: on which set.
        report: the measures of the page.
        effects: each arm against the base arm, base excluded.
        judgements: what is said of the claims.
        failures: jobs without a result, as sentences.
        command: the command that makes this again.
        numbers: measures of whole runs by arm, means over the seeds that all arms have: those too that only some
            arms have.
        version: version of the package.
    """

    experiment: str
    title: str
    question: str
    note: str
    scale: str
    setting: Mapping[str, Any]
    base: str
    labels: Mapping[str, str]
    changes: Mapping[str, Any]
    primary: str
    primary_set: str
    report: tuple[str, ...]
    effects: tuple[Effect, ...]
    judgements: tuple[Judgement, ...]
    failures: tuple[str, ...]
    command: str
    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    version: str = __version__

    def effect(self, arm: str, judged: str, measure: str) -> Effect | None:
        """Return the effect of one arm on one measure, or None."""
        wanted = (arm, judged, measure)
        return next((e for e in self.effects if (e.arm, e.judged, e.measure) == wanted), None)

    @property
    def setting_line(self) -> str:
        """Return scale, crop, batch, steps and seeds in one line, for the head of every table."""
        facts = self.setting
        if "line" in facts:  # nothing was trained
            return str(facts["line"])
        seeds = ", ".join(map(str, facts["seeds"]))
        parts = (f"crops of {facts['crop']}", f"batch {facts['batch']}", f"{facts['steps']} steps", f"seeds {seeds}")
        return f"{self.scale} scale: {', '.join(parts)}"

    def moved(self, at_least: float = 0.0) -> list[str]:
        """Return the arms whose primary effect is shown, and not smaller than `at_least`."""
        return self._shown([self.effect(arm, self.primary_set, self.primary) for arm in self.labels], at_least)

    def showed_an_effect(self, at_least: float = 0.0) -> list[str]:
        """Return the arms that `moved`, and those that moved what a claim about them names instead."""
        claimed = self._shown([item.effect for item in self.judgements], at_least)
        return [arm for arm in self.labels if arm in {*self.moved(at_least), *claimed}]

    def _shown(self, effects: Sequence[Effect | None], at_least: float) -> list[str]:
        return [
            effect.arm
            for effect in effects
            if effect is not None
            and effect.verdict != NO_DIFFERENCE
            and (effect.measure != self.primary or abs(effect.difference) >= at_least)
        ]


def result_of(
    experiment: Experiment, scale: str, jobs: Mapping[tuple[str, int], Job], root: Path, *, command: str
) -> Result:
    """Return the result of an experiment from the stored results of its jobs.

    Args:
        experiment: the experiment.
        scale: its scale.
        jobs: the job of each arm and seed, base arm included.
        root: the output root.
        command: what makes this again.

    Raises:
        IncompleteError: the base arm has no result with any seed.
        DataError: a stored result is damaged.
    """
    outcomes: dict[str, dict[int, Outcome]] = {arm: {} for arm, _ in jobs}
    failures = []
    for (arm, seed), job in jobs.items():
        if job.done(root):
            outcomes[arm][seed] = read_outcome(job, root)
        else:
            failures.append(f"{arm}, seed {seed}: {why(job, root)}")
    if not outcomes.get(experiment.base):
        raise IncompleteError(
            f"the base arm {experiment.base!r} of {experiment.name} has no result: {failures[0]}",
            remedy="Mend the cause and repeat the command: finished jobs are kept.",
        )
    done = [arm for arm, results in outcomes.items() if results and arm != experiment.base]
    base = outcomes[experiment.base]
    effects = [effect for arm in done for effect in effects_of(arm, experiment.base, outcomes[arm], base)]
    first = next(job.recipe for (arm, _), job in jobs.items() if arm == experiment.base)
    # Of the seeds that all arms have, so that the columns can be compared.
    common = set.intersection(*(set(results) for results in outcomes.values() if results))
    arms = [experiment.arm(name) for name in outcomes]
    return Result(
        experiment=experiment.name,
        title=experiment.title,
        question=experiment.question,
        note=experiment.note,
        scale=scale,
        setting=_setting(experiment, scale, first, sorted({seed for _, seed in jobs})),
        base=experiment.base,
        labels={arm.name: arm.label for arm in arms},
        changes={arm.name: merged(arm.changes, arm.at.get(scale, {})) for arm in arms},
        primary=experiment.primary,
        primary_set=experiment.primary_set,
        report=experiment.report,
        effects=tuple(effects),
        numbers={
            arm: _means([outcome.numbers for seed, outcome in results.items() if seed in common])
            for arm, results in outcomes.items()
        },
        judgements=tuple(_judgement(claim, experiment, scale, outcomes) for claim in experiment.claims),
        failures=tuple(failures),
        command=command,
    )


def write_result(result: Result, folder: Path) -> None:
    """Write `results.json` (everything) and `results.csv` (the effects, one a line)."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"format": FORMAT} | dataclasses.asdict(result)
    write_durably(folder / RESULTS, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    sink = io.StringIO()
    names = [field.name for field in dataclasses.fields(Effect)]
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["experiment", "scale", *names, "unit"])
    for effect in result.effects:
        cells = [_cell(getattr(effect, name)) for name in names]
        writer.writerow([result.experiment, result.scale, *cells, measure_of(effect.measure).unit])
    write_durably(folder / "results.csv", sink.getvalue().encode())


def read_result(path: Path) -> Result:
    """Return the result in a `results.json`; verdicts follow from its numbers by today's rules.

    Raises:
        DataError: the file is absent, damaged or of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError("it has another format")
        effects = tuple(_effect(item) for item in values.pop("effects"))
        judgements = tuple(_read_judgement(item) for item in values.pop("judgements"))
        report, failures = tuple(values.pop("report")), tuple(values.pop("failures"))
        for name, value in values.items():
            wanted = dict if name in MAPPINGS else str
            if not isinstance(value, wanted):
                raise TypeError(f"{name} is {value!r}")
        return Result(effects=effects, judgements=judgements, report=report, failures=failures, **values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no result of an experiment: {error}", remedy="Make it again with `alphabench experiment run`."
        ) from error


def standing_of(claim: Claim, effect: Effect) -> Standing:
    """Return whether an effect supports a claim.

    `equal` holds only where both intervals lie inside ±margin: no difference shown is not equality.
    """
    if claim.expected == "equal":
        margin = claim.margin
        given = [bounds for bounds in intervals_of(effect) if bounds is not None]
        if given and all(-margin <= low and high <= margin for low, high in given):
            return "holds"
        outside = given and (all(low > margin for low, _ in given) or all(high < -margin for _, high in given))
        return "contradicted" if outside else "not shown"
    if effect.verdict == NO_DIFFERENCE:
        return "not shown"
    return "holds" if effect.verdict == claim.expected else "contradicted"


def _judgement(
    claim: Claim, experiment: Experiment, scale: str, outcomes: Mapping[str, Mapping[int, Outcome]]
) -> Judgement:
    if claim.scales and scale not in claim.scales:
        return Judgement(claim, "not asked", None)
    against = claim.against or experiment.base
    ours, theirs = outcomes.get(claim.arm, {}), outcomes.get(against, {})
    if not ours.keys() & theirs.keys():
        return Judgement(claim, "not run", None)
    wanted = (claim.judged or experiment.primary_set, claim.metric or experiment.primary)
    found = effects_of(claim.arm, against, ours, theirs)
    effect = next(
        (e for e in found if (e.judged, e.measure) == wanted or (e.judged, e.measure) == ("run", wanted[1])), None
    )
    return Judgement(claim, "not run" if effect is None else standing_of(claim, effect), effect)


def _means(numbers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for run in numbers for name in run)
    return {name: fmean(run[name] for run in numbers if name in run) for name in names}


def _setting(experiment: Experiment, scale: str, recipe: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    data, run = recipe.get("data", {}), recipe.get("run", {})
    size = data.get("size")
    return {
        "recipe": experiment.recipe,
        "crop": f"{size}²" if size else "?",
        "batch": data.get("batch", "?"),
        "steps": run.get("steps", "?"),
        "precision": run.get("precision", "?"),
        "seeds": list(seeds),
        "judged": {judged.name: judged.folder or judged.data or judged.captions for judged in experiment.judged},
        "shared": _picked(recipe, merged(experiment.changes, experiment.scales.get(scale, {}))),
    }


def _picked(recipe: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recipe has under the keys of `keys`, tables within tables."""
    return {
        name: _picked(recipe[name], value) if isinstance(value, Mapping) else recipe[name]
        for name, value in keys.items()
        if name in recipe
    }


def _read_judgement(values: Mapping[str, Any]) -> Judgement:
    told = values["claim"]
    claim = Claim(**{**told, "scales": tuple(told.get("scales", ()))})
    if values["effect"] is None:
        return Judgement(claim, values["standing"], None)
    effect = _effect(values["effect"])
    return Judgement(claim, standing_of(claim, effect), effect)


def _effect(values: Mapping[str, Any]) -> Effect:
    effect = Effect(**{**values, "seeds": tuple(values["seeds"])})
    return dataclasses.replace(effect, verdict=verdict_of(effect.measure, *intervals_of(effect)))


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
