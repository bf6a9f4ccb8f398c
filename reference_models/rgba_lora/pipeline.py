"""The FLUX pipeline without its autoencoder: made small from random weights, or read from a diffusers folder."""

import contextlib
import copy
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.models.checkpoints import read_json, refuse_pickles
from alphabench.models.contract import Unread
from reference_models.rgba_lora.captions import Entry
from reference_models.rgba_lora.config import GeneratorRecipe
from reference_models.rgba_lora.text import pooled_encoder, sequence_encoder, word_tokenizer

PIPELINE_CLASS = "FluxPipeline"
PATCH = 2
"""Latent positions along each side of a token."""

LONGEST = 512
"""Tokens that the sequence encoder reads where its tokenizer sets no limit, as the published pipeline does."""

# peft imports it where it is installed, and it complains about kernels for quantised weights, which we never have.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)

Latents = Float[Tensor, "batch latent rows columns"]
Tokens = Float[Tensor, "batch token number"]


@dataclass(frozen=True, eq=False)
class Components:
    """What makes velocities of noise and words.

    Attributes:
        transformer: a `FluxTransformer2DModel`.
        pooled: the CLIP text encoder.
        sequence: the T5 text encoder.
        pooled_tokenizer: of the first.
        sequence_tokenizer: of the second.
        scheduler: a `FlowMatchEulerDiscreteScheduler`.
    """

    transformer: Any
    pooled: Any
    sequence: Any
    pooled_tokenizer: Any
    sequence_tokenizer: Any
    scheduler: Any

    @property
    def latent_channels(self) -> int:
        """Return the numbers of a latent position that the transformer was made for."""
        return int(self.transformer.config.in_channels) // PATCH**2

    @property
    def guided(self) -> bool:
        """Say whether the transformer is guidance-distilled, and so takes the guidance as an input."""
        return bool(self.transformer.config.guidance_embeds)

    @property
    def length(self) -> int:
        """Return the tokens that the sequence encoder reads."""
        return min(int(self.sequence_tokenizer.model_max_length), LONGEST)

    def networks(self) -> dict[str, nn.Module]:
        """Return the three networks by their folder in the pipeline."""
        return {"transformer": self.transformer, "text_encoder": self.pooled, "text_encoder_2": self.sequence}

    def tokens(self, words: Sequence[str]) -> dict[str, Tensor]:
        """Return the numbers that both encoders read, `(batch, length)` each."""
        pooled = self.pooled_tokenizer(
            list(words),
            padding="max_length",
            max_length=int(self.pooled_tokenizer.model_max_length),
            truncation=True,
            return_tensors="pt",
        )
        sequence = self.sequence_tokenizer(
            list(words), padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )
        return {"pooled_tokens": pooled.input_ids, "sequence_tokens": sequence.input_ids}

    def unread(self, words: Sequence[str]) -> list[Unread]:
        """Return what the sequence encoder is not told of each text: words without a token, and a cut end."""
        tokenizer = self.sequence_tokenizer
        told = tokenizer(list(words), return_offsets_mapping=True, verbose=False)
        found = []
        for text, numbers, places in zip(words, told.input_ids, told.offset_mapping, strict=True):
            tokens = zip(numbers, places, strict=True)
            strange = dict.fromkeys(text[slice(*place)] for number, place in tokens if number == tokenizer.unk_token_id)
            found.append(Unread(tuple(strange), cut=len(numbers) > self.length))
        return found

    def pipeline(self) -> Any:
        """Return these components as diffusers' own pipeline, without an autoencoder."""
        from diffusers import FluxPipeline

        made = FluxPipeline(
            scheduler=self.scheduler,
            vae=None,
            text_encoder=self.pooled,
            tokenizer=self.pooled_tokenizer,
            text_encoder_2=self.sequence,
            tokenizer_2=self.sequence_tokenizer,
            transformer=self.transformer,
        )
        made.set_progress_bar_config(disable=True)
        return made


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
    with _quiet():
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
        DataError: no such folder, another pipeline, pickled weights, or files that are absent or do not fit.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
    from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

    kind = read_json(folder / "model_index.json").get("_class_name")
    if kind != PIPELINE_CLASS:
        raise DataError(
            f"{folder} holds a pipeline of the class {kind!r}", remedy=f"Give the folder of a {PIPELINE_CLASS}."
        )
    refuse_pickles(folder)
    safe = {"local_files_only": True}
    weights = safe | {"use_safetensors": True}
    try:
        return Components(
            transformer=_whole(FluxTransformer2DModel, folder / "transformer", dtype=dtype, **weights),
            pooled=_whole(CLIPTextModel, folder / "text_encoder", dtype=dtype, **weights),
            sequence=_whole(T5EncoderModel, folder / "text_encoder_2", dtype=dtype, **weights),
            pooled_tokenizer=AutoTokenizer.from_pretrained(folder / "tokenizer", **safe),
            sequence_tokenizer=AutoTokenizer.from_pretrained(folder / "tokenizer_2", **safe),
            scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler", **safe),
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{folder} is not a whole FLUX pipeline: {_first_line(error)}",
            remedy="Give a folder as `FluxPipeline.save_pretrained` writes it, with all its parts.",
        ) from error


def transformer_sha256(folder: Path) -> str:
    """Return the digest of the transformer's weights in a pipeline folder: of its one file, or of all of them.

    Raises:
        DataError: there are none.
    """
    files = weights_files(folder / "transformer")
    return sha256_of(files[0]) if len(files) == 1 else "+".join(sha256_of(file)[:16] for file in files)


def weights_files(folder: Path) -> list[Path]:
    """Return the weights of one part of a pipeline: one file, or all its shards in order.

    Raises:
        DataError: there are none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise DataError(f"{folder} holds no safetensors file", remedy="Give a whole pipeline.")
    return files


def identity_files(folder: Path) -> dict[str, Path]:
    """Return every file of a pipeline that decides what it draws, by role: weights, shapes, words and schedule.

    Raises:
        DataError: a part has no weights.
    """
    found: dict[str, Path] = {}
    for part in ("transformer", "text_encoder", "text_encoder_2"):
        files = weights_files(folder / part)
        roles = [part.replace("_", "-"), *(f"{part.replace('_', '-')}-shard-{n}" for n in range(2, len(files) + 1))]
        found |= dict(zip(roles, files, strict=True)) | {f"{roles[0]}-config": folder / part / "config.json"}
    for part in ("tokenizer", "tokenizer_2"):
        for path in sorted((folder / part).glob("*")):
            found[f"{part}-{path.name}".replace("_", "-").replace(".", "-")] = path
    return found | {"scheduler": folder / "scheduler" / "scheduler_config.json"}


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


def _whole(cls: Any, folder: Path, **options: Any) -> Any:
    """Return a network whose every weight comes from the folder's files, in evaluation mode, without gradients."""
    with _quiet():
        network, report = cls.from_pretrained(folder, output_loading_info=True, **options)
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"{folder.name} lacks {len(missing)} tensors, first {missing[0]}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise ValueError(f"{folder.name} holds values that are not finite")
    return network.eval().requires_grad_(requires_grad=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep both libraries from drawing progress bars and telling what we know: that there is no autoencoder."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    rooms: tuple[Any, Any] = (of_diffusers, of_transformers)
    levels = [room.get_verbosity() for room in rooms]
    bars = [room.is_progress_bar_enabled() for room in rooms]
    for room in rooms:
        room.set_verbosity_error()
        room.disable_progress_bar()
    try:
        yield
    finally:
        for room, level, bar in zip(rooms, levels, bars, strict=True):
            room.set_verbosity(level)
            if bar:
                room.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
