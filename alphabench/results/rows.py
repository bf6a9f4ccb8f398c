"""Rows, the truth of a record: one value for each sample, view and metric."""

import hashlib
import io
import itertools
import math
import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alphabench.errors import DataError

Row = tuple[str, str, str, str, float]
"""Sample, category, view, metric, value."""

COLUMNS = ("sample", "category", "view", "metric")
MAX_ROWS = 20_000_000
MAX_TEXT_BYTES = 200
SEPARATOR, TERMINATOR = b"\x1f", b"\x1e"

_LABEL = pa.dictionary(pa.int32(), pa.string())
REMEDY = "Take the file from its source again, or repeat the run that made it."

SCHEMA = pa.schema(
    [
        *(pa.field(name, _LABEL, nullable=False) for name in COLUMNS),
        pa.field("value", pa.float64(), nullable=False),
    ]
)


def sorted_rows(rows: Iterable[Row], *, infinite: Collection[str] = ()) -> list[Row]:
    """Return checked rows in the order in which they are stored: by their four names as UTF-8 bytes.

    Args:
        rows: rows in any order.
        infinite: metrics whose value may be +inf.

    Raises:
        DataError: NaN, -inf, +inf of another metric, a name that cannot be stored, or two rows with one key.
    """
    checked = sorted((_checked(row, infinite) for row in rows), key=lambda row: row[:4])
    for before, after in itertools.pairwise(checked):
        if before[:4] == after[:4]:
            raise DataError(
                f"two rows for sample {after[0]!r}, view {after[2]!r}, metric {after[3]!r}",
                remedy="Give each sample, view and metric one value.",
            )
    return checked


def rows_sha256(rows: Iterable[Row]) -> str:
    """Return the identity of sorted rows, independent of the Parquet writer.

    SHA-256 over, for each row, the four names each followed by byte 0x1F, the value as little-endian
    float64, and byte 0x1E.
    """
    return hashlib.sha256(rows_bytes(rows)).hexdigest()


def rows_bytes(rows: Iterable[Row]) -> bytes:
    """Return the bytes that `rows_sha256` hashes."""
    return b"".join(
        b"".join((*(name.encode() + SEPARATOR for name in row[:4]), struct.pack("<d", row[4]), TERMINATOR))
        for row in rows
    )


def table_of(rows: Iterable[Row]) -> Any:
    """Return sorted rows as a pyarrow table of dictionary strings and float64."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    arrays = [pa.array(column, pa.string()).dictionary_encode() for column in columns[:4]]
    return pa.table([*arrays, pa.array(columns[4], pa.float64())], schema=SCHEMA)


def write_parquet(rows: Iterable[Row], metadata: dict[str, bytes] | None = None) -> bytes:
    """Return sorted rows as one Parquet file (zstd level 3), with `metadata` in its footer."""
    table = table_of(rows)
    if metadata:
        table = table.replace_schema_metadata({key.encode(): value for key, value in metadata.items()})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3, use_dictionary=list(COLUMNS))
    return sink.getvalue()


def read_parquet(data: bytes, *, name: str, max_rows: int = MAX_ROWS) -> tuple[list[Row], dict[str, bytes]]:
    """Return the rows of a Parquet file and the metadata of its footer.

    Args:
        data: the file.
        name: what to call it in messages.
        max_rows: the most rows that are decoded; known before anything is.

    Raises:
        DataError: it is not Parquet, has other columns or types, too many rows or too long names.
    """
    table = read_arrow(data, name=name, max_rows=max_rows)
    columns = table.to_pydict()
    rows = list(zip(*(columns[field] for field in (*COLUMNS, "value")), strict=True))
    footer = {key.decode(): value for key, value in (table.schema.metadata or {}).items()}
    return rows, footer


def read_arrow(data: bytes, *, name: str, max_rows: int = MAX_ROWS) -> Any:
    """Return a Parquet file of rows as a pyarrow table; arguments and errors are those of `read_parquet`."""
    return read_part(open_rows(data, name=name, max_rows=max_rows), name=name)


def read_part(file: Any, columns: Sequence[str] | None = None, *, name: str) -> Any:
    """Return some columns of a file that `open_rows` returned, all by default, as a pyarrow table.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(name, error) from error


def open_rows(data: bytes, *, name: str, max_rows: int = MAX_ROWS) -> Any:
    """Return a Parquet file of rows, opened and of the right columns, types and length; nothing is decoded.

    Arguments and errors are those of `read_parquet`.
    """
    try:
        # Labels are read as the dictionaries that they are stored as: half the time.
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=SCHEMA.names[:4])
        schema, count = file.schema_arrow, file.metadata.num_rows
        shape = [(field.name, field.nullable) for field in schema]
        labels = all(field.type in {pa.string(), _LABEL} for field in list(schema)[:4])
        if shape != [(field.name, False) for field in SCHEMA] or not labels:
            raise _other_columns(name)
        if schema.field("value").type != pa.float64():
            raise DataError(f"the column 'value' of {name} is not float64", remedy=REMEDY)
        if count > max_rows:
            raise DataError(f"{name} says that it has {count} rows, more than {max_rows}", remedy=REMEDY)
        return file
    except KeyError:  # a column that is asked for as a dictionary is not there
        raise _other_columns(name) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(name, error) from error


def _other_columns(name: str) -> DataError:
    return DataError(f"{name} has other columns than {', '.join(SCHEMA.names)}", remedy=REMEDY)


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(f"{name} cannot be read as Parquet: {error}", remedy=REMEDY)


def _checked(row: Row, infinite: Collection[str]) -> Row:
    for text in row[:4]:
        raw = text.encode()
        if not raw or len(raw) > MAX_TEXT_BYTES or SEPARATOR in raw or TERMINATOR in raw:
            raise DataError(
                f"a row has the name {text[:60]!r}, which cannot be stored",
                remedy=f"Use names of 1 to {MAX_TEXT_BYTES} bytes without control characters.",
            )
    value = float(row[4])
    if math.isnan(value) or value == -math.inf or (value == math.inf and row[3] not in infinite):
        raise DataError(
            f"{row[3]} of sample {row[0]!r} on view {row[2]!r} is {value}",
            remedy="A value that does not exist is reported as not applicable; anything else is a fault.",
        )
    return (*row[:4], value + 0.0)
