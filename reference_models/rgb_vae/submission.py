"""How submitted RGB patch VAEs, used twice, are rebuilt; importing this loads no torch."""

from typing import TYPE_CHECKING, Any

from alphabench.models.architecture import Architecture
from alphabench.models.spec import ModelInfo

if TYPE_CHECKING:
    from reference_models.rgb_vae.adapter import TwiceReconstructor
    from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

_MODULE = "reference_models.rgb_vae.submission"

SIZES: dict[str, tuple[int | float, int | float]] = {
    "latent_channels": (1, 256),
    "fine_channels": (1, 1024),
    "coarse_channels": (1, 2048),
    "fine_blocks": (0, 64),
    "coarse_blocks": (0, 64),
    "initial_log_variance": (-30.0, 20.0),
    "scaling_factor": (1e-6, 1e6),
    "shift_factor": (-1e6, 1e6),
}
"""Smallest and largest values of a patch VAE's settings, whatever its image channels."""

TWICE = Architecture(
    name="rgb-vae-twice",
    settings="reference_models.rgb_vae.model:PatchVaeConfig",
    build="reference_models.rgb_vae.model:PatchVae",
    describe=f"{_MODULE}:describe_twice",
    reconstructor=f"{_MODULE}:twice",
    ranges={"channels": (3, 3)} | SIZES,
)


def describe_twice(config: "PatchVaeConfig") -> tuple[dict[str, Any], int | float]:
    """Return the configuration as records hold it, and the numbers of both codes for each pixel."""
    import dataclasses

    from reference_models.rgb_vae.model import FACTOR

    return {"network": "PatchVae"} | dataclasses.asdict(config), 2 * config.latent_channels / FACTOR**2


def twice(vae: "PatchVae", info: ModelInfo) -> "TwiceReconstructor":
    """Return the VAE, used for colour and for alpha, as a reconstructor on the CPU."""
    import torch

    from reference_models.rgb_vae.adapter import TwiceReconstructor

    return TwiceReconstructor(vae, info, device=torch.device("cpu"), dtype=torch.float32)
