"""Checkpoint folders of AlphaVAE: our own class and the released diffusers layout, read without trust."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alphabench.errors import DataError, UsageError
from alphabench.models.checkpoints import PICKLE_SUFFIXES, read_json, read_state, refuse_pickles, settings_from
from reference_models.checkpoint_folder import write_folder
from reference_models.rgb_vae import folder as patch_folder
from reference_models.rgb_vae.model import PatchVae
from reference_models.weights import BUNDLED

DIFFUSERS_CLASS = "AutoencoderKL"
BASES_VARIABLE = "ALPHABENCH_BASE_MODELS"
LIMIT = 4096  # widest layer and most groups that a config may ask for: a bound on memory, not on taste

FORMER_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What the attention's layers were called in folders that diffusers wrote before version 0.18."""


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
        if self.scaling_factor <= 0:
            raise ValueError(f"scaling_factor must be above 0, not {self.scaling_factor}")


def base_folder(name: str, recipe: Path) -> Path:
    """Return the folder of a model that a recipe, or a checkpoint's config.json, builds on.

    Args:
        name: a bundled model, an absolute path, or a path inside `$ALPHABENCH_BASE_MODELS`, inside the folder of
            `recipe` or inside the working folder, looked for in this order.
        recipe: the file that names it.

    Raises:
        UsageError: there is no such folder at any of these places.
    """
    if (bundled := _folder(BUNDLED / name)) is not None:
        return bundled
    given = os.environ.get(BASES_VARIABLE)
    roots = [*([_at_home(given)] if given else []), recipe.parent, Path()]
    places = [root / _at_home(name) for root in roots]
    for place in places:
        if (found := _folder(place)) is not None:
            return found
    looked = dict.fromkeys(repr(str(place)) for place in places)
    raise UsageError(
        f"the model {name!r} of {recipe} is not there; looked for {', '.join(looked)}",
        remedy=f"Set {BASES_VARIABLE} to the folder that holds {name!r}, "
        "or, in a training, name the folder itself: --set model.base=PATH or --set base=PATH, as the recipe has it.",
    )


def portable_name(name: str, recipe: Path, checkpoint: Path) -> str:
    """Return what `base_folder` finds a recipe's base by from inside a checkpoint folder, wherever both are moved.

    A bundled base, an absolute path and one inside `$ALPHABENCH_BASE_MODELS` keep their names; any other is named by
    its way from the checkpoint.
    """
    place = base_folder(name, recipe)
    given = os.environ.get(BASES_VARIABLE)
    if Path(name).is_absolute() or place == BUNDLED / name or (given and place == _at_home(given) / name):
        return name
    return Path(os.path.relpath(place.resolve(), checkpoint.resolve())).as_posix()


def _at_home(name: str) -> Path:
    """Return a path with the user's folder for its `~`; as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _folder(place: Path) -> Path | None:
    """Return a folder; None where there is none, or where nobody can look, as for a name of 300 letters.

    It is resolved where its way leads through a folder that is only to be written.
    """
    try:
        return next((found for found in (place, place.resolve()) if found.is_dir()), None)
    except (OSError, ValueError, RuntimeError):
        return None


def load_network(folder: Path, *, channels: int) -> nn.Module:
    """Return the float32 network in `folder`, in evaluation mode: a `PatchVae` or an `AutoencoderKL`.

    Args:
        folder: config.json names the class; the weights are in a safetensors file beside it.
        channels: image channels that the network must have, 3 or 4.

    Raises:
        DataError: no such folder, pickles, shards, an unknown class, unknown keys, shapes that do not fit,
            damaged or non-finite weights.
    """
    _refuse_what_is_no_checkpoint(folder)
    values = read_json(folder / "config.json")
    kind = values.get("_class_name")
    if kind not in (patch_folder.CLASS_NAME, DIFFUSERS_CLASS):
        raise DataError(
            f"{folder / 'config.json'} describes a {kind!r}",
            remedy=f"Give a checkpoint of {patch_folder.CLASS_NAME!r} or {DIFFUSERS_CLASS!r}.",
        )
    _refuse_other_weights(folder)
    if kind == patch_folder.CLASS_NAME:
        return patch_folder.load_folder(folder, channels=channels)
    return _load_diffusers(folder, values, channels)


def _refuse_what_is_no_checkpoint(folder: Path) -> None:
    """Refuse a folder that is none, a whole pipeline, and pickled weights, and say what to do."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a checkpoint folder", remedy="Give the folder that holds config.json.")
    if (folder / "model_index.json").is_file():
        raise DataError(
            f"{folder} holds a whole pipeline, not a VAE", remedy=f"Give its part: {folder / 'vae'} holds the VAE."
        )
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLE_SUFFIXES)
    weights = folder / patch_folder.WEIGHTS_FILE
    if pickles and not weights.is_file():
        raise DataError(
            f"{folder} holds its weights only as a pickled file, {pickles[0]}, which could run code when read",
            remedy=f"If you trust its author, convert it first: {_rewriting(folder)}",
        )
    refuse_pickles(folder)


def _refuse_other_weights(folder: Path) -> None:
    """Refuse weights in several files, or in one of another name, and say what to do."""
    weights = folder / patch_folder.WEIGHTS_FILE
    if weights.is_file():
        return
    others = sorted(path.name for path in folder.glob("*.safetensors*"))
    if any("-of-" in name or name.endswith(".index.json") for name in others):
        raise DataError(
            f"the weights in {folder} are cut into {len(others)} files, first {others[0]}",
            remedy=f"Join them: {_rewriting(folder)}",
        )
    if others:
        raise DataError(
            f"{weights} does not exist; the folder holds {', '.join(others)}",
            remedy=f"Give the file that is meant the name {weights.name}.",
        )


def _rewriting(folder: Path) -> str:
    """Return the command that writes a VAE anew as one safetensors file."""
    # The path is quoted for Python, not for the shell: it may hold any character.
    return (
        f'python -c "from diffusers import AutoencoderKL; '
        f"AutoencoderKL.from_pretrained({str(folder)!r}).save_pretrained('vae', max_shard_size='10GB')\""
    )


def _load_diffusers(folder: Path, values: dict[str, Any], channels: int) -> nn.Module:
    from diffusers import AutoencoderKL

    known = {key: value for key, value in values.items() if not key.startswith("_")}
    config = settings_from(known, AutoencoderConfig, where=str(folder / "config.json"), error=DataError)
    if (config.in_channels, config.out_channels) != (channels, channels):
        raise DataError(
            f"{folder} holds a VAE of {_channels(config)} where {channels} are needed",
            remedy="RGB models have 3 channels and RGBA models 4: give a folder of the right kind.",
        )
    with torch.device("meta"):
        network = AutoencoderKL(**vars(config))
    path = folder / patch_folder.WEIGHTS_FILE
    present = _names_in(path)
    stored = {name: former if (former := _former_name(name)) in present else name for name in network.state_dict()}
    shapes = {stored[name]: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state = read_state(path, shapes)
    network.load_state_dict({name: state[old].float() for name, old in stored.items()}, strict=True, assign=True)
    loaded: nn.Module = network.eval()
    return loaded


def _channels(config: AutoencoderConfig) -> str:
    if config.in_channels == config.out_channels:
        return f"{config.in_channels} image channels"
    return f"{config.in_channels} image channels read and {config.out_channels} written"


def _names_in(path: Path) -> frozenset[str]:
    """Return the names of the tensors in a safetensors file; none where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return frozenset(file.keys())
    except (SafetensorError, OSError, ValueError):
        return frozenset()  # read_state says what is wrong with it


def _former_name(name: str) -> str:
    for old, new in FORMER_NAMES.items():
        for end in (".weight", ".bias"):
            if name.endswith(f".{new}{end}"):
                return f"{name.removesuffix(f'{new}{end}')}{old}{end}"
    return name


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
