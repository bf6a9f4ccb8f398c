"""The store: checked copies, each result once, whole or absent, also with two writers."""

import errno
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from alphabench.errors import DataError, DiskFullError, IncompleteError, UsageError
from alphabench.leaderboard import store
from alphabench.leaderboard.lookup import find_record
from alphabench.leaderboard.store import add_record, load_for_store
from alphabench.results import load_record
from alphabench.results.document import document_bytes, record_id
from alphabench.results.lock import folder_lock


def add(folder, root):
    return add_record(load_for_store(folder), root)


def rewrite(folder, target, **changes):
    """Write a copy of a record whose document has other members and an id that fits."""
    shutil.copytree(folder, target)
    document = json.loads((folder / "record.json").read_bytes())
    document |= changes
    document["record_id"] = record_id(document)
    (target / "record.json").write_bytes(document_bytes(document))
    return target


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def root(tmp_path):
    return tmp_path / "leaderboard"


def test_a_record_is_copied_to_the_place_named_after_its_content(make_record, root):
    folder = make_record("run", images=12)
    added = add(folder, root)
    assert added.new
    assert added.path == root / "alpha-mini@1" / "tests__model" / added.record_id
    assert files(added.path) == ["record.json", "samples.parquet"]
    for name in files(added.path):
        assert (added.path / name).read_bytes() == (folder / name).read_bytes()
    assert load_record(added.path).id == added.record_id


def test_the_same_result_again_is_named_and_not_copied(make_record, root, tmp_path):
    folder = make_record("run", images=12)
    first = add(folder, root)
    before = files(root)
    later = rewrite(folder, tmp_path / "later", created="2026-05-05T05:05:05Z")
    for again in (folder, later, first.path):
        found = add(again, root)
        assert (found.record_id, found.new, found.path) == (first.record_id, False, first.path)
    assert files(root) == before
    assert add(make_record("other", images=12, config=2), root).new
    assert len(files(root)) == 4


def test_an_incomplete_record_is_refused(make_record, root):
    with pytest.raises(IncompleteError, match=r"lpips-rand is unavailable") as caught:
        add(make_record("run", images=12, unavailable=("lpips-rand",)), root)
    assert "weights fetch" in caught.value.remedy
    with pytest.raises(IncompleteError, match="8 of 12 samples were taken"):
        add(make_record("part", images=12, taken=8), root)
    assert not root.exists()


def test_an_edited_record_is_refused_naming_both_ids(make_record, root):
    folder = make_record("run", images=12)
    stated = json.loads((folder / "record.json").read_bytes())["record_id"]
    text = (folder / "record.json").read_text(encoding="utf-8")
    (folder / "record.json").write_text(text.replace('"wall_s":1.5', '"wall_s":1.6'), encoding="utf-8")
    with pytest.raises(DataError, match=f"states the record id {stated}, its content gives [0-9a-f]{{32}}"):
        add(folder, root)


def test_edited_rows_are_refused(make_record, root):
    folder = make_record("run", images=12)
    data = bytearray((folder / "samples.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "samples.parquet").write_bytes(bytes(data))
    with pytest.raises(DataError, match="SHA-256"):
        add(folder, root)


def test_a_mean_that_the_rows_do_not_give_is_refused_though_its_id_fits(make_record, root, tmp_path):
    folder = make_record("run", images=12, draws=10_000)
    metrics = json.loads((folder / "record.json").read_bytes())["metrics"]
    entry = metrics[0]["aggregates"][0]
    entry["value"] += 0.5
    entry["interval"]["high"] += 0.5
    with pytest.raises(DataError, match="the rows give"):
        add(rewrite(folder, tmp_path / "edited", metrics=metrics), root)


def test_another_ruler_under_a_shipped_name_is_refused(make_record, root, monkeypatch):
    folder = make_record("run", images=12)
    record = load_record(folder)
    other = {**record.document, "protocol": {**record.document["protocol"], "hash": "0" * 64}}
    monkeypatch.setattr(store, "load_record", lambda path: type(record)(other, record.rows, record.protocol, folder))
    with pytest.raises(DataError, match="which here is"):
        add(folder, root)


def test_rows_that_change_meanwhile_are_refused_and_leave_nothing(make_record, root):
    folder = make_record("run", images=12)
    record = load_for_store(folder)
    (folder / "samples.parquet").write_bytes(b"other")
    with pytest.raises(DataError, match="changed while"):
        add_record(record, root)
    assert files(root) == []


def test_a_full_disk_leaves_nothing_half_written_and_says_so(make_record, root, monkeypatch):
    record = load_for_store(make_record("run", images=12))

    def full(temporary, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "replace_folder", full)
        with pytest.raises(DiskFullError, match="was not added"):
            add_record(record, root)
    assert files(root) == []
    assert add_record(record, root).new


def test_what_a_killed_process_left_is_swept(make_record, root):
    record = load_for_store(make_record("run", images=12))
    left = root / "alpha-mini@1" / "tests__model" / f".{record.id}.tmp"
    left.mkdir(parents=True)
    (left / "samples.parquet").write_bytes(b"half")
    assert add_record(record, root).new
    assert not left.exists()


def test_a_store_that_is_a_file_is_named(make_record, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        add(make_record("run", images=12), tmp_path / "file")


def _add_when_told(folder: Path, root: Path, barrier, results) -> None:
    record = load_for_store(folder)
    barrier.wait(30)
    added = add_record(record, root)
    results.put((added.record_id, added.new))


def test_two_adds_at_once_record_one_result_once(make_record, root, tmp_path):
    folder = make_record("run", images=12)
    twin = rewrite(folder, tmp_path / "twin", created="2026-05-05T05:05:05Z")
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    sources = (folder, twin, folder)
    workers = [context.Process(target=_add_when_told, args=(path, root, barrier, results)) for path in sources]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert len({identity for identity, _ in found}) == 1
    assert [new for _, new in found].count(True) == 1
    assert len(files(root)) == 2


def test_a_writer_waits_for_another_and_gives_up_with_a_message(tmp_path):
    with (
        folder_lock(tmp_path),
        pytest.raises(DataError, match="another process"),
        folder_lock(tmp_path, patience_s=0.0),
    ):
        pytest.fail("two writers at once")
    with folder_lock(tmp_path, patience_s=0.0):
        assert list(tmp_path.iterdir()) == []


def test_a_record_is_found_by_folder_and_by_its_first_digits(make_record, root):
    folder = make_record("run", images=12)
    added = add(folder, root)
    other = add(make_record("other", images=12, model="other"), root)
    assert find_record(str(folder), []).id == added.record_id
    for digits in (6, 12, 32):
        assert find_record(added.record_id[:digits], [root]).path == added.path
    assert find_record(other.record_id, [folder, root]).id == other.record_id
    with pytest.raises(UsageError, match="at least 6"):
        find_record(added.record_id[:5], [root])
    with pytest.raises(DataError, match="there is no record"):
        find_record("0123456789", [root])
    with pytest.raises(DataError, match="no such folder"):
        find_record("nowhere/at-all", [root])


def test_digits_of_two_records_are_refused_with_both_ids(make_record, tmp_path, monkeypatch):
    for name in ("a", "b"):
        make_record(f"runs/{name}", images=6, model=name)
    twins = iter(["abcdef" + "0" * 26, "abcdef" + "1" * 26])
    monkeypatch.setattr("alphabench.leaderboard.lookup._identity", lambda path: next(twins))
    with pytest.raises(UsageError, match=r"abcdef0+, abcdef1+"):
        find_record("abcdef", [tmp_path / "runs"])


def test_a_damaged_file_beside_a_record_does_not_hide_it(make_record, tmp_path):
    folder = make_record("runs/a", images=6)
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "record.json").write_text("{", encoding="utf-8")
    identity = json.loads((folder / "record.json").read_bytes())["record_id"]
    assert find_record(identity[:8], [tmp_path / "runs"]).id == identity
