"""A generator of RGBA images from words: a FLUX transformer over RGBA latents, adapted by LoRA; loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="rgba-lora",
    task="generation",
    summary="flow-matching transformer with a LoRA over AlphaVAE's latents",
    licence="Apache-2.0",
    origin="arXiv 2507.09308, recipes rgba_lora/mini-base and rgba_lora/mini",
    load="reference_models.rgba_lora.adapter:load",
    weights=_ROOM.parent / "weights" / "rgba_lora-mini",
)

TRAINER = TrainerSpec(
    name="rgba_lora",
    run="reference_models.rgba_lora.train:run",
    configs=_ROOM / "configs",
    experiments=_ROOM / "experiments",
    inputs="reference_models.rgba_lora.inputs:model_digests",
)
