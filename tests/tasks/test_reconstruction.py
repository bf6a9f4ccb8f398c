"""What a run promises: right numbers, one record, a resume that changes nothing."""

import dataclasses
import hashlib
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

import alphabench
from alphabench.errors import DataError, UsageError
from alphabench.image.codec import read_rgba, to_float
from alphabench.metrics.closed_form import composite_psnr
from alphabench.results.record import load_record
from alphabench.tasks import execution
from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set
from alphabench.tasks.scoring_files import ScoreRequest, score_files
from tests.tasks.conftest import quiet

Folder = Callable[..., Path]


@pytest.fixture
def request_of(tmp_path: Path, small_protocol: Path) -> Callable[..., ReconstructionRequest]:
    def make(data: Path, model: str = "opaque", **changes: object) -> ReconstructionRequest:
        request = ReconstructionRequest(
            model=model, data=str(data), protocol=str(small_protocol), out=tmp_path / "run", device="cpu"
        )
        return dataclasses.replace(request, **changes)

    return make


def test_a_record_holds_the_numbers_that_the_metric_functions_give(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    data = data_folder(count=2)
    outcome = reconstruct_set(request_of(data), quiet)
    rows = outcome.record.to_pandas()
    for path in sorted(data.rglob("*.png")):
        sample = path.relative_to(data).with_suffix("").as_posix()
        reference = to_float(read_rgba(path))[None]
        prediction = reference.clone()
        prediction[:, :3] *= (reference[:, 3:] > 0).float()
        prediction[:, 3] = 1
        expected = composite_psnr(prediction, reference, torch.tensor([[0.0] * 3, [1.0] * 3]))[0]
        mine = rows[(rows["sample"] == sample) & (rows["metric"] == "psnr")].set_index("view")["value"]
        assert mine["composite/black"] == pytest.approx(float(expected[0]), abs=1e-9)
        assert mine["composite/white"] == pytest.approx(float(expected[1]), abs=1e-9)


def test_identity_is_infinite_in_the_rows_and_capped_in_the_mean(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    record = reconstruct_set(request_of(data_folder(), "identity"), quiet).record
    assert record.aggregates["psnr"]["value"] == 100.0
    psnr = record.to_pandas().query("metric == 'psnr'")["value"]
    assert psnr.eq(float("inf")).all()
    assert record.complete


def test_the_same_request_again_returns_the_stored_record(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    request = request_of(data_folder())
    first = reconstruct_set(request, quiet)
    again = reconstruct_set(request, quiet)
    assert not first.stored
    assert again.stored
    assert again.record.id == first.record.id
    anew = reconstruct_set(dataclasses.replace(request, fresh=True), quiet)
    assert not anew.stored
    assert anew.record.rows == first.record.rows


def test_a_folder_of_another_request_is_refused_and_says_what_differs(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    data = data_folder()
    reconstruct_set(request_of(data), quiet)
    with pytest.raises(DataError, match="blank"):
        reconstruct_set(request_of(data, "blank"), quiet)


def test_a_limit_gives_an_incomplete_record_that_says_n_of_m(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    record = reconstruct_set(request_of(data_folder(count=3), limit=2), quiet).record
    assert not record.complete
    assert "2 of 6" in record.document["incomplete_reasons"][0]


def test_rescoring_the_saved_predictions_gives_the_same_rows(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest], tmp_path: Path, small_protocol: Path
) -> None:
    data = data_folder()
    outcome = reconstruct_set(request_of(data, "webp"), quiet)
    request = ScoreRequest(
        reference=data,
        prediction=tmp_path / "run" / "predictions",
        protocol=str(small_protocol),
        out=tmp_path / "rescored",
        device="cpu",
    )
    assert score_files(request, quiet).record.rows == outcome.record.rows


def test_batch_size_changes_no_value(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest], tmp_path: Path
) -> None:
    data = data_folder(count=4)
    one = reconstruct_set(request_of(data, batch_size=1), quiet).record
    seven = reconstruct_set(request_of(data, batch_size=7, out=tmp_path / "seven"), quiet).record
    assert [row[:4] for row in one.rows] == [row[:4] for row in seven.rows]
    assert [row[4] for row in one.rows] == pytest.approx([row[4] for row in seven.rows], rel=1e-6)


def test_two_runs_give_byte_equal_samples(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest], tmp_path: Path
) -> None:
    data = data_folder()
    first = reconstruct_set(request_of(data), quiet).record
    second = reconstruct_set(request_of(data, out=tmp_path / "second"), quiet).record
    assert first.path is not None
    assert second.path is not None
    assert (first.path / "samples.parquet").read_bytes() == (second.path / "samples.parquet").read_bytes()


def test_hidden_colour_of_references_changes_no_metric_of_a_whole_protocol(data_folder: Folder, tmp_path: Path) -> None:
    from alphabench.image.codec import write_png

    data = data_folder(count=1, height=40, width=40)
    other = tmp_path / "other"
    for path in data.rglob("*.png"):
        codes = read_rgba(path)
        codes[:3, codes[3] == 0] = 77
        write_png(other / path.relative_to(data), codes)
    records = [
        reconstruct_set(
            ReconstructionRequest("opaque", data=str(folder), out=tmp_path / f"out-{index}", device="cpu"), quiet
        ).record
        for index, folder in enumerate((data, other))
    ]
    assert records[0].rows == records[1].rows
    assert records[0].aggregates == records[1].aggregates


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda images: images * float("nan"), "NaN"),
        (lambda images: images + 0.01, r"leaves \[0,1\]"),
        (lambda images: images[:, :3], "for a batch of"),
        (lambda images: images.numpy(), "not a tensor"),
        (lambda images: (images * 255).to(torch.uint8), "not floating point"),
    ],
)
def test_wrong_model_output_is_an_error_that_names_the_fault(
    answer: Callable[[torch.Tensor], object], words: str, data_folder: Folder, small_protocol: Path
) -> None:
    with pytest.raises(DataError, match=words):
        alphabench.evaluate(answer, data=data_folder(), protocol=small_protocol)


def test_output_within_the_tolerance_is_clamped(data_folder: Folder, small_protocol: Path) -> None:
    record = alphabench.evaluate(
        lambda images: (images * (1 + 2e-6) - 1e-6).clamp(-1e-6, 1 + 1e-6),
        data=data_folder(),
        protocol=small_protocol,
    )
    assert record.complete


def test_evaluate_leaves_nothing_behind_and_needs_no_folder(data_folder: Folder, small_protocol: Path) -> None:
    record = alphabench.evaluate(torch.clone, data=data_folder(), protocol=small_protocol, name="My Model")
    assert record.path is None
    assert record.document["model"]["name"] == "my-model"
    assert len(record.to_pandas()) == record.document["samples"]["rows"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "opaqe"}, "opaque"),
        ({"protocol": "alpha-mni"}, "alpha-mini"),
        ({"device": "cuda:9"}, "device"),
        ({"dtype": "float8"}, "dtype"),
        ({"checkpoint": Path("x")}, "no weights"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(
    changes: dict[str, object], words: str, data_folder: Folder, request_of: Callable[..., ReconstructionRequest]
) -> None:
    with pytest.raises(UsageError) as caught:
        reconstruct_set(request_of(data_folder(), **changes), quiet)
    assert words in str(caught.value)


def slow_run(data: str, protocol: str, out: str, pause: float, started: Event) -> None:
    """Run in a child process that can be killed; each batch of two samples takes a little while."""
    original = execution._part

    def slow(*arguments: object) -> object:
        time.sleep(pause)
        return original(*arguments)

    execution._part = slow
    request = ReconstructionRequest("opaque", data=data, protocol=protocol, out=Path(out), device="cpu", batch_size=2)
    started.set()
    reconstruct_set(request, quiet)


def test_ten_kills_at_random_moments_and_a_resume_give_an_uninterrupted_run(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest], tmp_path: Path, small_protocol: Path
) -> None:
    data = data_folder(categories=("a", "b", "c"), count=16)
    whole = reconstruct_set(request_of(data, batch_size=2, out=tmp_path / "whole"), quiet).record
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alphabench.tasks.reconstruction"])
    chance = random.Random(7)
    for _ in range(10):
        started = context.Event()
        arguments = (str(data), str(small_protocol), str(tmp_path / "killed"), 0.03, started)
        process = context.Process(target=slow_run, args=arguments)
        process.start()
        started.wait(60)
        time.sleep(chance.uniform(0.05, 0.45))
        process.kill()
        process.join()
    resumed = reconstruct_set(request_of(data, batch_size=2, out=tmp_path / "killed"), quiet).record
    assert resumed.document["run"]["resumed"] >= 1
    assert resumed.rows == whole.rows
    assert resumed.aggregates == whole.aggregates


def test_an_interrupt_leaves_a_run_that_goes_on(
    data_folder: Folder, request_of: Callable[..., ReconstructionRequest], tmp_path: Path, small_protocol: Path
) -> None:
    data = data_folder(categories=("a", "b"), count=12)
    script = "\n".join(
        (
            "import sys, time",
            "from pathlib import Path",
            "import alphabench.tasks.execution as execution",
            "from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set",
            "data, protocol, out = sys.argv[1:]",
            "request = ReconstructionRequest('opaque', data=data, protocol=protocol, out=Path(out), device='cpu')",
            "reconstruct_set(request, lambda done, total, note: (print(done, flush=True), time.sleep(0.3)))",
        )
    )
    arguments = [sys.executable, "-c", script, str(data), str(small_protocol), str(tmp_path / "run")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, message = process.communicate()
    assert "Interrupted" in message
    assert "goes on at the first missing sample" in message
    record = reconstruct_set(
        request_of(
            data,
        ),
        quiet,
    ).record
    assert record.complete
    assert load_record(tmp_path / "run").id == record.id


def test_a_prediction_that_changes_while_it_is_scored_is_refused(data_folder: Folder, tmp_path: Path) -> None:
    from alphabench.models.predictions import prediction_folder

    path = data_folder(categories=(), count=1) / "000.png"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    folder = prediction_folder({"000": path}, {"000": digest}, name="mine", org="local", licence="unknown")
    assert folder.read("000").shape == (4, 24, 32)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="has changed since the run began"):
        folder.read("000")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        folder.read("000")
