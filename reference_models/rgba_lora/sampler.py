"""Drawing latents from noise and words, by diffusers' own pipeline and scheduler."""

from collections.abc import Sequence
from typing import Any

import torch

from alphabench.models.contract import Sampling
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.latents import FACTOR
from reference_models.rgba_lora.pipeline import Latents, unpack


@torch.inference_mode()
def drawn(components: Components, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> Latents:
    """Return normalised latents for prompts, each from the noise of its own seed, drawn on the CPU.

    A network that takes the guidance as an input is told it; for any other one a guidance above 1 means
    classifier-free guidance against the empty prompt.
    """
    pipeline: Any = components.pipeline()
    guided: dict[str, Any] = {"guidance_scale": sampling.guidance}
    if not components.guided:
        guided = {"true_cfg_scale": sampling.guidance, "negative_prompt": [""] * len(prompts)}
    tokens = pipeline(
        prompt=list(prompts),
        height=sampling.height,
        width=sampling.width,
        num_inference_steps=sampling.steps,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        max_sequence_length=components.length,
        output_type="latent",
        **guided,
    ).images
    return unpack(tokens.float(), sampling.height // FACTOR, sampling.width // FACTOR)
