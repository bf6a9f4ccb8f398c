"""The two files that the AlphaVAE authors' scripts write, made from a record: the same keys, the same layout.

The numbers are the record's; nothing is averaged here but the table's means over colours. A metric that the
record does not have is left out of the JSON and an empty cell of the table.

Source: repository `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/i2i_eval_pipe.py` and
`result_json2csv.py`.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alphabench.errors import UsageError
from alphabench.protocols import Protocol
from alphabench.results.durable import readable_refusals

STEM = "image_quality_report"
"""Name of both files, with .json and .csv."""

Report = dict[str, Any]
"""What the JSON file holds."""


class _Source(NamedTuple):
    """Where a score of the authors comes from, and how their table calls it.

    Attributes:
        metric: our name.
        group: the group of views.
        column: heading in their CSV file.
    """

    metric: str
    group: str
    column: str


SCORES: Mapping[str, _Source] = {
    "input_laion_score": _Source("laion_aes", "reference", "input_laion_score"),
    "output_laion_score": _Source("laion_aes", "composite", "output_laion_score"),
    "fid_score": _Source("fid", "set", "fid_score"),
    "average_lpips": _Source("lpips", "composite", "lpips"),
    "average_psnr": _Source("psnr_eps8", "composite", "psnr"),
    "average_ssim": _Source("ssim_pyiqa", "composite", "ssim"),
}
"""The authors' keys, in their order."""

RGBA = "rgba"
"""Their name of the view without alpha."""


def authors_report(
    document: Mapping[str, Any], protocol: Protocol, *, reference: str, prediction: str, output: str
) -> Report:
    """Return what the authors' JSON file would hold.

    Args:
        document: a record's document.
        protocol: the protocol it was made under.
        reference: folder of the references, for the file's metadata.
        prediction: folder of the predictions, likewise.
        output: the JSON file's own path, likewise.

    Raises:
        UsageError: the protocol averages otherwise, so there are no such numbers.
    """
    if protocol.aggregation.mode != "paper":
        raise UsageError(
            f"the authors' files hold the numbers of alpha-paper@1, this record was made under {protocol.id}",
            remedy="Score with --protocol alpha-paper@1.",
        )
    leaves: dict[str, list[str]] = defaultdict(list)
    for leaf in document["data"]["categories"]:
        leaves[leaf.partition("/")[0]].append(leaf)
    entries = {
        (metric["name"], entry["view"], entry.get("category", "")): entry
        for metric in document["metrics"]
        for entry in metric.get("aggregates", [])
    }
    results = {colour: _colour(entries, colour, leaves) for colour in (*protocol.backgrounds, RGBA)}
    return {
        "metadata": {
            "input_root": reference,
            "output_root": prediction,
            "output_json": output,
            "device": document["environment"]["device"]["kind"],
        },
        "results": {colour: result for colour, result in results.items() if result},
    }


def authors_table(report: Report) -> str:
    """Return what the authors' CSV file would hold: a row per subset, their mean, for `rgb` and `rgba`.

    The nine colours are averaged, and neither mean is rounded.
    """
    stream = io.StringIO(newline="")
    columns = [source.column for source in SCORES.values()]
    writer = csv.DictWriter(stream, fieldnames=["group", "subset", *columns])
    writer.writeheader()
    for group in ("rgb", RGBA):
        scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for colour, result in report["results"].items():
            if (colour == RGBA) == (group == RGBA):
                for subset, parts in result["subsets"].items():
                    for key, value in parts["overall"]["scores"].items():
                        scores[subset][SCORES[key].column].append(value)
        rows = [
            {"group": group, "subset": subset} | {column: _mean(values) for column, values in table.items()}
            for subset, table in scores.items()
        ]
        if rows:
            present = [column for column in columns if all(column in row for row in rows)]
            overall = {column: _mean([float(row[column]) for row in rows]) for column in present}
            writer.writerows([*rows, {"group": group, "subset": "overall_avg"} | overall])
    return stream.getvalue()


def write_authors_files(
    folder: Path, document: Mapping[str, Any], protocol: Protocol, *, reference: Path, prediction: Path
) -> tuple[Path, Path]:
    """Write `image_quality_report.json` and `.csv` into `folder` and return their paths.

    Raises:
        UsageError: the record was not made under the authors' averaging.
        DataError: the folder cannot be written.
    """
    paths = folder / f"{STEM}.json", folder / f"{STEM}.csv"
    report = authors_report(
        document,
        protocol,
        reference=str(reference.absolute()),
        prediction=str(prediction.absolute()),
        output=str(paths[0].absolute()),
    )
    with readable_refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(json.dumps(report, indent=4), encoding="utf-8", newline="")
        paths[1].write_text(authors_table(report), encoding="utf-8", newline="")
    return paths


def _colour(
    entries: Mapping[tuple[str, str, str], Mapping[str, Any]],
    colour: str,
    leaves: Mapping[str, list[str]],
) -> Report:
    """Return one colour's part of the report; empty where the record has no value on it."""
    subsets = {}
    for subset, names in leaves.items():
        weight = 1 / len(leaves)
        subtypes = {
            leaf.partition("/")[2]: part
            for leaf in names
            if (part := _part(entries, colour, leaf, weight / len(names)))
        }
        if whole := _part(entries, colour, subset, weight):
            subsets[subset] = {"overall": whole, "subtypes": subtypes}
    overall = _part(entries, colour, "", 1.0)
    return {"overall": overall, "subsets": subsets} if overall else {}


def _part(entries: Mapping[tuple[str, str, str], Mapping[str, Any]], colour: str, group: str, weight: float) -> Report:
    """Return number, weight and scores of a leaf, a subset, or with no name of everything."""
    found = {
        key: entries[place]
        for key, source in SCORES.items()
        if (place := (source.metric, _view(source.group, colour), group)) in entries
    }
    if not found:
        return {}
    return {
        "number": next(iter(found.values()))["n"],
        "weight": round(weight, 6),
        "scores": {key: entry["value"] for key, entry in found.items()},
    }


def _view(group: str, colour: str) -> str:
    if colour != RGBA:
        return f"{group}/{colour}"
    return "straight-rgb-noalpha" if group == "composite" else f"{group}/straight-rgb-noalpha"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
