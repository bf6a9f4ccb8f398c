"""LayerDiffuse: a frozen RGB autoencoder, an offset of its latent, and a decoder that reads alpha back.

Straight RGBA in [0,1] goes in and comes out; [-1,1] and the channel order stay inside (arXiv 2402.17113,
conventions of the released code LayerDiffuse_DiffusersCLI).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.image.compositing import composite
from alphabench.image.types import Rgb, Rgba
from reference_models.layerdiffuse.base import FrozenBase
from reference_models.layerdiffuse.config import ChannelOrder
from reference_models.layerdiffuse.ensemble import ensembled
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.layerdiffuse.pyramid import pad_rgb

Latents = Float[Tensor, "batch latent rows columns"]
Planes = Float[Tensor, "batch 4 height width"]

GREY = 0.5
LATENT_SHARE = 0.1  # of a latent channel's standard deviation: the offset's unit `latent_std`


@dataclass(frozen=True)
class Encoding:
    """What the encoder makes of images.

    Attributes:
        grey: the images over mid-grey in [0,1]: what the frozen encoder reads, and what its decoder should still give.
        mean: of the frozen posterior.
        log_variance: of the frozen posterior.
        shift: what the transparent encoder adds to the mean, float32.
        latents: mean + shift, unscaled.
    """

    grey: Rgb
    mean: Latents
    log_variance: Latents
    shift: Latents
    latents: Latents

    @property
    def std(self) -> Latents:
        """Return the frozen posterior's standard deviation."""
        return torch.exp(0.5 * self.log_variance)


class LayerDiffuse(nn.Module):
    """Both trained networks around their frozen base.

    Attributes:
        networks: transparent encoder and decoder.
        base: the frozen RGB autoencoder.
        config: shape and conventions.
    """

    latent_std: Tensor

    def __init__(self, networks: TransparencyNetworks, base: FrozenBase) -> None:
        super().__init__()
        self.networks = networks
        self.base = base
        self.config = networks.config
        spread = torch.tensor(self.config.latent_std).reshape(1, -1, 1, 1)
        self.register_buffer("latent_std", spread, persistent=False)

    def encode(self, images: Rgba, padded: Rgb | None = None) -> Encoding:
        """Return the shifted latent of straight RGBA whose sides are multiples of the config's `size_multiple`.

        Deterministic: the offset takes the place of the posterior's noise. Hidden colour changes no bit.

        Args:
            images: straight RGBA in [0,1].
            padded: `pad_rgb(images)`, where it is known already.
        """
        grey = composite(images, images.new_full((3,), GREY))
        posterior = self.base.encode(grey * 2 - 1)
        filled = pad_rgb(images) if padded is None else padded
        offset = self.networks.encoder(ordered(filled, images[:, 3:], self.config.channel_order)).float()
        if self.config.offset_unit == "posterior_std":
            shift = torch.exp(0.5 * posterior.log_variance) * (self.config.offset_gain * offset)
        else:
            shift = LATENT_SHARE * self.latent_std * offset
        return Encoding(grey, posterior.mean, posterior.log_variance, shift, posterior.mean + shift)

    def frozen_decode(self, latents: Latents) -> Rgb:
        """Return what the frozen decoder makes of unscaled `latents`, in about [0,1], unclipped."""
        return self.base.decode(latents) * 0.5 + 0.5

    def decode_once(self, rgb: Rgb, latents: Latents) -> Planes:
        """Return one pass of the transparent decoder, in the config's channel order, unclipped."""
        dtype = self.networks.decoder.conv_in.weight.dtype
        planes: Tensor = self.networks.decoder(rgb.to(dtype), latents.to(dtype))
        return planes.float()

    def decode(self, latents: Latents) -> Rgba:
        """Return straight RGBA in [0,1] of unscaled `latents`: one frozen decode, then one pass or eight."""
        rgb = self.frozen_decode(latents).clamp(0.0, 1.0)
        if self.config.ensemble == 8:
            planes = ensembled(self.decode_once, rgb, latents)
        else:
            planes = self.decode_once(rgb, latents).clamp(0.0, 1.0)
        return straight(planes, self.config.channel_order)


def ordered(colour: Rgb, alpha: Float[Tensor, "batch 1 height width"], order: ChannelOrder) -> Planes:
    """Return colour and alpha as four planes in the order that a release expects."""
    return torch.cat([alpha, colour] if order == "ARGB" else [colour, alpha], 1)


def straight(planes: Planes, order: ChannelOrder) -> Rgba:
    """Return planes in the order of a release as R, G, B, A."""
    return torch.cat([planes[:, 1:], planes[:, :1]], 1) if order == "ARGB" else planes
