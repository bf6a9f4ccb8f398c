"""The study's data files: one line per reaction as CSV, everything as JSON."""

import csv
import dataclasses
import importlib.metadata
import io
import json
import platform
from typing import Any

from alphabench.experiments.transparency.claims import (
    CATEGORY_MOTIFS,
    CLAIMS,
    IGNORED_UP_TO,
    MOTIFS_AT_LEAST,
    NEGLIGIBLE,
    SEEN_FROM,
)
from alphabench.experiments.transparency.damages import DAMAGES
from alphabench.experiments.transparency.study import Estimate, Study
from alphabench.metrics.catalog import get
from alphabench.version import __version__

FORMAT = 1
DIGITS = 4
COLUMNS = ("metric", "damage", "place", "motifs", "rank", "rank_low", "rank_high")
COLUMNS_OF_ALL = ("set_rank", "set_rank_low", "set_rank_high", "change_sd", "change_sd_low", "change_sd_high")
LIBRARIES = ("numpy", "scipy", "torch")


def to_csv(found: Study) -> str:
    """Return the reactions, all images first and then each category, rounded to `DIGITS` digits.

    Cells are empty where no image can show a reaction.
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow((*COLUMNS, *COLUMNS_OF_ALL))
    for reaction in found.reactions.values():
        head = (reaction.metric, reaction.damage)
        motifs = "" if reaction.rank is None else reaction.rank.motifs
        writer.writerow(
            (*head, "all", motifs, *_cells(reaction.rank), *_cells(reaction.set_rank), *_cells(reaction.change))
        )
        for place, estimate in reaction.categories.items():
            writer.writerow((*head, place, estimate.motifs, *_cells(estimate), *[""] * len(COLUMNS_OF_ALL)))
    return sink.getvalue()


def to_json(found: Study, setting: dict[str, Any]) -> str:
    """Return setting, rule, damages, verdicts and findings; the reactions stand in the CSV file."""
    document = {
        "format": FORMAT,
        "study": "reference-free transparency metrics",
        "setting": setting,
        "versions": versions(),
        "rule": {
            "seen from": SEEN_FROM,
            "ignored up to": IGNORED_UP_TO,
            "negligible change in standard deviations": NEGLIGIBLE,
            "least motifs": MOTIFS_AT_LEAST,
            "least motifs of a category": CATEGORY_MOTIFS,
        },
        "damages": {
            name: {"strengths": damage.strengths, "unit": damage.unit, "harmless": damage.harmless}
            for name, damage in DAMAGES.items()
        },
        "metrics": {
            metric: {
                "version": get(metric).version,
                "validated": found.validated.get(metric),
                "hidden colour changes it": metric not in found.hidden,
                "findings": [_finding(found, finding) for finding in found.findings if finding.metric == metric],
            }
            for metric in CLAIMS
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of the package, Python and the libraries that numbers depend on."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"alphabench": __version__, "python": platform.python_version(), **found}


def _finding(found: Study, finding: Any) -> dict[str, Any]:
    reaction = found.reactions[finding.metric, finding.damage]
    numbers = {name: getattr(reaction, name) for name in ("rank", "set_rank", "change")}
    claim = {key: value for key, value in dataclasses.asdict(finding).items() if key != "metric"}
    return claim | {key: None if value is None else dataclasses.asdict(value) for key, value in numbers.items()}


def _cells(estimate: Estimate | None) -> tuple[str, str, str]:
    if estimate is None:
        return "", "", ""
    value, low, high = (f"{number:.{DIGITS}f}" for number in (estimate.value, estimate.low, estimate.high))
    return value, low, high
