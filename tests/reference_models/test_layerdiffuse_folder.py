"""The strict loader: files of the released names and shapes, generated and deleted, and everything it refuses."""

import dataclasses
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.models.spec import LoadRequest
from reference_models.alphavae.folder import AutoencoderConfig, save_network
from reference_models.layerdiffuse import convert as conversion
from reference_models.layerdiffuse.adapter import load
from reference_models.layerdiffuse.base import base_sha256
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.convert import FLUX_VAE, convert
from reference_models.layerdiffuse.folder import load_checkpoint
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.rgb_vae.folder import save_folder
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

SIZES: dict[str, Any] = {"encoder_widths": [8, 8, 16, 16], "decoder_widths": [32, 32, 32, 32], "decoder_layers": 1}
NAMES = {
    "ours": ("transparent_encoder", "transparent_decoder"),
    "LayerDiffuse_Diffusers": (
        "ld_diffusers_sdxl_vae_transparent_encoder",
        "ld_diffusers_sdxl_vae_transparent_decoder",
    ),
    "layerdiffusion-v1": ("vae_transparent_encoder", "vae_transparent_decoder"),
    "layerdiffusion-v1 for SD 1.5": (
        "layer_sd15_vae_transparent_encoder",
        "layer_sd15_vae_transparent_decoder",
    ),
}
ENCODER, DECODER = (f"{name}.safetensors" for name in NAMES["LayerDiffuse_Diffusers"])


def tiny_vae(latent_channels: int = 4) -> AutoencoderKL:
    torch.manual_seed(0)
    config = AutoencoderConfig(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        latent_channels=latent_channels,
    )
    return AutoencoderKL(**vars(config))


def random_state(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Half-precision tensors of the network's names and shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(tensor.shape, generator=generator) * 0.05).half()
        for name, tensor in network.state_dict().items()
    }


def write_release(folder: Path, names: tuple[str, str], sizes: dict[str, Any], gain: float = 300.0) -> Path:
    """A folder as a user makes it: two released files, the autoencoder's folder, a config."""
    folder.mkdir()
    save_network(folder / "vae", tiny_vae(), settings="")
    values = {"base": "vae", "channel_order": "ARGB", "offset_gain": gain}
    values["base_sha256"] = base_sha256(folder / "vae")
    (folder / "config.json").write_text(json.dumps(values | sizes), encoding="utf-8")
    with torch.device("meta"):
        networks = TransparencyNetworks(LayerDiffuseConfig(**values | as_tuples(sizes)))
    for name, network in zip(names, (networks.encoder, networks.decoder), strict=True):
        save_file(random_state(network), folder / f"{name}.safetensors")
    return folder


def as_tuples(sizes: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in sizes.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release", NAMES["LayerDiffuse_Diffusers"], SIZES)


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    after = {key: value for key, value in (before | values).items() if value is not None}
    path.write_text(json.dumps(after), encoding="utf-8")


@pytest.mark.parametrize("release", list(NAMES))
def test_files_of_every_release_load_as_they_are(release: str, tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", NAMES[release], SIZES)
    model = load(LoadRequest(checkpoint=folder))
    assert [role for role, _, _ in model.info.checkpoints] == ["transparent_encoder", "transparent_decoder", "base"]
    assert (model.info.name, model.info.architecture) == ("release", "layerdiffuse")
    assert model.info.latent_numbers_per_pixel == 4 / 64
    by_hand = TransparencyNetworks(model.model.config)
    by_hand.encoder.load_state_dict(load_file(folder / f"{NAMES[release][0]}.safetensors"))
    by_hand.decoder.load_state_dict(load_file(folder / f"{NAMES[release][1]}.safetensors"))
    rgb, latents = torch.rand(1, 3, 16, 16), torch.randn(1, 4, 2, 2)
    with torch.no_grad():
        assert torch.equal(
            model.model.networks.decoder(rgb, latents),
            by_hand.decoder.to(memory_format=torch.channels_last)(rgb, latents),
        )
        images = torch.rand(1, 4, 16, 16)
        assert torch.equal(model.model.networks.encoder(images), by_hand.encoder(images))
    made = model.reconstruct(torch.rand(1, 4, 17, 9))
    assert made.shape == (1, 4, 17, 9)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


@pytest.mark.slow
def test_files_of_the_released_size_load(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "release", NAMES["LayerDiffuse_Diffusers"], {})
    size = (folder / DECODER).stat().st_size
    assert size == pytest.approx(208.2e6, rel=0.01)
    model = load(LoadRequest(checkpoint=folder))
    assert model.model.config.size_multiple == 64
    made = model.reconstruct(torch.rand(1, 4, 72, 40))
    assert made.shape == (1, 4, 72, 40)
    shutil.rmtree(folder)


def test_the_gain_belongs_to_the_release(tmp_path: Path) -> None:
    latents = {}
    for gain in (1.0, 300.0):
        folder = write_release(tmp_path / f"{gain}", NAMES["layerdiffusion-v1"], SIZES, gain)
        encoding = load_checkpoint(folder).model.encode(
            torch.rand(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
        )
        latents[gain] = encoding.shift.detach()
    torch.testing.assert_close(latents[300.0], 300 * latents[1.0])


def edit(path: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    state = load_file(path)
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)


def put(name: str, make: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    def change(state: dict[str, Tensor]) -> None:
        state[name] = make(state[name])

    return change


def with_value(value: float) -> Callable[[Tensor], Tensor]:
    def make(tensor: Tensor) -> Tensor:
        made = tensor.clone()
        made.view(-1)[1] = value
        return made

    return make


FAULTS: dict[str, tuple[str, Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (
        DECODER,
        lambda state: state.pop("mid_block.attentions.0.to_q.bias"),
        "1 missing: mid_block.attentions.0.to_q.bias",
    ),
    "extra": (ENCODER, lambda state: state.update({"blocks.18.bias": torch.zeros(4)}), "1 extra: blocks.18.bias"),
    "misshapen": (
        DECODER,
        put("conv_out.weight", lambda t: t.transpose(0, 1)),
        "1 misshapen: conv_out.weight (32, 4, 3, 3) instead of (4, 32, 3, 3)",
    ),
    "not a number": (ENCODER, put("blocks.4.weight", with_value(float("nan"))), "1 of 576 values of 'blocks.4.weight'"),
    "infinite": (DECODER, put("conv_in.bias", with_value(float("inf"))), "1 of 32 values of 'conv_in.bias'"),
    "quantised": (ENCODER, put("blocks.0.bias", lambda t: t.to(torch.int8)), "'blocks.0.bias' holds int8"),
    "of another autoencoder": (
        ENCODER,
        lambda state: state.update({"blocks.16.weight": torch.zeros(16, 16, 3, 3), "blocks.16.bias": torch.zeros(16)}),
        "2 misshapen: blocks.16.bias (16,) instead of (4,)",
    ),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_unsound_tensors_are_refused_by_name_and_number(fault: str, folder: Path) -> None:
    file, change, message = FAULTS[fault]
    edit(folder / file, change)
    with pytest.raises(DataError) as refusal:
        load(LoadRequest(checkpoint=folder))
    assert message in refusal.value.message
    assert file in refusal.value.message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channel_order": None}, "first 'channel_order'"),
        ({"channel_order": "BGRA"}, "channel_order is 'BGRA'"),
        ({"offset_gain": None}, "first 'offset_gain'"),
        ({"offset_gian": 300}, "unknown key 'offset_gian'"),
        ({"base_sha256": "0" * 64}, "has sha256"),
        ({"base": "elsewhere"}, "no bundled model and no folder beside it"),
        ({"base": ""}, "no bundled model and no folder beside it"),
        ({"_class_name": "AutoencoderKL"}, "describes a 'AutoencoderKL'"),
        ({"encoder_widths": [8, 16, 16], "decoder_widths": [32, 32, 32, 32]}, "does not fit"),
        ({"latent_channels": 16}, "misshapen"),
    ],
)
def test_a_wrong_config_is_refused(values: dict[str, Any], message: str, folder: Path) -> None:
    change_config(folder, **values)
    with pytest.raises(DataError) as refusal:
        load(LoadRequest(checkpoint=folder))
    assert message in refusal.value.message
    assert refusal.value.remedy


def test_a_base_of_other_latents_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    save_folder(folder / "vae", PatchVae(PatchVaeConfig(fine_channels=8, coarse_channels=8)), settings="")
    change_config(folder, base_sha256=base_sha256(folder / "vae"))
    with pytest.raises(DataError, match="16 latent channels, the config says 4"):
        load(LoadRequest(checkpoint=folder))


def test_a_base_of_another_factor_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    torch.manual_seed(0)
    config = AutoencoderConfig(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        norm_num_groups=4,
    )
    save_network(folder / "vae", AutoencoderKL(**vars(config)), settings="")
    change_config(folder, base_sha256=base_sha256(folder / "vae"))
    with pytest.raises(DataError, match="factor 4"):
        load(LoadRequest(checkpoint=folder))


def test_pickles_are_refused_with_how_to_convert(folder: Path) -> None:
    (folder / "TransparentVAE.pth").write_bytes(pickle.dumps({}))
    with pytest.raises(DataError, match="could run code") as refusal:
        load(LoadRequest(checkpoint=folder))
    assert "models convert --model layerdiffuse" in refusal.value.remedy


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / DECODER).unlink(), "holds no *transparent_decoder"),
        (lambda f: shutil.copy(f / DECODER, f / "vae_transparent_decoder.safetensors"), "holds 2 files"),
        (lambda f: (f / ENCODER).rename(f / "ld_diffusers_sdxl_attn.safetensors"), "changes a diffusion model"),
        (lambda f: (f / "config.json").unlink(), "config.json does not exist"),
        (lambda f: (f / DECODER).write_bytes((f / DECODER).read_bytes()[:-9]), "truncated"),
        (shutil.rmtree, "not a checkpoint folder"),
    ],
)
def test_incomplete_folders_are_refused(spoil: Callable[[Path], Any], message: str, folder: Path) -> None:
    spoil(folder)
    with pytest.raises(DataError) as refusal:
        load(LoadRequest(checkpoint=folder))
    assert message in refusal.value.message


def test_the_flux_autoencoder_is_counted() -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(**vars(FLUX_VAE))
    assert len(vae.state_dict()) == 244
    assert sum(parameter.numel() for parameter in vae.parameters()) == 83_819_683


@pytest.fixture
def flux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pickle of the FLUX release's names, with small networks."""
    vae = tiny_vae(16)
    small = dataclasses.replace(conversion.RELEASE, **as_tuples(SIZES))
    monkeypatch.setattr(conversion, "RELEASE", small)
    config = {key: value for key, value in dict(vae.config).items() if key in vars(FLUX_VAE)}
    monkeypatch.setattr(conversion, "FLUX_VAE", AutoencoderConfig(**as_tuples(config)))
    networks = TransparencyNetworks(small)
    parts = {"sd_vae.": vae, "encoder.": networks.encoder, "decoder.": networks.decoder}
    state = {f"{prefix}{name}": tensor for prefix, part in parts.items() for name, tensor in random_state(part).items()}
    torch.save(state, tmp_path / "TransparentVAE.pth")
    return tmp_path / "TransparentVAE.pth"


def test_the_flux_pickle_is_split_into_a_folder_that_loads(flux: Path, tmp_path: Path) -> None:
    folder = convert(flux, tmp_path / "new")
    model = load(LoadRequest(checkpoint=folder))
    assert (model.model.config.channel_order, model.model.config.offset_gain) == ("RGBA", 300.0)
    state = torch.load(flux, weights_only=True)
    stored = load_file(folder / "transparent_decoder.safetensors")
    assert all(torch.equal(tensor, state[f"decoder.{name}"]) for name, tensor in stored.items())
    assert model.reconstruct(torch.rand(1, 4, 12, 20)).shape == (1, 4, 12, 20)
    with pytest.raises(AlphabenchError, match="exists already"):
        convert(flux, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update({"unet.conv_in.weight": torch.zeros(1)}), "first 'unet.conv_in.weight'"),
        (lambda state: [state.pop(name) for name in list(state) if name.startswith("sd_vae.")], "no vae"),
        (lambda state: state.pop("decoder.conv_out.bias"), "1 missing: conv_out.bias"),
        (lambda state: state.update(note="text"), "no tensors by name"),
    ],
)
def test_another_pickle_is_refused_and_leaves_nothing(
    change: Callable[[dict[str, Any]], Any], message: str, flux: Path, tmp_path: Path
) -> None:
    state = torch.load(flux, weights_only=True)
    change(state)
    torch.save(state, flux)
    with pytest.raises(DataError) as refusal:
        convert(flux, tmp_path / "new")
    assert message in refusal.value.message
    assert not (tmp_path / "new").exists()


class Harmful:
    """What an attacker would pickle."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm"),))


def test_a_pickle_with_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"encoder.blocks.0.weight": Harmful()}, tmp_path / "TransparentVAE.pth")
    with pytest.raises(DataError, match="cannot be read as plain tensors"):
        convert(tmp_path / "TransparentVAE.pth", tmp_path / "new")
    assert not (tmp_path / "harm").exists()
    with pytest.raises((DataError, UsageError), match="is not a file"):
        convert(tmp_path / "absent.pth", tmp_path / "new")
