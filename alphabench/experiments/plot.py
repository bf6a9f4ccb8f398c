"""Forest plots of effects: one row for each arm, one panel for each judged set."""

import io
import math
from statistics import median_low
from typing import Any

from alphabench.errors import DataError
from alphabench.experiments.effects import NO_DIFFERENCE, Effect
from alphabench.experiments.measures import measure_of
from alphabench.experiments.report import Result

COLOURS = {
    "better": "#1a7f37",
    "worse": "#cf222e",
    "higher": "#0969da",
    "lower": "#0969da",
    NO_DIFFERENCE: "#57606a",
}
MARKERS = {"better": "^", "worse": "v", "higher": "^", "lower": "v", NO_DIFFERENCE: "o"}
SYMLOG_RATIO = 30
"""A panel whose largest interval end is so many times the (lower) median reach is drawn on a symmetric log axis."""


def forest_of(result: Result, measure: str, *, kind: str = "svg") -> bytes:
    """Return the forest plot of one measure as `svg` or `png`: arms down, judged sets across.

    Intervals are over seeds and samples; the light bar behind each is the one over seeds alone. Equal
    results give equal bytes with one Matplotlib.

    Raises:
        DataError: no arm has this measure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    arms = [arm for arm in result.labels if arm != result.base]
    sets = list(dict.fromkeys(e.judged for e in result.effects if e.measure == measure))
    if not sets:
        raise DataError(f"no arm of {result.experiment} has the measure {measure!r}", remedy="Name one of the report.")
    facts = measure_of(measure)
    with mpl.rc_context({"svg.hashsalt": "alphabench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.6 + 3.4 * len(sets), 1.7 + 0.36 * len(arms)), layout="constrained")
        panels = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
        for axes, judged in zip(panels, sets, strict=True):
            found = [result.effect(arm, judged, measure) for arm in arms]
            scale = _symlog(axes, _reaches(found))
            _draw(axes, found)
            axes.set_title(judged, loc="left", fontsize=9)
            unit = f" [{facts.unit}]" if facts.unit else ""
            axes.set_xlabel(f"{measure}{unit}, arm less {result.base}{scale}")
        panels[0].set_yticks(range(len(arms)), [f"{arm}: {result.labels[arm]}" for arm in arms])
        panels[0].set_ylim(len(arms) - 0.5, -0.5)
        better = {True: "right is better", False: "left is better", None: "no better side"}[facts.higher_is_better]
        figure.suptitle(f"{result.experiment}, {result.setting_line}; {better}", fontsize=9)
        sink = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(sink, format=kind, dpi=150, metadata=metadata)
    return sink.getvalue()


def _draw(axes: Any, found: list[Effect | None]) -> None:
    for row, effect in enumerate(found):
        if effect is None:
            continue
        colour = COLOURS[effect.verdict]
        if effect.seed_low is not None and effect.seed_high is not None:
            axes.plot([effect.seed_low, effect.seed_high], [row, row], color=colour, linewidth=6, alpha=0.18)
        if effect.low is not None and effect.high is not None:
            axes.plot([effect.low, effect.high], [row, row], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot([effect.difference], [row], MARKERS[effect.verdict], color=colour, markersize=5)
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _reaches(found: list[Effect | None]) -> list[float]:
    """Return how far the difference and its intervals reach from 0, for each effect."""
    ends = ((e.difference, e.low, e.high, e.seed_low, e.seed_high) for e in found if e is not None)
    return [max(abs(end) for end in effect if end is not None) for effect in ends]


def _symlog(axes: Any, reaches: list[float]) -> str:
    """Make the axis logarithmic beyond the median reach if one reaches far beyond it, and say so in words."""
    from matplotlib.ticker import NullLocator, StrMethodFormatter, SymmetricalLogLocator

    linear = median_low(reaches) if reaches else 0.0
    if linear <= 0 or max(reaches) <= SYMLOG_RATIO * linear:
        return ""
    axes.set_xscale("symlog", linthresh=linear)
    # Ticks at 0 and the powers of ten beyond the linear part: those within it would overlap.
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=10 ** math.ceil(math.log10(linear))))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    return f"; logarithmic beyond ±{linear:.2g}"
