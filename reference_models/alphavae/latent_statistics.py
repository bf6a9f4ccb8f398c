"""What training did to the latents of opaque images: compared with the RGB encoder that a model came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.metrics.latents import (
    LatentStatistics,
    gaussian_kl,
    latent_kl,
    latent_shift,
    latent_statistics,
    posterior_kl,
)
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import to_network
from reference_models.padding import pad_to_multiple
from reference_models.rgb_vae.model import PatchVae, Posterior


@dataclass(frozen=True)
class LatentReport:
    """The latents of a set of opaque images by an RGBA encoder, beside those of its RGB encoder.

    Attributes:
        images: how many.
        rgba: mean and spread of each channel, by the RGBA encoder.
        rgb: the same by the RGB encoder.
        channel_kl: KL(RGBA ‖ RGB) of each channel's Gaussian fits, nats.
        latent_kl: mean of it over the channels.
        latent_shift: root mean square difference over the RGB latents' spread, mean of images.
        posterior_kl: KL(RGBA ‖ RGB) of the posteriors, nats per element, mean of images.
    """

    images: int
    rgba: LatentStatistics
    rgb: LatentStatistics
    channel_kl: Tensor
    latent_kl: float
    latent_shift: float
    posterior_kl: float

    def numbers(self) -> Mapping[str, float]:
        """Return the numbers of the whole set, for a training's log."""
        return {
            "latent_mean": float(self.rgba.mean.mean()),
            "latent_std": float(self.rgba.std.mean()),
            "latent_kl": self.latent_kl,
            "latent_shift": self.latent_shift,
            "posterior_kl": self.posterior_kl,
        }

    def settings(self) -> Mapping[str, Any]:
        """Return everything as plain values of six digits, for a table of `alphabench.toml`."""
        lists = {
            "mean": self.rgba.mean,
            "std": self.rgba.std,
            "rgb_mean": self.rgb.mean,
            "rgb_std": self.rgb.std,
            "channel_kl": self.channel_kl,
        }
        plain = {name: [_six(value) for value in values.tolist()] for name, values in lists.items()}
        totals = {name: _six(getattr(self, name)) for name in ("latent_kl", "latent_shift", "posterior_kl")}
        return {"opaque_images": self.images, **totals, **plain}


@torch.no_grad()
def latent_report(vae: AlphaVae, rgb: nn.Module, images: Iterable[Tensor]) -> LatentReport:
    """Return how `vae` encodes opaque images, compared with the RGB network it was widened from.

    Both encoders run in their own precision; nothing is sampled. Use the same sizes of images each time: the
    spread of latents depends on how much detail there is.

    Args:
        vae: the RGBA autoencoder.
        rgb: the three-channel network, a `PatchVae` or a diffusers `AutoencoderKL`.
        images: batches in [0,1], `(batch, 4, height, width)` of any sizes, whose alpha is taken as 1.

    Raises:
        DataError: there are no images, or latents of different shapes.
    """
    made: list[Posterior] = []
    base: list[Posterior] = []
    places = _place(vae.network), _place(rgb)
    for batch in images:
        opaque = pad_to_multiple(torch.cat([batch[:, :3], torch.ones_like(batch[:, 3:])], 1), vae.factor)
        # Opaque colour is the same straight and premultiplied, so that the RGB network reads its three channels.
        read = to_network(opaque, vae.colour)
        made.append(_whole(vae.encode(read.to(*places[0]))))
        base.append(_whole(_encode(rgb, read[:, :3].to(*places[1]))))
    if not made:
        raise DataError("there are no opaque images to encode", remedy="Give at least one batch.")
    # Sizes may differ between batches: positions of all of them are put side by side.
    ours, theirs = (_flat([posterior.mean for posterior in found]) for found in (made, base))
    counts = torch.tensor([len(posterior.mean) for posterior in made], dtype=torch.float64)
    shifts = [latent_shift(new.mean, old.mean).nanmean() for new, old in zip(made, base, strict=True)]
    gaps = [
        posterior_kl(new.mean, new.log_variance, old.mean, old.log_variance).mean()
        for new, old in zip(made, base, strict=True)
    ]
    return LatentReport(
        images=int(counts.sum()),
        rgba=latent_statistics(ours),
        rgb=latent_statistics(theirs),
        channel_kl=gaussian_kl(latent_statistics(ours), latent_statistics(theirs)),
        latent_kl=latent_kl(ours, theirs),
        latent_shift=float((torch.stack(shifts) * counts).sum() / counts.sum()),
        posterior_kl=float((torch.stack(gaps) * counts).sum() / counts.sum()),
    )


def _encode(rgb: Any, images: Tensor) -> Posterior:
    if isinstance(rgb, PatchVae):
        return rgb.encode(images)
    posterior = rgb.encode(images).latent_dist
    return Posterior(posterior.mean, posterior.logvar)


def _whole(posterior: Posterior) -> Posterior:
    return Posterior(posterior.mean.float().cpu(), posterior.log_variance.float().cpu())


def _flat(latents: list[Tensor]) -> Tensor:
    """Return all positions of all samples as one sample of one row."""
    return torch.cat([one.transpose(0, 1).flatten(1) for one in latents], 1)[None, :, None]


def _place(network: nn.Module) -> tuple[torch.device, torch.dtype]:
    parameter = next(network.parameters())
    return parameter.device, parameter.dtype


def _six(value: float) -> float:
    return float(f"{value:.6g}")
