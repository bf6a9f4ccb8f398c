"""The FLUX pipeline without its autoencoder: made small from random weights, or read from a diffusers folder."""

import copy
import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.models.checkpoints import read_json, refuse_pickles
from reference_models.rgba_lora.captions import Entry
from reference_models.rgba_lora.components import PATCH, Components
from reference_models.rgba_lora.config import GeneratorRecipe
from reference_models.rgba_lora.parts import (
    NETWORK_SETTINGS,
    SCHEDULER_SETTINGS,
    TOKENIZER_SETTINGS,
    WHOLE,
    load_network,
    load_scheduler,
    load_tokenizer,
    quiet,
    tokenizer_files,
    weights_files,
)
from reference_models.rgba_lora.text import pooled_encoder, sequence_encoder, word_tokenizer
from reference_models.rgba_lora.trial import refuse_unfit

PIPELINE_CLASS = "FluxPipeline"
INDEX = "model_index.json"
PARTS = {
    "transformer": NETWORK_SETTINGS,
    "text_encoder": NETWORK_SETTINGS,
    "text_encoder_2": NETWORK_SETTINGS,
    "tokenizer": TOKENIZER_SETTINGS,
    "tokenizer_2": TOKENIZER_SETTINGS,
    "scheduler": SCHEDULER_SETTINGS,
}
"""The folders of a pipeline, each with the file that says what it is."""

# peft imports it where it is installed, and it complains about kernels for quantised weights, which we never have.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)

Latents = Float[Tensor, "batch latent rows columns"]
Tokens = Float[Tensor, "batch token number"]


def new_components(recipe: GeneratorRecipe, entries: Sequence[Entry], latent_channels: int) -> Components:
    """Return a small pipeline with random weights for the words of a caption table.

    Args:
        recipe: the shapes.
        entries: whose words the tokenizer knows.
        latent_channels: numbers of a latent position.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel

    tokenizer = word_tokenizer(entries, recipe.text.length)
    network = recipe.network
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=PATCH**2 * latent_channels,
        num_layers=network.double_blocks,
        num_single_layers=network.single_blocks,
        attention_head_dim=network.head_dim,
        num_attention_heads=network.heads,
        joint_attention_dim=recipe.text.width,
        pooled_projection_dim=recipe.text.pooled_width,
        guidance_embeds=False,
        axes_dims_rope=network.rope_axes,
    )
    nn.init.zeros_(transformer.proj_out.weight)
    nn.init.zeros_(transformer.proj_out.bias)
    return Components(
        transformer=transformer,
        pooled=pooled_encoder(recipe.text, len(tokenizer)),
        sequence=sequence_encoder(recipe.text, len(tokenizer)),
        pooled_tokenizer=tokenizer,
        sequence_tokenizer=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=recipe.flow.shift, use_dynamic_shifting=False),
    )


def save_components(components: Components, folder: Path, dtype: torch.dtype) -> None:
    """Write a pipeline folder that `FluxPipeline.from_pretrained(folder, vae=None)` reads.

    Args:
        components: what to write; they are not changed.
        folder: to write.
        dtype: of the stored weights.
    """
    with quiet():
        stored = dataclasses.replace(
            components,
            transformer=copy.deepcopy(components.transformer).to(dtype),
            pooled=copy.deepcopy(components.pooled).to(dtype),
            sequence=copy.deepcopy(components.sequence).to(dtype),
        )
        stored.transformer.register_to_config(_name_or_path="")  # else the machine's path of its base would be told
        stored.pipeline().save_pretrained(folder, safe_serialization=True)


def load_components(folder: Path, dtype: torch.dtype = torch.float32) -> Components:
    """Return the components in a diffusers folder of a FLUX pipeline; its autoencoder is not read.

    Only safetensors are read, and only the classes named here are made; a folder can name no others. Still a
    pipeline is the user's own choice: a submission's is never loaded this way.

    Raises:
        DataError: no such folder, another pipeline, pickled weights, or parts that are absent, damaged or do not fit
            one another; the message names the part.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    _refuse_absent_parts(folder)
    kind = read_json(folder / INDEX).get("_class_name")
    if kind != PIPELINE_CLASS:
        raise DataError(
            f"{folder} holds a pipeline of the class {kind!r}", remedy=f"Give the folder of a {PIPELINE_CLASS}."
        )
    refuse_pickles(folder)
    made = Components(
        transformer=load_network(FluxTransformer2DModel, folder / "transformer", dtype),
        pooled=load_network(CLIPTextModel, folder / "text_encoder", dtype),
        sequence=load_network(T5EncoderModel, folder / "text_encoder_2", dtype),
        pooled_tokenizer=load_tokenizer(folder / "tokenizer"),
        sequence_tokenizer=load_tokenizer(folder / "tokenizer_2"),
        scheduler=load_scheduler(FlowMatchEulerDiscreteScheduler, folder / "scheduler"),
    )
    refuse_unfit(made, folder)
    return made


def transformer_sha256(folder: Path) -> str:
    """Return the digest of the transformer's weights in a pipeline folder: of its one file, or of all of them.

    Raises:
        DataError: there are none.
    """
    files = weights_files(folder / "transformer")
    return sha256_of(files[0]) if len(files) == 1 else "+".join(sha256_of(file)[:16] for file in files)


def words_sha256(folder: Path) -> str:
    """Return the digest of all that a pipeline reads words by: both text encoders and both tokenizers.

    Raises:
        DataError: a part is absent.
    """
    files = identity_files(folder).items()
    lines = (f"{role}\t{sha256_of(path)}\n" for role, path in files if role.startswith(("text-encoder", "tokenizer")))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def identity_files(folder: Path) -> dict[str, Path]:
    """Return every file of a pipeline that decides what it draws, by role: weights, shapes, words and schedule.

    Raises:
        DataError: a part is absent, or has no weights.
    """
    _refuse_absent_parts(folder)
    found: dict[str, Path] = {}
    for part in ("transformer", "text_encoder", "text_encoder_2"):
        files = weights_files(folder / part)
        roles = [part.replace("_", "-"), *(f"{part.replace('_', '-')}-shard-{n}" for n in range(2, len(files) + 1))]
        found |= dict(zip(roles, files, strict=True)) | {f"{roles[0]}-config": folder / part / PARTS[part]}
    for part in ("tokenizer", "tokenizer_2"):
        for path in tokenizer_files(folder / part):
            found[f"{part}-{path.name}".replace("_", "-").replace(".", "-")] = path
    return found | {"scheduler": folder / "scheduler" / PARTS["scheduler"]}


def pack(latents: Latents) -> Tokens:
    """Return latents as tokens of 2x2 positions, channel-major inside a token, rows first."""
    batch, channels, rows, columns = latents.shape
    cells = latents.reshape(batch, channels, rows // PATCH, PATCH, columns // PATCH, PATCH)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH**2)


def unpack(tokens: Tokens, rows: int, columns: int) -> Latents:
    """Return the latents of `rows` by `columns` positions that were packed into `tokens`."""
    batch, _, numbers = tokens.shape
    channels = numbers // PATCH**2
    cells = tokens.reshape(batch, rows // PATCH, columns // PATCH, channels, PATCH, PATCH)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, rows, columns)


def image_ids(rows: int, columns: int) -> Float[Tensor, "token 3"]:
    """Return (0, row, column) of each token of latents of `rows` by `columns` positions."""
    places = torch.zeros(rows // PATCH, columns // PATCH, 3)
    places[..., 1] = torch.arange(rows // PATCH)[:, None]
    places[..., 2] = torch.arange(columns // PATCH)[None]
    return places.reshape(-1, 3)


def _refuse_absent_parts(folder: Path) -> None:
    """Refuse a folder that lacks the settings of the pipeline or of a part."""
    needed = [INDEX, *(f"{part}/{file}" for part, file in PARTS.items())]
    if absent := [name for name in needed if not (folder / name).is_file()]:
        raise DataError(f"{folder} is not a whole FLUX pipeline: it lacks {', '.join(absent)}", remedy=WHOLE)
