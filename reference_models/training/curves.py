"""The curves of a run: `train.jsonl` drawn as PNG and SVG."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

POINTS = 800  # most points of a line: more cannot be told apart
SMOOTH = 50  # the smoothed line averages this part of the run
LOG_RATIO = 20.0  # a panel is logarithmic where the smoothed values span more than this factor
COLUMNS = 3
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito: told apart by everybody
LAST = ("gradient_norm", "lr", "seconds")
TITLES = {"lr": "learning rate", "seconds": "seconds a step", "kl": "KL", "reference_kl": "reference KL"}

Series = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Panel:
    """One picture of the sheet.

    Attributes:
        title: what is drawn.
        lines: steps and values of each line, by its label.
    """

    title: str
    lines: Mapping[str, Series]


def write_curves(log: Path, folder: Path) -> list[Path]:
    """Draw every value of a run's log over the steps, and return the files: `curves.png` and `curves.svg`.

    A faint line holds the values, a strong one their running mean; values that are there at few steps only,
    such as validations, are drawn with dots. Nothing is written for a log without a whole line.

    Args:
        log: `train.jsonl` of a run.
        folder: where the files go; it is made.
    """
    panels = panels_of(read_log(log))
    if not panels:
        return []
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / COLUMNS)
    style: dict[str, Any] = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "alphabench"}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with rc_context(style):
        figure = Figure(figsize=(4 * COLUMNS, 2.4 * rows), layout="constrained", dpi=120)
        axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True).ravel()
        for axis, panel in zip(axes, panels, strict=False):
            _draw(axis, panel)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for number in range(max(0, len(panels) - COLUMNS), len(panels)):
            axes[number].tick_params(labelbottom=True)
            axes[number].set_xlabel("step")
        for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            path = folder / f"curves.{suffix}"
            unfinished = path.with_name(f".{path.name}.part")
            figure.savefig(unfinished, format=suffix, metadata=metadata)
            unfinished.replace(path)
            files.append(path)
    return files


def read_log(log: Path) -> list[dict[str, float]]:
    """Return the numbers of each whole line of a log that has a step, in the order of the steps."""
    lines = {}
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            values = json.loads(line)
            step = int(values["step"])
        except (ValueError, KeyError, TypeError):  # half a line, left by a kill
            continue
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        lines[step] = {name: value for name, value in numbers.items() if math.isfinite(value)}
    return [lines[step] for step in sorted(lines)]


def panels_of(lines: Sequence[Mapping[str, float]]) -> list[Panel]:
    """Return what is drawn: the loss, its terms, the validations together, then the habits of the run."""
    table = pd.DataFrame(lines)
    names = [name for name in table.columns if name != "step"]
    series = {
        name: (found.index.to_numpy(float), found.to_numpy(float))
        for name in names
        if not (found := table.set_index("step")[name].dropna()).empty
    }
    watched = {name: series[name] for name in series if name.startswith("psnr")}
    terms = [name for name in series if name not in watched and name not in LAST]
    terms.sort(key=lambda name: name != "loss")
    panels = [Panel(_title(name), {name: series[name]}) for name in terms]
    if watched:
        panels.append(Panel("validation PSNR in dB", {_title(name): values for name, values in watched.items()}))
    return panels + [Panel(_title(name), {name: series[name]}) for name in LAST if name in series]


def running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the values around each one, over a fiftieth of the run, shorter at its ends."""
    window = len(values) // SMOOTH | 1  # odd, so that no line is moved by half a step
    smooth = pd.Series(values).rolling(window, center=True, min_periods=1).mean()
    return smooth.to_numpy(float)


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("psnr", "PSNR").replace("_", " "))


def _draw(axis: Any, panel: Panel) -> None:
    """Draw one panel, its lines named beside their ends where there are several."""
    drawn = []
    for colour, (label, (steps, values)) in zip(COLOURS * len(panel.lines), panel.lines.items(), strict=False):
        few = len(panel.lines) > 1 or len(steps) < SMOOTH // 2
        smooth = values if few else running_mean(values)
        stride = max(1, math.ceil(len(steps) / POINTS))
        kept = np.unique(np.append(np.arange(0, len(steps), stride), len(steps) - 1))
        if not few:
            axis.plot(steps[kept], values[kept], color=colour, alpha=0.25, linewidth=0.7)
        axis.plot(steps[kept], smooth[kept], color=colour, linewidth=1.6, marker="o" if few else None, markersize=3)
        if len(panel.lines) > 1:
            axis.plot([], [], color=colour, marker="o", markersize=3, label=label)
        drawn.append(smooth)
    joined = np.concatenate(drawn)
    if joined.min() > 0 and joined.max() / joined.min() > LOG_RATIO:
        axis.set_yscale("log")
        axis.set_ylim(joined.min() / 1.5, joined.max() * 1.5)
    if len(panel.lines) > 1:
        axis.legend(frameon=False, fontsize=8)
    axis.set_title(panel.title, loc="left", fontsize=10)
    axis.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
