"""What a comparison is judged by: how large a loss is tolerated, and which metrics have a say."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Margin:
    """The largest loss of a sample metric that is still no regression.

    Attributes:
        size: in the metric's unit, or a share of the baseline's mean where `relative`.
        relative: which of the two.
        floor: the least margin in the metric's unit that a share may come to.
    """

    size: float
    relative: bool = False
    floor: float = 0.0

    def of(self, baseline: float) -> float:
        """Return the margin in the metric's unit, given the baseline's mean."""
        return max(self.floor, self.size * abs(baseline)) if self.relative else self.size


@dataclass(frozen=True)
class PointRule:
    """How far a distance between sets of images may move: it has no interval, so the point is judged.

    Attributes:
        relative: largest change as a share of the baseline.
        absolute: largest change where the baseline is below `tiny`.
        tiny: the baseline below which a share means nothing.
    """

    relative: float
    absolute: float
    tiny: float


@dataclass(frozen=True)
class Rules:
    """The margins, and the metrics of the gate.

    Attributes:
        name: `gate@N`.
        hash: SHA-256 of the rules.
        margins: of the sample metrics; those without are shown and never judged.
        point_rules: of the set metrics; those without are shown and never judged.
        gate: for each place in the gate, the metric and those that stand in where a protocol lacks it.
        primary: the metric that can turn an ok into an improvement.
    """

    name: str
    hash: str
    margins: Mapping[str, Margin]
    point_rules: Mapping[str, PointRule]
    gate: tuple[tuple[str, ...], ...]
    primary: str

    def gate_metrics(self, metrics: Mapping[str, object]) -> tuple[str, ...]:
        """Return the metrics of the gate as far as a protocol with `metrics` has them."""
        found = (next((name for name in names if name in metrics), None) for names in self.gate)
        return tuple(name for name in found if name is not None)

    def primary_of(self, metrics: Mapping[str, object]) -> str | None:
        """Return the primary metric of a protocol with `metrics`, or what stands in for it."""
        names = next(names for names in self.gate if names[0] == self.primary)
        return next((name for name in names if name in metrics), None)
