"""How submitted AlphaVAE checkpoints are rebuilt; importing this loads no torch."""

from typing import TYPE_CHECKING, Any

from alphabench.models.architecture import Architecture
from alphabench.models.spec import ModelInfo
from reference_models.rgb_vae.submission import SIZES

if TYPE_CHECKING:
    from reference_models.alphavae.adapter import AlphaVaeReconstructor
    from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

_MODULE = "reference_models.alphavae.submission"

ARCHITECTURE = Architecture(
    name="alphavae",
    settings="reference_models.rgb_vae.model:PatchVaeConfig",
    build="reference_models.rgb_vae.model:PatchVae",
    describe=f"{_MODULE}:describe",
    reconstructor=f"{_MODULE}:reconstructor",
    ranges={"channels": (4, 4)} | SIZES,
)


def describe(config: "PatchVaeConfig") -> tuple[dict[str, Any], int | float]:
    """Return the configuration as records hold it, and the numbers of the code for each pixel."""
    import dataclasses

    from reference_models.rgb_vae.model import FACTOR

    return {"network": "PatchVae"} | dataclasses.asdict(config), config.latent_channels / FACTOR**2


def reconstructor(vae: "PatchVae", info: ModelInfo) -> "AlphaVaeReconstructor":
    """Return the VAE as a reconstructor on the CPU."""
    import torch

    from reference_models.alphavae.adapter import AlphaVaeReconstructor
    from reference_models.alphavae.model import AlphaVae

    return AlphaVaeReconstructor(
        AlphaVae(vae, vae.config.colour), info, device=torch.device("cpu"), dtype=torch.float32
    )
