"""Records read as one matrix: the values that rows hold, and nothing that rows may not hold."""

import hashlib
import json
import math

import numpy as np
import pytest

from alphabench.results.columnar import NotPlain, read_columns
from alphabench.results.document import document_bytes, record_id
from alphabench.results.record import load_record
from alphabench.results.rows import table_of, write_parquet

CAP = 100.0


@pytest.fixture(scope="module")
def made(tmp_path_factory, writer):
    return load_record(writer(tmp_path_factory.mktemp("made") / "one", model="one", images=12), thorough=False)


def stored(root, record, rows):
    """Write `record` with other rows in the place of a store that its content names."""
    parquet = write_parquet(rows)
    facts = {"rows": len(rows), "file_sha256": hashlib.sha256(parquet).hexdigest(), "file_bytes": len(parquet)}
    document = json.loads(json.dumps(record.document))
    document["samples"] |= facts
    document["record_id"] = record_id(document)
    folder = root / "alpha-mini@1" / "tests__one" / document["record_id"]
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(document_bytes(document))
    (folder / "samples.parquet").write_bytes(parquet)
    return folder


def changed(rows, sample, view, metric, value):
    """Return rows with one value changed, or left out for None."""
    found = [(*row[:4], value) if (row[0], row[2], row[3]) == (sample, view, metric) else row for row in rows]
    assert found != list(rows)
    return [row for row in found if row[4] is not None]


@pytest.mark.parametrize("gap", [False, True])
def test_values_are_those_of_the_rows_capped_and_derived_views_their_means(made, tmp_path, gap):
    rows = changed(made.rows, "img/0003", "composite/white", "psnr", math.inf)
    if gap:  # then no sample-by-column matrix fits the rows as they stand
        rows = changed(rows, "img/0005", "alpha", "sad", None)
    columns = read_columns(stored(tmp_path, made, rows))[2]
    assert columns.images == tuple(f"img/{index:04d}" for index in range(12))
    assert dict(zip(columns.images, columns.categories, strict=True)) == {row[0]: row[1] for row in rows}
    white = {row[0]: min(row[4], CAP) for row in rows if row[2:4] == ("composite/white", "psnr")}
    assert columns.values("psnr", "composite/white").tolist() == [white[name] for name in columns.images]
    assert white["img/0003"] == CAP
    solid = {f"composite/{name}" for name in made.protocol.backgrounds}
    means = [
        np.mean([min(row[4], CAP) for row in rows if row[0] == name and row[3] == "psnr" and row[2] in solid])
        for name in columns.images
    ]
    np.testing.assert_allclose(columns.values("psnr", "composite/mean9"), means, rtol=1e-14)
    absent = np.isnan(columns.values("sad", "alpha"))
    assert [name for name, there in zip(columns.images, absent, strict=True) if there] == (["img/0005"] if gap else [])


@pytest.mark.parametrize(("metric", "view"), [("psnr", "composite/white"), ("sad", "alpha")])
@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
def test_what_is_no_number_is_refused_and_infinity_but_where_a_cap_is(made, tmp_path, metric, view, value):
    folder = stored(tmp_path, made, changed(made.rows, "img/0003", view, metric, value))
    if metric == "psnr" and value == math.inf:
        assert read_columns(folder)[2].values(metric, view)[3] == CAP
    else:
        with pytest.raises(NotPlain):
            read_columns(folder)


def test_rows_of_a_view_or_metric_that_the_protocol_lacks_are_refused(made, tmp_path):
    rows = sorted([*made.rows, ("img/0003", made.rows[0][1], "alpha", "zzz", 1.0)])
    assert table_of(rows).num_rows == len(rows)
    with pytest.raises(NotPlain):
        read_columns(stored(tmp_path, made, rows))


@pytest.mark.parametrize("text", ["NaN", "1e999", "null", '"1.5"', "1.5\x00"])
def test_a_document_that_is_not_strict_json_of_numbers_is_refused_even_where_its_id_fits(made, tmp_path, text):
    assert made.path is not None
    data = (made.path / "record.json").read_bytes()
    start = data.index(b'"value":') + 8
    data = data[:start] + text.encode() + data[data.index(b",", start) :]
    rest = data.replace(f'"record_id":"{made.id}",'.encode(), b"")[:-1]
    identity = hashlib.sha256(rest).hexdigest()[:32]
    (tmp_path / "record.json").write_bytes(data.replace(made.id.encode(), identity.encode()))
    (tmp_path / "samples.parquet").write_bytes((made.path / "samples.parquet").read_bytes())
    with pytest.raises(NotPlain):
        read_columns(tmp_path)
