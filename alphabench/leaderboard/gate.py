"""The gate as data: margins, metrics and tolerances from `gate.toml`, with a version and a hash of their own."""

import functools
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from alphabench.errors import UsageError
from alphabench.metrics.catalog import CATALOG
from alphabench.protocols.canonical import sha256_json
from alphabench.protocols.tables import Strict
from alphabench.results.margins import Margin, PointRule, Rules

FILE = "gate.toml"
MAX_BYTES = 64 * 1024

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class GateMetric(Strict):
    """A place in the gate: a metric, and those that stand in where a protocol lacks it, in order."""

    metric: str
    stand_ins: list[str] = Field(default_factory=list)


class GateTable(Strict):
    """Which metrics have a say, and which of them can turn an ok into an improvement."""

    version: int = Field(ge=1, le=9999)
    primary: str
    metrics: list[GateMetric] = Field(min_length=1)


class MarginTable(Strict):
    """The margin of a sample metric."""

    size: Positive
    relative: bool = False
    floor: NotNegative = 0.0


class PointTable(Strict):
    """The point rule of a set metric."""

    relative: Positive
    absolute: Positive
    tiny: NotNegative


class Gate(Strict):
    """The tables of a gate file.

    Attributes:
        gate: version and metrics.
        margins: of sample metrics.
        point_rules: of set metrics.
        tolerances: how far a claimed number may lie from the one found, by kind of comparison.
    """

    gate: GateTable
    margins: dict[str, MarginTable]
    point_rules: dict[str, PointTable]
    tolerances: dict[str, dict[str, Positive]]

    @model_validator(mode="after")
    def _whole(self) -> "Gate":
        places = [(place.metric, *place.stand_ins) for place in self.gate.metrics]
        listed = [name for names in places for name in names]
        for name in (*listed, *self.margins, *self.point_rules):
            if name not in CATALOG:
                raise ValueError(f"there is no metric {name!r}")
        if twice := next((name for name in listed if listed.count(name) > 1), None):
            raise ValueError(f"the gate lists {twice!r} twice")
        if self.gate.primary not in [names[0] for names in places]:
            raise ValueError(f"the primary metric {self.gate.primary!r} is not in the gate")
        for kind, names in (("sample", self.margins), ("set", self.point_rules)):
            if wrong := next((name for name in names if CATALOG[name].kind != kind), None):
                raise ValueError(f"{wrong!r} is no {kind} metric")
        if bare := next((name for name in listed if name not in {*self.margins, *self.point_rules}), None):
            raise ValueError(f"the gate lists {bare!r}, which has no margin")
        return self

    @property
    def id(self) -> str:
        """Return `gate@N`."""
        return f"gate@{self.gate.version}"

    @functools.cached_property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical JSON of all tables."""
        return sha256_json(self.model_dump(mode="json"))

    def rules(self) -> Rules:
        """Return what a comparison needs of the gate."""
        return Rules(
            name=self.id,
            hash=self.hash,
            margins={name: Margin(**table.model_dump()) for name, table in self.margins.items()},
            point_rules={name: PointRule(**table.model_dump()) for name, table in self.point_rules.items()},
            gate=tuple((place.metric, *place.stand_ins) for place in self.gate.metrics),
            primary=self.gate.primary,
        )


@functools.cache
def shipped_gate() -> Gate:
    """Return the gate of this package."""
    text = files("alphabench.leaderboard").joinpath(FILE).read_text(encoding="utf-8")
    return parse_gate(text, name=FILE)


def load_gate(path: Path) -> Gate:
    """Return the gate in a TOML file.

    Raises:
        UsageError: the file cannot be read or is no gate.
    """
    try:
        data = path.read_bytes()[: MAX_BYTES + 1]
        if len(data) > MAX_BYTES:
            raise _fault(str(path), f"it has more than {MAX_BYTES} bytes")
        return parse_gate(data.decode("utf-8"), name=str(path))
    except OSError as error:
        raise _fault(str(path), f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _fault(str(path), "it is not UTF-8") from error


def parse_gate(text: str, *, name: str) -> Gate:
    """Return the gate that a TOML text describes.

    Raises:
        UsageError: not TOML, unknown keys or metrics, wrong values; the message names the first fault.
    """
    try:
        return Gate.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _fault(name, str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _fault(name, f"{where}: {first['msg']}".removeprefix(": ").lower()) from error


def _fault(name: str, fact: str) -> UsageError:
    return UsageError(f"the gate {name}: {fact}", remedy=f"Start from the shipped {FILE} and mend the file.")
