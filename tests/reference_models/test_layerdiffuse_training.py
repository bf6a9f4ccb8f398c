"""The training: what learns, what stays frozen, the losses, repetition, resuming, the discriminator."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alphabench.errors import UsageError
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import LoadRequest, TrainRequest
from reference_models import alphavae, layerdiffuse
from reference_models.alphavae.config import AlphaRecipe
from reference_models.layerdiffuse.adapter import load
from reference_models.layerdiffuse.config import LayerDiffuseRecipe, LossConfig
from reference_models.layerdiffuse.objective import LayerDiffuseObjective, colour_target
from reference_models.layerdiffuse.pyramid import pad_rgb
from reference_models.layerdiffuse.train import LayerDiffuseTask, over_grey, run
from reference_models.rgb_vae.folder import save_folder
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.training import procedural
from reference_models.training.adversary import FAKE, REAL

TEXT = """
[model]
base = "base"
channel_order = "ARGB"
offset_gain = 12.0
encoder_widths = [4, 4, 8, 8]
decoder_widths = [16, 16, 16, 16]
decoder_layers = 1

[data]
root = "{root}"
validation = "set/val"
size = 64
batch = 4
workers = 0

[[data.sources]]
folder = "set/train"

[loss]

[optimizer]
lr = 1e-3
warmup = 2

[run]
steps = 6
precision = "float32"
checkpoint_every = 3
validate_every = 6
"""


@pytest.fixture
def recipe(tmp_path: Path, training_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe of tiny networks on a tiny base beside it."""
    monkeypatch.setattr(procedural, "HELD_OUT", {})  # nine images of 256² at each validation
    torch.manual_seed(0)
    config = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    save_folder(tmp_path / "base", PatchVae(config), settings="")
    path = tmp_path / "tiny.toml"
    path.write_text(TEXT.format(root=training_root.as_posix()), encoding="utf-8")
    return path


@pytest.fixture
def task(recipe: Path) -> LayerDiffuseTask:
    return LayerDiffuseTask(read_toml_settings(recipe, LayerDiffuseRecipe), recipe.parent / "base", lambda _: None)


def log(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_a_training_repeats_and_resumes_to_the_last_digit(recipe: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    first = run(recipe, TrainRequest(tmp_path / "a", device="cpu"), lambda p: messages.append(p.message or ""))
    run(recipe, TrainRequest(tmp_path / "b", device="cpu"), lambda _: None)
    assert log(tmp_path / "a") == log(tmp_path / "b")

    shutil.rmtree(tmp_path / "b" / "checkpoints" / "step_0000006")
    resumed = run(recipe, TrainRequest(tmp_path / "b", resume=True, device="cpu"), lambda _: None)
    assert log(tmp_path / "a") == log(tmp_path / "b")
    for name in ("transparent_encoder.safetensors", "transparent_decoder.safetensors"):
        assert (first / name).read_bytes() == (resumed / name).read_bytes()

    assert any("of its spread" in message for message in messages)
    assert any("dB on grey composites" in message for message in messages)
    # The base is found beside the checkpoint: a recipe names it relative to itself, as the checkpoint does.
    shutil.copytree(recipe.parent / "base", first / "base")
    made = load(LoadRequest(checkpoint=first)).reconstruct(torch.rand(1, 4, 20, 31))
    assert made.shape == (1, 4, 20, 31)


def test_training_on_a_few_crops_lowers_their_loss(task: LayerDiffuseTask) -> None:
    batch = task.batch(0, 0, 1)
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        terms = task.objective(batch)
        terms["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(terms["reconstruction"].detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_base_stays_frozen_and_both_zeros_learn(task: LayerDiffuseTask) -> None:
    base = task.whole.base
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    for step in range(3):
        task.objective.train()
        task.objective(task.batch(step, 0, 1))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())
    assert all(parameter.grad is None for parameter in base.parameters())
    networks = task.whole.networks
    assert bool(networks.encoder.blocks[-1].weight.any())
    assert bool(networks.decoder.latent_conv_in.weight.any())
    assert {id(p) for p in task.model.parameters()}.isdisjoint({id(p) for p in base.parameters()})


class Deaf(nn.Module):
    """A decoder that ignores what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(1, 1, 1)

    def forward(self, rgb: Tensor, latents: Tensor) -> Tensor:
        return self.conv_in.bias.expand(len(rgb), 4, *rgb.shape[2:])  # type: ignore[union-attr]


@pytest.mark.parametrize(("weight", "learns"), [(1.0, True), (0.0, False)])
def test_the_identity_alone_teaches_the_encoder(task: LayerDiffuseTask, weight: float, learns: bool) -> None:
    task.whole.networks.decoder = Deaf()  # type: ignore[assignment]
    objective = LayerDiffuseObjective(task.whole, LossConfig(identity_weight=weight))
    terms = objective(task.batch(0, 0, 1))
    terms["loss"].backward()
    gradient = task.whole.networks.encoder.blocks[-1].weight.grad
    assert (gradient is not None and bool(gradient.any())) == learns
    assert ("identity" in terms) == learns


def test_the_identity_compares_with_the_grey_composite(task: LayerDiffuseTask) -> None:
    batch = task.batch(0, 0, 1)
    images = batch["images"]
    grey = images[:, :3] * images[:, 3:] + 0.5 * (1 - images[:, 3:])
    with torch.no_grad():
        terms = task.objective(batch)
        base = task.whole.base
        decoded = base.network.decode_unclamped(base.network.encode(grey * 2 - 1).mean) / 2 + 0.5
    assert float(terms["identity"]) == pytest.approx(float((decoded - grey).square().mean()), rel=1e-5)
    assert float(terms["shift"]) == 0.0
    assert float(terms["loss"]) == pytest.approx(float(terms["colour"] + terms["alpha"] + terms["identity"]))


def test_targets_of_the_colour() -> None:
    images = torch.tensor([[0.2, 0.0], [0.5, 1.0], [0.9, 0.03]])[:, 0]
    alpha = torch.tensor([0.0, 0.01, 1.0]).reshape(1, 1, 1, 3)
    given = torch.cat([images.reshape(1, 1, 1, 3).expand(-1, 3, -1, -1), alpha], 1)
    padded = pad_rgb(given)
    target, weight = colour_target(given, padded, "straight")
    assert torch.equal(target[..., 1:], given[:, :3, :, 1:])
    assert torch.equal(target[..., 0], padded[..., 0])
    torch.testing.assert_close(weight.flatten(), torch.tensor([1 / 16, 1 / 16, 1.0]))
    target, weight = colour_target(given, padded, "padded")
    assert torch.equal(target, padded)
    assert float(weight.mean()) == 1.0


def with_changes(recipe: Path, **tables: dict[str, Any]) -> LayerDiffuseRecipe:
    settings = read_toml_settings(recipe, LayerDiffuseRecipe)
    return dataclasses.replace(
        settings, **{name: dataclasses.replace(getattr(settings, name), **values) for name, values in tables.items()}
    )


def test_the_discriminator_plays_only_where_it_has_a_weight(
    recipe: Path, task: LayerDiffuseTask, tmp_path: Path
) -> None:
    assert task.adversary is None
    assert FAKE not in task.objective(task.batch(0, 0, 1))
    settings = with_changes(recipe, loss={"disc_weight": 0.01})
    with_disc = LayerDiffuseTask(settings, recipe.parent / "base", lambda _: None)
    assert with_disc.adversary is not None
    assert sum(p.numel() for p in with_disc.adversary.network.parameters()) == 2_766_657
    terms = with_disc.objective(with_disc.batch(0, 0, 1))
    assert terms[REAL].shape == terms[FAKE].shape == (4, 4, 64, 64)
    assert terms[FAKE].requires_grad
    assert not terms[REAL].requires_grad

    text = recipe.read_text(encoding="utf-8").replace("[loss]", "[loss]\ndisc_weight = 0.01")
    recipe.write_text(text, encoding="utf-8")
    run(recipe, TrainRequest(tmp_path / "out", steps=1, device="cpu"), lambda _: None)
    (last,) = log(tmp_path / "out")
    # The generator's term is relu(1 - logit): never negative.
    assert last["adversarial"] >= 0
    expected = last["reconstruction"] + last["identity"] + 0.01 * last["adversarial"]
    assert last["loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("order", ["ARGB", "RGBA"])
def test_an_agreed_start_writes_alpha_where_the_latents_are_quiet_and_hears_it(recipe: Path, order: str) -> None:
    settings = dataclasses.replace(with_changes(recipe, model={"channel_order": order}), start="agreed")
    task = LayerDiffuseTask(settings, recipe.parent / "base", lambda _: None)
    networks = task.whole.networks
    images = torch.rand(2, 4, 64, 64)
    images[:, 3] = torch.tensor([1.0, 0.25])[:, None, None]
    planes = images if order == "RGBA" else torch.cat([images[:, 3:], images[:, :3]], 1)
    with torch.no_grad():
        offset = networks.encoder(planes)[:, :, 3, 4]  # inside: the edges of the low-pass are darker
        # Constant alpha passes the low-pass unchanged: (1 - 0.5) and (0.25 - 0.5) times one direction.
        torch.testing.assert_close(offset[1], -0.5 * offset[0], atol=1e-5, rtol=1e-4)
        encoding = task.whole.encode(images)
        heard = networks.decoder.latent_conv_in(torch.cat([encoding.mean, encoding.latents]))
    means = torch.cat([task.whole.base.encode(over_grey(image) * 2 - 1).mean for image in task._statistics_images()])
    variances, directions = torch.linalg.eigh(torch.cov(means.transpose(0, 1).flatten(1)))
    # One and a half standard deviations along the quietest direction, by the median posterior spread.
    spread = torch.cat([encoding.std]).transpose(0, 1).flatten(1).median(1).values
    along = (offset[0] * settings.model.offset_gain * spread) @ directions[:, 0] / variances[0].sqrt()
    assert float(along.abs()) == pytest.approx(1.5, rel=0.1)
    unshifted, shifted = heard.chunk(2)
    assert float((shifted - unshifted)[0, 0].mean() * (shifted - unshifted)[1, 0].mean()) < 0
    assert float((shifted - unshifted)[0, 0].mean().abs()) == pytest.approx(1.5, rel=0.2)


def test_the_last_steps_see_larger_crops(recipe: Path) -> None:
    settings = with_changes(recipe, closing={"steps": 2, "size": 96, "batch": 2})
    task = LayerDiffuseTask(settings, recipe.parent / "base", lambda _: None)
    assert task.batch(3, 0, 1)["images"].shape == (4, 4, 64, 64)
    assert task.batch(4, 0, 1)["images"].shape == (2, 4, 96, 96)


def test_a_closing_batch_that_processes_cannot_share_is_refused_at_the_first_step(recipe: Path) -> None:
    settings = with_changes(recipe, closing={"steps": 2, "size": 96, "batch": 1})
    task = LayerDiffuseTask(settings, recipe.parent / "base", lambda _: None)
    assert task.batch(0, 0, 1)["images"].shape == (4, 4, 64, 64)
    with pytest.raises(UsageError, match="closing batch of 1 cannot be shared by 2 processes"):
        task.batch(0, 0, 2)


def test_the_other_unit_takes_its_spread_from_the_training_images(recipe: Path) -> None:
    settings = with_changes(recipe, model={"offset_unit": "latent_std"})
    task = LayerDiffuseTask(settings, recipe.parent / "base", lambda _: None)
    spread = task.whole.config.latent_std
    assert len(spread) == 16
    assert min(spread) > 0


def test_the_bundled_recipe_names_the_base_and_the_data_of_alphavae_mini() -> None:
    ours = read_toml_settings(layerdiffuse.TRAINER.configs / "mini.toml", LayerDiffuseRecipe)
    theirs = read_toml_settings(alphavae.TRAINER.configs / "mini.toml", AlphaRecipe)
    assert ours.model.base == theirs.model.base
    assert ours.data.sources == theirs.data.sources
    for name in ("procedural_images", "procedural_seed", "procedural_weight", "procedural_size", "fade_probability"):
        assert getattr(ours.data, name) == getattr(theirs.data, name)
    assert ours.loss.disc_weight == 0
