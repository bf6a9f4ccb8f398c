"""Whether the parts of a pipeline fit one another: each does its work once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reference_models.rgba_lora.components import PATCH, Components
from reference_models.rgba_lora.parts import sound

PROMPTS = ("", "\N{SNOWMAN} zyzzyva")
"""Nothing, and what no vocabulary knows."""

FEW = 4
"""Tokens of the trial: enough to fail on, and quick for the largest encoder."""

SMALLEST = 16
"""Pixels of a side of an image of one token."""

MOST = 2**16
"""Tokens of the largest image that is drawn."""


@torch.no_grad()
def refuse_unfit(components: Components, folder: Path) -> None:
    """Refuse parts that do not fit one another, or that fail at their work.

    Args:
        components: as loaded.
        folder: where they come from.

    Raises:
        DataError: the message names the part.
    """
    config = components.transformer.config
    with sound(folder / "transformer"):
        _check_shapes(components.transformer)
    with sound(folder / "tokenizer"):
        _check_limit(components.pooled_tokenizer.model_max_length, components.pooled.config.max_position_embeddings)
        read = _numbers(components.pooled_tokenizer, components.pooled_tokens, components.pooled)
    with sound(folder / "text_encoder"):
        pooled = components.pooled(read[:1]).pooler_output
        _check_vectors(pooled, config.pooled_projection_dim, "pooled_projection_dim")
    with sound(folder / "tokenizer_2"):
        read = _numbers(components.sequence_tokenizer, components.sequence_tokens, components.sequence)
        components.unread(PROMPTS)
    with sound(folder / "text_encoder_2"):
        words = components.sequence(read[:1, :FEW])[0]
        _check_vectors(words, config.joint_attention_dim, "joint_attention_dim")
    with sound(folder / "scheduler"):
        _check_schedule(components.scheduler)
    with sound(folder / "transformer"):
        components.pipeline()(
            pooled_prompt_embeds=pooled,
            prompt_embeds=words,
            height=SMALLEST,
            width=SMALLEST,
            num_inference_steps=1,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )


def _check_shapes(transformer: Any) -> None:
    config = transformer.config
    axes, head = config.axes_dims_rope, config.attention_head_dim
    if not isinstance(axes, Sequence) or len(axes) != 3 or sum(axes) != head or any(a < 2 or a % 2 for a in axes):
        raise ValueError(f"axes_dims_rope is {axes!r}, not three even numbers of the sum {head}, attention_head_dim")
    read, written = config.in_channels, transformer.proj_out.out_features
    if read % PATCH**2 or read != written:
        raise ValueError(f"it reads {read} numbers of a token and writes {written}, not {PATCH**2} for each channel")


def _check_limit(limit: int, positions: int) -> None:
    if limit > positions:
        raise ValueError(f"model_max_length is absent or more than the {positions} tokens that text_encoder reads")


def _numbers(tokenizer: Any, split: Callable[[Sequence[str]], Tensor], encoder: Any) -> Tensor:
    """Return the numbers of the trial's prompts, after a look at all that the tokenizer may ever give."""
    numbers = split(PROMPTS)
    known = encoder.get_input_embeddings().num_embeddings
    largest = max(*tokenizer.get_vocab().values(), int(numbers.max()))
    if largest >= known:
        raise ValueError(f"it numbers tokens up to {largest}, and its encoder knows {known}, from 0 on")
    return numbers


def _check_vectors(told: Tensor, needed: int, name: str) -> None:
    if told.shape[-1] != needed:
        raise ValueError(f"it tells {told.shape[-1]} numbers, and the transformer reads {needed}, its {name}")
    if not bool(torch.isfinite(told).all()):
        raise ValueError("it tells numbers that are not finite")


def _check_schedule(scheduler: Any) -> None:
    config = scheduler.config
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    for tokens in (1, MOST):  # the pipeline tells a scheduler that shifts how large the image is, in this way
        mu = config.base_shift + slope * (tokens - config.base_image_seq_len)
        with np.errstate(all="ignore"):
            scheduler.set_timesteps(sigmas=[1.0, 0.5], mu=mu)
        if not bool(torch.isfinite(scheduler.sigmas).all()):
            raise ValueError("its levels of noise are not finite")
