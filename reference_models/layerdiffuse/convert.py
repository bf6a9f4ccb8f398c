"""The FLUX release, one pickled file, split into the folder that the loader reads.

The pickle is only read here, at the wish of the user, by torch's restricted reader that runs no code of it.
"""

import dataclasses
import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabench.errors import DataError, UsageError
from reference_models.alphavae.folder import DIFFUSERS_CLASS, AutoencoderConfig
from reference_models.checkpoint_folder import CONFIG_FILE, write_folder
from reference_models.layerdiffuse.base import base_sha256
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.folder import CLASS_NAME, DECODER_FILE, ENCODER_FILE, load_checkpoint
from reference_models.rgb_vae.folder import WEIGHTS_FILE

BASE = "vae"
PARTS = {"sd_vae.": BASE, "encoder.": "transparent encoder", "decoder.": "transparent decoder"}
"""How the names of the release's tensors begin (Flux-version-LayerDiffuse, lib_layerdiffuse/vae.py)."""

FLUX_VAE = AutoencoderConfig(
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    block_out_channels=(128, 256, 512, 512),
    layers_per_block=2,
    latent_channels=16,
    norm_num_groups=32,
    sample_size=1024,
    scaling_factor=0.3611,
    shift_factor=0.1159,
    use_quant_conv=False,
    use_post_quant_conv=False,
)
"""The autoencoder of FLUX.1, whose weights are in the same file."""

RELEASE = LayerDiffuseConfig(base=BASE, base_sha256="", channel_order="RGBA", offset_gain=300.0, latent_channels=16)
"""The conventions of that release (its lib_layerdiffuse/vae.py); widths are those of all releases."""


def convert(source: Path, destination: Path) -> Path:
    """Split `TransparentVAE.pth` of the FLUX release into a new folder and return it.

    The folder gets both networks, a config and, as its base, the frozen autoencoder that the file holds itself:
    the networks cannot meet another one.

    Args:
        source: the pickled file.
        destination: the folder to write; it must not exist.

    Raises:
        UsageError: the destination exists.
        DataError: the file is absent or no plain state dict, or holds other tensors than that release.
    """
    if destination.exists():
        raise UsageError(f"{destination} exists already", remedy="Name a folder that does not.")
    parts = split(read_pickle(source), source)
    try:
        write_folder(
            destination,
            config={"_class_name": CLASS_NAME},
            weights_file=ENCODER_FILE,
            state=parts["encoder."],
            more={DECODER_FILE: parts["decoder."]},
            settings=f'converted_from = "{source.name}"\n',
        )
        write_folder(
            destination / BASE,
            config={"_class_name": DIFFUSERS_CLASS} | dataclasses.asdict(FLUX_VAE),
            weights_file=WEIGHTS_FILE,
            state=parts["sd_vae."],
            settings="",
        )
        config = dataclasses.replace(RELEASE, base_sha256=base_sha256(destination / BASE))
        values = {"_class_name": CLASS_NAME} | dataclasses.asdict(config)
        (destination / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        load_checkpoint(destination)  # the strict loader says what is missing, too many or misshapen
    except BaseException:
        shutil.rmtree(destination, ignore_errors=True)
        raise
    return destination


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a pickled state dict, read without running its code.

    Raises:
        DataError: the file is absent, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file", remedy="Give the file TransparentVAE.pth of the FLUX release.")
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as plain tensors: {str(error).splitlines()[0] if str(error) else type(error)}",
            remedy="Download the file again and compare its sha256; a file that needs more is not trusted.",
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise DataError(f"{path} holds no tensors by name", remedy="Give the file TransparentVAE.pth.")
    return {str(name): tensor for name, tensor in found.items()}


def split(state: Mapping[str, Tensor], source: Path) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each part under their bare names.

    Raises:
        DataError: a tensor belongs to no part, or a part has none.
    """
    parts: dict[str, dict[str, Tensor]] = {prefix: {} for prefix in PARTS}
    strangers = []
    for name, tensor in state.items():
        prefix = next((prefix for prefix in PARTS if name.startswith(prefix)), None)
        if prefix is None:
            strangers.append(name)
        else:
            parts[prefix][name.removeprefix(prefix)] = tensor
    empty = [what for prefix, what in PARTS.items() if not parts[prefix]]
    if strangers or empty:
        raise DataError(
            f"{source} is not that release: {len(strangers)} tensors of no part"
            + (f", first {sorted(strangers)[0]!r}" if strangers else "")
            + (f"; no {', no '.join(empty)}" if empty else ""),
            remedy="Give the file TransparentVAE.pth of the FLUX release.",
        )
    return parts
