"""Runs over prompts in processes of their own: killed ones that go on, and two that share the work."""

import multiprocessing
import os
import random
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from alphabench.protocols import load_protocol
from alphabench.results.record import load_record
from alphabench.runtime import leave_world
from alphabench.tasks.generation import GenerationRequest, generate_set
from tests.tasks.conftest import quiet


def run_in_child(request: GenerationRequest, environment: dict[str, str], enough: int, reached: Event) -> None:
    """Run in a child process, slowly, and tell when `enough` images are stored: then the process may be killed."""
    os.environ.update(environment)
    sys.path.insert(0, str(Path(__file__).parent))
    import toy_generator

    toy_generator.install()
    toy_generator.load_toy = toy_generator.load_slow
    generate_set(request, lambda done, total, note: reached.set() if done >= enough else None)
    leave_world()


Start = Callable[..., tuple[BaseProcess, Event]]
Requests = Callable[..., GenerationRequest]


@pytest.fixture
def child() -> Start:
    """Start a run in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alphabench.tasks.generation", "accelerate"])

    def start(
        request: GenerationRequest, environment: dict[str, str] | None = None, enough: int = 10**6
    ) -> tuple[BaseProcess, Event]:
        reached = context.Event()
        process = context.Process(target=run_in_child, args=(request, environment or {}, enough, reached))
        process.start()
        return process, reached

    return start


def test_kills_in_the_middle_and_a_resume_give_an_uninterrupted_run(
    toy: Any,
    request_of: Callable[..., GenerationRequest],
    child: Callable[..., tuple[BaseProcess, Event]],
    tmp_path: Path,
) -> None:
    generate_set(request_of(per_prompt=6, out=tmp_path / "whole"), quiet)
    chance = random.Random(7)
    request = request_of(per_prompt=6, out=tmp_path / "killed")
    for enough in (2, 8, 14):
        process, reached = child(request, enough=enough)
        assert reached.wait(300)
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        process.join()
    kept = len(list((tmp_path / "killed" / "parts").glob("*.parquet")))
    assert 7 <= kept < 15
    record = generate_set(request, quiet).record
    assert record.document["run"]["resumed"] == 3
    assert toy.files_of(tmp_path / "killed") == toy.files_of(tmp_path / "whole")


def test_two_ranks_make_bit_for_bit_what_one_makes(
    toy: Any,
    request_of: Callable[..., GenerationRequest],
    child: Callable[..., tuple[BaseProcess, Event]],
    tmp_path: Path,
) -> None:
    generate_set(request_of(out=tmp_path / "one"), quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    request = request_of(out=tmp_path / "two", batch_size=1)
    ranks = [child(request, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]
    for process, _ in ranks:
        process.join(300)
    assert [process.exitcode for process, _ in ranks] == [0, 0]
    assert toy.files_of(tmp_path / "two") == toy.files_of(tmp_path / "one")
    record = load_record(tmp_path / "two", protocol=load_protocol(str(tmp_path / "toy.toml")))
    assert record.document["environment"]["world_size"] == 2
