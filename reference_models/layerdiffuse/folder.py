"""Checkpoint folders of LayerDiffuse: two bare safetensors files, as released, and a config that we ask for."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.models.checkpoints import PICKLE_SUFFIXES, read_json, read_state, refuse_pickles, settings_from
from reference_models.checkpoint_folder import CONFIG_FILE, write_folder
from reference_models.layerdiffuse.base import base_sha256, load_base, refuse_unfit_base
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.model import LayerDiffuse
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.weights import BUNDLED

CLASS_NAME = "LayerDiffuse"
ENCODER_FILE = "transparent_encoder.safetensors"
DECODER_FILE = "transparent_decoder.safetensors"

DIFFUSION_FILES = ("ld_diffusers_sdxl_attn", "ld_diffusers_sdxl_conv", "layer_xl_", "layer_sd15_", "layerlora")
"""How the released files begin that change a diffusion model and hold no autoencoder."""


@dataclass(frozen=True)
class Checkpoint:
    """A loaded folder.

    Attributes:
        model: the networks around their base, float32, in evaluation mode.
        encoder: file of the transparent encoder.
        decoder: file of the transparent decoder.
        base: folder of the frozen RGB autoencoder.
    """

    model: LayerDiffuse
    encoder: Path
    decoder: Path
    base: Path


def load_checkpoint(folder: Path) -> Checkpoint:
    """Return the LayerDiffuse model in `folder`, everything checked before it is used.

    The folder holds config.json and one file each whose name ends in `transparent_encoder.safetensors` and
    `transparent_decoder.safetensors`: our own names, or those of LayerDiffuse_DiffusersCLI and
    layerdiffusion-v1.

    Raises:
        DataError: no such folder, pickles, files of the diffusion side, a config that is absent or wrong, tensors
            that are missing, too many, misshapen, no floating point numbers or not finite, or another base.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a checkpoint folder", remedy="Give the folder that holds config.json.")
    _refuse_pickles(folder)
    encoder, decoder = transparent_file(folder, ENCODER_FILE), transparent_file(folder, DECODER_FILE)
    config = read_config(folder / CONFIG_FILE)
    networks = load_networks(config, encoder=encoder, decoder=decoder)
    base = named_base(config.base, folder)
    found = base_sha256(base)
    if found != config.base_sha256:
        raise DataError(
            f"{folder / CONFIG_FILE}: the base in {base} has sha256 {found}, not {config.base_sha256 or '(none)'}",
            remedy="The networks fit one autoencoder only, and no error shows another: give the one that they were "
            "trained beside, and its sha256 as base_sha256.",
        )
    frozen = load_base(base)
    refuse_unfit_base(frozen, config, where=str(folder / CONFIG_FILE))
    return Checkpoint(LayerDiffuse(networks, frozen).eval(), encoder, decoder, base)


def read_config(path: Path) -> LayerDiffuseConfig:
    """Return the config in the JSON file at `path`.

    Raises:
        DataError: absent, no JSON object, another class, or a key that is unknown, missing or of a wrong value.
    """
    values = read_json(path)
    kind = values.get("_class_name", CLASS_NAME)
    if kind != CLASS_NAME:
        raise DataError(
            f"{path} describes a {kind!r}, not a {CLASS_NAME!r}", remedy="Give a folder of a LayerDiffuse model."
        )
    known = {key: value for key, value in values.items() if not key.startswith("_")}
    return settings_from(known, LayerDiffuseConfig, where=str(path), error=DataError)


def load_networks(config: LayerDiffuseConfig, *, encoder: Path, decoder: Path) -> TransparencyNetworks:
    """Return both networks with the tensors of two bare safetensors files, float32.

    Raises:
        DataError: a tensor is missing, too many, misshapen, no floating point number or not finite.
    """
    with torch.device("meta"):
        networks = TransparencyNetworks(config)
    _fill(networks.encoder, encoder)
    _fill(networks.decoder, decoder)
    return networks.eval()


def _fill(network: nn.Module, path: Path) -> None:
    state = read_state(path, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True, assign=True)


def transparent_file(folder: Path, ending: str) -> Path:
    """Return the one file of `folder` whose name ends in `ending`.

    Raises:
        DataError: there is none, or there are several.
    """
    found = sorted(folder.glob(f"*{ending}"))
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{folder} holds {len(found)} files *{ending}, first {found[0].name}",
            remedy="Keep the files of one release in a folder.",
        )
    others = sorted(path.name for path in folder.glob("*.safetensors"))
    diffusion = [name for name in others if name.startswith(DIFFUSION_FILES)]
    if diffusion:
        raise DataError(
            f"{folder} holds no *{ending}; {diffusion[0]} changes a diffusion model and holds no autoencoder",
            remedy="For reconstruction, give the transparent encoder and decoder of the same release.",
        )
    raise DataError(
        f"{folder} holds no *{ending}" + (f"; it holds {', '.join(others)}" if others else ""),
        remedy=f"Put the transparent encoder and decoder there, with {CONFIG_FILE} beside them.",
    )


def named_base(name: str, folder: Path) -> Path:
    """Return the folder of a base: a bundled one by name, else a path relative to the checkpoint's folder.

    Raises:
        DataError: there is no such folder.
    """
    for place in (BUNDLED / name, folder / Path(name).expanduser()):
        if name and place.is_dir():
            return place
    raise DataError(
        f"the base {name!r} of {folder / CONFIG_FILE} is no bundled model and no folder beside it",
        remedy="Set base to the folder of the frozen RGB autoencoder, with its config.json and safetensors file.",
    )


def _refuse_pickles(folder: Path) -> None:
    pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES)
    if pickles:
        raise DataError(
            f"{pickles[0]} holds pickled weights, which could run code when read",
            remedy=f"If you trust its author: alphabench models convert --model layerdiffuse {pickles[0]} NEW_FOLDER",
        )
    refuse_pickles(folder)


def save_checkpoint(
    folder: Path, networks: TransparencyNetworks, *, settings: str, dtype: torch.dtype = torch.float16
) -> None:
    """Write both networks and their config into `folder`, replacing what was there at once.

    Args:
        folder: to write.
        networks: transparent encoder and decoder.
        settings: TOML text of the recipe.
        dtype: of the stored weights.
    """
    write_folder(
        folder,
        config={"_class_name": CLASS_NAME} | dataclasses.asdict(networks.config),
        weights_file=ENCODER_FILE,
        state=_stored(networks.encoder.state_dict(), dtype),
        more={DECODER_FILE: _stored(networks.decoder.state_dict(), dtype)},
        settings=settings,
    )


def _stored(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: tensor.to(dtype) for name, tensor in state.items()}
