"""What a training keeps beside its weights: averages, its log, grids; and that it survives being killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from alphabench.image.codec import read_rgba
from alphabench.models.spec import TrainRequest
from alphabench.runtime import peak_memory_bytes
from reference_models.alphavae.preview import CHECKER, on_checkerboard
from reference_models.alphavae.train import run
from reference_models.training.ema import AveragedModel
from reference_models.training.run_log import RunLog

CALL = "import sys\nfrom alphabench.cli.app import main\nsys.argv[0] = 'alphabench'\nmain()\n"


def test_the_average_follows_its_formula() -> None:
    """Decay min(d, (1+t)/(10+t)), as in tf.train.ExponentialMovingAverage with num_updates."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    average = AveragedModel(model, 0.5)
    expected = 2.0
    for step in range(1, 20):
        nn.init.constant_(model.weight, float(step))
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert float(average.model.weight) == pytest.approx(expected, rel=1e-6)
    assert float(model.weight.detach()) == 19.0


def test_the_averaged_weights_are_what_is_exported(alpha_recipe: Path, tmp_path: Path) -> None:
    folder = run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), lambda _: None)
    state = load_file(tmp_path / "out" / "checkpoints" / "step_0000006" / "state.safetensors")
    made = load_file(folder / "diffusion_pytorch_model.safetensors")
    name = "decoder.out.weight"
    averaged, last = (state[f"{kind}.network.{name}"].to(made[name].dtype) for kind in ("average", "model"))
    assert torch.equal(made[name], averaged)
    assert not torch.equal(made[name], last)


def test_a_log_is_cut_back_to_the_resumed_step_and_loses_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    log = RunLog(path, resumed_at=0)
    for step in range(1, 5):
        log.write(step, 0.1, {"loss": step / 2})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "loss": 0.')
    RunLog(path, resumed_at=3).write(4, 0.1, {"loss": 7.0})
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 7.0)]


def test_transparent_pixels_of_a_grid_show_a_checkerboard() -> None:
    images = torch.zeros(1, 4, 2 * CHECKER, 2 * CHECKER)
    images[:, 0], images[:, 3, :CHECKER, :CHECKER] = 1.0, 1.0
    grid = on_checkerboard(images)
    assert grid.shape == (4, 2 * CHECKER, 2 * CHECKER)
    assert grid[:, 0, 0].tolist() == [255, 0, 0, 255]
    other, tile = grid[:, 0, CHECKER].tolist(), grid[:, CHECKER, CHECKER].tolist()
    assert other[0] == other[1] == other[2]
    assert tile[0] == tile[1] == tile[2]
    assert other[0] - tile[0] == pytest.approx(0.2 * 255, abs=1)
    assert grid[3].unique().tolist() == [255]


def test_the_grids_of_a_run_show_images_above_their_reconstructions(alpha_recipe: Path, tmp_path: Path) -> None:
    run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu", steps=3), lambda _: None)
    grid = read_rgba(tmp_path / "out" / "samples" / "step_0000003.png", allow_opaque=True)
    top, bottom = grid[:3].float().chunk(2, 1)
    assert top.shape == bottom.shape
    assert not torch.equal(top, bottom)


def test_the_memory_of_a_gpu_is_its_allocators(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def peak(device: torch.device) -> int:
        asked.append(device)
        return 123

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", peak)
    assert peak_memory_bytes(torch.device("cuda", 1)) == 123
    assert asked == [torch.device("cuda", 1)]
    own = peak_memory_bytes(torch.device("cpu"))
    assert own is None or own > 2**20
    assert len(asked) == 1


def launched(arguments: list[str], place: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CALL, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def started(arguments: list[str], processes: int) -> "list[subprocess.Popen[str]]":
    """Start the command on one or more processes that find each other."""
    if processes == 1:
        return [launched(arguments, {})]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    places = [{"WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return [launched(arguments, shared | place) for place in places]


def finished(running: "list[subprocess.Popen[str]]") -> list[str]:
    """Wait for processes that must succeed and return what each wrote to stdout."""
    try:
        said = [process.communicate(timeout=240) for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * len(running), said
    return [out for out, _ in said]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_that_is_killed_resumes_to_the_last_bit(processes: int, alpha_recipe: Path, tmp_path: Path) -> None:
    """SIGKILL leaves no time for anything: only what lies on the disk goes on."""
    long = ["train", str(alpha_recipe), "--device", "cpu", "--set", "run.steps=150", "--set", "run.validate_every=150"]
    alpha_recipe.write_text(f'trainer = "alphavae"\n{alpha_recipe.read_text(encoding="utf-8")}', encoding="utf-8")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    killed = started([*long, "--out", str(parts)], processes)
    until = time.monotonic() + 120
    while killed[0].poll() is None and time.monotonic() < until and not list(parts.glob("checkpoints/step_*")):
        time.sleep(0.005)
    for process in killed:
        process.send_signal(signal.SIGKILL)
    said = [process.communicate() for process in killed]
    assert killed[0].returncode == -signal.SIGKILL, said
    assert not (parts / "model").exists()
    resumed = finished(started([*long, "--out", str(parts), "--resume"], processes))
    assert resumed[1:] == [""] * (processes - 1)  # one process speaks
    finished(started([*long, "--out", str(whole)], processes))
    states = [load_file(out / "checkpoints" / "step_0000150" / "state.safetensors") for out in (whole, parts)]
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []
    logs = [[json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()] for out in (whole, parts)]
    assert [line["step"] for line in logs[0]] == list(range(1, 151))
    assert [(line["step"], line["loss"]) for line in logs[0]] == [(line["step"], line["loss"]) for line in logs[1]]
