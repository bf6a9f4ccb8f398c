"""What the tables of a protocol's file are made of: strict tables, groups of views, the settings of any metric."""

from typing import Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

Group = Literal[
    "composite",
    "texture",
    "worst-solid",
    "adversarial",
    "alpha",
    "straight-rgb",
    "straight-rgb-noalpha",
    "reference",
    "reference-straight-rgb-noalpha",
    "set",
    "set-straight-rgb-noalpha",
    "opaque",
    "transparent",
    "set-opaque",
    "set-transparent",
    "prediction",
]
GROUPS: tuple[Group, ...] = Group.__args__  # type: ignore[attr-defined]

Value = TypeVar("Value")


def only(*values: Value) -> Any:
    """Return a validator that lets nothing but `values` pass."""

    def check(value: Value) -> Value:
        if value not in values:
            allowed = " or ".join(repr(item) for item in values)
            raise ValueError(f"this metric computes with {allowed} only, not with {value!r}")
        return value

    return AfterValidator(check)


class Strict(BaseModel):
    """A frozen table that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WeightFile(Strict):
    """A file of weights and the first digits of its SHA-256 (8 to 64, as many as are known)."""

    file: str = Field(min_length=1)
    sha256_prefix: str = Field(pattern=r"^[0-9a-f]{8,64}$")


class MetricSettings(Strict):
    """What every metric's table states.

    Attributes:
        version: version of the metric's function, equal to the catalog's.
        views: groups of views on which the metric is computed.
        partial: groups of views where a whole category may have no value.
    """

    allowed: ClassVar[tuple[Group, ...]] = ()
    modes: ClassVar[tuple[str, ...]] = ("macro",)
    generated: ClassVar[tuple[str, ...]] = ()

    version: int = Field(ge=1, le=9999)
    views: tuple[Group, ...] = Field(min_length=1)
    partial: tuple[Group, ...] = ()

    @field_validator("views", "partial")
    @classmethod
    def _in_order(cls, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        if foreign := [group for group in groups if group not in cls.allowed]:
            raise ValueError(f"this metric has no views {foreign[0]!r}, only {', '.join(cls.allowed)}")
        if len(set(groups)) != len(groups):
            raise ValueError("a group of views is listed twice")
        return tuple(group for group in GROUPS if group in groups)

    def goes_with(self, task: str, mode: str) -> bool:
        """Say whether the metric is computed for a task under an averaging rule (`Aggregation.mode`)."""
        return mode in (self.generated if task == "generation" else self.modes)
