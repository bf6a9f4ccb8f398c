"""Folders of the FLUX and SDXL layouts: read, widened, written back for diffusers, refused where unsound."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from alphabench.errors import DataError, UsageError
from reference_models.alphavae import latents
from reference_models.alphavae.convert import convert
from reference_models.alphavae.folder import BASES_VARIABLE, FORMER_NAMES, base_folder, load_network
from reference_models.weights import BUNDLED

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(params=["flux", "sdxl"])
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rgb(tmp_path: Path, layouts: ModuleType) -> Path:
    layouts.write_folder(tmp_path / "vae", "flux")
    return tmp_path / "vae"


def test_the_strict_loader_reads_what_diffusers_reads(tmp_path: Path, layout: str, layouts: ModuleType) -> None:
    network = layouts.write_folder(tmp_path, layout)
    ours = load_network(tmp_path, channels=3)
    theirs = AutoencoderKL.from_pretrained(tmp_path, local_files_only=True).eval()
    images = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.equal(layouts.through(ours, images), layouts.through(network, images))
    assert torch.equal(layouts.through(ours, images), layouts.through(theirs, images))
    assert (ours.quant_conv is None) == (layout == "flux")  # type: ignore[comparison-overlap]


def test_a_converted_folder_loads_in_diffusers_and_starts_as_the_rgb_vae(
    tmp_path: Path, layout: str, layouts: ModuleType
) -> None:
    rgb = layouts.write_folder(tmp_path / "rgb", layout)
    wide = convert(tmp_path / "rgb", tmp_path / "new" / "rgba")
    theirs = AutoencoderKL.from_pretrained(wide, local_files_only=True).eval()
    ours = load_network(wide, channels=4)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    images = torch.rand(2, 4, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made = layouts.through(theirs, images)
    assert torch.equal(made, layouts.through(ours, images))
    assert torch.equal(made[:, 3], torch.ones_like(made[:, 3]))
    assert torch.allclose(made[:, :3], layouts.through(rgb, images[:, :3]), atol=1e-6)


def test_a_converted_folder_keeps_every_other_key_of_the_config(
    tmp_path: Path, layout: str, layouts: ModuleType
) -> None:
    layouts.write_folder(tmp_path / "rgb", layout)
    wide = AutoencoderKL.from_pretrained(convert(tmp_path / "rgb", tmp_path / "rgba"), local_files_only=True)
    kept = {k: v for k, v in layouts.LAYOUTS[layout].items() if not k.startswith("_") and "channels" not in k}
    for key, value in kept.items():
        found = wide.config[key]
        assert (list(found) if isinstance(found, tuple) else found) == value
    assert wide.config.latent_channels == layouts.LAYOUTS[layout]["latent_channels"]
    assert wide.config.shift_factor == layouts.LAYOUTS[layout].get("shift_factor")
    names = {path.name for path in (tmp_path / "rgba").iterdir()}
    assert names == {"config.json", WEIGHTS, "alphabench.toml"}


def test_the_true_flux_config_is_accepted_and_has_the_parameters_of_flux(layouts: ModuleType) -> None:
    # Counted once with diffusers 0.42: 83,819,683 for FLUX's RGB autoencoder, which has no quantising convolutions.
    config = {k: v for k, v in layouts.LAYOUTS["flux"].items() if not k.startswith("_")}
    config |= {"block_out_channels": [128, 256, 512, 512], "norm_num_groups": 32}
    with torch.device("meta"):
        network = AutoencoderKL(**config)
    assert sum(parameter.numel() for parameter in network.parameters()) == 83_819_683


def test_attention_under_its_former_names_is_read(rgb: Path) -> None:
    before = load_network(rgb, channels=3).state_dict()
    state = load_file(rgb / WEIGHTS)
    for old, new in FORMER_NAMES.items():
        for name in [name for name in state if f".{new}." in name]:
            state[name.replace(f".{new}.", f".{old}.")] = state.pop(name)
    assert any(name.endswith("proj_attn.bias") for name in state)
    save_file(state, rgb / WEIGHTS)
    after = load_network(rgb, channels=3).state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_weights_in_half_precision_are_read_as_float32(rgb: Path) -> None:
    save_file({name: tensor.bfloat16() for name, tensor in load_file(rgb / WEIGHTS).items()}, rgb / WEIGHTS)
    assert {tensor.dtype for tensor in load_network(rgb, channels=3).state_dict().values()} == {torch.float32}


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _pickled_only(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))


def _pickled_pt(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "vae.pt")


def _another_class(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace("AutoencoderKL", "AsymmetricAutoencoderKL"))


def _truncated(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def _empty(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"")


def _sharded(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(state)
    for number, part in enumerate((names[:9], names[9:]), 1):
        save_file({n: state[n] for n in part}, folder / f"diffusion_pytorch_model-0000{number}-of-00002.safetensors")
    (folder / f"{WEIGHTS}.index.json").write_text('{"weight_map": {}}', encoding="utf-8")


def _variant_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "diffusion_pytorch_model.fp16.safetensors")


def _nan(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    state["encoder.conv_in.bias"][2] = float("nan")
    save_file(state, folder / WEIGHTS)


def _of_another(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | {"latent_channels": 4, "use_quant_conv": True}), encoding="utf-8")


def _pipeline(folder: Path) -> None:
    (folder / "vae").mkdir()
    for name in ("config.json", WEIGHTS):
        (folder / name).rename(folder / "vae" / name)
    (folder / "model_index.json").write_text("{}", encoding="utf-8")


def _grey(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(values | {"in_channels": 1}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message", "remedy"),
    [
        (_no_config, r"config\.json does not exist", "config.json"),
        (_no_weights, rf"{WEIGHTS} does not exist", "safetensors"),
        (_pickled_only, r"only as a pickled file, diffusion_pytorch_model\.bin", "save_pretrained"),
        (_pickled_pt, r"only as a pickled file, vae\.pt", "AutoencoderKL.from_pretrained"),
        (_another_class, "AsymmetricAutoencoderKL", "AutoencoderKL"),
        (_truncated, "truncated", "again"),
        (_empty, "truncated", "again"),
        (_sharded, "cut into 3 files", "max_shard_size"),
        (_variant_only, r"holds diffusion_pytorch_model\.fp16\.safetensors", WEIGHTS),
        (_nan, r"1 of 8 values of 'encoder\.conv_in\.bias' are not finite", "diverged"),
        (_of_another, r"2 missing: quant_conv.*misshapen", "config.json"),
        (_pipeline, "a whole pipeline", "vae"),
        (_grey, "1 image channels read and 3 written", "folder of the right kind"),
    ],
)
def test_an_unsound_rgb_folder_is_refused_with_a_way_out(
    damage: Callable[[Path], None], message: str, remedy: str, rgb: Path, tmp_path: Path
) -> None:
    damage(rgb)
    with pytest.raises(DataError, match=message) as refusal:
        convert(rgb, tmp_path / "rgba")
    assert remedy in refusal.value.remedy
    assert not (tmp_path / "rgba").exists()


def test_an_rgba_source_and_an_existing_destination_are_refused(rgb: Path, tmp_path: Path) -> None:
    wide = convert(rgb, tmp_path / "rgba")
    with pytest.raises(DataError, match="four image channels already"):
        convert(wide, tmp_path / "again")
    before = (wide / WEIGHTS).read_bytes()
    with pytest.raises(DataError, match="exists already"):
        convert(rgb, wide)
    assert (wide / WEIGHTS).read_bytes() == before
    with pytest.raises(DataError, match="not a checkpoint folder"):
        convert(tmp_path / "absent", tmp_path / "x")


def test_the_bundled_rgb_vae_is_converted_too(tmp_path: Path) -> None:
    wide = load_network(convert(BUNDLED / "rgb_vae-mini", tmp_path / "wide"), channels=4)
    narrow = load_network(BUNDLED / "rgb_vae-mini", channels=3)
    images = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        made = wide.decode_unclamped(wide.encode(images).mode())
        colour = narrow.decode_unclamped(narrow.encode(images[:, :3]).mode())
    assert torch.allclose(made[:, :3], colour, atol=1e-5)
    assert torch.equal(made[:, 3], torch.ones_like(made[:, 3]))


def test_a_base_is_found_by_name_by_variable_by_recipe_and_by_path(
    rgb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipes" / "mine.toml"
    recipe.parent.mkdir()
    monkeypatch.delenv(BASES_VARIABLE, raising=False)
    monkeypatch.chdir(recipe.parent)
    assert base_folder("rgb_vae-mini", recipe) == BUNDLED / "rgb_vae-mini"
    assert base_folder(str(rgb), recipe) == rgb
    with pytest.raises(UsageError, match=r"FLUX\.1-dev/vae") as refusal:
        base_folder("FLUX.1-dev/vae", recipe)
    assert BASES_VARIABLE in refusal.value.remedy
    beside = recipe.parent / "FLUX.1-dev" / "vae"
    beside.mkdir(parents=True)
    assert base_folder("FLUX.1-dev/vae", recipe) == beside
    elsewhere = tmp_path / "models" / "FLUX.1-dev" / "vae"
    elsewhere.mkdir(parents=True)
    monkeypatch.setenv(BASES_VARIABLE, str(tmp_path / "models"))
    assert base_folder("FLUX.1-dev/vae", recipe) == elsewhere


def test_latents_are_normalised_and_back_and_a_missing_shift_is_none(layout: str, layouts: ModuleType) -> None:
    network = layouts.network_of(layout)
    z = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift, scale = {"flux": (0.1159, 0.3611), "sdxl": (0.0, 0.13025)}[layout]
    assert torch.allclose(latents.normalised(z, network.config), (z - shift) * scale, atol=1e-15)
    assert torch.allclose(latents.denormalised(latents.normalised(z, network.config), network.config), z, atol=1e-12)


def test_packing_gives_a_token_for_sixteen_pixels_squared_and_is_undone_exactly() -> None:
    z = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    tokens = latents.packed(z)
    assert tokens.shape == (2, 2 * 3, 12)  # images of 32x48 at factor 8: (32/16)·(48/16) tokens
    # The second token is rows 0 and 1, columns 2 and 3, channel after channel.
    assert tokens[0, 1].tolist() == [2, 3, 8, 9, 26, 27, 32, 33, 50, 51, 56, 57]
    assert torch.equal(latents.unpacked(tokens, rows=4, columns=6), z)
    with pytest.raises(DataError, match="3x6"):
        latents.packed(z[:, :, :3])
