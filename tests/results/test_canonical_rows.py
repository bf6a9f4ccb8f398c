"""Canonical JSON and rows: identities that no library version may move."""

import hashlib
import itertools
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alphabench.errors import DataError
from alphabench.results.canonical import canonical_json, parse_json, sha256_json
from alphabench.results.rows import (
    read_parquet,
    rows_bytes,
    rows_sha256,
    sorted_rows,
    write_parquet,
)

TWO_ROWS = [
    ("img/b", "hair", "composite/white", "psnr", math.inf),
    ("img/a", "glass", "alpha", "sad", 0.5),
]


def test_canonical_json_takes_ecmascript_numbers_and_sorts_by_utf16():
    document = {"b": 1.0, "a": [1e21, 1e-7, 0.1, -0.0], "é": "€", "😀": "x", "\ufb33": "y"}
    wanted = '{"a":[1e+21,1e-7,0.1,0],"b":1,"é":"€","😀":"x","\ufb33":"y"}'
    assert canonical_json(document).decode() == wanted
    assert sha256_json(document) == "87da4a7264cd31bc45e731c5005ab312945ab97eff52e2ed399a8ceac6821e70"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, {1: 2}, object()])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(DataError, match="no canonical JSON"):
        canonical_json({"a": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": ', "not a valid document"),
        ("[" * 30 + "]" * 30, "20 levels"),
        ("[" * 100_000, "not a valid document"),
        ('"' + "x" * 9_000_000 + '"', "more than"),
    ],
)
def test_the_reader_refuses_what_pythons_parser_lets_pass(text, message):
    with pytest.raises(DataError, match=message):
        parse_json(text.encode(), name="record.json")


def test_the_reader_refuses_other_encodings():
    with pytest.raises(DataError, match="not a valid document"):
        parse_json('{"a": "é"}'.encode("latin-1"), name="record.json")


def test_two_rows_have_the_known_hash_in_any_order():
    for rows in itertools.permutations(TWO_ROWS):
        ordered = sorted_rows(rows, infinite={"psnr"})
        assert len(rows_bytes(ordered)) == 72
        digest = "a29ef3df685d3ee888b068f82bc707342bd5e2e1d0b27d5a0154b706451a8f46"
        assert rows_sha256(ordered) == digest


def test_negative_zero_is_stored_as_zero():
    rows = [("a", "c", "alpha", "sad", -0.0)]
    assert rows_sha256(sorted_rows(rows)) == rows_sha256([("a", "c", "alpha", "sad", 0.0)])


def test_rows_are_sorted_by_their_utf8_bytes():
    names = ["\U0001f600", "\ufb33", "z", "Z", "é"]
    rows = sorted_rows([(name, "c", "alpha", "sad", 0.0) for name in names])
    assert [row[0] for row in rows] == sorted(names, key=str.encode)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "c", "alpha", "sad", math.nan), "sad of sample 'a' on view 'alpha' is nan"),
        (("a", "c", "alpha", "psnr", -math.inf), "is -inf"),
        (("a", "c", "alpha", "sad", math.inf), "is inf"),
        (("a\x1f", "c", "alpha", "sad", 0.0), "cannot be stored"),
        (("a", "c\x1e", "alpha", "sad", 0.0), "cannot be stored"),
        (("a", "", "alpha", "sad", 0.0), "cannot be stored"),
        (("a" * 201, "c", "alpha", "sad", 0.0), "cannot be stored"),
    ],
)
def test_rows_that_cannot_be_stored_are_refused(row, message):
    with pytest.raises(DataError, match=message):
        sorted_rows([row], infinite={"psnr"})


def test_two_values_for_one_key_are_refused():
    with pytest.raises(DataError, match="two rows for sample 'a'"):
        sorted_rows([("a", "c", "alpha", "sad", 0.0), ("a", "c", "alpha", "sad", 0.0)])


def test_parquet_keeps_rows_types_and_metadata():
    rows = sorted_rows(TWO_ROWS, infinite={"psnr"})
    data = write_parquet(rows, {"key": b"value"})
    assert read_parquet(data, name="x") == (rows, {"key": b"value"})
    schema = pq.ParquetFile(pa.BufferReader(data)).schema_arrow
    assert all(not field.nullable for field in schema)
    assert pa.types.is_float64(schema.field("value").type)
    assert b"pandas" not in (schema.metadata or {})
    assert write_parquet(rows) == write_parquet(list(rows))


def test_no_rows_are_a_file_too():
    assert read_parquet(write_parquet([]), name="x")[0] == []
    assert rows_sha256([]) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"sample": ["a"]}),
        pa.table({name: ["a"] for name in ("sample", "category", "view", "metric", "value")}),
        pa.table({"sample": [1], "category": ["a"], "view": ["a"], "metric": ["a"], "value": [1.0]}),
    ],
)
def test_parquet_of_another_shape_is_refused(table, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    with pytest.raises(DataError, match="other columns"):
        read_parquet(path.read_bytes(), name="x")


def test_parquet_with_a_wrong_value_column_is_refused(tmp_path):
    fields = [pa.field(name, pa.string(), nullable=False) for name in ("sample", "category", "view", "metric")]
    schema = pa.schema([*fields, pa.field("value", pa.float32(), nullable=False)])
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table([["a"], ["a"], ["a"], ["a"], [1.0]], schema=schema), path)
    with pytest.raises(DataError, match="not float64"):
        read_parquet(path.read_bytes(), name="x")


def test_too_many_rows_are_refused_before_they_are_decoded():
    data = write_parquet(sorted_rows(TWO_ROWS, infinite={"psnr"}))
    with pytest.raises(DataError, match="says that it has 2 rows, more than 1"):
        read_parquet(data, name="x", max_rows=1)


def test_bytes_that_are_no_parquet_are_refused():
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_parquet(b"PAR1nothing", name="x")
