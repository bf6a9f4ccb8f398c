"""The bundled recipes: they say what the paper says, and each trains a tiny network of its true layout."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from alphabench.errors import UsageError
from alphabench.image.codec import read_rgba, to_float
from alphabench.metrics import weights
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.recipe_file import read_recipe
from alphabench.models.spec import LoadRequest, TrainRequest
from reference_models import alphavae
from reference_models.alphavae.adapter import load
from reference_models.alphavae.config import AlphaRecipe
from reference_models.alphavae.folder import BASES_VARIABLE, base_folder, load_network
from reference_models.alphavae.train import AlphaTask, run
from reference_models.training import procedural
from reference_models.training.adversary import FAKE, REAL

CONFIGS = alphavae.TRAINER.configs
LAYOUT_OF = {"small": "flux", "paper-flux": "flux", "paper-sdxl": "sdxl"}

TINY: dict[str, dict[str, Any]] = {
    "data": {"size": 32, "batch": 2, "hold_out": 1, "validation_images": 1, "workers": 0},
    "loss": {"adversarial_start": 1, "adversarial_width": 4},
    "optimizer": {"warmup": 1},
    "run": {"steps": 2, "precision": "float32", "checkpoint_every": 2, "validate_every": 2},
}
"""What makes a recipe small enough for a test; everything else is as it is bundled."""

Prepare = Callable[[str], tuple[TrainRequest, torch.nn.Module]]


@pytest.fixture
def prepare(tmp_path: Path, training_root: Path, layouts: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    monkeypatch.setattr(procedural, "HELD_OUT", {})  # validation on its images of 256² would take most of the time

    def make(name: str) -> tuple[TrainRequest, torch.nn.Module]:
        """Write the base and the images of a recipe where the variables say; return a small run and the base."""
        values = read_recipe(CONFIGS / f"{name}.toml")
        changes = {table: dict(tiny) for table, tiny in TINY.items()}
        if "procedural_images" in values["data"]:
            changes["data"] |= {"procedural_images": 2, "procedural_size": 32}
        changes["loss"]["perceptual_network"] = "random"  # VGG-16 is on few machines
        changes["optimizer"]["accumulate"] = min(2, values["optimizer"]["accumulate"])
        (training_root / "set" / "train").rename(training_root / values["data"]["sources"][0]["folder"])
        monkeypatch.setenv("ALPHABENCH_TRAIN_DATA", str(training_root))
        base = layouts.write_folder(tmp_path / "bases" / values["model"]["base"], LAYOUT_OF[name])
        monkeypatch.setenv(BASES_VARIABLE, str(tmp_path / "bases"))
        return TrainRequest(out=tmp_path / "run", device="cpu", changes=changes), base

    return make


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_every_bundled_recipe_is_read(name: str) -> None:
    recipe = read_toml_settings(CONFIGS / f"{name}.toml", AlphaRecipe)
    assert recipe.run.steps > 0
    assert recipe.data.size % 8 == 0


@pytest.mark.parametrize("name", ["paper-flux", "paper-sdxl"])
def test_a_paper_recipe_has_the_published_settings(name: str) -> None:
    recipe = read_toml_settings(CONFIGS / f"{name}.toml", AlphaRecipe)
    loss, data, optimizer = recipe.loss, recipe.data, recipe.optimizer
    assert (loss.reconstruction, loss.reduction) == ("abmse", "image_sum")
    assert loss.moments.mean == (-0.0357, -0.0811, -0.1797)
    assert loss.moments.second == (0.3163, 0.3060, 0.3634)
    assert loss.perceptual_network == "lpips-vgg"
    assert (loss.perceptual_weight, loss.perceptual_scale, loss.perceptual_backgrounds) == (0.5, "per_image", (0, 1))
    assert (loss.kl_weight, loss.reference_kl_weight, loss.reference_kl_images) == (1e-6, 1e-16, 0)
    assert (loss.adversarial_weight, loss.adversarial_start, loss.adversarial_input) == (1.0, 4000, "straight")
    assert (loss.adversarial_width, loss.adversarial_layers, loss.adversarial_adaptive) == (64, 3, True)
    assert (data.size, data.batch, data.resize, data.hold_out) == (1024, 8, "shortest_side", 8)
    assert (data.flatten_probability, data.flatten_levels) == (0.3, "truncated")
    assert not data.flips
    assert not data.recolour
    assert data.half_scale_probability == data.fade_probability == data.repaint_probability == data.visible_share == 0
    assert (optimizer.lr, optimizer.betas, optimizer.weight_decay) == (1e-5, (0.5, 0.9), 0.01)
    assert (optimizer.warmup, optimizer.final_share, optimizer.clip) == (100, 0.0, 0.0)
    assert (recipe.hidden_colour, recipe.model.colour, recipe.run.ema) == ("keep", "straight", 0.0)
    assert (recipe.run.steps, recipe.run.precision) == (30_000, "bf16")


def test_both_paper_recipes_differ_in_their_base_only() -> None:
    flux, sdxl = (read_recipe(CONFIGS / f"paper-{name}.toml") for name in ("flux", "sdxl"))
    assert (flux["model"].pop("base"), sdxl["model"].pop("base")) == (
        "FLUX.1-dev/vae",
        "stable-diffusion-xl-base-1.0/vae",
    )
    assert flux == sdxl


def test_a_paper_recipe_says_which_weights_it_lacks(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, _ = prepare("paper-flux")
    request.changes["loss"].pop("perceptual_network")
    monkeypatch.setattr(weights, "weights_dir", lambda: tmp_path / "no weights")
    with pytest.raises(weights.WeightsMissing, match="VGG-16") as refusal:
        run(CONFIGS / "paper-flux.toml", request, lambda _: None)
    assert "alphabench weights fetch vgg16" in refusal.value.remedy


@pytest.mark.parametrize("name", list(LAYOUT_OF))
def test_a_recipe_trains_its_layout_and_diffusers_loads_the_result(
    name: str, prepare: Prepare, layouts: ModuleType, training_root: Path, tmp_path: Path
) -> None:
    request, base = prepare(name)
    folder = run(CONFIGS / f"{name}.toml", request, lambda _: None)
    theirs = AutoencoderKL.from_pretrained(folder, local_files_only=True).eval()
    ours = load_network(folder, channels=4)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(tensor, theirs.state_dict()[key]) for key, tensor in ours.state_dict().items())
    images = to_float(read_rgba(training_root / "set" / "val" / "0.png"))[None, :, :32, :48] * 2 - 1
    assert torch.equal(layouts.through(ours, images), layouts.through(theirs, images))
    for key in ("latent_channels", "scaling_factor", "shift_factor", "use_quant_conv", "sample_size"):
        assert theirs.config[key] == base.config[key]
    moved = [key for key, tensor in base.state_dict().items() if tensor.shape == ours.state_dict()[key].shape]
    assert any(not torch.equal(base.state_dict()[key], ours.state_dict()[key]) for key in moved)
    made = load(LoadRequest(checkpoint=folder)).reconstruct((images[..., :30, :41] + 1) / 2)
    assert made.shape == (1, 4, 30, 41)
    log = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    steps = [line for line in log if "abmse" in line]
    assert len(steps) == 2
    assert any("adversar" in key or key.startswith("generator") for key in steps[-1]), steps[-1]


@pytest.fixture
def mini(training_root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What makes the recipes of the mini models small, around the bundled base and all else that they say."""
    monkeypatch.setattr(procedural, "HELD_OUT", {})
    monkeypatch.setenv("ALPHABENCH_TRAIN_DATA", str(training_root))
    images = {"sources": [{"folder": "set/train", "weight": 0.9}, {"folder": "set/val", "weight": 0.1, "opaque": True}]}
    changes = {table: dict(tiny) for table, tiny in TINY.items()}
    changes["data"] |= images | {"validation": "set/val", "procedural_images": 2, "procedural_size": 32}
    return changes


def test_the_mini_recipe_trains_the_bundled_base(mini: dict[str, Any], tmp_path: Path) -> None:
    mini["run"] |= {"precision": "bf16"}  # as it is bundled
    request = TrainRequest(out=tmp_path / "run", device="cpu", changes=mini)
    folder = run(CONFIGS / "mini.toml", request, lambda _: None)
    made, base = load_network(folder, channels=4), load_network(base_folder("rgb_vae-mini", tmp_path), channels=3)
    inner = [name for name, tensor in base.state_dict().items() if tensor.shape == made.state_dict()[name].shape]
    assert any(not torch.equal(base.state_dict()[name], made.state_dict()[name]) for name in inner)
    log = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    assert {"abmse", "perceptual", "kl", "reference_kl", "psnr"} <= log[-1].keys()


@pytest.mark.parametrize(
    ("name", "absent", "present"),
    [
        ("mini", set(), {"abmse", "perceptual", "kl", "reference_kl"}),
        ("mini-mse", {"abmse"}, {"mse", "perceptual", "kl", "reference_kl"}),
        ("mini-no-perceptual", {"perceptual"}, {"abmse", "kl", "reference_kl"}),
        ("mini-no-kl", {"kl"}, {"abmse", "perceptual", "reference_kl"}),
        ("mini-no-reference-kl", {"reference_kl"}, {"abmse", "perceptual", "kl"}),
        ("mini-no-adversarial", {REAL, FAKE}, {"abmse", "perceptual", "kl", "reference_kl"}),
        ("mini-adversarial", set(), {"abmse", "perceptual", "kl", "reference_kl", REAL, FAKE}),
        ("mini-finish", {"perceptual", "reference_kl"}, {"abmse", "kl"}),
    ],
)
def test_what_an_ablation_leaves_out_is_neither_computed_nor_kept(
    name: str, absent: set[str], present: set[str], mini: dict[str, Any]
) -> None:
    recipe = read_toml_settings(CONFIGS / f"{name}.toml", AlphaRecipe, changes=mini)
    start = base_folder("alphavae-mini", CONFIGS) if recipe.model.start else None
    task = AlphaTask(recipe, base_folder(recipe.model.base, CONFIGS), lambda _: None, start)
    objective: Any = task.objective
    with torch.no_grad():
        terms = objective(task.batch(0, 0, 1))
    assert absent.isdisjoint(terms)
    assert present <= terms.keys()
    assert (objective.perceptual is None) == ("perceptual" in absent)
    assert (objective.reference is None) == ("reference_kl" in absent)
    assert (task.adversary is None) == (name != "mini-adversarial")


def test_an_absent_base_is_named_with_the_one_thing_to_set(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    request, _ = prepare("paper-flux")
    monkeypatch.delenv(BASES_VARIABLE)
    with pytest.raises(UsageError, match=r"FLUX\.1-dev/vae") as refusal:
        run(CONFIGS / "paper-flux.toml", request, lambda _: None)
    assert BASES_VARIABLE in refusal.value.remedy
