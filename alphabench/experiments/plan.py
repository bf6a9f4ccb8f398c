"""What an experiment is: a base recipe, arms that change it, seeds, scales, and what the models are judged on."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from alphabench.errors import UsageError
from alphabench.experiments.documents import nested
from alphabench.experiments.finding import file_called, installed_files
from alphabench.models.checkpoints import settings_from
from alphabench.models.recipe_file import read_recipe

Expected = Literal["better", "worse", "higher", "lower", "equal"]
SCALES = ("screening", "confirm")


def place_of(scale: str) -> int:
    """Return where a scale stands among others; what has none, a comparison of finished checkpoints, comes last."""
    return SCALES.index(scale) if scale in SCALES else len(SCALES)


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: slug.
        label: what is different, in a few words.
        changes: keys of the recipe and their values, as nested tables.
        at: more changes at one scale, by its name.
    """

    name: str
    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    at: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedSet:
    """Images that every trained model reconstructs, or makes from words; exactly one key names them.

    Attributes:
        name: what tables call them.
        folder: a folder of PNGs relative to the root of the training data.
        data: a data set that `--data` of other commands takes.
        captions: for generators, a table of JSON lines with `file` and `name` relative to the root of the training
            data; the names are the prompts, the files what is compared with.
        split: only rows of `captions` of this `split`; empty takes all.
        images: how many are taken, evenly spaced in order; 0 takes all.
        side: side in pixels of the centred part that is taken; 0 takes the whole image.
    """

    name: str
    folder: str = ""
    data: str = ""
    images: int = 0
    side: int = 0
    captions: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        if [bool(self.folder), bool(self.data), bool(self.captions)].count(True) != 1:
            raise ValueError(f"the judged set {self.name!r} needs one of folder, data and captions")
        if self.captions and self.side:
            raise ValueError(f"the judged set {self.name!r} is made from words, of which side takes no part")
        if self.images < 0 or self.side < 0:
            raise ValueError(f"images and side of the judged set {self.name!r} must not be negative")


@dataclass(frozen=True)
class Claim:
    """A sentence of the literature that an effect can support or contradict.

    Attributes:
        text: the claim, in our words.
        arm: the arm whose effect decides.
        expected: the verdict that supports it; `equal` means both intervals inside ±`margin`.
        metric: whose effect; empty takes the experiment's primary metric.
        judged: on which set; empty takes the experiment's primary set.
        against: the arm that `arm` is compared with; empty takes the base arm.
        margin: for `equal`, the largest difference that still counts as none, in the metric's unit.
        scales: the scales whose trainings can answer it; empty takes all.
    """

    text: str
    arm: str
    expected: Expected
    metric: str = ""
    judged: str = ""
    against: str = ""
    margin: float = 0.0
    scales: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Facts:
    title: str
    question: str
    recipe: str
    model: str
    primary: str
    primary_set: str
    judged: tuple[JudgedSet, ...]
    seeds: tuple[int, ...] = (1, 2, 3)
    base: str = "base"
    base_label: str = "the base recipe"
    unset: tuple[str, ...] = ()
    photographs: str = ""
    report: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    note: str = ""
    confirm_from: float = 0.0


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its TOML file says.

    Attributes:
        name: the file's name.
        title: heading of its page.
        question: what it asks, one or two sentences.
        recipe: the base recipe, as `alphabench train` takes it.
        model: the registry's model that loads what the trainer exports.
        base: name of the base arm, which changes nothing.
        arms: the arms, the base first.
        unset: keys of the base recipe that are taken out first, as `table.key`.
        changes: changes of the base recipe for all arms.
        scales: changes for all arms at one scale, by its name.
        seeds: training seeds.
        judged: what the models reconstruct.
        photographs: folder of opaque photographs, relative to the root of the training data; may be empty.
        primary: the metric that decides whether an arm showed an effect.
        primary_set: on which set.
        report: the metrics of its page, the primary one first.
        claims: what the literature says.
        note: a sentence for the page about what these arms cannot tell.
        confirm_from: the smallest effect at screening, in the unit of `primary`, that is worth a confirmation.
    """

    name: str
    title: str
    question: str
    recipe: str
    model: str
    base: str
    arms: tuple[Arm, ...]
    unset: tuple[str, ...]
    changes: Mapping[str, Any]
    scales: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    judged: tuple[JudgedSet, ...]
    photographs: str
    primary: str
    primary_set: str
    report: tuple[str, ...]
    claims: tuple[Claim, ...] = ()
    note: str = ""
    confirm_from: float = 0.0

    def arm(self, name: str) -> Arm:
        """Return the arm called `name`.

        Raises:
            UsageError: there is none.
        """
        names = [arm.name for arm in self.arms]
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{self.name} has no arm called {name!r}", remedy=f"{hint}Arms: {', '.join(names)}.")
        return self.arms[names.index(name)]


def list_experiments() -> Mapping[str, Path]:
    """Return the files of all installed experiments by name, in alphabetical order."""
    return installed_files()


def find_experiment(name: str) -> Experiment:
    """Return the installed experiment called `name`, or the one in the file `name` that ends in `.toml`.

    Raises:
        UsageError: there is none, or its file is refused.
    """
    return read_experiment(file_called(name, list_experiments(), noun="experiment"))


def read_experiment(path: Path) -> Experiment:
    """Return the experiment in a TOML file.

    Raises:
        UsageError: the file is absent or no TOML; keys are unknown, missing or of a wrong type; arms, seeds
            or sets have a name twice; a claim speaks of an arm or a set that is not there.
    """
    document = read_recipe(path)
    where = str(path)
    arms = document.pop("arms", [])
    changes = nested(_table(document.pop("set", {}), f"{where}: set"), where=where)
    scales = {
        name: nested(_table(table, f"{where}: scales.{name}"), where=where)
        for name, table in _table(document.pop("scales", {}), f"{where}: scales").items()
    }
    if unknown := [name for name in scales if name not in SCALES]:
        raise UsageError(f"{where}: unknown scale {unknown[0]!r}", remedy=f"Scales are: {', '.join(SCALES)}.")
    facts = settings_from(document, _Facts, where=where)
    if not isinstance(arms, list) or not arms:
        raise UsageError(f"{where} has no arms", remedy="Add at least one [[arms]] with a name and a label.")
    made = (Arm(facts.base, facts.base_label), *(_arm(arm, where) for arm in arms))
    report = facts.report if facts.primary in facts.report else (facts.primary, *facts.report)
    values = {name: getattr(facts, name) for name in _Facts.__dataclass_fields__ if name != "base_label"}
    values["report"] = report
    experiment = Experiment(name=path.stem, arms=made, changes=changes, scales=scales, **values)
    _check(experiment, where)
    return experiment


def _arm(values: Any, where: str) -> Arm:
    values = dict(_table(values, f"{where}: arms"))
    changes = nested(_table(values.pop("set", {}), f"{where}: arms.set"), where=where)
    at = {
        scale: nested(_table(values.pop(scale), f"{where}: arms.{scale}"), where=where)
        for scale in SCALES
        if scale in values
    }
    named = settings_from(values, _Named, where=f"{where}: arms")
    return Arm(named.name, named.label, changes, at)


@dataclass(frozen=True)
class _Named:
    name: str
    label: str


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} is {value!r}", remedy="It must be a table.")
    return value


def _check(experiment: Experiment, where: str) -> None:
    sets = [judged.name for judged in experiment.judged]
    names: dict[str, list[Any]] = {
        "arm": [arm.name for arm in experiment.arms],
        "judged set": sets,
        "seed": list(experiment.seeds),
    }
    for kind, items in names.items():
        twice = [item for item in items if items.count(item) > 1]
        if twice or not items:
            raise UsageError(
                f"{where}: the {kind} {twice[0]!r} is there twice" if twice else f"{where}: there is no {kind}",
                remedy=f"Name each {kind} once.",
            )
    arms = [arm.name for arm in experiment.arms]
    for claim in experiment.claims:
        for kind, name, known in (
            *(("scale", scale, list(SCALES)) for scale in claim.scales),
            ("arm", claim.arm, arms),
            ("arm", claim.against or experiment.base, arms),
            ("judged set", claim.judged or experiment.primary_set, sets),
        ):
            if name not in known:
                raise UsageError(
                    f"{where}: a claim speaks of the {kind} {name!r}, which is not there",
                    remedy=f"Known: {', '.join(known)}.",
                )
    if experiment.primary_set not in sets:
        raise UsageError(f"{where}: primary_set is {experiment.primary_set!r}", remedy=f"Known: {', '.join(sets)}.")
