"""How submitted patch transforms are rebuilt; importing this loads no torch."""

from typing import TYPE_CHECKING, Any

from alphabench.models.architecture import Architecture
from alphabench.models.spec import ModelInfo

if TYPE_CHECKING:
    from reference_models.pca.adapter import PcaReconstructor
    from reference_models.pca.model import PatchTransform, PatchTransformConfig

_MODULE = "reference_models.pca.submission"

ARCHITECTURE = Architecture(
    name="pca",
    settings="reference_models.pca.model:PatchTransformConfig",
    build="reference_models.pca.model:PatchTransform",
    describe=f"{_MODULE}:describe",
    reconstructor=f"{_MODULE}:reconstructor",
    ranges={"patch": (1, 64), "latent_channels": (1, 16_384)},
)


def describe(config: "PatchTransformConfig") -> tuple[dict[str, Any], int | float]:
    """Return the configuration as records hold it, and the numbers of the code for each pixel."""
    import dataclasses

    from reference_models.pca.adapter import CLASS_NAME

    return {"network": CLASS_NAME} | dataclasses.asdict(config), config.latent_channels / config.patch**2


def reconstructor(transform: "PatchTransform", info: ModelInfo) -> "PcaReconstructor":
    """Return the transform as a reconstructor on the CPU."""
    import torch

    from reference_models.pca.adapter import PcaReconstructor

    return PcaReconstructor(transform, info, device=torch.device("cpu"))
