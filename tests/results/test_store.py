"""The store: parts, torn files, resume, duplicates, and folders that are not its own."""

import dataclasses
import errno
import json
import os

import numpy as np
import pytest

from alphabench.errors import DataError
from alphabench.results import Part, durable, workfolder
from alphabench.results.canonical import parse_json
from alphabench.results.rows import rows_sha256
from alphabench.runtime import World


def fill(small, store, rank=0, size=1):
    for indices in store.todo(rank, size):
        store.append(small.part(store, indices))


@pytest.fixture
def reference(small, tmp_path_factory):
    """Return the hash of the rows of a run of 12 samples that nothing disturbed."""
    with small.open_store(tmp_path_factory.mktemp("whole"), 12, 5) as store:
        fill(small, store)
        return rows_sha256(store.merged().rows)


def test_a_store_gives_back_what_was_appended(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.todo() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
        fill(small, store)
        merged = store.merged()
    assert merged.missing == ()
    assert len(merged.rows) + len(merged.not_applicable) == 12 * len(store.keys)
    assert {row[0] for row in merged.not_applicable} == {"img/0000", "img/0005", "img/0010"}
    names, features = merged.features[small.NETWORK]
    assert names == tuple(sorted(name for name, _ in store.samples))
    assert features.shape == (12, 2, 2)
    assert features.dtype == np.float32
    assert features[:, 0, 0].tolist() == [index + 0.25 for index in range(12)]
    assert merged.facts["img/0007"] == {"index": 7}
    assert len(merged.predictions) == 12
    assert store.prediction_path("img/0003").read_bytes() == small.png(3)


def test_every_part_is_named_by_its_checksum(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert [name.split("-")[:2] for name in names] == [["00000000", "5"], ["00000005", "5"], ["00000010", "2"]]
    assert not list(tmp_path.rglob("tmp-*"))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_any_number_of_ranks_gives_the_same_rows(small, tmp_path, reference, size):
    with small.open_store(tmp_path, 12, 2) as store:
        batches = [store.todo(rank, size) for rank in range(size)]
        assert sorted(index for rank in batches for batch in rank for index in batch) == list(range(12))
        for rank in reversed(range(size)):
            fill(small, store, rank, size)
        assert rows_sha256(store.merged().rows) == reference


def test_a_resume_lists_whole_batches_and_computes_only_what_is_missing(small, tmp_path, reference):
    with small.open_store(tmp_path, 12, 5) as store:
        assert (store.resumed, store.done) == (0, 0)
        store.append(small.part(store, [5, 6, 7, 8, 9]))
        first = store.started
    with small.open_store(tmp_path, 12, 5) as store:
        assert (store.resumed, store.done, store.started) == (1, 5, first)
        assert store.todo() == [[0, 1, 2, 3, 4], [10, 11]]
        fill(small, store)
        assert rows_sha256(store.merged().rows) == reference


def test_another_batch_size_redoes_batches_but_stores_no_sample_twice(small, tmp_path, reference):
    with small.open_store(tmp_path, 12, 5) as store:
        store.append(small.part(store, [0, 1, 2, 3, 4]))
    with small.open_store(tmp_path, 12, 7) as store:
        assert store.todo() == [[0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]
        before = store.prediction_path("img/0002").stat().st_mtime_ns
        fill(small, store)
        assert store.prediction_path("img/0002").stat().st_mtime_ns == before
        assert rows_sha256(store.merged().rows) == reference
    counts = [int(path.name.split("-")[1]) for path in (tmp_path / "parts").iterdir()]
    assert sum(counts) == 12


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip, _empty])
@pytest.mark.parametrize("kind", ["parts", "features"])
def test_a_damaged_file_is_set_aside_and_only_its_samples_are_redone(small, tmp_path, reference, damage, kind):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
    victim = sorted((tmp_path / kind).iterdir())[1]
    damage(victim)
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.todo() == [[5, 6, 7, 8, 9]]
        (notice,) = store.notices
        assert victim.name in notice
        assert "(5)" in notice
        assert victim.with_name(f"{victim.name}.torn").exists()
        fill(small, store)
        assert rows_sha256(store.merged().rows) == reference


def test_a_missing_feature_file_or_an_altered_prediction_redoes_the_sample(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
    sorted((tmp_path / "features").iterdir())[2].unlink()
    store.prediction_path("img/0001").write_bytes(b"edited")
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.todo() == [[0, 1, 2, 3, 4], [10, 11]]
        assert store.done == 9


def test_a_sample_without_every_key_is_redone_when_a_metric_becomes_available(small, tmp_path):
    less = small.protocol(sad=small.SAD)
    with small.open_store(tmp_path, 12, 5) as store:
        keys, store.keys = store.keys, less.sample_keys()
        fill(small, store)
        assert len(store.merged().rows) == 12
        store.keys = keys
    with small.open_store(tmp_path, 12, 5) as store:
        assert len(store.todo()) == 3
        fill(small, store)
        assert len(store.merged().rows) + len(store.merged().not_applicable) == 12 * len(keys)


def test_equal_duplicates_are_dropped_and_unequal_ones_named(small, tmp_path, reference):
    with small.open_store(tmp_path, 12, 5) as store, small.open_store(tmp_path / "b", 12, 5) as other:
        fill(small, store)
        late = small.part(other, [3, 4, 5])
        other.append(dataclasses.replace(late, predictions={}))
        close = [(*row[:4], row[4] * (1 + 1e-9)) for row in small.part(other, [6, 7]).rows]
        other.append(dataclasses.replace(small.part(other, [6, 7]), rows=close, predictions={}))
        _copy_parts(other, store)
        assert rows_sha256(store.merged().rows) == reference
        wrong = [(*row[:4], row[4] * 1.01) for row in small.part(other, [8]).rows]
        other.append(dataclasses.replace(small.part(other, [8]), rows=wrong, predictions={}))
        _copy_parts(other, store)
        with pytest.raises(DataError, match="hold different values for 'img/0008'") as caught:
            store.merged()
        assert caught.value.message.count(".parquet") == 2


def _copy_parts(source, target):
    for kind in ("parts", "features"):
        for path in (source.folder / kind).iterdir():
            (target.folder / kind / path.name).write_bytes(path.read_bytes())


def test_a_part_must_hold_each_key_of_each_sample_once(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        whole = small.part(store, [0, 1])
        cases = {
            "1 of 5 values of 'img/0000' are missing": {"rows": whole.rows[1:]},
            "or has it twice": {"rows": [*whole.rows, whole.rows[0]]},
            "should not have": {"rows": [*whole.rows, ("img/0000", "glass", "alpha", "mad", 0.0)]},
            "img/0009": {"rows": [*whole.rows, ("img/0009", "glass", "alpha", "sad", 0.0)]},
            "no features": {"features": {}},
        }
        for message, change in cases.items():
            with pytest.raises(DataError, match=message):
                store.append(dataclasses.replace(whole, **change))
        first = whole.rows[0]
        bad = [(*first[:4], float("nan")), *whole.rows[1:]]
        with pytest.raises(DataError, match="is nan"):
            store.append(dataclasses.replace(whole, rows=bad))
        assert store.done == 0
        assert list((tmp_path / "parts").iterdir()) == []


def test_a_part_of_other_samples_is_refused(small, tmp_path):
    with small.open_store(tmp_path / "a", 12, 5) as store, small.open_store(tmp_path / "b", 4, 5) as other:
        store.append(small.part(store, [10, 11]))
        _copy_parts(store, other)
        with pytest.raises(DataError, match="'img/0010', which is not in this run"):
            other.merged()


def test_a_folder_of_another_run_is_refused_and_says_why(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
    other = small.protocol(sad=small.SAD)
    with pytest.raises(DataError, match=r"holds another run: protocol small@1 .* there, small@1 .* here"):
        small.open_store(tmp_path, 12, 5, ruler=other, networks=[])
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.done == 12


def test_fresh_removes_an_earlier_run_and_nothing_else(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
        small.conclude(store, small.protocol())
    mine = [tmp_path / "notes.txt", tmp_path / "predictions" / "mine.txt", tmp_path / "parts" / "keep.me"]
    for path in mine:
        path.write_text("mine")
    other = small.protocol(sad=small.SAD)
    with small.open_store(tmp_path, 12, 5, ruler=other, networks=[], fresh=True) as store:
        assert (store.done, store.resumed, store.finished) == (0, 0, None)
        assert not store.prediction_path("img/0000").exists()
    assert all(path.read_text() == "mine" for path in mine)


@pytest.mark.parametrize("name", ["notes.txt", "parts", "request.json"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_other_content_is_never_touched(small, tmp_path, name, fresh):
    if name == "parts":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match="not a work folder of alphabench") as caught:
        small.open_store(tmp_path, 12, 5, fresh=fresh)
    assert name in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_process_left_half_written_is_removed(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        store.append(small.part(store, [0, 1, 2, 3, 4]))
    left = [
        tmp_path / "parts" / f"tmp-1-{'ab' * 8}",
        tmp_path / "features" / f"tmp-1-{'ab' * 8}",
        tmp_path / "predictions" / "img" / f"tmp-1-{'ab' * 8}",
        tmp_path / f"tmp-1-{'ab' * 8}",
    ]
    for path in left:
        path.write_bytes(b"half")
    (tmp_path / ".record.tmp").mkdir()
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.done == 5
    assert not any(path.exists() for path in left)
    assert not (tmp_path / ".record.tmp").exists()


def test_files_that_only_look_half_written_are_never_removed(small, tmp_path):
    (tmp_path / "tmp-notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds 'tmp-notes\.txt'"):
        small.open_store(tmp_path, 12, 5)
    (tmp_path / "tmp-notes.txt").unlink()
    with small.open_store(tmp_path, 12, 5) as store:
        store.append(small.part(store, [0, 1, 2, 3, 4]))
    kept = [tmp_path / "tmp-notes.txt", tmp_path / "predictions" / "tmp-1-ab", tmp_path / f"tmp-1-{'cd' * 8}"]
    kept[0].write_text("mine")
    kept[1].parent.mkdir(exist_ok=True)
    kept[1].write_text("mine")
    kept[2].mkdir()
    for fresh in (False, True):
        with small.open_store(tmp_path, 12, 5, fresh=fresh):
            assert all(path.exists() for path in kept)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"starts": 5}', "half of", "[" * 9])
def test_starts_that_cannot_be_read_are_counted_anew(small, tmp_path, content):
    with small.open_store(tmp_path, 12, 5) as store:
        store.append(small.part(store, [0, 1, 2, 3, 4]))
    (tmp_path / "starts.json").write_text(content)
    with small.open_store(tmp_path, 12, 5) as store:
        assert (store.done, store.resumed) == (5, 0)


def test_a_finished_run_is_found_and_counts_no_further_start(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
        folder = small.conclude(store, small.protocol())
        assert folder == store.finished == tmp_path / "record"
    with small.open_store(tmp_path, 12, 5) as store:
        assert (store.todo(), store.resumed, store.finished) == ([], 0, folder)


def test_a_complete_record_is_never_replaced_an_incomplete_one_is(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
        partial = small.conclude(store, small.protocol(), failed={"sad": "broken"})
        assert not parse_json((partial / "record.json").read_bytes(), name="r")["complete"]
        whole = small.conclude(store, small.protocol())
        record, rows = (whole / "record.json").read_bytes(), (whole / "samples.parquet").read_bytes()
        assert parse_json(record, name="r")["complete"]
        later = record.replace(b'"wall_s":1.5', b'"wall_s":9.5')
        assert store.finish(later, rows) == whole
        assert (whole / "record.json").read_bytes() == record
        with pytest.raises(DataError, match="has a complete record with other numbers already"):
            store.finish(later, rows + b" ")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_refused(small, tmp_path, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(durable.os, "open", refuse)
    with pytest.raises(DataError, match="is read-only") as caught:
        small.open_store(tmp_path / "deep" / "er", 12, 5)
    assert "--out" in caught.value.remedy


def test_a_file_in_the_way_is_refused(small, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be used: Not a directory"):
        small.open_store(tmp_path / "file" / "run", 12, 5)


class _Heard(World):
    """A rank that hears what rank 0 said."""

    def broadcast(self, value):
        return json.loads(_SAID[0]) if value is None else _SAID.insert(0, json.dumps(value)) or value


_SAID: list[str] = []


def test_other_ranks_take_the_state_of_rank_0_and_no_lock(small, tmp_path):
    with small.open_store(tmp_path, 12, 5, place=_Heard(0, 2)) as main:
        main.append(small.part(main, [0, 1, 2, 3, 4]))
    with (
        small.open_store(tmp_path, 12, 5, place=_Heard(0, 2)) as main,
        small.open_store(tmp_path, 12, 5, place=_Heard(1, 2)) as other,
    ):
        assert other.done == main.done == 5
        assert main.todo(0, 2) + other.todo(1, 2) == [[5, 6, 7, 8, 9], [10, 11]]
        fill(small, main, 0, 2)
        fill(small, other, 1, 2)
        assert main.merged().missing == ()


class _Tells(World):
    said: list = []  # noqa: RUF012

    def broadcast(self, value):
        if value is not None:
            self.said.append(value)
        return self.said[-1]


def test_an_error_of_rank_0_reaches_every_rank(small, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for rank in (0, 1):
        with pytest.raises(DataError, match="not a work folder"):
            small.open_store(tmp_path, 12, 5, place=_Tells(rank, 2))


def test_a_warning_tells_when_the_disk_may_be_too_small(small, tmp_path):
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.lacks_space(1) is None
        assert "nothing stored is lost" in store.lacks_space(1 << 60)


def test_parts_may_come_without_features_or_predictions(small, tmp_path):
    ruler = small.protocol(sad=small.SAD)
    with small.open_store(tmp_path, 4, 2, ruler=ruler, networks=[]) as store:
        rows = [(name, category, "alpha", "sad", 0.5) for name, category in store.samples]
        store.append(Part(range(4), rows))
        merged = store.merged()
    assert (merged.features, merged.predictions, len(merged.rows)) == ({}, {}, 4)
    assert list((tmp_path / "features").iterdir()) == []
    assert workfolder.read_starts(tmp_path)
