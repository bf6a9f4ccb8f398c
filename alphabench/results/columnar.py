"""A finished record read as one matrix, its means checked against it at once: for tables of many records.

What `load_record` checks one row after another is checked here column by column, in a few milliseconds:
identity, place, protocol, signature, the hash of the rows' file, samples, categories, and, of a record outside a
store, every mean of every sample metric. What is left to `load_record`, through which each record enters a
store: the schema's every member, the bounds of intervals and, as its id vouches for them since, the means.
"""

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alphabench.protocols import Protocol, list_protocols, parse_signature, signature
from alphabench.results.document import FILE, SCHEMA
from alphabench.results.intervals import Floats
from alphabench.results.record import ROWS_FILE, Record, check_place, load_record, record_folder
from alphabench.results.rows import read_arrow, read_parquet

NAME = re.compile(r"(?!.*__)[a-z0-9][a-z0-9._-]{0,62}")
LICENCE = re.compile(r"[A-Za-z0-9.+() -]{2,64}")
TIME = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
IDENTITY = re.compile(r"[0-9a-f]{32}")
TOLERANCE = 1e-9


class NotPlain(Exception):
    """The record is not of the plain kind that is read here, or something about it is wrong."""


@dataclass(frozen=True)
class _Layout:
    """Where each metric and view of a protocol stands.

    Attributes:
        keys: number of `(view, metric)` with rows of their own.
        codes: column by (view, metric).
        columns: the own columns of each sample metric.
        places: column by (metric, view): own ones first, then derived ones.
        derived: own columns of each derived one, in order.
        caps: cap of each own column, inf for none.
        capped: whether a cap applies, for each column.
    """

    keys: int
    codes: Mapping[tuple[str, str], int]
    columns: Mapping[str, tuple[int, ...]]
    places: Mapping[tuple[str, str], int]
    derived: tuple[NDArray[np.intp], ...]
    caps: Floats
    capped: NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """The values of one record.

    Attributes:
        images: the samples' names, sorted.
        categories: the category of each image.
        own: `(image, column)`, caps applied; NaN where there is no value.
        layout: which column is which.
    """

    images: tuple[str, ...]
    categories: tuple[str, ...]
    own: Floats
    layout: _Layout

    def values(self, metric: str, view: str) -> Floats:
        """Return the value of each image, NaN where it has none; a derived view is the mean of its parts."""
        place = self.layout.places[metric, view]
        if place < self.layout.keys:
            return self.own[:, place]
        found: Floats = self.own[:, self.layout.derived[place - self.layout.keys]].mean(axis=1)
        return found


def read_columns(folder: Path) -> tuple[dict[str, Any], Protocol, Columns]:
    """Return a complete record's document, its protocol and its values.

    Raises:
        NotPlain: the record is incomplete, of another schema, made under a protocol that is not shipped or
            that averages otherwise, or fails a check. `load_record` knows which and says so.
        OSError: a file cannot be read.
    """
    data = (folder / FILE).read_bytes()
    try:
        document = json.loads(data, parse_constant=_refuse)
        _check_identity(document, data)
        check_place(folder, document)
        protocol = _shipped()[document["protocol"]["hash"]]
        _check_document(document, protocol)
        stored = IDENTITY.fullmatch(folder.name) is not None  # then `check_place` has found it in its place
        return document, protocol, _read_values(document, protocol, (folder / ROWS_FILE).read_bytes(), stored=stored)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise NotPlain(str(error)) from error


def load_record_quickly(path: str | Path) -> Record:
    """Return a record whose values are to be compared: as `load_record`, but a plain one is checked by columns.

    What it states of intervals is not computed again: who shows those takes `load_record`.

    Raises:
        DataError: as `load_record`.
    """
    folder = record_folder(Path(path).absolute())
    try:
        document, protocol, _ = read_columns(folder)
        data = (folder / ROWS_FILE).read_bytes()
        if hashlib.sha256(data).hexdigest() != document["samples"]["file_sha256"]:
            raise NotPlain("the rows changed while they were read")
    except (NotPlain, OSError):
        return load_record(path)
    rows, _ = read_parquet(data, name=str(folder / ROWS_FILE))
    return Record(document=document, rows=rows, protocol=protocol, path=folder)


def _check_identity(document: Mapping[str, Any], data: bytes) -> None:
    """Check a record's id on the bytes of its file, which are canonical as every writer leaves them."""
    stated = document["record_id"]
    member = f'"record_id":"{stated}",'.encode()
    _require(IDENTITY.fullmatch(stated) and data.count(member) == 1 and data.endswith(b"}\n"))
    start = data.index(member)
    rest = data[:start] + data[start + len(member) : -1]
    _require(hashlib.sha256(rest).hexdigest()[:32] == stated)


def _check_document(document: Mapping[str, Any], protocol: Protocol) -> None:
    model, data, stated = document["model"], document["data"], document["protocol"]
    _require(document["schema"] == SCHEMA and document["complete"] is True and protocol.aggregation.mode == "macro")
    _require(f"{stated['name']}@{stated['version']}" == protocol.id)
    _require(all(NAME.fullmatch(text) for text in (model["org"], model["name"], data["name"], data["split"])))
    _require(LICENCE.fullmatch(model["licence"]) and TIME.fullmatch(document["created"]))
    _require(document["verification"]["tier"] in (0, 1, 2))
    _require(IDENTITY.fullmatch(document.get("supersedes", document["record_id"])))
    _require(re.fullmatch("[0-9a-f]{64}", data["manifest_hash"]))
    _require([metric["name"] for metric in document["metrics"]] == list(protocol.metrics))
    _require(all(metric["state"] == "ok" for metric in document["metrics"]))
    wanted = _signature(protocol.hash, f"{data['name']}@{int(data['version'])}", data["manifest_hash"])
    found = parse_signature(document["signature"])
    _require({**wanted, "v": found.get("v", "")} == found)


def _read_values(document: Mapping[str, Any], protocol: Protocol, data: bytes, *, stored: bool) -> Columns:
    stated = document["samples"]
    _require(hashlib.sha256(data).hexdigest() == stated["file_sha256"] and len(data) == stated["file_bytes"])
    table = read_arrow(data, name=ROWS_FILE)
    _require(table.num_rows == stated["rows"])
    layout = _layout(protocol)
    labels, group, places, grid = _grid(table)
    raw = _buffer(_one_chunk(table.column(4)), "<f8")
    _require(not np.isnan(raw).any() and not (raw == -np.inf).any())
    columns = [layout.codes[key] for key in places]
    values = np.full((len(labels[0]), layout.keys), np.nan)
    if grid is None:
        values[:, columns] = raw.reshape(len(labels[0]), len(columns))
    else:
        values[grid[0], np.array(columns, dtype=np.intp)[grid[1]]] = raw
    _require(not (np.isposinf(values) & np.isinf(layout.caps)).any())
    sizes = np.bincount(group, minlength=len(labels[1]))
    _require(dict(zip(labels[1], sizes.tolist(), strict=True)) == document["data"]["categories"])
    _require(len(labels[0]) == document["data"]["samples"])
    if not stored:
        whole, over = _with_derived(values, layout)
        _check_means(document, layout, _Means.of(whole, over, group, labels[1]))
        _check_counts(document, values, layout)
    return Columns(
        images=tuple(labels[0]),
        categories=tuple(labels[1][place] for place in group.tolist()),
        own=np.minimum(values, layout.caps),
        layout=layout,
    )


Grid = tuple[NDArray[np.int64], NDArray[np.int64]]


def _grid(table: Any) -> tuple[list[list[str]], NDArray[np.int64], list[tuple[str, str]], Grid | None]:
    """Return where the rows of a table stand.

    Returns:
        The names of samples and categories, sorted; the category of each sample; the `(view, metric)` of each
        column; and sample and column of each row, or None where every sample has every column, in order.
    """
    if (regular := _regular_grid(table)) is not None:
        return regular
    labels, codes = zip(*(_decoded(table.column(position)) for position in range(4)), strict=True)
    samples, categories, views, metrics = codes
    order = ((samples * len(labels[1]) + categories) * len(labels[2]) + views) * len(labels[3]) + metrics
    _require(bool((np.diff(order) > 0).all()))
    group = np.full(len(labels[0]), -1, dtype=np.int64)
    group[samples] = categories
    _require(bool((group[samples] == categories).all()))
    pairs = views * len(labels[3]) + metrics
    used = np.flatnonzero(np.bincount(pairs))
    places = [(labels[2][code // len(labels[3])], labels[3][code % len(labels[3])]) for code in used.tolist()]
    return [labels[0], labels[1]], group, places, (samples, np.searchsorted(used, pairs))


def _regular_grid(
    table: Any,
) -> tuple[list[list[str]], NDArray[np.int64], list[tuple[str, str]], Grid | None] | None:
    """Return what `_grid` does where every sample has the same columns, as most records do; else None."""
    (names, samples), (groups, categories), (views, view), (metrics, metric) = (
        _raw(table.column(position)) for position in range(4)
    )
    count = len(names)
    if count == 0 or table.num_rows % count or names != sorted(set(names)):
        return None
    lines = [codes.reshape(count, -1) for codes in (samples, categories, view, metric)]
    if not (
        (lines[0] == np.arange(count, dtype=samples.dtype)[:, None]).all()
        and (lines[1] == lines[1][:, :1]).all()
        and (lines[2] == lines[2][0]).all()
        and (lines[3] == lines[3][0]).all()
    ):
        return None
    places = [(views[a], metrics[b]) for a, b in zip(lines[2][0].tolist(), lines[3][0].tolist(), strict=True)]
    if places != sorted(set(places)):
        return None
    used = [groups[code] for code in lines[1][:, 0].tolist()]
    labels = sorted(set(used))
    rank = {name: place for place, name in enumerate(labels)}
    return [names, labels], np.array([rank[name] for name in used], dtype=np.int64), places, None


def _raw(column: Any) -> tuple[list[str], NDArray[np.int32]]:
    """Return a column's dictionary as it is stored, and each row's place in it."""
    import pyarrow as pa

    array = _one_chunk(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return array.dictionary.to_pylist(), _buffer(array.indices, "<i4")


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _buffer(array: Any, dtype: str) -> NDArray[Any]:
    """Return the numbers of an array without nulls; its own `to_numpy` would import pandas first."""
    _require(array.null_count == 0 and array.type.bit_width == 8 * np.dtype(dtype).itemsize)
    numbers: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype=dtype, count=array.offset + len(array))
    return numbers[array.offset :]


def _decoded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Return a column's names in order, those that rows use, and each row's place among them."""
    names, indices = _raw(column)
    present = sorted({names[place] for place in np.flatnonzero(np.bincount(indices)).tolist()})
    rank = {name: place for place, name in enumerate(present)}
    return present, np.array([rank.get(name, -1) for name in names], dtype=np.int64)[indices]


def _with_derived(values: Floats, layout: _Layout) -> tuple[Floats, Floats]:
    """Return capped values with the derived columns behind, and how many rows were capped for each."""
    over = (values > layout.caps).astype(np.float64)
    own = np.minimum(values, layout.caps)
    means = [own[:, members].mean(axis=1, keepdims=True) for members in layout.derived]
    counts = [over[:, members].sum(axis=1, keepdims=True) for members in layout.derived]
    return np.hstack([own, *means]), np.hstack([over, *counts])


@dataclass(frozen=True)
class _Means:
    """Means, numbers of images and of capped rows: `(scope, column)`, scopes macro, micro, then categories."""

    scopes: Mapping[tuple[str, str], int]
    value: Floats
    n: Floats
    capped: Floats

    @classmethod
    def of(cls, values: Floats, over: Floats, group: NDArray[np.intp], categories: Sequence[str]) -> "_Means":
        there = ~np.isnan(values)
        member = (group[None, :] == np.arange(len(categories))[:, None]).astype(np.float64)
        count = member @ there
        total = member @ np.where(there, values, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = total / count
            filled = count > 0
            macro = np.where(filled, means, 0.0).sum(axis=0) / filled.sum(axis=0)
            micro = total.sum(axis=0) / count.sum(axis=0)
        capped = member @ np.where(there, over, 0.0)
        scopes = {("macro", ""): 0, ("micro", ""): 1}
        scopes |= {("category", name): place + 2 for place, name in enumerate(categories)}
        return cls(
            scopes=scopes,
            value=np.vstack([macro, micro, means]),
            n=np.vstack([count.sum(axis=0), count.sum(axis=0), count]),
            capped=np.vstack([capped.sum(axis=0), capped.sum(axis=0), capped]),
        )


def _check_means(document: Mapping[str, Any], layout: _Layout, found: _Means) -> None:
    means = [(metric["name"], entry) for metric in document["metrics"] for entry in metric["aggregates"]]
    _require(all(map(math.isfinite, [entry["value"] for _, entry in means])))
    bounds = [(entry["value"], entry["interval"]) for _, entry in means if "interval" in entry]
    _require(all(held["low"] <= value <= held["high"] for value, held in bounds))
    means = [(name, entry) for name, entry in means if name in layout.columns]
    column = [layout.places[name, entry["view"]] for name, entry in means]
    place = [found.scopes[entry["scope"], entry.get("category", "")] for _, entry in means]
    facts = [(entry["value"], entry["n"], entry.get("capped", -1)) for _, entry in means]
    stated = np.full((3, *found.value.shape), np.nan)
    stated[:, place, column] = np.array(facts, dtype=np.float64).reshape(-1, 3).T
    there = ~np.isnan(found.value)
    _require(len(facts) == int(there.sum()) and bool((there == ~np.isnan(stated[0])).all()))
    close = np.abs(stated[0] - found.value) <= TOLERANCE * np.maximum(1.0, np.abs(found.value))
    same = (stated[1] == found.n) & (stated[2] == np.where(layout.capped, found.capped, -1.0))
    _require(bool(((close & same) | ~there).all()))


def _check_counts(document: Mapping[str, Any], values: Floats, layout: _Layout) -> None:
    present = (~np.isnan(values)).sum(axis=0)
    for metric in document["metrics"]:
        if columns := layout.columns.get(metric["name"]):
            counts = metric["rows"]
            _require(counts["present"] == int(present[list(columns)].sum()))
            _require(counts["present"] + counts["not_applicable"] == counts["expected"] == len(columns) * len(values))


@functools.lru_cache(maxsize=32)
def _layout_of(identity: str) -> _Layout:
    protocol = _shipped()[identity]
    keys = protocol.sample_keys()
    codes = {key: place for place, key in enumerate(keys)}
    places = {(metric, view): place for (view, metric), place in codes.items()}
    caps = [protocol.mean_cap(metric) for _, metric in keys]
    capped = [cap is not None for cap in caps]
    derived: list[NDArray[np.intp]] = []
    for metric in protocol.sample_metrics():
        for view, members in protocol.derived_views(metric).items():
            places[metric, view] = len(keys) + len(derived)
            derived.append(np.array([codes[member, metric] for member in members], dtype=np.intp))
            capped.append(protocol.mean_cap(metric) is not None)
    return _Layout(
        keys=len(keys),
        codes=codes,
        columns={
            metric: tuple(codes[view, metric] for view in protocol.metric_views(metric))
            for metric in protocol.sample_metrics()
        },
        places=places,
        derived=tuple(derived),
        caps=np.array([math.inf if cap is None else cap for cap in caps]),
        capped=np.array(capped),
    )


def _layout(protocol: Protocol) -> _Layout:
    return _layout_of(protocol.hash)


@functools.lru_cache(maxsize=32)
def _signature(identity: str, data_id: str, manifest_hash: str) -> Mapping[str, str]:
    return parse_signature(signature(_shipped()[identity], data_id, manifest_hash))


@functools.cache
def _shipped() -> Mapping[str, Protocol]:
    return {protocol.hash: protocol for protocol in list_protocols()}


def _require(condition: object) -> None:
    if not condition:
        raise NotPlain("a check failed")


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")
