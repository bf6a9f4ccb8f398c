"""What is done beside the sampling: in which thread, in which order, and what a fault there leaves."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alphabench.errors import DataError
from alphabench.tasks import generation_execution
from alphabench.tasks.generation import GenerationRequest, generate_set
from tests.tasks.conftest import quiet


def test_a_batch_is_finished_while_the_next_one_is_sampled(
    request_of: Callable[..., GenerationRequest], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_begun, sampled, waited = threading.Semaphore(0), [], []
    sample, decode = toy.Toy.sample, toy.Toy.decode

    def sampling(self: Any, *call: Any) -> Any:
        if sampled:
            next_begun.release()
        sampled.append(len(call))
        return sample(self, *call)

    def decoding(self: Any, latents: Any) -> Any:
        if len(waited) < 2:  # the first two of three batches are decoded only once the one after them is begun
            waited.append(next_begun.acquire(timeout=30))
        return decode(self, latents)

    monkeypatch.setattr(toy.Toy, "sample", sampling)
    monkeypatch.setattr(toy.Toy, "decode", decoding)
    monkeypatch.setattr(generation_execution, "finished_beside_sampling", lambda job: True)  # as on a GPU
    generate_set(request_of(), quiet)
    assert waited == [True, True]


def test_on_a_cpu_the_files_of_a_batch_are_made_while_the_next_one_is_sampled(
    request_of: Callable[..., GenerationRequest], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_begun, sampled, waited = threading.Semaphore(0), [], []
    sample, encode = toy.Toy.sample, generation_execution.encode_png

    def sampling(self: Any, *call: Any) -> Any:
        if sampled:
            next_begun.release()
        sampled.append(len(call))
        return sample(self, *call)

    def encoding(*call: Any, **options: Any) -> Any:
        if len(waited) < 1:
            waited.append(next_begun.acquire(timeout=30))
        return encode(*call, **options)

    monkeypatch.setattr(toy.Toy, "sample", sampling)
    monkeypatch.setattr(generation_execution, "encode_png", encoding)
    generate_set(request_of(), quiet)
    assert waited == [True]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_how_many_threads_score_a_batch_changes_no_bit(
    request_of: Callable[..., GenerationRequest], toy: Any, tmp_path: Path, threads: int
) -> None:
    before = torch.get_num_threads()
    generate_set(request_of(out=tmp_path / "as it comes"), quiet)
    try:
        torch.set_num_threads(threads)
        generate_set(request_of(out=tmp_path / "other"), quiet)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert toy.files_of(tmp_path / "other") == toy.files_of(tmp_path / "as it comes")


def test_a_fault_while_a_batch_is_finished_keeps_what_was_stored_before(
    request_of: Callable[..., GenerationRequest], toy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = request_of(out=tmp_path / "whole")
    generate_set(whole, quiet)
    decode, calls = toy.Toy.decode, []

    def failing(self: Any, latents: Any) -> Any:
        calls.append(len(latents))
        return decode(self, latents) if len(calls) == 1 else decode(self, latents) * float("nan")

    with monkeypatch.context() as patched:
        patched.setattr(toy.Toy, "decode", failing)
        with pytest.raises(DataError, match=r"'warm/00002' has .* NaN"):
            generate_set(request_of(), quiet)
    assert len(list((tmp_path / "run" / "parts").iterdir())) == 1
    record = generate_set(request_of(), quiet).record
    assert record.document["run"]["resumed"] == 1
    assert toy.files_of(tmp_path / "run") == toy.files_of(tmp_path / "whole")
