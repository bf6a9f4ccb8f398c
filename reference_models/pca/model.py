"""A linear patch codec for RGBA: each premultiplied patch becomes its leading principal components."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class PatchTransformConfig:
    """The size of a `PatchTransform`.

    Attributes:
        patch: side of a patch in pixels.
        latent_channels: numbers that code a patch.
    """

    patch: int = 8
    latent_channels: int = 16

    def __post_init__(self) -> None:
        values = 4 * self.patch**2
        if not 1 <= self.patch <= 64 or not 1 <= self.latent_channels <= values:
            raise ValueError(f"patch must be 1…64 and latent_channels 1…{values}")


class PatchTransform(nn.Module):
    """z = (x - mean) · basis for each flattened patch x of premultiplied RGBA in [0,1]."""

    mean: Tensor
    basis: Tensor

    def __init__(self, config: PatchTransformConfig) -> None:
        super().__init__()
        self.config = config
        values = 4 * config.patch**2
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, config.latent_channels))

    def encode(self, images: Float[Tensor, "batch 4 height width"]) -> Float[Tensor, "batch latent patch"]:
        """Return the codes of premultiplied images whose sides are multiples of the patch."""
        patches = functional.unfold(images, self.config.patch, stride=self.config.patch)
        return self.basis.T @ (patches - self.mean[:, None])

    def decode(
        self, latents: Float[Tensor, "batch latent patch"], height: int, width: int
    ) -> Float[Tensor, "batch 4 height width"]:
        """Return the premultiplied images of `latents`, unclamped."""
        patches = self.basis @ latents + self.mean[:, None]
        return functional.fold(patches, (height, width), self.config.patch, stride=self.config.patch)
