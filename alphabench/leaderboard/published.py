"""Numbers that authors printed: shown beside records of the same protocol and data, never ranked or averaged."""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.errors import DataError

COLUMNS = (
    "paper",
    "title",
    "table",
    "method",
    "base_model",
    "task",
    "dataset",
    "split_or_category",
    "background",
    "metric",
    "value",
    "unit",
    "higher_is_better",
    "protocol",
    "note",
)
MAPPING = "mapping.toml"
WHOLE, MEAN, NO_BACKGROUND = "all", "mean", "n/a"


@dataclass(frozen=True)
class PublishedRow:
    """What one paper printed for one method.

    Attributes:
        paper: arXiv id.
        title: of the paper.
        table: where in the paper.
        method: name in the paper, with its base model in brackets where it has one.
        values: by metric, as printed.
        note: how the numbers were read, and their limits.
    """

    paper: str
    title: str
    table: str
    method: str
    values: Mapping[str, str]
    note: str


@dataclass(frozen=True)
class PublishedTable:
    """Published rows that may stand side by side.

    Attributes:
        protocol: id of ours where the paper's procedure is that protocol, else the paper's own name.
        data: id of ours where the set is ours, else the paper's name.
        task: what was judged.
        category: the split or category, `all` for the whole set.
        background: a background, `mean`, or `n/a`.
        metrics: `(name, unit, higher_is_better)` of each column; our names where the protocol is ours.
        rows: in the order of the files.
    """

    protocol: str
    data: str
    task: str
    category: str
    background: str
    metrics: tuple[tuple[str, str, bool], ...]
    rows: tuple[PublishedRow, ...]


def published_tables(
    files: Sequence[Path], *, protocol: str, category: str | None = None, background: str | None = None
) -> list[PublishedTable]:
    """Return the published tables of a protocol: of ours by name or `name@version`, of a paper by its name.

    Without a category or background, those of our protocols are over the whole set and the mean of the
    backgrounds; of other procedures there is one table for each split and background.

    Args:
        files: the files of published numbers; `mapping.toml` lies beside them.
        protocol: whose numbers.
        category: one category or split.
        background: one background; `mean9` is the mean.

    Raises:
        DataError: a file has other columns, or a value is no number.
    """
    if not files:
        return []
    mapping = _mapping(files[0].parent / MAPPING)
    wanted = MEAN if background is not None and background.startswith("mean") else background
    groups: dict[tuple[str, str, str, str, str], list[Mapping[str, str]]] = {}
    for path in files:
        for line in _lines(path):
            ours = _ours(mapping, line)
            names = {line["protocol"], *([str(ours["id"]), str(ours["id"]).partition("@")[0]] if ours else [])}
            if protocol not in names:
                continue
            place = line["split_or_category"], line["background"]
            if ours is not None and not _chosen(place, category or WHOLE, wanted or MEAN):
                continue
            if ours is None and not _chosen(place, category or place[0], wanted or place[1]):
                continue
            shown = str(ours["id"]) if ours else line["protocol"]
            data = str(ours.get("data", {}).get(line["dataset"], line["dataset"])) if ours else line["dataset"]
            groups.setdefault((shown, data, line["task"], *place), []).append(line)
    return [
        PublishedTable(*key, metrics=_metrics(lines, mapping), rows=_rows(lines, mapping))
        for key, lines in groups.items()
    ]


def published_protocols(files: Sequence[Path]) -> list[str]:
    """Return the names under which published numbers are found: ours first."""
    if not files:
        return []
    mapping = _mapping(files[0].parent / MAPPING)
    ours = {str(entry["id"]) for entry in mapping["protocols"]}
    known = {str(entry["procedure"]) for entry in mapping["protocols"]}
    theirs = {line["protocol"] for path in files for line in _lines(path)} - known
    return [*sorted(ours), *sorted(theirs)]


def _ours(mapping: Mapping[str, Any], line: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the entry of the protocol of ours that judges a line's task as its procedure does; None for no such."""
    place = line["protocol"], line["task"]
    return next((entry for entry in mapping["protocols"] if (entry["procedure"], entry["task"]) == place), None)


def _chosen(place: tuple[str, str], category: str, background: str) -> bool:
    return place == (category, background)


def _metrics(lines: Sequence[Mapping[str, str]], mapping: Mapping[str, Any]) -> tuple[tuple[str, str, bool], ...]:
    found = {_metric(line, mapping): (line["unit"], line["higher_is_better"] == "true") for line in lines}
    return tuple((name, *facts) for name, facts in found.items())


def _metric(line: Mapping[str, str], mapping: Mapping[str, Any]) -> str:
    ours = _ours(mapping, line)
    return str(ours["metrics"].get(line["metric"], line["metric"])) if ours else line["metric"]


def _rows(lines: Sequence[Mapping[str, str]], mapping: Mapping[str, Any]) -> tuple[PublishedRow, ...]:
    """Join the values of a method; where two tables of a paper print one, the first table's stands."""
    methods: dict[tuple[str, str, str], dict[str, Mapping[str, str]]] = {}
    for line in lines:
        key = line["paper"], line["method"], line["base_model"]
        methods.setdefault(key, {}).setdefault(_metric(line, mapping), line)
    rows = []
    for (paper, method, base), values in methods.items():
        first = next(iter(values.values()))
        rows.append(
            PublishedRow(
                paper=paper,
                title=first["title"],
                table=", ".join(dict.fromkeys(line["table"] for line in values.values())),
                method=f"{method} ({base})" if base else method,
                values={metric: line["value"] for metric, line in values.items()},
                note="; ".join(dict.fromkeys(line["note"] for line in values.values() if line["note"])),
            )
        )
    return tuple(rows)


def _lines(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            if tuple(lines.fieldnames or ()) != COLUMNS:
                raise _fault(path, f"its columns are not {', '.join(COLUMNS)}")
            found: list[dict[str, str]] = []
            for line in lines:
                if None in line or None in line.values():
                    raise _fault(path, f"line {lines.line_num} has not {len(COLUMNS)} cells")
                float(line["value"])
                found.append(line)
    except (OSError, ValueError, csv.Error) as error:
        raise _fault(path, str(error)) from error
    return found


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        mapping: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _fault(path, str(error)) from error
    entries = mapping.get("protocols")
    needed = {"procedure", "id", "task", "metrics"}
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and needed <= entry.keys() for entry in entries
    ):
        raise _fault(path, f"it has no [[protocols]] with {', '.join(sorted(needed))}")
    return mapping


def _fault(path: Path, fact: str) -> DataError:
    return DataError(f"published numbers {path}: {fact}", remedy="Take the file from its source again.")
