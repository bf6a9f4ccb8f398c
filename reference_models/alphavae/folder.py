"""Checkpoint folders of AlphaVAE: our own class and the released diffusers layout, read without trust."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alphabench.errors import DataError
from alphabench.models.checkpoints import read_json, read_state, refuse_pickles, settings_from
from reference_models.checkpoint_folder import write_folder
from reference_models.rgb_vae import folder as patch_folder
from reference_models.rgb_vae.model import PatchVae

DIFFUSERS_CLASS = "AutoencoderKL"
LIMIT = 4096  # widest layer and most groups that a config may ask for: a bound on memory, not on taste


@dataclass(frozen=True)
class AutoencoderConfig:
    """The keys of a diffusers `AutoencoderKL` config that we accept, with diffusers' defaults."""

    in_channels: int = 3
    out_channels: int = 3
    down_block_types: tuple[str, ...] = ("DownEncoderBlock2D",)
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",)
    block_out_channels: tuple[int, ...] = (64,)
    layers_per_block: int = 1
    act_fn: str = "silu"
    latent_channels: int = 4
    norm_num_groups: int = 32
    sample_size: int = 32
    scaling_factor: float = 0.18215
    shift_factor: float | None = None
    latents_mean: tuple[float, ...] | None = None
    latents_std: tuple[float, ...] | None = None
    force_upcast: bool = True
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    def __post_init__(self) -> None:
        levels = len(self.block_out_channels)
        kinds = ("DownEncoderBlock2D",) * levels, ("UpDecoderBlock2D",) * levels
        if (self.down_block_types, self.up_block_types) != kinds or not 1 <= levels <= 6:
            raise ValueError("block types and block_out_channels must name one to six plain blocks each")
        sizes = (*self.block_out_channels, self.latent_channels, self.norm_num_groups, self.layers_per_block)
        if min(sizes) < 1 or max(sizes) > LIMIT:
            raise ValueError(f"sizes must lie between 1 and {LIMIT}")
        if any(width % self.norm_num_groups for width in self.block_out_channels):
            raise ValueError(f"widths must be multiples of norm_num_groups {self.norm_num_groups}")


def load_network(folder: Path, *, channels: int) -> nn.Module:
    """Return the float32 network in `folder`, in evaluation mode: a `PatchVae` or an `AutoencoderKL`.

    Args:
        folder: config.json names the class; the weights are in a safetensors file beside it.
        channels: image channels that the network must have, 3 or 4.

    Raises:
        DataError: no such folder, pickles, an unknown class, unknown keys, shapes that do not fit, damaged
            or non-finite weights.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a checkpoint folder", remedy="Give the folder that holds config.json.")
    refuse_pickles(folder)
    values = read_json(folder / "config.json")
    kind = values.get("_class_name")
    if kind == patch_folder.CLASS_NAME:
        return patch_folder.load_folder(folder, channels=channels)
    if kind != DIFFUSERS_CLASS:
        raise DataError(
            f"{folder / 'config.json'} describes a {kind!r}",
            remedy=f"Give a checkpoint of {patch_folder.CLASS_NAME!r} or {DIFFUSERS_CLASS!r}.",
        )
    return _load_diffusers(folder, values, channels)


def _load_diffusers(folder: Path, values: dict[str, Any], channels: int) -> nn.Module:
    from diffusers import AutoencoderKL

    known = {key: value for key, value in values.items() if not key.startswith("_")}
    config = settings_from(known, AutoencoderConfig, where=str(folder / "config.json"), error=DataError)
    if (config.in_channels, config.out_channels) != (channels, channels):
        raise DataError(
            f"{folder} holds a VAE of {config.in_channels} image channels where {channels} are needed",
            remedy="RGB models have 3 channels and RGBA models 4: give a folder of the right kind.",
        )
    with torch.device("meta"):
        network = AutoencoderKL(**vars(config))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state = read_state(folder / patch_folder.WEIGHTS_FILE, shapes)
    network.load_state_dict({name: t.float() for name, t in state.items()}, strict=True, assign=True)
    loaded: nn.Module = network.eval()
    return loaded


def save_network(folder: Path, network: Any, *, settings: str, dtype: torch.dtype | None = None) -> None:
    """Write either kind of network into `folder`, replacing what was there at once.

    An `AutoencoderKL` gets the layout of `AutoencoderKL.save_pretrained`, readable by diffusers as it is.

    Args:
        folder: to write.
        network: a `PatchVae` (float16 by default) or an `AutoencoderKL` (its own dtype by default).
        settings: TOML text of the recipe.
        dtype: of the stored weights.
    """
    if isinstance(network, PatchVae):
        patch_folder.save_folder(folder, network, settings=settings, dtype=dtype or torch.float16)
        return
    write_folder(
        folder,
        config={"_class_name": DIFFUSERS_CLASS}
        | {key: value for key, value in dict(network.config).items() if not key.startswith("_")},
        weights_file=patch_folder.WEIGHTS_FILE,
        state={name: tensor.to(dtype or tensor.dtype) for name, tensor in network.state_dict().items()},
        settings=settings,
    )
