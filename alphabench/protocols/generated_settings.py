"""The settings of the metrics that judge generated images, some of which judge pairs as well."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from alphabench.protocols.tables import Group, MetricSettings, WeightFile, only


class ReferenceFree(MetricSettings):
    """A metric of one image without reference: any entry of the catalog that looks at the prediction alone."""

    allowed: ClassVar[tuple[Group, ...]] = ("prediction",)
    modes: ClassVar[tuple[str, ...]] = ()
    generated: ClassVar[tuple[str, ...]] = ("macro",)


class OnComposites(MetricSettings):
    """A metric of opaque images.

    Attributes:
        backgrounds: the solid backgrounds on which it is computed, None for all of the protocol's.
    """

    generated: ClassVar[tuple[str, ...]] = ("macro", "paper-t2i")

    backgrounds: tuple[str, ...] | None = Field(default=None, min_length=1)

    @field_validator("backgrounds")
    @classmethod
    def _distinct(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) != len(names):
            raise ValueError("a background is listed twice")
        return names


class LaionAes(OnComposites):
    """LAION aesthetic score as pyiqa computes it, of the prediction and of a paired reference."""

    allowed: ClassVar[tuple[Group, ...]] = (
        "composite",
        "straight-rgb-noalpha",
        "reference",
        "reference-straight-rgb-noalpha",
    )
    modes: ClassVar[tuple[str, ...]] = ("paper",)

    recipe: Annotated[str, only("pyiqa")] = "pyiqa"
    backbone: Annotated[str, only("clip-vit-l-14")] = "clip-vit-l-14"
    head: Annotated[str, only("sac-logos-ava1-l14-linear-mse")] = "sac-logos-ava1-l14-linear-mse"


class ClipScore(OnComposites):
    """CLIPScore as pyiqa computes it: `2.5 max(cos, 0)` between an opaque image and its prompt."""

    allowed: ClassVar[tuple[Group, ...]] = ("composite", "straight-rgb-noalpha")
    modes: ClassVar[tuple[str, ...]] = ()

    recipe: Annotated[str, only("pyiqa")] = "pyiqa"
    backbone: Annotated[str, only("clip-vit-b-32")] = "clip-vit-b-32"
    prefix: Annotated[str, only("A photo depicts ")] = "A photo depicts "
    weight: Annotated[float, only(2.5)] = 2.5


class Fid(MetricSettings):
    """Fréchet distance of Inception features to a reference set.

    Attributes:
        recipe: `pyiqa` takes the arithmetic of the published numbers, clipped at 0; `exact` that of rFID.
        clip_at_zero: whether noise below 0 is clipped: with `pyiqa`, and only there.
        scope: `leaf` for pairs in folders, `category` for generated images, `all` for these as one set.
    """

    allowed: ClassVar[tuple[Group, ...]] = ("set", "set-straight-rgb-noalpha")

    features: Annotated[str, only("inception-2015-12-05-pool3")] = "inception-2015-12-05-pool3"
    weights: WeightFile
    resize: Annotated[str, only("clean-bicubic-299")] = "clean-bicubic-299"
    recipe: Literal["pyiqa", "exact"] = "pyiqa"
    clip_at_zero: bool = True
    scope: Literal["leaf", "category", "all"] = "leaf"

    @model_validator(mode="after")
    def _whole_recipe(self) -> "Fid":
        if self.clip_at_zero != (self.recipe == "pyiqa"):
            raise ValueError("the recipe 'pyiqa' clips at 0, the recipe 'exact' does not")
        return self

    def goes_with(self, task: str, mode: str) -> bool:
        """Say whether recipe and scope are those of a task under an averaging rule."""
        known = {
            ("reconstruction", "paper"): ("pyiqa", ("leaf",)),
            ("generation", "paper-t2i"): ("pyiqa", ("category",)),
            ("generation", "macro"): ("exact", ("category", "all")),
        }
        recipe, scopes = known.get((task, mode), ("", ()))
        return self.recipe == recipe and self.scope in scopes
