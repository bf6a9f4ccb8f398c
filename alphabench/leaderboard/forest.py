"""The forest plot of a comparison: every judged metric in units of its margin, the primary one by category."""

import io
from typing import Any

from alphabench.errors import DataError
from alphabench.leaderboard.summary import record_name, verdict_words
from alphabench.results.compare import Comparison

FORMATS = ("svg", "png")
COLOURS = {
    "improvement": "#1a7f37",
    "ok": "#57606a",
    "regression": "#cf222e",
    "changed": "#cf222e",
    "inconclusive": "#9a6700",
}
MARKERS = {"improvement": "^", "ok": "o", "regression": "v", "changed": "D", "inconclusive": "s"}


def forest_plot(comparison: Comparison, *, kind: str) -> bytes:
    """Return the plot as `svg` or `png`; equal comparisons give equal bytes with one Matplotlib.

    Raises:
        DataError: no metric of the comparison has an interval and a margin.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    judged = [item for item in comparison.metrics if item.margin is not None and item.low is not None]
    if not judged:
        raise DataError("no metric of this comparison has an interval to draw", remedy="Compare more than one image.")
    primary = next((item for item in judged if item.metric == comparison.primary), judged[0])
    rows = max(len(judged), len(primary.categories) + 1)
    with mpl.rc_context({"svg.hashsalt": "alphabench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(11, 1.7 + 0.32 * rows), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        marks = [
            (
                f"{item.metric}{' *' if item.gate else ''}",
                *(float(value or 0) / float(item.margin or 1) for value in (item.difference, item.low, item.high)),
                item.verdict or "ok",
                verdict_words(item),
            )
            for item in judged
        ]
        _draw(left, marks)
        left.axvline(-1, color="#cf222e", linestyle="--", linewidth=1)
        left.set_xlabel("gain in margins (dashed: largest loss tolerated; * metric of the gate)")
        left.set_title(f"candidate {record_name(comparison.candidate)}", loc="left", fontsize=9)
        parts = [
            (f"{part.category} ({part.n})", part.difference, part.low, part.high, "ok", "")
            for part in primary.categories
        ]
        mean = (f"mean ({primary.n})", primary.difference, primary.low, primary.high, primary.verdict or "ok", "")
        _draw(right, [*parts, mean])
        right.axvline(-float(primary.margin or 0), color="#cf222e", linestyle="--", linewidth=1)
        unit = "" if primary.unit == "1" else f", {primary.unit}"
        right.set_xlabel(f"gain in {primary.metric}{unit}")
        right.set_title(f"against {record_name(comparison.baseline)}", loc="left", fontsize=9)
        figure.suptitle(f"{comparison.baseline.protocol.id}: {comparison.verdict or 'no verdict'}")
        sink = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(sink, format=kind, dpi=150, metadata=metadata)
    return sink.getvalue()


def _draw(axes: Any, marks: list[tuple[Any, ...]]) -> None:
    for row, (_, value, low, high, verdict, words) in enumerate(marks):
        colour = COLOURS[verdict]
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot([value], [row], MARKERS[verdict], color=colour, markersize=5)
        axes.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=colour)
    axes.axvline(0, color="#57606a", linewidth=0.8)
    axes.set_yticks(range(len(marks)), [mark[0] for mark in marks])
    axes.set_ylim(len(marks) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
