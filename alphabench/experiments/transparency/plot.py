"""The map of the study: metrics down, damages across."""

import io
from typing import Any

import numpy as np

from alphabench.experiments.transparency.claims import CLAIMS
from alphabench.experiments.transparency.damages import DAMAGES
from alphabench.experiments.transparency.study import Study

STRONG = 2.0
"""Change, in standard deviations, from which on the colour no longer grows."""


def heat_map(found: Study, *, kind: str = "svg") -> bytes:
    """Return rank correlations within images, and the sizes of the changes, as `svg` or `png`.

    A frame marks what a metric claims to see, full where it does and dashed where it does not; a dot marks what it
    claims to ignore, a cross where it does not. Equal results give equal bytes with one Matplotlib.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    metrics, damages = list(CLAIMS), list(DAMAGES)
    with mpl.rc_context({"svg.hashsalt": "alphabench", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(0.72 * len(damages) + 2.4, 0.68 * len(metrics) + 3.0), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True)
        for axes, part, limit in ((panels[0], "rank", 1.0), (panels[1], "change", STRONG)):
            estimates = [[getattr(found.reactions[metric, damage], part) for damage in damages] for metric in metrics]
            values = [[np.nan if cell is None else cell.value for cell in row] for row in estimates]
            _draw(axes, np.array(values), limit)
            axes.set_yticks(range(len(metrics)), metrics)
            _mark(axes, found, metrics, damages)
        panels[0].set_title("rank correlation with the strength, mean within images", loc="left", fontsize=9)
        panels[1].set_title("change at the greatest strength, in standard deviations", loc="left", fontsize=9)
        panels[1].set_xticks(range(len(damages)), damages, rotation=40, ha="right", rotation_mode="anchor")
        harmless = sum(damage.harmless for damage in DAMAGES.values())
        for axes in panels:
            axes.axvline(len(damages) - harmless - 0.5, color="#1f2328", linewidth=1.2)
        sink = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(sink, format=kind, dpi=110, metadata=metadata)
    return sink.getvalue()


def _draw(axes: Any, values: Any, limit: float) -> None:
    axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_facecolor("#eaeef2")
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        if abs(value) < 0.005:
            continue  # white says as much
        text = "–" if np.isnan(value) else f"{value:.2f}"
        dark = not np.isnan(value) and abs(value) > 0.6 * limit
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "#1f2328", fontsize=7)


def _mark(axes: Any, found: Study, metrics: list[str], damages: list[str]) -> None:
    from matplotlib.patches import Rectangle

    for finding in found.findings:
        column, row = damages.index(finding.damage), metrics.index(finding.metric)
        if finding.kind == "sees":
            line = "-" if finding.holds else (0, (2, 1.5))
            corner = (column - 0.46, row - 0.44)
            axes.add_patch(Rectangle(corner, 0.92, 0.88, fill=False, linewidth=1.6, linestyle=line, edgecolor="black"))
        else:
            shape = "." if finding.holds else "x"
            axes.plot([column + 0.4], [row - 0.34], shape, color="#1f2328", markersize=3.5)
