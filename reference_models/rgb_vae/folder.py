"""The checkpoint folder of a patch VAE: config.json, safetensors and the settings it was trained with."""

import dataclasses
from pathlib import Path

import torch

from alphabench.errors import DataError
from alphabench.models.checkpoints import read_json, read_state, refuse_pickles, settings_from
from reference_models.checkpoint_folder import write_folder
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

CLASS_NAME = "PatchVae"
WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"


def save_folder(folder: Path, vae: PatchVae, *, settings: str, dtype: torch.dtype = torch.float16) -> None:
    """Write `vae` and the TOML text of its settings into `folder`, replacing what was there at once."""
    write_folder(
        folder,
        config={"_class_name": CLASS_NAME} | dataclasses.asdict(vae.config),
        weights_file=WEIGHTS_FILE,
        state={name: tensor.to(dtype) for name, tensor in vae.state_dict().items()},
        settings=settings,
    )


def load_folder(folder: Path, *, channels: int) -> PatchVae:
    """Return the float32 patch VAE in `folder`, in evaluation mode.

    Args:
        folder: with config.json and its safetensors file.
        channels: how many image channels the model must have.

    Raises:
        DataError: pickles, another class, unknown keys, wrong shapes, damaged or non-finite weights.
    """
    refuse_pickles(folder)
    path = folder / "config.json"
    values = read_json(path)
    if values.get("_class_name") != CLASS_NAME:
        raise DataError(
            f"{path} describes a {values.get('_class_name')!r}, not a {CLASS_NAME!r}",
            remedy="Give the folder of a checkpoint of this model.",
        )
    known = {key: value for key, value in values.items() if key != "_class_name"}
    config = settings_from(known, PatchVaeConfig, where=str(path), error=DataError)
    if config.channels != channels:
        raise DataError(
            f"{folder} holds a VAE of {config.channels} image channels where {channels} are needed",
            remedy="RGB models have 3 channels and RGBA models 4: give a folder of the right kind.",
        )
    with torch.device("meta"):
        vae = PatchVae(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    state = read_state(folder / WEIGHTS_FILE, shapes)
    vae.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True, assign=True)
    return vae.eval()
