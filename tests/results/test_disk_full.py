"""A full disk loses nothing, leaves nothing half written, and says how much to free."""

import errno
import os

import pytest

from alphabench.errors import DataError, DiskFullError
from alphabench.results import durable
from alphabench.results.rows import rows_sha256

CALLS = ["write", "fsync", "close", "replace"]


class Failing:
    """The module `os`, except that one function fails at its n-th call."""

    def __init__(self, name, after, code=errno.ENOSPC):
        self.name, self.left, self.code = name, after, code

    def __getattr__(self, name):
        function = getattr(os, name)
        if name != self.name:
            return function

        def fail(*arguments, **options):
            self.left -= 1
            if self.left != 0:
                return function(*arguments, **options)
            if name == "close":
                function(*arguments)
            if name == "write":
                function(arguments[0], arguments[1][:7])
            raise OSError(self.code, os.strerror(self.code))

        return fail


def fill(small, store):
    for indices in store.todo():
        store.append(small.part(store, indices))


@pytest.fixture(scope="module")
def reference(small, tmp_path_factory):
    with small.open_store(tmp_path_factory.mktemp("whole"), 12, 5) as store:
        fill(small, store)
        return rows_sha256(store.merged().rows)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("after", [1, 3, 6, 9, 11])
def test_after_a_full_disk_the_same_command_finishes(small, tmp_path, monkeypatch, reference, call, after):
    store = small.open_store(tmp_path, 12, 5)
    store.append(small.part(store, [0, 1, 2, 3, 4]))
    earlier = {path: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(durable, "os", Failing(call, after))
        with pytest.raises(DiskFullError, match=r"disk full at .*: (5|10) of 12 samples are safe") as caught:
            fill(small, store)
    assert caught.value.exit_code == 4
    assert caught.value.remedy.startswith("Free about ")
    assert "repeat the same command" in caught.value.remedy
    assert all(path.read_bytes() == data for path, data in earlier.items())
    assert not list(tmp_path.rglob("tmp-*"))
    store.close()
    with small.open_store(tmp_path, 12, 5) as again:
        assert again.done in {5, 10}
        assert again.notices == []
        fill(small, again)
        assert rows_sha256(again.merged().rows) == reference


@pytest.mark.parametrize("code", [errno.EDQUOT, errno.EFBIG])
def test_a_quota_is_a_full_disk(small, tmp_path, monkeypatch, code):
    with small.open_store(tmp_path, 12, 5) as store, monkeypatch.context() as patched:
        patched.setattr(durable, "os", Failing("write", 1, code))
        with pytest.raises(DiskFullError, match="0 of 12 samples are safe"):
            fill(small, store)


def test_another_fault_of_the_disk_is_not_called_full(small, tmp_path, monkeypatch):
    with small.open_store(tmp_path, 12, 5) as store, monkeypatch.context() as patched:
        patched.setattr(durable, "os", Failing("write", 1, errno.EIO))
        with pytest.raises(DataError, match="cannot be used: Input/output error"):
            fill(small, store)
        assert not list(tmp_path.rglob("tmp-*"))


@pytest.mark.parametrize("after", [1, 2])
def test_a_full_disk_while_the_record_is_written_leaves_none(small, tmp_path, monkeypatch, after):
    with small.open_store(tmp_path, 12, 5) as store:
        fill(small, store)
        with monkeypatch.context() as patched:
            patched.setattr(durable, "os", Failing("write", after))
            with pytest.raises(DiskFullError, match="12 of 12 samples are safe"):
                small.conclude(store, small.protocol())
        assert store.finished is None
        assert not (tmp_path / ".record.tmp").exists()
        assert small.conclude(store, small.protocol()) == store.finished


def test_the_estimate_follows_from_what_was_written(small, tmp_path, monkeypatch):
    with small.open_store(tmp_path, 1_000, 5) as store:
        monkeypatch.setattr(small, "png", lambda index: bytes(1 << 20))
        store.append(small.part(store, range(5)))
        with monkeypatch.context() as patched:
            patched.setattr(durable, "os", Failing("write", 1))
            with pytest.raises(DiskFullError) as caught:
                store.write_prediction("img/0005", b"x")
    megabytes = int(caught.value.remedy.split()[2])
    assert 995 <= megabytes <= 1010
