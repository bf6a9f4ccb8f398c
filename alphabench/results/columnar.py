"""A finished record read as one matrix, its means checked against it at once: for tables of many records.

What `load_record` checks one row after another is checked here column by column, in a few milliseconds:
identity, place, protocol, signature, the hash of the rows' file, samples, categories, and, of a record outside a
store, every mean of every sample metric. What is left to `load_record`, through which each record enters a
store: the schema's every member, the bounds of intervals and, as its id vouches for them since, the means.
"""

import functools
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from alphabench.protocols import Protocol, list_protocols, parse_signature, signature
from alphabench.results.canonical import MAX_BYTES
from alphabench.results.document import FILE, SCHEMA
from alphabench.results.grids import Grid, NotPlain, grid_of, numbers, one_chunk, require
from alphabench.results.intervals import Floats
from alphabench.results.record import ROWS_FILE, Record, check_place, load_record, record_folder
from alphabench.results.rows import open_rows, read_parquet, read_part

NAME = re.compile(r"(?!.*__)[a-z0-9][a-z0-9._-]{0,62}")
LICENCE = re.compile(r"[A-Za-z0-9.+() -]{2,64}")
TIME = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
IDENTITY = re.compile(r"[0-9a-f]{32}")
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
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
        grid: names and categories of the samples, and which column is which.
        held: `(sample, column of the grid)` as stored; NaN where there is no value.
        layout: the columns of the protocol.
    """

    grid: Grid
    held: Floats
    layout: _Layout

    @property
    def images(self) -> tuple[str, ...]:
        """Return the samples' names, sorted."""
        return self.grid.images

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the category of each sample."""
        return self.grid.categories

    def values(self, metric: str, view: str) -> Floats:
        """Return the value of each sample, caps applied, NaN where it has none; a derived view is a mean of its parts.

        Raises:
            KeyError: the protocol has no such metric on that view.
        """
        place, keys = self.layout.places[metric, view], self.layout.keys
        codes = [place] if place < keys else self.layout.derived[place - keys].tolist()
        columns = _columns(self.layout, self.grid)
        if any(code not in columns for code in codes):
            return np.full(len(self.images), np.nan)
        own = np.minimum(self.held[:, [columns.index(code) for code in codes]], self.layout.caps[codes])
        found: Floats = own.mean(axis=1)
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
        require(len(data) <= MAX_BYTES)
        document = from_json(data, allow_inf_nan=False)
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
    require(IDENTITY.fullmatch(stated) and data.count(member) == 1 and data.endswith(b"}\n"))
    start = data.index(member)
    rest = data[:start] + data[start + len(member) : -1]
    require(hashlib.sha256(rest).hexdigest()[:32] == stated)


def _check_document(document: Mapping[str, Any], protocol: Protocol) -> None:
    model, data, stated = document["model"], document["data"], document["protocol"]
    require(document["schema"] == SCHEMA and document["complete"] is True and protocol.aggregation.mode == "macro")
    require(f"{stated['name']}@{stated['version']}" == protocol.id)
    require(all(NAME.fullmatch(text) for text in (model["org"], model["name"], data["name"], data["split"])))
    require(LICENCE.fullmatch(model["licence"]) and TIME.fullmatch(document["created"]))
    require(document["verification"]["tier"] in (0, 1, 2))
    require(IDENTITY.fullmatch(document.get("supersedes", document["record_id"])))
    require(re.fullmatch("[0-9a-f]{64}", data["manifest_hash"]))
    require([metric["name"] for metric in document["metrics"]] == list(protocol.metrics))
    require(all(metric["state"] == "ok" for metric in document["metrics"]))
    means = [entry["value"] for metric in document["metrics"] for entry in metric["aggregates"]]
    require(all(map(math.isfinite, means)))  # 1e999 is JSON
    wanted = _signature(protocol.hash, f"{data['name']}@{int(data['version'])}", data["manifest_hash"])
    found = _fields(document["signature"])
    require({**wanted, "v": found.get("v", "")} == found)


def _read_values(document: Mapping[str, Any], protocol: Protocol, data: bytes, *, stored: bool) -> Columns:
    stated = document["samples"]
    require(hashlib.sha256(data).hexdigest() == stated["file_sha256"] and len(data) == stated["file_bytes"])
    file = open_rows(data, name=ROWS_FILE)
    require(file.metadata.num_rows == stated["rows"])
    layout = _layout(protocol)
    grid = grid_of(file, data)
    raw = numbers(one_chunk(read_part(file, ["value"], name=ROWS_FILE).column(0)), "<f8")
    columns = _columns(layout, grid)
    held = grid.matrix(raw)
    if not np.isfinite(raw).all():
        require(not np.isnan(raw).any() and not (raw == -np.inf).any())
        require(not (np.isposinf(held) & np.isinf(layout.caps[list(columns)])).any())
    require(grid.sizes == document["data"]["categories"] and len(grid.images) == document["data"]["samples"])
    if not stored:
        values = np.full((len(grid.images), layout.keys), np.nan)
        values[:, columns] = held
        whole, over = _with_derived(values, layout)
        _check_means(document, layout, _Means.of(whole, over, grid.group, grid.labels))
        _check_counts(document, values, layout)
    return Columns(grid=grid, held=held, layout=layout)


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
    bounds = [(entry["value"], entry["interval"]) for _, entry in means if "interval" in entry]
    require(all(held["low"] <= value <= held["high"] for value, held in bounds))
    means = [(name, entry) for name, entry in means if name in layout.columns]
    column = [layout.places[name, entry["view"]] for name, entry in means]
    place = [found.scopes[entry["scope"], entry.get("category", "")] for _, entry in means]
    facts = [(entry["value"], entry["n"], entry.get("capped", -1)) for _, entry in means]
    stated = np.full((3, *found.value.shape), np.nan)
    stated[:, place, column] = np.array(facts, dtype=np.float64).reshape(-1, 3).T
    there = ~np.isnan(found.value)
    require(len(facts) == int(there.sum()) and bool((there == ~np.isnan(stated[0])).all()))
    close = np.abs(stated[0] - found.value) <= TOLERANCE * np.maximum(1.0, np.abs(found.value))
    same = (stated[1] == found.n) & (stated[2] == np.where(layout.capped, found.capped, -1.0))
    require(bool(((close & same) | ~there).all()))


def _check_counts(document: Mapping[str, Any], values: Floats, layout: _Layout) -> None:
    present = (~np.isnan(values)).sum(axis=0)
    for metric in document["metrics"]:
        if columns := layout.columns.get(metric["name"]):
            counts = metric["rows"]
            require(counts["present"] == int(present[list(columns)].sum()))
            require(counts["present"] + counts["not_applicable"] == counts["expected"] == len(columns) * len(values))


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


@functools.lru_cache(maxsize=16)
def _columns(layout: _Layout, grid: Grid) -> tuple[int, ...]:
    """Return the protocol's column of each column of a grid."""
    return tuple(layout.codes[place] for place in grid.places)


@functools.lru_cache(maxsize=64)
def _fields(line: str) -> Mapping[str, str]:
    return parse_signature(line)


@functools.lru_cache(maxsize=32)
def _signature(identity: str, data_id: str, manifest_hash: str) -> Mapping[str, str]:
    return parse_signature(signature(_shipped()[identity], data_id, manifest_hash))


@functools.cache
def _shipped() -> Mapping[str, Protocol]:
    return {protocol.hash: protocol for protocol in list_protocols()}
