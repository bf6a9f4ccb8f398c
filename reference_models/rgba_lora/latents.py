"""The latents that a generator learns: those of any of our autoencoders, shifted and scaled as its config says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.image.compositing import clear_hidden, composite
from alphabench.image.types import Rgba
from alphabench.models.checkpoints import read_json
from reference_models.alphavae.folder import load_network
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import from_network, to_network
from reference_models.layerdiffuse.base import FrozenBase
from reference_models.layerdiffuse.folder import load_checkpoint
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.rgb_vae.model import PatchVae

GREY = 128 / 255
"""The background of the opaque composites that an RGB autoencoder is fed."""

PROBE = 0.1
"""Disturbance of the normalised latents by which their channels' effect on the pixels is measured."""

FACTOR = 8
"""Pixels along each side of a latent position, which diffusers' pipeline assumes without an autoencoder."""

Latents = Float[Tensor, "batch latent rows columns"]


@dataclass(frozen=True, eq=False)
class LatentCodec:
    """An autoencoder as the generator sees it.

    Attributes:
        channels: numbers at each latent position.
        factor: pixels that a latent position stands for, along each side.
        alpha: whether it keeps transparency; an RGB autoencoder sees images over grey and gives opaque ones.
        sha256: digest of its weights: latents of another file mean something else.
        shift: subtracted from a latent.
        scale: factor on a latent after the shift.
        network: the modules, for moving them.
        raw_encode: gives the unscaled mean and spread of the posterior of straight RGBA in [0,1].
        raw_decode: gives straight RGBA in [0,1] of unscaled latents.
    """

    channels: int
    factor: int
    alpha: bool
    sha256: str
    shift: float
    scale: float
    network: nn.Module
    raw_encode: Callable[[Rgba], tuple[Tensor, Tensor]]
    raw_decode: Callable[[Latents], Rgba]

    @torch.no_grad()
    def encode(self, images: Rgba, noise: Tensor | None = None) -> Latents:
        """Return the normalised latents of straight RGBA in [0,1], (z - shift)·scale, on the images' device.

        Args:
            images: sides are multiples of `factor`.
            noise: standard normal numbers to draw from the posterior with; None takes its mean.
        """
        mean, spread = self.raw_encode(clear_hidden(images).to(self.device))
        drawn = mean if noise is None else mean + spread * noise.to(mean.device)
        return ((drawn.float() - self.shift) * self.scale).to(images.device)

    @torch.no_grad()
    def decode(self, latents: Latents) -> Rgba:
        """Return normalised latents as straight RGBA in [0,1], one image at a time.

        The kernels of a batch add in another order, and no bit may depend on the neighbours.
        """
        raw = latents.to(self.device).float() / self.scale + self.shift
        made = torch.cat([self.raw_decode(one) for one in raw.split(1)])
        return made.float().clamp(0.0, 1.0).to(latents.device).contiguous()

    @property
    def device(self) -> torch.device:
        """Return the device that the networks are on."""
        return next(self.network.parameters()).device


def refuse_other_factor(codec: LatentCodec, name: str) -> None:
    """Refuse an autoencoder of another factor than the one that FLUX pipelines assume.

    Raises:
        DataError: it is another one.
    """
    if codec.factor != FACTOR:
        raise DataError(
            f"the autoencoder {name!r} makes a latent of {codec.factor}x{codec.factor} pixels, and a FLUX pipeline is "
            f"made for {FACTOR}x{FACTOR}",
            remedy=f"Name an autoencoder of factor {FACTOR}.",
        )


def load_codec(folder: Path) -> LatentCodec:
    """Return the autoencoder in `folder`: an RGB one, an AlphaVAE (either layout) or a LayerDiffuse.

    Raises:
        DataError: the folder holds no sound checkpoint of these kinds.
    """
    values = read_json(folder / "config.json")
    if "offset_gain" in values:
        return _layerdiffuse(folder)
    channels = values.get("channels", values.get("in_channels"))
    if channels not in (3, 4):
        raise DataError(
            f"{folder} holds an autoencoder of {channels!r} image channels",
            remedy="Give one for RGB (3) or RGBA (4) images.",
        )
    network = load_network(folder, channels=channels).eval().requires_grad_(requires_grad=False)
    return _rgba(folder, network) if channels == 4 else _rgb(folder, network)


def encoder_of(codec: LatentCodec, *, draws: bool) -> Callable[[Rgba, np.random.Generator | None], Latents]:
    """Return a function from images to normalised latents, drawn from the posterior where that is asked for."""

    def encode(images: Rgba, rng: np.random.Generator | None) -> Latents:
        if not draws or rng is None:
            return codec.encode(images)
        height, width = (side // codec.factor for side in images.shape[-2:])
        shape = (len(images), codec.channels, height, width)
        return codec.encode(images, torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)))

    return encode


def channel_sensitivity(codec: LatentCodec, latents: Latents, generator: torch.Generator) -> Float[Tensor, " latent"]:
    """Return the mean squared change of premultiplied colour and alpha for a unit of variance in each channel.

    Args:
        codec: whose decoder.
        latents: normalised latents of some images.
        generator: draws the disturbance.
    """
    plain = _premultiplied(codec.decode(latents))
    noise = PROBE * torch.randn(latents[:, 0].shape, generator=generator).to(latents.device)
    changes = []
    for channel in range(codec.channels):
        disturbed = latents.clone()
        disturbed[:, channel] += noise
        changes.append((_premultiplied(codec.decode(disturbed)) - plain).square().mean() / PROBE**2)
    return torch.stack(changes)


def _premultiplied(images: Rgba) -> Tensor:
    return torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], 1)


def _rgba(folder: Path, network: Any) -> LatentCodec:
    colour = network.config.colour if isinstance(network, PatchVae) else "straight"
    vae = AlphaVae(network, colour)

    def encode(images: Rgba) -> tuple[Tensor, Tensor]:
        posterior = vae.encode(to_network(images, colour))
        return posterior.mode(), torch.exp(0.5 * posterior.log_variance)

    return LatentCodec(
        channels=vae.latent_channels,
        factor=vae.factor,
        alpha=True,
        sha256=sha256_of(folder / WEIGHTS_FILE),
        **_scaling(network.config),
        network=vae,
        raw_encode=encode,
        raw_decode=lambda latents: from_network(vae.decode(latents).float(), colour),
    )


def _rgb(folder: Path, network: Any) -> LatentCodec:
    base = FrozenBase(network)

    def encode(images: Rgba) -> tuple[Tensor, Tensor]:
        posterior = base.encode(composite(images, images.new_full((3,), GREY)) * 2 - 1)
        return posterior.mode(), torch.exp(0.5 * posterior.log_variance)

    def decode(latents: Latents) -> Rgba:
        rgb = (base.decode(latents) * 0.5 + 0.5).clamp(0.0, 1.0)
        return torch.cat([rgb, torch.ones_like(rgb[:, :1])], 1)

    return LatentCodec(
        channels=base.latent_channels,
        factor=base.factor,
        alpha=False,
        sha256=sha256_of(folder / WEIGHTS_FILE),
        **_scaling(network.config),
        network=base,
        raw_encode=encode,
        raw_decode=decode,
    )


def _layerdiffuse(folder: Path) -> LatentCodec:
    checkpoint = load_checkpoint(folder)
    model = checkpoint.model.eval().requires_grad_(requires_grad=False)

    def encode(images: Rgba) -> tuple[Tensor, Tensor]:
        latents = model.encode(images).latents
        return latents, torch.zeros_like(latents)

    return LatentCodec(
        channels=model.base.latent_channels,
        factor=model.base.factor,
        alpha=True,
        sha256=sha256_of(checkpoint.decoder),
        **_scaling(model.base.network.config),
        network=model,
        raw_encode=encode,
        raw_decode=model.decode,
    )


def _scaling(config: Any) -> dict[str, float]:
    return {"shift": float(config.shift_factor or 0.0), "scale": float(config.scaling_factor)}
