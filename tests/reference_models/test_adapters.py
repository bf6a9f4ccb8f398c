"""The reconstructors: range, size, hidden colour, folders of both layouts, refusals."""

import json
import pickle
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from alphabench.errors import DataError, UsageError
from alphabench.image.codec import quantise, to_float
from alphabench.models.contract import Reconstructor
from alphabench.models.spec import LoadRequest
from reference_models import alphavae, pca, rgb_vae
from reference_models.alphavae.adapter import load as load_alphavae
from reference_models.alphavae.folder import load_network, save_network
from reference_models.alphavae.ranges import from_network, to_network, weigh_network
from reference_models.pca.adapter import load as load_pca
from reference_models.rgb_vae.adapter import load_twice
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen

LOADERS = {"alphavae": load_alphavae, "pca": load_pca, "rgb-vae-twice": load_twice}


def images(height: int = 40, width: int = 53, seed: int = 0) -> torch.Tensor:
    """Smooth images with opaque, soft and fully transparent parts, and noise under alpha 0."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 4, 5, 6, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    picture[:, 3] = (picture[:, 3] * 3 - 1).clamp(0, 1)
    hidden = (picture[:, 3:] == 0).expand(-1, 3, -1, -1)
    picture[:, :3][hidden] = torch.rand(int(hidden.sum()), generator=generator)
    return to_float(quantise(picture))


@pytest.fixture(scope="module", params=list(LOADERS))
def model(request: pytest.FixtureRequest) -> Any:
    return LOADERS[request.param](LoadRequest())


def tiny_diffusers(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return widen(
        AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
            shift_factor=None,
        )
    )


def tiny_patch() -> PatchVae:
    torch.manual_seed(0)
    return widen(PatchVae(PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound folder of the released layout, with random weights."""
    save_network(tmp_path / "vae", tiny_diffusers(), settings="")
    return tmp_path / "vae"


def test_a_bundled_model_fulfils_the_contract_and_says_who_it_is(model: Any) -> None:
    assert isinstance(model, Reconstructor)
    info = model.info
    assert info.name in {"alphavae-mini", "pca-mini", "rgb-vae-twice-mini"}
    assert (info.org, info.licence, info.kind) == ("alphabench", "Apache-2.0", "checkpoint")
    ((role, sha256, size),) = info.checkpoints
    assert role == "model"
    assert len(sha256) == 64
    assert size <= 16 * 2**20
    assert "fluent3d" in info.trained_on
    assert "procedural" in info.trained_on
    assert info.latent_numbers_per_pixel == (0.5 if info.architecture == "rgb-vae-twice" else 0.25)
    json.dumps(dict(info.config))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (1, 1), (40, 53), (7, 130)])
def test_any_size_comes_back_in_range(model: Any, height: int, width: int) -> None:
    result = model.reconstruct(images(height, width))
    assert result.shape == (2, 4, height, width)
    assert result.dtype == torch.float32
    assert float(result.min()) >= 0.0
    assert float(result.max()) <= 1.0


def test_hidden_colour_of_the_input_changes_no_bit_of_the_output(model: Any) -> None:
    first = images()
    second = first.clone()
    hidden = (first[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert int(hidden.sum()) > 500
    second[:, :3][hidden] = 1 - second[:, :3][hidden]
    assert torch.equal(model.reconstruct(first), model.reconstruct(second))


def test_a_reconstruction_does_not_depend_on_its_neighbours_in_the_batch(model: Any) -> None:
    both = images()
    together = model.reconstruct(both)
    alone = torch.cat([model.reconstruct(both[:1]), model.reconstruct(both[1:])])
    assert torch.equal(together, alone)


def test_a_plain_picture_comes_back_nearly_unchanged(model: Any) -> None:
    picture = torch.ones(1, 4, 64, 64)
    picture[:, :3] = torch.tensor([0.8, 0.3, 0.2]).reshape(3, 1, 1)
    assert float((model.reconstruct(picture) - picture).abs().mean()) < 0.02


def test_the_specs_name_folders_that_are_bundled() -> None:
    for spec in (alphavae.MODEL, rgb_vae.TWICE, pca.MODEL):
        assert spec.weights is not None
        assert (spec.weights / "config.json").is_file()
        assert (spec.weights / "card.md").is_file()
    for trainer in (alphavae.TRAINER, rgb_vae.TRAINER, pca.TRAINER):
        assert (trainer.configs / "mini.toml").is_file()


def test_half_precision_stays_near_full_precision() -> None:
    full, half = load_alphavae(LoadRequest()), load_alphavae(LoadRequest(dtype="bfloat16"))
    assert float((full.reconstruct(images()) - half.reconstruct(images())).abs().mean()) < 0.02


@pytest.mark.parametrize("kind", ["flux", "sdxl"])
def test_half_precision_of_the_diffusers_layout_stays_near_too(kind: str, layouts: ModuleType, tmp_path: Path) -> None:
    layouts.write_folder(tmp_path / "rgb", kind)
    save_network(tmp_path / "vae", widen(load_network(tmp_path / "rgb", channels=3)), settings="")
    full, half = (
        load_alphavae(LoadRequest(checkpoint=tmp_path / "vae", dtype=dtype)) for dtype in ("float32", "bfloat16")
    )
    assert float((full.reconstruct(images()) - half.reconstruct(images())).abs().mean()) < 0.02


@pytest.mark.parametrize("colour", ["straight", "premultiplied"])
def test_the_range_map_loses_no_level_of_an_opaque_image(colour: Any) -> None:
    levels = (torch.arange(256) / 255).reshape(1, 1, 16, 16).expand(1, 4, 16, 16).clone()
    levels[:, 3] = 1.0
    assert torch.equal(quantise(from_network(to_network(levels, colour), colour)), quantise(levels))


@pytest.mark.parametrize("colour", ["straight", "premultiplied"])
def test_weighed_colours_are_those_of_the_straight_image(colour: Any) -> None:
    picture = images()
    weighed, opacity = weigh_network(to_network(picture, colour), colour)
    assert torch.allclose(opacity, picture[:, 3:], atol=1e-6)
    assert torch.allclose(weighed, (picture[:, :3] * 2 - 1) * picture[:, 3:], atol=1e-6)


def test_all_levels_survive_a_bfloat16_decode() -> None:
    levels = (torch.arange(256) / 255).reshape(1, 1, 16, 16).expand(1, 4, 16, 16)
    decoded = (levels * 2 - 1).to(torch.bfloat16)
    assert torch.equal(quantise(from_network(decoded.float(), "straight")), quantise(levels))
    # Scaled to levels in bfloat16, whose unit is 1 from 128 on, levels get lost: that is why the adapter casts first.
    scaled = ((decoded * 0.5 + 0.5) * 255 + 0.5).float().floor().clamp(0, 255)
    assert int((scaled[0, 0] != quantise(levels)[0, 0].float()).sum()) == 63  # the odd ones from 129 to 253


def test_the_released_layout_loads_and_is_local(folder: Path) -> None:
    model = load_alphavae(LoadRequest(checkpoint=folder))
    assert (model.info.org, model.info.licence, model.info.name) == ("local", "unknown", "vae")
    assert model.info.config["network"] == "AutoencoderKL"
    assert model.info.latent_numbers_per_pixel == 1.0
    json.dumps(dict(model.info.config))
    assert model.reconstruct(images()).shape == (2, 4, 40, 53)


def test_an_untrained_widened_vae_reconstructs_opaque_images(folder: Path) -> None:
    result = load_alphavae(LoadRequest(checkpoint=folder)).reconstruct(images())
    assert torch.equal(result[:, 3], torch.ones_like(result[:, 3]))


def test_our_own_layout_loads_from_any_folder(tmp_path: Path) -> None:
    save_network(tmp_path / "My VAE", tiny_patch(), settings="")
    model = load_alphavae(LoadRequest(checkpoint=tmp_path / "My VAE"))
    assert model.info.name == "my-vae"
    assert model.info.trained_on == ()


def test_a_pickle_beside_or_instead_of_the_weights_is_refused(folder: Path) -> None:
    weights = folder / "diffusion_pytorch_model.safetensors"
    (folder / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError, match="pickled"):
        load_alphavae(LoadRequest(checkpoint=folder))
    (folder / "diffusion_pytorch_model.bin").unlink()
    weights.unlink()
    torch.save({"weight": torch.zeros(1)}, weights)
    with pytest.raises(DataError, match="pickled"):
        load_alphavae(LoadRequest(checkpoint=folder))


def test_weights_that_do_not_fit_are_refused_with_every_kind_of_fault(folder: Path) -> None:
    weights = folder / "diffusion_pytorch_model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    state["encoder.conv_in.weight"] = state["encoder.conv_in.weight"][:, :3].contiguous()
    state["stranger"] = torch.zeros(1)
    del state["decoder.conv_out.bias"]
    save_file(state, weights)
    with pytest.raises(DataError) as refusal:
        load_alphavae(LoadRequest(checkpoint=folder))
    for part in ("missing: decoder.conv_out.bias", "extra: stranger", "misshapen: encoder.conv_in.weight"):
        assert part in refusal.value.message


def test_truncated_or_diverged_weights_are_refused(folder: Path) -> None:
    weights = folder / "diffusion_pytorch_model.safetensors"
    state = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        load_alphavae(LoadRequest(checkpoint=folder))
    state["decoder.conv_out.bias"][1] = float("nan")
    save_file(state, weights)
    with pytest.raises(DataError, match=r"decoder\.conv_out\.bias"):
        load_alphavae(LoadRequest(checkpoint=folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_map": "x.py"}, "auto_map"),
        ({"_class_name": "Trojan"}, "Trojan"),
        ({"latent_channels": "many"}, "latent_channels"),
        ({"latent_channels": 10**9}, "sizes must lie"),
        ({"down_block_types": ["Odd", "Odd"]}, "block types"),
        ({"norm_num_groups": 3}, "multiples"),
        ({"in_channels": 3, "out_channels": 3}, "3 image channels where 4"),
    ],
)
def test_a_config_that_is_wrong_is_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_alphavae(LoadRequest(checkpoint=folder))


@pytest.mark.parametrize("loader", list(LOADERS.values()))
def test_a_folder_that_is_none_or_empty_is_refused(loader: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        loader(LoadRequest(checkpoint=tmp_path))
    with pytest.raises(DataError):
        loader(LoadRequest(checkpoint=tmp_path / "absent"))


def test_a_model_is_not_loaded_from_the_folder_of_another(tmp_path: Path) -> None:
    shutil.copytree(pca.MODEL.weights, tmp_path / "pca")
    with pytest.raises(DataError, match="PatchTransform"):
        load_alphavae(LoadRequest(checkpoint=tmp_path / "pca"))
    with pytest.raises(DataError, match="PatchVae"):
        load_pca(LoadRequest(checkpoint=alphavae.MODEL.weights))


def test_unknown_devices_and_dtypes_are_usage_errors(folder: Path) -> None:
    with pytest.raises(UsageError):
        load_alphavae(LoadRequest(checkpoint=folder, device="abacus"))
    with pytest.raises(UsageError):
        load_alphavae(LoadRequest(checkpoint=folder, dtype="int4"))
