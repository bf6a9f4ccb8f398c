"""One record as a table needs it: who, when, how far verified, its shown values, and the values that rank it."""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.rows import Value
from alphabench.leaderboard.selection import Selection, Standing
from alphabench.protocols import Protocol
from alphabench.results.aggregate import columns_of
from alphabench.results.columnar import Columns, read_columns
from alphabench.results.grids import NotPlain
from alphabench.results.intervals import Floats
from alphabench.results.margins import Rules
from alphabench.results.record import Record, load_record

_VIEWS: dict[tuple[str, str | None], Mapping[str, str | None]] = {}


@dataclass(frozen=True)
class Scores:
    """What ranks a record: one value for each image, larger is better.

    Attributes:
        key: equal for records whose values are of the same images in the same categories.
        categories: category of each image, images in sample order.
        values: the values.
    """

    key: str
    categories: tuple[str, ...]
    values: Floats


@dataclass(frozen=True)
class Entry(Standing):
    """A record in a table.

    Attributes:
        path: its folder.
        licence: of the model.
        reason: why it is incomplete; empty where it is not.
        protocol: id of the protocol.
        protocol_hash: its full hash.
        data: id of the data set.
        data_hash: its full hash.
        task: what was judged.
        samples: images of the set.
        backgrounds: solid backgrounds of the protocol.
        categories: categories of the set.
        signature: how the numbers were made.
        latent: numbers per pixel of the model's code; None where the record does not say.
        metrics: the protocol's metrics: state of each.
        values: by metric, as far as the selection finds one.
        sort: the metric that ranks; None where the protocol has none that is asked for.
        scores: what ranks it; None for set metrics, incomplete records and absent values.
    """

    path: str
    licence: str
    reason: str
    protocol: str
    protocol_hash: str
    data: str
    data_hash: str
    task: str
    samples: int
    backgrounds: int
    categories: tuple[str, ...]
    signature: str
    latent: float | None
    metrics: Mapping[str, str]
    values: Mapping[str, Value]
    sort: str | None
    scores: Scores | None


def read_entry(folder: Path, selection: Selection) -> Entry:
    """Return the record in `folder` as a table needs it.

    Plain records are checked column by column, which takes milliseconds; any other, and one that fails, goes
    through `load_record`, which says what is wrong.

    Raises:
        DataError: the record cannot be read, was edited or damaged, or disagrees with its rows.
    """
    try:
        document, protocol, columns = read_columns(folder)
    except (NotPlain, OSError):
        record = load_record(folder)
        document, protocol = dict(record.document), record.protocol
        return _entry(folder, document, protocol, selection, record)
    return _entry(folder, document, protocol, selection, columns)


def sort_metric(protocol: Protocol, selection: Selection) -> str | None:
    """Return the metric that ranks records of `protocol`: the one asked for, else the gate's primary one."""
    if selection.sort is not None:
        return selection.sort if selection.sort in protocol.metrics else None
    return _gate_rules().primary_of(protocol.metrics) or protocol.main_metric


def _views_shown(protocol: Protocol, background: str | None) -> Mapping[str, str | None]:
    """Return `view_shown` of every metric; computed once for each protocol."""
    key = protocol.hash, background
    if key not in _VIEWS:
        _VIEWS[key] = {metric: view_shown(protocol, metric, background) for metric in protocol.metrics}
    return _VIEWS[key]


def view_shown(protocol: Protocol, metric: str, background: str | None) -> str | None:
    """Return the view of `metric` on a background, its headline where none is named; None where it has none.

    `background` is a solid or textured background, `mean9`, `worst-solid`, `alpha` or the like: the last part
    of a view's name.
    """
    if background is None:
        return protocol.headline(metric)
    views = [*protocol.derived_views(metric), *protocol.metric_views(metric)]
    return next((view for view in views if view in {f"composite/{background}", f"set/{background}", background}), None)


@functools.cache
def _gate_rules() -> Rules:
    return shipped_gate().rules()


def _entry(
    folder: Path, document: Mapping[str, Any], protocol: Protocol, selection: Selection, source: Record | Columns
) -> Entry:
    model, data, stated = document["model"], document["data"], document["protocol"]
    sort = sort_metric(protocol, selection)
    latent = model.get("config", {}).get("latent_numbers_per_pixel")
    return Entry(
        record_id=document["record_id"],
        path=str(folder),
        org=model["org"],
        model=model["name"],
        licence=model["licence"],
        tier=document["verification"]["tier"],
        created=document["created"],
        complete=document["complete"],
        reason=next(iter(document["incomplete_reasons"]), ""),
        supersedes=document.get("supersedes"),
        protocol=f"{stated['name']}@{stated['version']}",
        protocol_hash=stated["hash"],
        data=f"{data['name']}@{data['version']}",
        data_hash=data["manifest_hash"],
        task=document["task"],
        samples=data["samples"],
        backgrounds=len(protocol.backgrounds),
        categories=tuple(data["categories"]),
        signature=document["signature"],
        latent=float(latent) if isinstance(latent, int | float) else None,
        metrics={metric["name"]: metric["state"] for metric in document["metrics"]},
        values=_values(document, protocol, selection),
        sort=sort,
        scores=_scores(protocol, selection, sort, source) if document["complete"] and sort else None,
    )


def _values(document: Mapping[str, Any], protocol: Protocol, selection: Selection) -> dict[str, Value]:
    scope = "macro" if selection.category is None else "category"
    found = {}
    views = _views_shown(protocol, selection.background)
    for metric in document["metrics"]:
        view = views[metric["name"]]
        for entry in metric.get("aggregates", ()):
            if entry["view"] == view and entry["scope"] == scope and entry.get("category") == selection.category:
                bounds = entry.get("interval")
                low, high = (float(bounds["low"]), float(bounds["high"])) if bounds else (None, None)
                found[metric["name"]] = Value(float(entry["value"]), int(entry["n"]), low, high)
                break
    return found


def _scores(protocol: Protocol, selection: Selection, sort: str, source: Record | Columns) -> Scores | None:
    from alphabench.metrics.catalog import CATALOG

    view = view_shown(protocol, sort, selection.background)
    better = CATALOG[sort].higher_is_better
    if view is None or better is None or protocol.scope(sort) is not None:
        return None
    if isinstance(source, Columns):
        values = source.values(sort, view)
        images, categories = source.images, source.categories
    else:
        table: dict[str, dict[str, float]] = defaultdict(dict)
        category_of = {}
        for sample, category, row_view, metric, value in source.rows:
            category_of[sample] = category
            if metric == sort:
                table[row_view][sample] = value
        column = columns_of(protocol, sort, table)[view].values
        images = tuple(sorted(category_of))
        categories = tuple(category_of[image] for image in images)
        values = np.array([column.get(image, np.nan) for image in images])
    there = ~np.isnan(values)
    oriented = values if better else -values
    if selection.category is None and there.all():
        return Scores(key=_key(images, categories), categories=categories, values=oriented) if images else None
    chosen = [
        place
        for place, (category, held) in enumerate(zip(categories, there.tolist(), strict=True))
        if held and (selection.category is None or _inside(category, selection.category))
    ]
    if not chosen:
        return None
    groups = tuple(categories[place] for place in chosen)
    return Scores(
        key=_key(tuple(images[place] for place in chosen), groups), categories=groups, values=oriented[chosen]
    )


@functools.lru_cache(maxsize=16)
def _key(images: tuple[str, ...], groups: tuple[str, ...]) -> str:
    return hashlib.sha256("\x1f".join([*images, "\x1e", *groups]).encode()).hexdigest()


def _inside(category: str, asked: str) -> bool:
    """Say whether a category is the one asked for, or a leaf of it where categories are `subset/leaf`."""
    return category == asked or category.startswith(f"{asked}/")
