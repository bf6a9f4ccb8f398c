"""Jobs are done once, in processes of their own, and none of them can harm another one."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alphabench.errors import DataError, UsageError
from alphabench.experiments import running, worker
from alphabench.experiments.jobs import Job, job_of, read_failure, read_outcome, write_outcome
from alphabench.experiments.plan import Experiment
from alphabench.experiments.running import Labour, run_jobs
from alphabench.models.registry import load_model
from alphabench.models.spec import LoadRequest, TrainerSpec, TrainRequest
from tests.experiments.conftest import outcome

# Stands for the worker: leaves a mark, then does what the seed says; it imports nothing heavy.
SCRIPT = """
import json, os, signal, sys, time
root, job = sys.argv[1:3]
folder = os.path.dirname(job)
seed = json.load(open(job))["recipe"]["run"]["seed"]
with open(os.path.join(root, "marks"), "a") as file:
    file.write(f"{seed} {os.environ['OMP_NUM_THREADS']}\\n")
if seed == 2:
    json.dump({"message": "seed two"}, open(os.path.join(folder, "failure.json"), "w")); sys.exit(3)
if seed == 3:
    os.kill(os.getpid(), signal.SIGKILL)
if seed == 4 and not os.path.exists(os.path.join(root, "second")):
    open(os.path.join(root, "second"), "w").close(); sys.exit(75)
if seed == 5:
    time.sleep(60)
judging = os.environ["JUDGING"]
open(os.path.join(folder, f"outcome-{judging}.json"), "w").write('{"numbers": {}}')
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_experiment: Experiment) -> Callable[[int], Job]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(running, "WORKER", (sys.executable, "-S", "-E", str(script)))
    monkeypatch.setattr(running, "POLL_S", 0.01)
    monkeypatch.setattr(running, "BUSY_PAUSE_S", 0.01)

    def make(seed: int) -> Job:
        job = job_of(small_experiment, small_experiment.arms[0], seed, "screening")
        monkeypatch.setenv("JUDGING", job.judging.address)
        return job

    return make


def _marks(root: Path) -> list[str]:
    return (root / "marks").read_text().splitlines()


def test_finished_jobs_are_not_done_again_and_equal_ones_once(tmp_path: Path, stand_in: Callable[[int], Job]) -> None:
    root, said = tmp_path / "out", []
    jobs = [stand_in(1), stand_in(1), stand_in(7)]
    labour = Labour(workers=2, threads=3)
    assert run_jobs(jobs, root, labour, lambda *state: said.append(state)) == []
    assert sorted(_marks(root)) == ["1 3", "7 3"]
    assert said[-1][:2] == (2, 2)
    run_jobs(jobs, root, labour, lambda *state: said.append(state))
    assert len(_marks(root)) == 2
    assert said[-1] == (2, 2, "2 were done before")


def test_failed_and_killed_jobs_are_told_and_the_rest_goes_on(tmp_path: Path, stand_in: Callable[[int], Job]) -> None:
    root, said = tmp_path / "out", []
    jobs = [stand_in(seed) for seed in (2, 3, 1)]
    failed = run_jobs(jobs, root, Labour(), lambda *state: said.append(state[2]))
    assert failed == jobs[:2]
    assert jobs[2].done(root)
    assert "seed two" in said[1]
    assert "died" in said[2]
    assert run_jobs(jobs, root, Labour(), lambda *_: None) == jobs[:2]  # tried again, not given up
    assert len(_marks(root)) == 5


def test_a_job_that_another_process_holds_is_waited_for(tmp_path: Path, stand_in: Callable[[int], Job]) -> None:
    root = tmp_path / "out"
    assert run_jobs([stand_in(4)], root, Labour(), lambda *_: None) == []
    assert len(_marks(root)) == 2


def test_an_interrupt_ends_the_running_jobs(
    tmp_path: Path, stand_in: Callable[[int], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[running._Running] = []

    def stop(done: int, total: int, note: str) -> None:
        if done:
            raise KeyboardInterrupt

    original = running._started

    def remember(job: Job, root: Path, labour: Labour) -> object:
        process = original(job, root, labour)
        started.append(running._Running(job, process, 0.0))
        return process

    monkeypatch.setattr(running, "_started", remember)
    jobs = [stand_in(5), stand_in(1)]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, tmp_path / "out", Labour(workers=2), stop)
    assert len(started) == 2
    assert all(each.process.poll() is not None for each in started)


def test_no_workers_do_no_work() -> None:
    with pytest.raises(UsageError):
        Labour(workers=0)


def test_a_stored_outcome_is_read_back(tmp_path: Path, stand_in: Callable[[int], Job]) -> None:
    job, wanted = stand_in(1), outcome(31.5, numbers={"kl": 2.0})
    job.folder(tmp_path).mkdir(parents=True)
    write_outcome(job, tmp_path, wanted)
    assert read_outcome(job, tmp_path) == wanted
    job.rows_file(tmp_path).write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read"):
        read_outcome(job, tmp_path)


class _Trainer:
    """Leaves a checkpoint folder, a log and something large."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, recipe: Path, request: TrainRequest, report: object) -> Path:
        self.runs += 1
        assert "kl_weight = 0.0001" in recipe.read_text()
        (request.out / "checkpoints").mkdir(parents=True)
        (request.out / "model").mkdir()
        lines = [f'{{"step": {step}, "seconds": 1, "lr": 1, "kl": {step}}}' for step in range(100)]
        (request.out / "train.jsonl").write_text("\n".join(lines))
        return request.out / "model"


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Trainer:
    found = _Trainer()
    monkeypatch.setattr(worker, "trainer_spec", lambda name: TrainerSpec(name, "somewhere:run", tmp_path))
    monkeypatch.setattr(worker, "resolve", lambda path: found)
    monkeypatch.setattr(worker, "load_model", lambda name, request: load_model("identity", LoadRequest()))
    return found


def test_a_worker_trains_judges_and_stores(tmp_path: Path, trainer: _Trainer, stand_in: Callable[[int], Job]) -> None:
    job = stand_in(1)
    folder = job.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "run").mkdir()  # of a killed process
    (folder / "run" / "leftover").touch()
    worker.work(job, tmp_path, device="cpu")
    found = read_outcome(job, tmp_path)
    assert {row.value for row in found.rows if row.measure == "psnr"} == {100.0}
    assert found.numbers["kl"] == pytest.approx(74.5)  # the last fifty steps, 50 to 99
    assert not (folder / "run" / "checkpoints").exists()
    assert not (folder / "run" / "leftover").exists()
    job.outcome_file(tmp_path).unlink()
    worker.work(job, tmp_path, device="cpu")
    assert trainer.runs == 1  # judged anew, not trained anew


def test_a_workers_fault_is_written_down(
    tmp_path: Path, trainer: _Trainer, stand_in: Callable[[int], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stand_in(1)
    job.folder(tmp_path).mkdir(parents=True)
    path = job.folder(tmp_path) / "job.json"
    path.write_bytes(job.to_json())

    def refuse(name: str, request: LoadRequest) -> object:
        raise DataError("no such weights", remedy="Train.")

    monkeypatch.setattr(worker, "load_model", refuse)
    assert worker.main([str(tmp_path), str(path), "--device", "cpu"]) == worker.FAILED
    assert read_failure(job, tmp_path) == "no such weights Train."
    assert not job.done(tmp_path)


def test_a_second_worker_on_one_job_leaves(tmp_path: Path, stand_in: Callable[[int], Job]) -> None:
    job = stand_in(1)
    job.folder(tmp_path).mkdir(parents=True)
    path = job.folder(tmp_path) / "job.json"
    path.write_bytes(job.to_json())
    with worker.RunLock(job.folder(tmp_path) / "lock", run_hash="x", started="", command=""):
        assert worker.main([str(tmp_path), str(path)]) == worker.BUSY
