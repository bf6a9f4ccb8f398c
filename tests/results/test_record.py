"""Finished records: they read back, and everything that an edit disturbs is found."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

import pytest

import alphabench
from alphabench.errors import DataError
from alphabench.protocols import signature
from alphabench.results import load_record, provenance
from alphabench.results.document import (
    document_bytes,
    record_id,
    sentence,
)
from alphabench.results.rows import read_parquet, write_parquet
from alphabench.runtime import World


@pytest.fixture(scope="module")
def done_once(small, tmp_path_factory):
    """Return the work folder of a finished run."""
    return small.run(tmp_path_factory.mktemp("once") / "run", 12, 5).parent


@pytest.fixture
def finished(done_once, tmp_path):
    """Return the record folder of a copy of a finished run."""
    return shutil.copytree(done_once, tmp_path / "run") / "record"


def test_a_finished_run_is_a_record_that_reads_back(small, finished):
    record = load_record(finished)
    assert record.complete
    assert record.path == finished
    assert record.document["run"]["resumed"] == 0
    assert finished.name == "record"
    assert load_record(finished.parent).id == load_record(finished / "record.json").id == record.id
    ruler = small.protocol()
    assert record.protocol.hash == ruler.hash
    assert record.signature == signature(ruler, "tiny@1", "b" * 64)
    assert (finished / "record.json").read_bytes() == document_bytes(record.document)
    assert set(record.aggregates) == set(ruler.metrics)
    assert record.aggregates["sad"]["n"] == 12
    assert record.missing == []
    table = record.to_pandas()
    assert list(table.columns) == ["sample", "category", "view", "metric", "value"]
    assert len(table) == record.document["samples"]["rows"]
    (facts,) = record.document["features"]
    assert (facts["network"], facts["dim"], facts["count"]) == ("random", 2, 24)
    assert record.in_memory().path is None


def test_a_psnr_of_identical_images_is_infinite_in_the_rows_and_capped_in_the_mean(finished):
    record = load_record(finished)
    table = record.to_pandas()
    assert (table["value"] == float("inf")).sum() == 2
    psnr = record.document["metrics"][0]
    capped = {entry["view"]: entry["capped"] for entry in psnr["aggregates"] if entry["scope"] == "macro"}
    assert capped["composite/gray"] == capped["composite/mean2"] == 2
    assert capped["composite/black"] == 0


def test_an_edited_digit_is_found(finished):
    path = finished / "record.json"
    stated = load_record(finished).id
    text = path.read_text()
    path.write_text(text.replace('"wall_s":1.5', '"wall_s":2.5'))
    with pytest.raises(DataError, match=f"states the record id {stated}, its content gives [0-9a-f]{{32}}") as caught:
        load_record(finished)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("place", [0, 100, -1])
def test_an_edited_byte_of_the_rows_is_found(finished, place):
    path = finished / "samples.parquet"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(DataError, match=f"has the SHA-256 {found}, the record states"):
        load_record(finished)


def test_missing_files_are_named(finished, tmp_path):
    (finished / "samples.parquet").unlink()
    with pytest.raises(DataError, match=r"samples\.parquet.* cannot be read"):
        load_record(finished)
    with pytest.raises(DataError, match=r"record\.json.* cannot be read"):
        load_record(tmp_path / "nowhere")


def forge(folder, change=None, rows=None):
    """Write an edited record whose identity and checksums fit again."""
    document = json.loads((folder / "record.json").read_bytes())
    if rows is not None:
        from alphabench.results.rows import rows_sha256

        data = write_parquet(rows)
        (folder / "samples.parquet").write_bytes(data)
        document["samples"] |= {
            "rows": len(rows),
            "rows_sha256": rows_sha256(rows),
            "file_sha256": hashlib.sha256(data).hexdigest(),
            "file_bytes": len(data),
        }
    if change:
        change(document)
    document["record_id"] = record_id(document)
    (folder / "record.json").write_bytes(document_bytes(document))


def _entry(document, metric, view, scope="macro"):
    (found,) = (item for item in document["metrics"] if item["name"] == metric)
    return next(item for item in found["aggregates"] if (item["view"], item["scope"]) == (view, scope))


def _raise_psnr(document):
    entry = _entry(document, "psnr", "composite/mean2")
    entry["value"] += 1e-6


def _narrow(document):
    entry = _entry(document, "psnr", "composite/mean2")
    bounds, value = entry["interval"], entry["value"]
    bounds |= {"low": (bounds["low"] + value) / 2, "high": (bounds["high"] + value) / 2}


def _drop_category(document):
    document["metrics"][0]["aggregates"].pop()


def _other_set_mean(document):
    _entry(document, "rfid-rand", "set/mean2")["value"] += 0.1


def _other_protocol(document):
    document["protocol"]["hash"] = "7" * 64


def _rename_metric(document):
    document["metrics"][1]["name"] = "mad"


def _other_signature(document):
    document["signature"] = document["signature"].replace("bg:2", "bg:9")


def _fewer_rows_stated(document):
    rows = document["metrics"][1]["rows"]
    rows |= {"present": rows["present"] - 1, "not_applicable": 1}


def _uncount_capped(document):
    _entry(document, "psnr", "composite/mean2")["capped"] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_raise_psnr, "the macro mean of psnr on composite/mean2 is stated as .*, the rows give"),
        (_narrow, "the interval of the macro mean of psnr on composite/mean2"),
        (_drop_category, "psnr has other means than small@1 defines"),
        (_other_set_mean, "the macro mean of rfid-rand on set/mean2"),
        (_other_protocol, r"the protocol small@1 \(77777777\) is not known here"),
        (_rename_metric, "its metrics are not those of small@1"),
        (_other_signature, "its signature should be"),
        (_fewer_rows_stated, "sad has 12 rows, 11 are stated"),
        (_uncount_capped, "counts other samples than the rows"),
    ],
)
def test_a_forged_number_is_found_though_every_checksum_fits(finished, change, message):
    forge(finished, change)
    with pytest.raises(DataError, match=message):
        load_record(finished)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: [(*row[:4], row[4] * 1.5) for row in rows], "stated as"),
        (lambda rows: rows[::-1], "not sorted"),
        (lambda rows: rows[1:], "rows, .* are stated"),
        (
            lambda rows: [(*row[:3], "mad", row[4]) if row[3] == "sad" else row for row in rows],
            "has no metric 'mad' on view 'alpha'",
        ),
        (
            lambda rows: [(row[0], "hair", *row[2:]) if row[0] == "img/0000" else row for row in rows],
            "category 'hair' has 7 samples, the record states 6",
        ),
        (
            lambda rows: sorted(
                (row[0], "hair", *row[2:]) if row[:3] == ("img/0000", "glass", "alpha") else row for row in rows
            ),
            "stands in two categories",
        ),
    ],
)
def test_forged_rows_are_found_though_every_checksum_fits(finished, edit, message):
    rows, _ = read_parquet((finished / "samples.parquet").read_bytes(), name="x")
    forge(finished, rows=edit(rows))
    with pytest.raises(DataError, match=message):
        load_record(finished)


def test_an_incomplete_record_keeps_what_was_measured_and_says_what_is_missing(small, tmp_path):
    ruler = small.protocol()
    with small.open_store(tmp_path, 12, 5) as store:
        for indices in store.todo():
            store.append(small.part(store, indices))
        folder = small.conclude(store, ruler, failed={"sad": "line one\nline two"})
    record = load_record(folder)
    assert not record.complete
    assert record.document["incomplete_reasons"] == ["sad is failed: line one line two"]
    assert record.aggregates["sad"] == {"value": None, "unit": "kilo-pixel", "n": 0, "state": "failed"}
    assert record.aggregates["psnr"]["state"] == "ok"
    assert record.missing == [{"metric": "sad", "reason": "line one line two", "remedy": ""}]


def test_a_limited_run_is_incomplete_and_counts(small, tmp_path):
    ruler = small.protocol(sad=small.SAD)
    request = small.request(ruler, 48, limit=4)
    from alphabench.results import Part, RunStore

    with RunStore(tmp_path, request, small.samples(4), ruler.sample_keys(), 2) as store:
        rows = [(name, category, "alpha", "sad", 0.5) for name, category in store.samples]
        store.append(Part(range(4), rows))
        record = load_record(small.conclude(store, ruler))
    assert not record.complete
    assert record.document["incomplete_reasons"] == ["4 of 48 samples were taken"]
    assert record.document["data"]["samples"] == 4
    assert record.aggregates["sad"]["state"] == "ok"


def test_samples_that_were_not_measured_fail_their_metrics(small, tmp_path):
    ruler = small.protocol(sad=small.SAD)
    with small.open_store(tmp_path, 4, 2, ruler=ruler, networks=[]) as store:
        from alphabench.results import Part

        rows = [(name, category, "alpha", "sad", 0.5) for name, category in store.samples[:2]]
        store.append(Part(range(2), rows))
        record = load_record(small.conclude(store, ruler))
    assert record.document["incomplete_reasons"] == [
        "2 of 4 samples were not measured, first 'img/0002'",
        "sad is failed: 2 of 4 values are missing",
    ]


def test_a_record_in_a_leaderboard_must_lie_where_it_belongs(small, finished, tmp_path):
    record = load_record(finished)
    right = tmp_path / "small@1" / "tests__stub" / record.id
    wrong = tmp_path / "small@1" / "tests__other" / record.id
    for folder in (right, wrong):
        folder.mkdir(parents=True)
        for name in ("record.json", "samples.parquet"):
            (folder / name).write_bytes((finished / name).read_bytes())
    with pytest.raises(DataError, match="is not known here"):
        load_record(right)
    assert load_record(right, protocol=small.protocol()).id == record.id
    with pytest.raises(DataError, match=f"belongs in small@1/tests__stub/{record.id}"):
        load_record(wrong, protocol=small.protocol())
    with pytest.raises(DataError, match="another protocol than small@1"):
        load_record(right, protocol=small.protocol(sad=small.SAD))


def test_sentences_fit_one_line_of_the_schema():
    assert sentence("a\n  b\x1b[0m") == "a b [0m"
    assert len(sentence("x" * 900)) == 500
    assert sentence("") == "unknown"


def test_the_environment_has_versions_and_no_host(monkeypatch):
    torch = pytest.importorskip("torch")
    found = provenance.environment(torch.device("cpu"), "float32", World(0, 1), {"weights:x.pth": "a" * 64})
    assert found["device"] == {"kind": "cpu", "name": "cpu", "count": 1}
    assert found["libraries"]["weights:x.pth"] == "a" * 64
    assert {"numpy", "pillow", "torchvision"} <= set(found["libraries"])
    import socket

    assert socket.gethostname() not in json.dumps(found) or len(socket.gethostname()) < 4


def test_the_commit_is_known_only_in_a_checkout_of_this_project(tmp_path, monkeypatch):
    package = tmp_path / "alphabench"
    package.mkdir()
    (package / "__init__.py").write_text("")

    def version():
        provenance.code_version.cache_clear()
        return provenance.code_version()

    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert version() == {"version": alphabench.__version__, "commit": None, "dirty": None}

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "pyproject.toml").write_text('name = "other"\n')
    assert version()["commit"] is None
    (tmp_path / "pyproject.toml").write_text('name = "alphabench"\n')
    assert version()["commit"] is None
    git("add", ".")
    git("commit", "-q", "-m", "x")
    found = version()
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])
    assert found["dirty"] is False
    (package / "new.py").write_text("")
    assert version()["dirty"] is True
    (package / "new.py").unlink()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x").write_text("")
    assert version()["dirty"] is False
    provenance.code_version.cache_clear()


def test_reading_a_record_imports_no_torch(finished):
    code = f"import sys; from alphabench.results.document import read_document; from pathlib import Path; \
read_document(Path({str(finished / 'record.json')!r})); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
