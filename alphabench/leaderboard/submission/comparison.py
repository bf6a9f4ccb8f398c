"""Claimed numbers against those found, each with the tolerance of how both were made."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.submission.regeneration import Differences
from alphabench.metrics.catalog import CATALOG
from alphabench.results.record import Record

TINY = 1e-9
"""Differences below this are none, whatever share of a value near 0 they are."""

BRIGHT_DB = 45.0
"""Above this PSNR one level in a few pixels moves the value by more than any tolerance: pixels alone are judged."""


@dataclass(frozen=True)
class Compared:
    """One number that was claimed and found.

    Attributes:
        metric: its metric, or what was compared of two images.
        place: sample and view, or view and category.
        claimed: as the pack says.
        found: as measured here.
        difference: of the two; a share where the tolerance is one.
        tolerance: the largest difference that is none; None where it is shown and not judged.
    """

    metric: str
    place: str
    claimed: float
    found: float
    difference: float
    tolerance: float | None

    @property
    def ok(self) -> bool:
        """Say whether the claim stands."""
        return self.tolerance is None or self.difference <= self.tolerance

    @property
    def excess(self) -> float:
        """Return the difference in tolerances."""
        return 0.0 if self.tolerance is None else self.difference / max(self.tolerance, TINY)


def compare_rows(claimed: Record, found: Record) -> list[Compared]:
    """Return every value of two records that scored the same files, sample by sample, then the set metrics.

    Raises:
        KeyError: never for records of one protocol and data set, both complete.
    """
    other = "gpu" if claimed.document["environment"]["device"]["kind"] != "cpu" else "cpu"
    table = shipped_gate().tolerances[f"scoring-cpu-{other}"]
    ours = {row[:4]: row[4] for row in found.rows}
    theirs = {row[:4]: row[4] for row in claimed.rows}
    compared = []
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key, math.nan), theirs.get(key, math.nan)  # a value that one side lacks is no match
        name, relative = _scoring_tolerance(key[3])
        difference = _difference(there, here, relative=relative)
        compared.append(Compared(key[3], f"{key[0]} {key[2]}", there, here, difference, table[name]))
    for metric in found.protocol.set_metrics():
        compared += [
            Compared(
                metric, place, there, here, _difference(there, here, relative=True), table["aggregate_fid_relative"]
            )
            for place, there, here in _aggregates(metric, claimed, found)
        ]
    return compared


def compare_means(claimed: Record, found: Record) -> list[Compared]:
    """Return the headline means of two records whose images were made on two machines.

    What has no tolerance of its own is held to the margin of the gate; what has no margin is only shown.
    """
    half = claimed.document["environment"]["dtype"] in {"bfloat16", "float16"}
    table = shipped_gate().tolerances["generating-half" if half else "generating-float32"]
    rules = shipped_gate().rules()
    compared = []
    for metric in found.protocol.metrics:
        for place, there, here in _aggregates(metric, claimed, found):
            tolerance: float | None = None
            relative = False
            if metric.startswith("psnr"):
                tolerance = table["aggregate_psnr"]
            elif metric.startswith("lpips") and "aggregate_lpips" in table:
                tolerance = table["aggregate_lpips"]
            elif metric in rules.margins:
                tolerance = rules.margins[metric].of(here)
            elif metric in rules.point_rules:
                tolerance, relative = rules.point_rules[metric].relative, True
            compared.append(
                Compared(metric, place, there, here, _difference(there, here, relative=relative), tolerance)
            )
    return compared


def compare_images(found: Differences, *, half: bool) -> list[Compared]:
    """Return how the images made anew differ from those delivered, against the tolerances of generating.

    Args:
        found: of each sample.
        half: whether the pack's predictions were made in 16 bits.
    """
    table = shipped_gate().tolerances["generating-half" if half else "generating-float32"]
    limits = (
        {"mean": table["mean_code_difference"]}
        if half
        else {"share": table["differing_codes_share"], "largest": table["largest_code_difference"]}
    )
    compared = [
        Compared(f"{name} of codes", sample, 0.0, values[name], values[name], tolerance)
        for sample, values in found.items()
        for name, tolerance in limits.items()
    ]
    dim = [values for values in found.values() if values["psnr_delivered"] <= BRIGHT_DB]
    if dim:
        there, here = (math.fsum(values[key] for values in dim) / len(dim) for key in ("psnr_delivered", "psnr"))
        place = f"mean of {len(dim)} samples"
        compared.append(Compared("psnr", place, there, here, abs(there - here), table["aggregate_psnr"]))
    return compared


def largest(compared: Iterable[Compared]) -> tuple[dict[str, float], dict[str, float]]:
    """Return tolerance and largest difference of each metric that is judged."""
    tolerances: dict[str, float] = {}
    differences: dict[str, float] = {}
    for item in compared:
        if item.tolerance is not None:
            name = item.metric.replace(" ", "-")
            tolerances[name] = max(item.tolerance, tolerances.get(name, 0.0))
            differences[name] = max(min(item.difference, 1e300), differences.get(name, 0.0))
    return tolerances, differences


def _scoring_tolerance(metric: str) -> tuple[str, bool]:
    """Return the name of a sample metric's tolerance, and whether it is a share."""
    for family in ("psnr", "ssim", "lpips"):
        if metric.startswith(family):
            return family, False
    return "sad_relative", True


def _difference(claimed: float, found: float, *, relative: bool) -> float:
    if claimed == found:
        return 0.0
    gap = abs(claimed - found)
    if math.isnan(gap):
        return math.inf
    if relative and gap > TINY:
        return gap / max(abs(claimed), abs(found))
    return 0.0 if relative else gap


def _aggregates(metric: str, claimed: Record, found: Record) -> list[tuple[str, float, float]]:
    """Return place, claimed and found value of a metric's headline means."""
    view = found.protocol.headline(metric)
    there, here = (_means(record.document, metric, view) for record in (claimed, found))
    return [
        (place, there.get(place, math.nan), here.get(place, math.nan)) for place in sorted(there.keys() | here.keys())
    ]


def _means(document: Mapping[str, Any], metric: str, view: str) -> dict[str, float]:
    entries: Sequence[Mapping[str, Any]] = next(
        (item["aggregates"] for item in document["metrics"] if item["name"] == metric), ()
    )
    return {
        f"{view} {entry.get('category', entry['scope'])}": float(entry["value"])
        for entry in entries
        if entry["view"] == view and entry["scope"] in {"macro", "category"}
    }


def headline_means(claimed: Record | None, found: Record) -> list[Compared]:
    """Return the macro means of each metric, for people to read: claimed where there is a claim, and found."""
    compared = []
    for metric in found.protocol.metrics:
        place = f"{found.protocol.headline(metric)} macro"
        here = _means(found.document, metric, found.protocol.headline(metric)).get(place)
        if here is None or CATALOG[metric].higher_is_better is None:
            continue
        there = math.nan
        if claimed is not None:
            there = _means(claimed.document, metric, found.protocol.headline(metric)).get(place, math.nan)
        compared.append(Compared(metric, place, there, here, abs(there - here), None))
    return compared
