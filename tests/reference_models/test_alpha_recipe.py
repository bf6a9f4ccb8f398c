"""What AlphaVAE's recipe accepts, and where its trainings start."""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from alphabench.errors import DataError, Interrupted, UsageError
from alphabench.files import sha256_of
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import AlphaRecipe, LossConfig
from reference_models.alphavae.folder import save_network
from reference_models.alphavae.train import AlphaTask, run
from reference_models.losses.abmse import RELEASED_MOMENTS
from reference_models.losses.backgrounds import PRESETS
from reference_models.rgb_vae.folder import save_folder
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen
from reference_models.training.progress import TrainProgress
from reference_models.training.toml import settings_to_toml


def ignore(_: TrainProgress) -> None:
    """Take no notice."""


def edited(path: Path, **tables: dict[str, Any]) -> Path:
    """Write the recipe again with other values and return its path."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    for table, changes in tables.items():
        values[table] |= changes
    path.write_text(settings_to_toml(values), encoding="utf-8")
    return path


def task_of(path: Path, start: Path | None = None) -> AlphaTask:
    recipe = read_toml_settings(path, AlphaRecipe)
    return AlphaTask(recipe, Path(recipe.model.base), ignore, start)


def test_a_background_is_named_or_given_in_numbers() -> None:
    assert LossConfig().moments == RELEASED_MOMENTS
    assert LossConfig(background="nine-colours").moments == PRESETS["nine-colours"]
    numbers = LossConfig(background_mean=(0.5, 0.0, 0.0), background_second_moment=(0.25, 0.1, 0.2))
    assert numbers.moments.second == (0.25, 0.1, 0.2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"background": "nine-colors"}, "'nine-colours'"),
        ({"background_mean": (0.0, 0.0, 0.0)}, "belong together"),
        (
            {
                "background": "white",
                "background_mean": (0.0, 0.0, 0.0),
                "background_second_moment": (0.0, 0.0, 0.0),
            },
            "give one of them",
        ),
        (
            {"background_mean": (0.0, 0.5, 0.0), "background_second_moment": (0.1, 0.1, 0.1)},
            r"0\.1 of green .* 0\.5",
        ),
        ({"kl_weight": -1.0}, "kl_weight must not be negative"),
        ({"adversarial_start": -1}, "adversarial_start must not be negative"),
        ({"adversarial_width": 0}, "at least 1"),
        ({"perceptual_backgrounds": ()}, "perceptual_backgrounds"),
    ],
)
def test_impossible_losses_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LossConfig(**changes)


def test_a_recipe_of_impossible_values_is_refused_with_its_file(alpha_recipe: Path) -> None:
    edited(alpha_recipe, loss={"adversarial_weight": 0.5})
    with pytest.raises(UsageError, match=r"alpha\.toml: adversarial_input"):
        read_toml_settings(alpha_recipe, AlphaRecipe)
    with pytest.raises(UsageError, match="lora_rank must be at least 1"):
        read_toml_settings(edited(alpha_recipe, model={"lora_rank": 0}), AlphaRecipe)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"loss": {"adversarial_weight": 0.5, "adversarial_input": "premultiplied"}, "data": {"size": 16}},
            "3 layers need crops of at least 24 px, not 16",
        ),
        ({"loss": {"reference_kl_images": 3}}, "reference_kl_images of 3 cannot be spread evenly over a batch of 2"),
        ({"loss": {"reference_kl_images": 4}}, "reference_kl_images of 4 cannot be spread evenly over a batch of 2"),
    ],
)
def test_impossible_shapes_are_refused_before_the_first_step(
    tables: dict[str, dict[str, Any]], said: str, alpha_recipe: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        read_toml_settings(edited(alpha_recipe, **tables), AlphaRecipe)


def test_crops_that_the_base_cannot_halve_as_often_are_refused(alpha_recipe: Path, tmp_path: Path) -> None:
    base = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 5,
        up_block_types=["UpDecoderBlock2D"] * 5,
        block_out_channels=[4] * 5,
        layers_per_block=1,
        norm_num_groups=2,
    )
    base.save_pretrained(tmp_path / "deep")
    table = {"base": str(tmp_path / "deep"), "colour": "straight"}
    with pytest.raises(UsageError, match="crops of 24 px do not fit deep") as refusal:
        task_of(edited(alpha_recipe, model=table, data={"size": 24}))
    assert "multiple of 16" in refusal.value.remedy


def test_a_run_is_not_resumed_on_another_base_of_the_same_name(alpha_recipe: Path, tmp_path: Path) -> None:
    run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    settings = tomllib.loads((tmp_path / "out" / "model" / "alphabench.toml").read_text(encoding="utf-8"))
    assert settings["base_sha256"] == sha256_of(tmp_path / "base" / "diffusion_pytorch_model.safetensors")
    torch.manual_seed(9)
    config = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    save_folder(tmp_path / "base", PatchVae(config), settings="")
    with pytest.raises(DataError, match="built on another model: base_sha256 has changed"):
        run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu", resume=True), ignore)


def test_other_images_than_before_are_told_and_do_not_end_a_run(
    alpha_recipe: Path, training_root: Path, tmp_path: Path
) -> None:
    run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), ignore)
    (training_root / "set" / "train" / "0.png").write_bytes(b"no longer a PNG")
    seen: list[TrainProgress] = []
    run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu", resume=True), seen.append)
    assert "the training images are not those of the run so far" in [progress.message for progress in seen]


def test_the_checkpoint_names_what_it_started_from(alpha_recipe: Path, tmp_path: Path) -> None:
    earlier = run(alpha_recipe, TrainRequest(out=tmp_path / "first", device="cpu", steps=1), ignore)
    edited(alpha_recipe, model={"start": str(earlier)})
    folder = run(alpha_recipe, TrainRequest(out=tmp_path / "second", device="cpu", steps=1), ignore)
    settings = tomllib.loads((folder / "alphabench.toml").read_text(encoding="utf-8"))
    assert settings["start_sha256"] == sha256_of(earlier / "diffusion_pytorch_model.safetensors")


def test_a_weight_of_zero_builds_no_discriminator(alpha_recipe: Path) -> None:
    assert task_of(alpha_recipe).adversary is None
    edited(alpha_recipe, loss={"adversarial_weight": 0.5, "adversarial_input": "premultiplied", "adversarial_width": 2})
    task = task_of(alpha_recipe)
    assert task.adversary is not None
    assert (task.adversary.weight, task.adversary.start) == (0.5, 4000)
    assert task.adversary.last_layer is task.vae.network.decoder.out.weight
    again = task_of(alpha_recipe)
    assert again.adversary is not None
    states = [t.state_dict() for t in (task.adversary.network, again.adversary.network)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_discriminator_has_the_optimiser_of_the_recipe_or_its_own(alpha_recipe: Path) -> None:
    edited(alpha_recipe, loss={"adversarial_weight": 0.5, "adversarial_input": "premultiplied", "adversarial_width": 2})
    recipe = read_toml_settings(alpha_recipe, AlphaRecipe)
    task = task_of(alpha_recipe)
    assert task.adversary is not None
    assert task.adversary.optimizer == recipe.optimizer
    edited(alpha_recipe, loss={"adversarial_lr": 2e-4, "adversarial_betas": [0.5, 0.9]})
    task = task_of(alpha_recipe)
    assert task.adversary is not None
    assert task.adversary.optimizer == dataclasses.replace(recipe.optimizer, lr=2e-4, betas=(0.5, 0.9))


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        ("optimizer", {"betas": [0.9, 1.0]}, "betas must be at least 0 and less than 1"),
        (
            "loss",
            {"adversarial_betas": [-0.1, 0.9]},
            "adversarial_lr and adversarial_betas: betas must",
        ),
        ("loss", {"adversarial_lr": 0.0}, "adversarial_lr and adversarial_betas: lr must be positive"),
    ],
)
def test_impossible_optimisers_are_refused_with_the_recipe(
    alpha_recipe: Path, table: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read_toml_settings(edited(alpha_recipe, **{table: changes}), AlphaRecipe)


def test_with_an_adversary_it_resumes_bit_for_bit(alpha_recipe: Path, tmp_path: Path) -> None:
    edited(
        alpha_recipe,
        loss={
            "adversarial_weight": 0.1,
            "adversarial_start": 2,
            "adversarial_input": "premultiplied",
            "adversarial_width": 4,
            "adversarial_layers": 1,
            "reference_kl_share_every": 2,
        },
        run={"validate_every": 6},
    )

    def stop(progress: TrainProgress) -> None:
        if progress.step == 4 and progress.losses:
            raise KeyboardInterrupt

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(alpha_recipe, TrainRequest(out=whole, device="cpu"), ignore)
    with pytest.raises(Interrupted):
        run(alpha_recipe, TrainRequest(out=parts, device="cpu"), stop)
    run(alpha_recipe, TrainRequest(out=parts, device="cpu", resume=True), ignore)
    states = [load_file(out / "checkpoints" / "step_0000006" / "state.safetensors") for out in (whole, parts)]
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []
    logs = [
        [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]
        for out in (whole, parts)
    ]
    for line in (*logs[0], *logs[1]):
        del line["seconds"]
    assert logs[0] == logs[1]
    assert [("discriminator" in line, "reference_kl_share" in line) for line in logs[0]] == [
        (False, True),
        (False, False),
        (True, True),
        (True, False),
        (True, True),
        (True, False),
    ]


def test_a_training_starts_from_a_checkpoint_but_refers_to_the_widened_base(alpha_recipe: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    config = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    network = widen(PatchVae(config))
    network.config = dataclasses.replace(network.config, colour="premultiplied")
    save_network(tmp_path / "earlier", network, settings="")
    edited(alpha_recipe, model={"start": "earlier"})
    task = task_of(alpha_recipe, tmp_path / "earlier")
    stored = load_file(tmp_path / "earlier" / "diffusion_pytorch_model.safetensors")
    base = load_file(tmp_path / "base" / "diffusion_pytorch_model.safetensors")
    found = task.vae.network.state_dict()
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in stored.items())
    objective: Any = task.objective
    reference = objective.reference.network.state_dict()
    inner = [name for name in base if reference[name].shape == base[name].shape]
    assert inner
    assert all(torch.equal(reference[name], base[name].float()) for name in inner)
    folder = run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu", steps=1), ignore)
    assert (folder / "config.json").is_file()


def test_a_start_of_another_shape_or_colour_is_refused(alpha_recipe: Path, tmp_path: Path) -> None:
    shape = PatchVaeConfig(fine_channels=16, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    save_network(tmp_path / "wider", widen(PatchVae(shape)), settings="")
    with pytest.raises(DataError, match=r"another shape .* first "):
        task_of(edited(alpha_recipe, model={"start": "wider"}), tmp_path / "wider")
    shape = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    save_network(tmp_path / "straight", widen(PatchVae(shape)), settings="")
    with pytest.raises(DataError, match="holds straight colours"):
        task_of(alpha_recipe, tmp_path / "straight")
    with pytest.raises(DataError, match="nothing is not a checkpoint folder"):
        task_of(alpha_recipe, tmp_path / "nothing")


def test_a_random_start_of_alpha_repeats_by_seed_and_refers_to_the_opaque_one(alpha_recipe: Path) -> None:
    opaque = task_of(alpha_recipe).vae.network.state_dict()
    edited(alpha_recipe, model={"initialisation": "random"})
    task, again = task_of(alpha_recipe), task_of(alpha_recipe)
    found = task.vae.network.state_dict()
    differing = {name for name in found if not torch.equal(found[name], opaque[name])}
    outer = ("encoder.linear", "encoder.stem", "decoder.linear", "decoder.out")
    assert differing == {f"{layer}.weight" for layer in outer} | {"decoder.linear.bias", "decoder.out.bias"}
    assert all(torch.equal(found[name], tensor) for name, tensor in again.vae.network.state_dict().items())
    objective: Any = task.objective
    reference = objective.reference.network.state_dict()
    assert all(torch.equal(reference[name], opaque[name]) for name in opaque)
