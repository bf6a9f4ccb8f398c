"""Do many jobs, several at a time, each in a process of its own; finished ones are never done again."""

import contextlib
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.experiments.jobs import Job, read_failure, unique
from alphabench.experiments.worker import BUSY
from alphabench.results.durable import readable_refusals, write_durably

WORKER = (sys.executable, "-m", "alphabench.experiments.worker")
POLL_S = 0.2
BUSY_PAUSE_S = 5.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Labour:
    """How jobs are done.

    Attributes:
        workers: jobs at a time.
        threads: CPU threads of each.
        device: torch device name.
    """

    workers: int = 1
    threads: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.workers < 1 or self.threads < 1:
            raise UsageError(
                f"{self.workers} workers of {self.threads} threads do no work", remedy="Give both at least 1."
            )


@dataclass
class _Running:
    job: Job
    process: "subprocess.Popen[bytes]"
    began: float


def run_jobs(jobs: Sequence[Job], root: Path, labour: Labour, report: Report) -> list[Job]:
    """Do all jobs whose result is not there and return those that failed.

    A job that another command is doing in the same `root` is waited for. A failed job ends no other one, and
    is tried again by the next call.

    Args:
        jobs: what is wanted; equal ones are done once.
        root: the output root, which experiments share.
        labour: how many at a time, and where.
        report: called with done, total and a note whenever a job ends.

    Raises:
        DataError: `root` cannot be written.
    """
    wanted = unique(jobs)
    waiting = deque(job for job in wanted if not job.done(root))
    done, failed = len(wanted) - len(waiting), []
    report(done, len(wanted), f"{done} were done before")
    with _processes() as running:
        while waiting or running:
            while waiting and len(running) < labour.workers:
                job = waiting.popleft()
                running.append(_Running(job, _started(job, root, labour), time.monotonic()))
            time.sleep(POLL_S)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                if each.process.returncode == BUSY and not each.job.done(root):
                    waiting.append(each.job)
                    time.sleep(BUSY_PAUSE_S)
                    continue
                done += 1
                seconds = f"{time.monotonic() - each.began:.0f} s"
                if each.job.done(root):
                    report(done, len(wanted), f"{each.job.address} {seconds}")
                else:
                    failed.append(each.job)
                    report(done, len(wanted), f"{each.job.address} failed: {why(each.job, root)}")
    return failed


def why(job: Job, root: Path) -> str:
    """Return why a job has no result."""
    return read_failure(job, root) or f"its process died (see {job.folder(root) / 'job.log'})"


def _started(job: Job, root: Path, labour: Labour) -> "subprocess.Popen[bytes]":
    folder = job.folder(root)
    with readable_refusals(root):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / "job.json", job.to_json())
    job.failure_file(root).unlink(missing_ok=True)
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(labour.threads))
    command = [*WORKER, str(root), str(folder / "job.json")]
    command += ["--device", labour.device, "--threads", str(labour.threads)]
    with (folder / "job.log").open("ab") as log:
        # Its own session: Ctrl-C reaches this process alone, which then ends its jobs in order.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


@contextlib.contextmanager
def _processes() -> Iterator[list[_Running]]:
    """Yield a list of running jobs; whatever is still running at the end is ended."""
    running: list[_Running] = []
    try:
        yield running
    finally:
        for each in running:
            each.process.terminate()
        for each in running:
            try:
                each.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
