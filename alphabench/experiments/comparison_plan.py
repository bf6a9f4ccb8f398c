"""A comparison of finished checkpoints: its arms, what they are judged on, and the claims it weighs.

Nothing is trained. An arm takes the weights that its model ships with, or those that the command names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alphabench.errors import UsageError
from alphabench.experiments.finding import file_called, installed_files
from alphabench.experiments.plan import Claim, JudgedSet
from alphabench.models.checkpoints import settings_from
from alphabench.models.recipe_file import read_recipe

FOLDER = "comparisons"
"""Where comparisons lie, inside the folder of a room's experiments."""


@dataclass(frozen=True)
class GivenArm:
    """One finished checkpoint.

    Attributes:
        name: slug.
        label: what it is, in a few words.
        model: the registry's model that loads it.
        weights: `bundled` takes what the model ships with, `given` what the command names for this arm.
    """

    name: str
    label: str
    model: str
    weights: Literal["bundled", "given"] = "bundled"


@dataclass(frozen=True)
class Comparison:
    """Several checkpoints on the same images, the first arm being the one that others are compared with.

    Attributes:
        title: heading of its page.
        question: what it asks, one or two sentences.
        arms: the checkpoints, the base first.
        judged: what they reconstruct.
        primary: the measure of the plot and of the claims that name none.
        primary_set: on which set; its images are also timed.
        report: the measures of the page.
        regions: whether the measures are also taken over parts of an image by the reference's alpha.
        claims: what is expected; see `plan.Claim`.
        note: a sentence for the page about what these arms cannot tell.
        name: the file's name.
    """

    title: str
    question: str
    arms: tuple[GivenArm, ...]
    judged: tuple[JudgedSet, ...]
    primary: str = "psnr"
    primary_set: str = ""
    report: tuple[str, ...] = ("psnr", "psnr_worst_solid", "lpips-rand", "mad")
    regions: bool = True
    claims: tuple[Claim, ...] = ()
    note: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        for kind, names in (("arm", self.arm_names), ("judged set", [judged.name for judged in self.judged])):
            if not names or len(set(names)) < len(names):
                raise ValueError(f"there is no {kind}, or one is there twice: {', '.join(names) or '-'}")
        if len(self.arms) < 2:
            raise ValueError("a comparison needs at least two arms")
        sets = [judged.name for judged in self.judged]
        if self.primary_set not in ("", *sets):
            raise ValueError(f"primary_set is {self.primary_set!r}, the sets are {', '.join(sets)}")
        for claim in self.claims:
            if not {claim.arm, claim.against or self.base} <= set(self.arm_names):
                raise ValueError(f"a claim speaks of {claim.arm!r} and {claim.against!r}, which are not both arms")

    @property
    def arm_names(self) -> list[str]:
        """Return the names of the arms, the base first."""
        return [arm.name for arm in self.arms]

    @property
    def base(self) -> str:
        """Return the name of the arm that others are compared with."""
        return self.arms[0].name

    @property
    def main_set(self) -> JudgedSet:
        """Return the set whose images are timed."""
        return next((judged for judged in self.judged if judged.name == self.primary_set), self.judged[0])


def list_comparisons() -> Mapping[str, Path]:
    """Return the files of all installed comparisons by name, in alphabetical order."""
    return installed_files(FOLDER)


def find_comparison(name: str) -> Comparison:
    """Return the installed comparison called `name`, or the one in the file `name` that ends in `.toml`.

    Raises:
        UsageError: there is none, or its file is refused.
    """
    return read_comparison(file_called(name, list_comparisons(), noun="comparison"))


def read_comparison(path: Path) -> Comparison:
    """Return the comparison in a TOML file.

    Raises:
        UsageError: the file is absent or no TOML; keys are unknown, missing or of a wrong type; arms or sets have
            a name twice; a claim speaks of an arm that is not there.
    """
    document = {"name": path.stem} | read_recipe(path)
    try:
        return settings_from(document, Comparison, where=str(path))
    except ValueError as error:
        raise UsageError(f"{path}: {error}", remedy="Mend the file.") from error
