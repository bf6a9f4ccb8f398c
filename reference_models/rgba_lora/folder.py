"""Checkpoint folders of the generator: an adapter over a base pipeline, or a whole pipeline, and its autoencoder."""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from alphabench.errors import AlphabenchError, DataError
from alphabench.models.checkpoints import read_json_config
from reference_models.alphavae.folder import base_folder
from reference_models.checkpoint_folder import CONFIG_FILE, READABLE, SETTINGS_FILE, write_folder
from reference_models.rgba_lora import lora
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.config import GeneratorConfig
from reference_models.rgba_lora.latents import LatentCodec, load_codec, refuse_other_factor
from reference_models.rgba_lora.pipeline import (
    identity_files,
    load_components,
    save_components,
    transformer_sha256,
    words_sha256,
)

STORED = torch.float16


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A generator, ready to draw.

    Attributes:
        config: of its folder.
        components: the pipeline, adapted.
        codec: its autoencoder.
        adapter: what is adapted, None for a whole pipeline.
        files: what it is made of, by role.
    """

    config: GeneratorConfig
    components: Components
    codec: LatentCodec
    adapter: lora.Shape | None
    files: dict[str, Path]


def load_checkpoint(folder: Path, dtype: torch.dtype = torch.float32) -> Checkpoint:
    """Return the generator in `folder`.

    Raises:
        DataError: the folder is no sound checkpoint, or its base or its autoencoder is another one than in training.
        UsageError: its base or its autoencoder is not there.
    """
    config = read_json_config(folder / CONFIG_FILE, GeneratorConfig)
    codec = load_codec(base_folder(config.vae, folder / CONFIG_FILE))
    if codec.sha256 != config.vae_sha256:
        raise _other(folder, f"autoencoder {config.vae!r}", config.vae_sha256, codec.sha256)
    place = base_folder(config.base, folder / CONFIG_FILE) if config.base else folder
    if config.base and (found := transformer_sha256(place)) != config.base_sha256:
        raise _other(folder, f"base pipeline {config.base!r}", config.base_sha256, found)
    if config.base_words_sha256 and (found := words_sha256(place)) != config.base_words_sha256:
        told = f"text encoders and tokenizers of the base pipeline {config.base!r}"
        raise _other(folder, told, config.base_words_sha256, found)
    components = load_components(place, dtype)
    refuse_other_factor(codec, config.vae)
    if components.latent_channels != codec.channels:
        raise DataError(
            f"the transformer in {place} makes latents of {components.latent_channels} channels, and the autoencoder "
            f"{config.vae!r} reads {codec.channels}",
            remedy="Name an autoencoder with the latents of the base.",
        )
    files = identity_files(place)
    adapter = None
    if config.mode == "lora":
        adapter = lora.load_adapter(folder / lora.FILE, components.transformer)
        files = {"lora": folder / lora.FILE, **files}
    return Checkpoint(config, components, codec, adapter, files)


def save_adapter(folder: Path, adapter: lora.AdapterParameters, config: GeneratorConfig, settings: str) -> None:
    """Write an adapter's folder, replacing what was there at once; the digest of its base's words comes along."""
    write_folder(
        folder,
        config=_document(dataclasses.replace(config, base_words_sha256=_words_of_base(config, folder))),
        weights_file=lora.FILE,
        state={f"{lora.PREFIX}{name}": tensor.to(STORED) for name, tensor in adapter.tensors().items()},
        settings=settings,
    )


def save_pipeline(folder: Path, components: Components, config: GeneratorConfig, settings: str) -> None:
    """Write a whole pipeline's folder, replacing what was there when the new one is whole."""
    temporary = folder.with_name(f".{folder.name}.whole")
    shutil.rmtree(temporary, ignore_errors=True)
    save_components(components, temporary, STORED)
    for path in temporary.rglob("*.safetensors"):
        path.chmod(READABLE)
    (temporary / SETTINGS_FILE).write_text(settings, encoding="utf-8")
    # The config comes last: without it nothing here takes the folder for a checkpoint.
    (temporary / CONFIG_FILE).write_text(_json(config), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    temporary.replace(folder)


def parameters_of(checkpoint: Checkpoint) -> int:
    """Return the number of parameters of everything that takes part."""
    networks: list[nn.Module] = [*checkpoint.components.networks().values(), checkpoint.codec.network]
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def _words_of_base(config: GeneratorConfig, folder: Path) -> str:
    """Return the digest of what an adapter's base reads words by; empty where the base is gone since."""
    try:
        return words_sha256(base_folder(config.base, folder / CONFIG_FILE))
    except AlphabenchError:
        return ""  # no reason to lose what was trained


def _other(folder: Path, what: str, told: str, found: str) -> DataError:
    return DataError(
        f"{folder} was trained with the {what} of sha256 {told[:16]}…, and what is found has {found[:16]}…",
        remedy=f"Put the {what} of the training there, or train anew.",
    )


def _document(config: GeneratorConfig) -> dict[str, object]:
    return {"_class_name": "RgbaGenerator", **dataclasses.asdict(config)}


def _json(config: GeneratorConfig) -> str:
    return json.dumps(_document(config), indent=2) + "\n"
