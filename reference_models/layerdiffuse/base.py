"""The frozen RGB autoencoder of a LayerDiffuse model: one interface to the patch VAE and to diffusers' own."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.files import sha256_of
from reference_models.alphavae.folder import load_network
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.rgb_vae.model import FACTOR, PatchVae, Posterior

Feed = Float[Tensor, "batch 3 height width"]
Latents = Float[Tensor, "batch latent rows columns"]


class FrozenBase(nn.Module):
    """An RGB autoencoder that is never trained; images in [-1,1], latents unscaled.

    Attributes:
        network: a `PatchVae` or a diffusers `AutoencoderKL`, in evaluation mode, without gradients.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> "FrozenBase":
        """Stay in evaluation mode, whatever the module around it does."""
        return super().train(mode=False)

    @property
    def factor(self) -> int:
        """Return the pixels that a latent position stands for, along each side."""
        if isinstance(self.network, PatchVae):
            return FACTOR
        return int(2 ** (len(self.network.config.block_out_channels) - 1))

    @property
    def latent_channels(self) -> int:
        """Return the numbers of the code at each latent position."""
        return int(self.network.config.latent_channels)

    @torch.no_grad()
    def encode(self, images: Feed) -> Posterior:
        """Return the float32 posterior of `images`; no gradient is kept."""
        if isinstance(self.network, PatchVae):
            return self.network.encode(images)
        posterior = self.network.encode(images).latent_dist
        return Posterior(posterior.mean.float(), posterior.logvar.float())

    def decode(self, latents: Latents) -> Feed:
        """Return the images of `latents`, unclamped, float32; gradients pass through."""
        if isinstance(self.network, PatchVae):
            return self.network.decode_unclamped(latents).float()
        decoded: Tensor = self.network.decode(latents.to(self.network.dtype)).sample
        return decoded.float()

    def lower_decoder(self, dtype: torch.dtype) -> None:
        """Run the decoder in `dtype`; the encoder stays as it is, its posterior needs float32."""
        self.network.decoder.to(dtype)
        if getattr(self.network, "post_quant_conv", None) is not None:
            self.network.post_quant_conv.to(dtype)


def load_base(folder: Path) -> FrozenBase:
    """Return the RGB autoencoder in `folder`, frozen, float32.

    Raises:
        DataError: it is no sound checkpoint of an RGB autoencoder.
    """
    return FrozenBase(load_network(folder, channels=3))


def base_weights(folder: Path) -> Path:
    """Return the weights file of a base's folder."""
    return folder / WEIGHTS_FILE


def base_sha256(folder: Path) -> str:
    """Return the digest of a base's weights file.

    Raises:
        DataError: the folder has no such file.
    """
    path = base_weights(folder)
    if not path.is_file():
        raise DataError(f"{path} does not exist", remedy="Give the folder of the RGB autoencoder, with its weights.")
    return sha256_of(path)


def refuse_unfit_base(base: FrozenBase, config: LayerDiffuseConfig, *, where: str) -> None:
    """Refuse a base whose latents are not those that the config's networks write and read.

    Raises:
        DataError: other latent channels, or another factor.
    """
    if base.latent_channels != config.latent_channels:
        raise DataError(
            f"{where}: the base {config.base!r} has {base.latent_channels} latent channels, "
            f"the config says {config.latent_channels}",
            remedy="Name the autoencoder that these weights were trained beside: SDXL and SD 1.5 have 4 latent "
            "channels, FLUX.1 has 16.",
        )
    if base.factor != config.encoder_factor or base.factor != FACTOR:
        raise DataError(
            f"{where}: the base {config.base!r} has factor {base.factor}, the transparent encoder "
            f"{config.encoder_factor}; both must be {FACTOR}",
            remedy="Give a base of factor 8, and four encoder_widths.",
        )
