"""Killed processes: the next one goes on where the last one was, and two never run at once."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphabench.errors import DataError
from alphabench.results import load_record, lock
from alphabench.results.lock import RunLock

STUB = Path(__file__).with_name("small_runs.py")
SAMPLES, BATCH = 48, 4

posix = pytest.mark.skipif(sys.platform == "win32", reason="forks processes")


def start(folder: Path, size: int, pause: float) -> subprocess.Popen:
    command = [sys.executable, str(STUB), str(folder), str(SAMPLES), str(BATCH), str(size), str(pause)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def computed(process: subprocess.Popen, until: int | None = None) -> list[int]:
    """Return the samples that a stub scored, reading `until` lines or all."""
    lines = []
    for line in process.stderr:
        lines.append(int(line))
        if len(lines) == until:
            break
    return lines


@posix
def test_kills_at_random_moments_change_nothing(small, tmp_path):
    whole = small.run(tmp_path / "whole", SAMPLES, BATCH)
    dice = random.Random(7)
    folder, done_lines, sizes = tmp_path / "killed", 0, []
    for kill in range(10):
        size = kill % 3 + 1
        sizes.append(size)
        process = start(folder, size, 0.002)
        lines = computed(process, until=dice.randint(1, 6))
        time.sleep(dice.random() * 0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done_lines += len(lines) + len(process.stderr.readlines())
        process.stderr.close()
    last = start(folder, 2, 0.0)
    done_lines += len(computed(last))
    assert last.wait() == 0
    last.stderr.close()
    assert done_lines <= SAMPLES + BATCH * sum(sizes)
    again, straight = load_record(folder), load_record(whole)
    assert again.document["samples"] == straight.document["samples"]
    assert again.document["metrics"] == straight.document["metrics"]
    assert (folder / "record" / "samples.parquet").read_bytes() == (whole / "samples.parquet").read_bytes()
    assert 8 <= again.document["run"]["resumed"] <= 10
    assert again.document["run"]["hash"] == straight.document["run"]["hash"]


@posix
def test_a_second_process_is_told_who_runs_and_a_third_follows_a_killed_one(small, tmp_path):
    process = start(tmp_path, 1, 0.05)
    assert computed(process, until=1)
    before = time.monotonic()
    with pytest.raises(DataError, match=rf"in progress: pid {process.pid} on \S+ since 20\S+Z") as caught:
        small.open_store(tmp_path, SAMPLES, BATCH)
    assert time.monotonic() - before < 2
    assert caught.value.exit_code == 3
    assert "--out" in caught.value.remedy
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    with small.open_store(tmp_path, SAMPLES, BATCH) as store:
        assert store.resumed == 1


def test_a_lock_is_free_again_after_release(tmp_path):
    facts = {"run_hash": "a" * 64, "started": "2026-01-02T03:04:05Z", "command": "x"}
    with RunLock(tmp_path / "lock", **facts), pytest.raises(DataError, match="in progress"):
        RunLock(tmp_path / "lock", **facts)
    held = RunLock(tmp_path / "lock", **facts)
    held.release()
    held.release()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_acquire", refuse)
    with pytest.raises(DataError, match="has no locks") as caught:
        RunLock(tmp_path / "lock", run_hash="a" * 64, started="", command="")
    assert "local disk" in caught.value.remedy


def test_a_store_that_cannot_open_gives_its_lock_back(small, tmp_path):
    with small.open_store(tmp_path, 12, 5):
        pass
    other = small.protocol(sad=small.SAD)
    with pytest.raises(DataError, match="another run"):
        small.open_store(tmp_path, 12, 5, ruler=other, networks=[])
    with small.open_store(tmp_path, 12, 5) as store:
        assert store.done == 0
