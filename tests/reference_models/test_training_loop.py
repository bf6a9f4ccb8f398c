"""A15 and the habits of the training loop."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import load_file

from alphabench.errors import DataError, DiskFullError, Interrupted, UsageError
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.folder import save_network
from reference_models.alphavae.train import run as train_alpha
from reference_models.rgb_vae.train import run as train_rgb
from reference_models.surgery import widen
from reference_models.training import checkpoint
from reference_models.training.config import OptimizerConfig
from reference_models.training.optimizer import learning_rate
from reference_models.training.progress import TrainProgress

Trainer = Callable[..., Path]


def ignore(_: TrainProgress) -> None:
    """Take no notice."""


def stop_after(step: int) -> Callable[[TrainProgress], None]:
    """Stop like Ctrl-C after `step`."""

    def report(progress: TrainProgress) -> None:
        if progress.step == step and progress.losses:
            raise KeyboardInterrupt

    return report


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = load_file(folder / "checkpoints" / "step_0000006" / "state.safetensors")
    return found | load_file(folder / "model" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("room", ["rgb", "alpha"])
def test_a_run_that_is_stopped_and_resumed_repeats_the_uninterrupted_one_bit_for_bit(
    room: str, rgb_recipe: Path, alpha_recipe: Path, tmp_path: Path
) -> None:
    trainer, recipe = (train_rgb, rgb_recipe) if room == "rgb" else (train_alpha, alpha_recipe)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainer(recipe, TrainRequest(out=whole, device="cpu"), ignore)
    with pytest.raises(Interrupted, match="stopped"):
        trainer(recipe, TrainRequest(out=parts, device="cpu"), stop_after(4))
    assert not (parts / "model").exists()
    trainer(recipe, TrainRequest(out=parts, device="cpu", resume=True), ignore)
    expected, found = tensors(whole), tensors(parts)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    logs = [(folder / "train.jsonl").read_text(encoding="utf-8").splitlines() for folder in (whole, parts)]
    steps = [[json.loads(line)["step"] for line in log] for log in logs]
    assert steps == [[1, 2, 3, 4, 5, 6]] * 2
    losses = [[json.loads(line)["loss"] for line in log] for log in logs]
    assert losses[0] == losses[1]


def test_a_run_leaves_two_checkpoints_a_log_samples_and_a_model(alpha_recipe: Path, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    out = tmp_path / "out"
    folder = train_alpha(alpha_recipe, TrainRequest(out=out, device="cpu", steps=9), seen.append)
    assert folder == out / "model"
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == ["step_0000006", "step_0000009"]
    assert [p.name for p in sorted((out / "samples").iterdir())] == [
        "step_0000003.png",
        "step_0000006.png",
        "step_0000009.png",
    ]
    assert {"config.json", "diffusion_pytorch_model.safetensors", "alphabench.toml"} == {
        p.name for p in folder.iterdir()
    }
    last = json.loads((out / "train.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {"abmse", "perceptual", "kl", "reference_kl", "loss", "lr", "psnr"} <= last.keys()
    assert [p.step for p in seen if p.losses] == list(range(1, 10))
    assert any(p.message and "validation" in p.message for p in seen)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), SafetensorError("No space left on device")])
def test_a_full_disk_is_told_and_leaves_the_last_checkpoint_whole(
    rgb_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    saved = checkpoint.save_file

    def fail_later(state: dict[str, torch.Tensor], path: Path) -> None:
        if "0000006" in str(path):
            raise error
        saved(state, path)

    monkeypatch.setattr(checkpoint, "save_file", fail_later)
    out = tmp_path / "out"
    with pytest.raises(DiskFullError, match="no space left"):
        train_rgb(rgb_recipe, TrainRequest(out=out, device="cpu"), ignore)
    assert checkpoint.last(out / "checkpoints") == out / "checkpoints" / "step_0000003"
    monkeypatch.undo()
    train_rgb(rgb_recipe, TrainRequest(out=out, device="cpu", resume=True), ignore)
    assert (out / "model").is_dir()


def test_a_dry_run_does_two_steps_and_writes_nothing(rgb_recipe: Path, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    out = tmp_path / "out"
    train_rgb(rgb_recipe, TrainRequest(out=out, device="cpu", dry_run=True), seen.append)
    assert not out.exists()
    assert [p.step for p in seen if p.losses] == [1, 2]
    assert "seconds a step" in (seen[-1].message or "")
    assert "peak memory" in (seen[-1].message or "")
    assert 2**26 < seen[-1].facts["peak_memory_bytes"] < 2**36  # this process holds torch


def test_a_folder_that_holds_a_run_is_not_overwritten(rgb_recipe: Path, tmp_path: Path) -> None:
    request = TrainRequest(out=tmp_path / "out", device="cpu", steps=3)
    train_rgb(rgb_recipe, request, ignore)
    with pytest.raises(UsageError, match="holds a run already"):
        train_rgb(rgb_recipe, request, ignore)


def test_a_run_is_not_resumed_with_other_settings(rgb_recipe: Path, tmp_path: Path) -> None:
    train_rgb(rgb_recipe, TrainRequest(out=tmp_path / "out", device="cpu", steps=3), ignore)
    with pytest.raises(DataError, match="other settings"):
        train_rgb(rgb_recipe, TrainRequest(out=tmp_path / "out", device="cpu", steps=4, resume=True), ignore)


def test_an_unknown_key_in_a_recipe_is_refused_with_the_nearest_one(rgb_recipe: Path, tmp_path: Path) -> None:
    rgb_recipe.write_text(rgb_recipe.read_text().replace("kl_weight", "kl_wieght"), encoding="utf-8")
    with pytest.raises(UsageError) as refusal:
        train_rgb(rgb_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    assert "kl_wieght" in refusal.value.message
    assert "'kl_weight'" in refusal.value.remedy


def test_an_absent_base_is_told(alpha_recipe: Path, tmp_path: Path) -> None:
    text = alpha_recipe.read_text(encoding="utf-8").replace((tmp_path / "base").as_posix(), "nothing")
    alpha_recipe.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"the model 'nothing' of .* is not there"):
        train_alpha(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)


def test_absent_training_images_are_told_with_the_variable_that_mends_it(
    rgb_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHABENCH_TRAIN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError) as refusal:
        train_rgb(rgb_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    assert "ALPHABENCH_TRAIN_DATA" in refusal.value.remedy


def test_the_learning_rate_rises_falls_and_ends_at_its_share() -> None:
    config = OptimizerConfig(lr=1.0, warmup=10, final_share=0.1)
    rates = [learning_rate(config, step, 110) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)
    assert max(rates) <= 1.0


def test_a_base_of_the_released_layout_is_widened_trained_and_saved_in_its_layout(
    alpha_recipe: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    base = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
    )
    save_network(tmp_path / "kl", base, settings="")
    text = alpha_recipe.read_text(encoding="utf-8")
    text = text.replace((tmp_path / "base").as_posix(), "kl").replace("steps = 6", "steps = 2")
    alpha_recipe.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="premultiplied"):
        train_alpha(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    alpha_recipe.write_text(text.replace("premultiplied", "straight"), encoding="utf-8")
    folder = train_alpha(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    theirs = AutoencoderKL.from_pretrained(folder, local_files_only=True)
    assert (theirs.config.in_channels, theirs.config.out_channels) == (4, 4)
    start, trained = widen(base).state_dict(), theirs.state_dict()
    assert start.keys() == trained.keys()
    assert any(not torch.equal(start[name], trained[name]) for name in start)
