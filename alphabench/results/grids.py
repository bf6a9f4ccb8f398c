"""Where the rows of a record's table stand: sample and column of each, from the label columns as stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alphabench.results.rows import COLUMNS, read_part


class NotPlain(Exception):
    """The record is not of the plain kind that is read here, or something about it is wrong."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the rows of a table stand; what follows from the labels alone is found once for all records of a set.

    Attributes:
        images: names of the samples, sorted.
        labels: names of the categories, sorted.
        group: place of each sample's category among `labels`.
        places: `(view, metric)` of each column that some row has.
        cells: sample and column of each row; None where every sample has every column, in order.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]
    group: NDArray[np.int64]
    places: tuple[tuple[str, str], ...]
    cells: tuple[NDArray[np.int64], NDArray[np.int64]] | None

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Return the category of each sample."""
        return tuple(self.labels[place] for place in self.group.tolist())

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Return the number of samples of each category."""
        counts = np.bincount(self.group, minlength=len(self.labels)).tolist()
        return dict(zip(self.labels, counts, strict=True))

    def matrix(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of all rows as `(sample, column)`, NaN where there is no row."""
        shape = len(self.images), len(self.places)
        if self.cells is None:
            return raw.reshape(shape)
        found = np.full(shape, np.nan)
        found[self.cells] = raw
        return found


_GRIDS: dict[bytes, Grid] = {}
"""Where the rows of tables stand, by their label columns as stored: all records of one set under one protocol have
the same, and they are most of the work."""
MOST_GRIDS = 16


def grid_of(file: Any, data: bytes) -> Grid:
    """Return where the rows of an opened file stand; equal bytes of its label columns give the same object.

    Raises:
        NotPlain: the rows are not sorted, stand twice, or put a sample into two categories.
    """
    key = _label_bytes(file.metadata, data)
    if key is not None and key in _GRIDS:
        return _GRIDS[key]
    found = _grid(read_part(file, list(COLUMNS), name="samples.parquet"))
    if key is not None and len(_GRIDS) < MOST_GRIDS:
        _GRIDS[key] = found
    return found


def _label_bytes(metadata: Any, data: bytes) -> bytes | None:
    """Return a digest of the stored label columns and of what says how to decode them; None for an odd file."""
    if metadata.num_row_groups != 1:
        return None
    digest = hashlib.sha256(f"{metadata.num_rows}".encode())
    group = metadata.row_group(0)
    for position in range(len(COLUMNS)):
        column = group.column(position)
        start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        chunk = data[start : start + column.total_compressed_size]
        facts = column.path_in_schema, column.physical_type, column.compression, column.num_values, len(chunk)
        digest.update(repr(facts).encode())
        digest.update(chunk)
    return digest.digest()


def _grid(table: Any) -> Grid:
    if (regular := _regular_grid(table)) is not None:
        return regular
    labels, codes = zip(*(_decoded(table.column(position)) for position in range(4)), strict=True)
    samples, categories, views, metrics = codes
    order = ((samples * len(labels[1]) + categories) * len(labels[2]) + views) * len(labels[3]) + metrics
    require(bool((np.diff(order) > 0).all()))
    group = np.full(len(labels[0]), -1, dtype=np.int64)
    group[samples] = categories
    require(bool((group[samples] == categories).all()))
    pairs = views * len(labels[3]) + metrics
    used = np.flatnonzero(np.bincount(pairs))
    places = [(labels[2][code // len(labels[3])], labels[3][code % len(labels[3])]) for code in used.tolist()]
    return Grid(tuple(labels[0]), tuple(labels[1]), group, tuple(places), (samples, np.searchsorted(used, pairs)))


def _regular_grid(table: Any) -> Grid | None:
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
    group = np.array([rank[name] for name in used], dtype=np.int64)
    return Grid(tuple(names), tuple(labels), group, tuple(places), None)


def _raw(column: Any) -> tuple[list[str], NDArray[np.int32]]:
    """Return a column's dictionary as it is stored, and each row's place in it."""
    import pyarrow as pa

    array = one_chunk(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return array.dictionary.to_pylist(), numbers(array.indices, "<i4")


def one_chunk(column: Any) -> Any:
    """Return a column as one array."""
    import pyarrow as pa

    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def numbers(array: Any, dtype: str) -> NDArray[Any]:
    """Return the numbers of an array without nulls; its own `to_numpy` would import pandas first."""
    require(array.null_count == 0 and array.type.bit_width == 8 * np.dtype(dtype).itemsize)
    found: NDArray[Any] = np.frombuffer(array.buffers()[1], dtype=dtype, count=array.offset + len(array))
    return found[array.offset :]


def _decoded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Return a column's names in order, those that rows use, and each row's place among them."""
    names, indices = _raw(column)
    present = sorted({names[place] for place in np.flatnonzero(np.bincount(indices)).tolist()})
    rank = {name: place for place, name in enumerate(present)}
    return present, np.array([rank.get(name, -1) for name in names], dtype=np.int64)[indices]


def require(condition: object) -> None:
    """Raise `NotPlain` where a check fails."""
    if not condition:
        raise NotPlain("a check failed")
