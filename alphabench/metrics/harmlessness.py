"""How much of an RGB autoencoder's world survives in the latents of a model made from it.

The frozen RGB decoder shows the old and the new latent of the same image. The definitions are our own, for what
arXiv 2402.17113 calls harmlessness; latents themselves are compared in `alphabench.metrics.latents`.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.types import Rgb
from alphabench.metrics.latents import LatentStatistics, gaussian_kl
from alphabench.metrics.pixel import psnr

Latents = Float[Tensor, "batch latent rows columns"]
Moments = Float[Tensor, "batch numbers"]
"""Of each sample: the number of positions, then each channel's mean, then each channel's standard deviation."""

AnyMoments = Float[Tensor, "_ _"]
"""Moments among others that may have another shape, which is refused with words."""


def harm_psnr(shifted: Rgb, original: Rgb) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB between the frozen decoder's images of the new and of the old latent.

    Args:
        shifted: what the frozen decoder makes of the new latent, clipped to [0,1].
        original: what it makes of the latent that the frozen encoder gives.

    Returns:
        `(batch,)`; +inf where both are the same.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    return psnr(shifted, original)


def harm_drop(shifted: Rgb, original: Rgb, image: Rgb) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB of the old latent's image less that of the new latent's.

    Args:
        shifted: what the frozen decoder makes of the new latent, clipped to [0,1].
        original: what it makes of the latent that the frozen encoder gives.
        image: what the frozen encoder was fed, in [0,1].

    Returns:
        `(batch,)`, below 0 where the new latent is the better code; 0 where both are equally good, NaN (not
        applicable) where only one of them is perfect.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    before, after = psnr(original, image), psnr(shifted, image)
    drop = torch.where(before == after, 0.0, before - after)
    return torch.where(drop.isfinite(), drop, torch.nan)


def latent_moments(latents: Latents) -> Moments:
    """Return the size, means and spreads of each sample's latents, float32, `(batch, 1 + 2·latent)`.

    They are all that `kl_of_moments` needs, and far smaller than the latents.
    """
    values = latents.detach().double().flatten(2)
    count = values.new_full((len(values), 1), values.shape[2])
    return torch.cat([count, values.mean(2), values.var(2, correction=0).sqrt()], 1).float()


def kl_of_moments(shifted: AnyMoments, original: AnyMoments) -> float:
    """Return `latent_kl` of two sets of latents from the moments of their samples, in nats per channel.

    Samples may differ in size; each position counts once.

    Args:
        shifted: moments of the new latents, one row a sample.
        original: moments of the old latents of the same images.

    Raises:
        DataError: no samples, values that are not finite, or a channel that is constant over the whole set.
    """
    if shifted.shape != original.shape or not len(shifted) or not bool((shifted + original).isfinite().all()):
        raise DataError(
            f"the moments of latents have the shapes {tuple(shifted.shape)} and {tuple(original.shape)}, "
            "are empty or not finite",
            remedy="Take the moments of the same images, at least one, from both encoders.",
        )
    return float(gaussian_kl(_pooled(shifted), _pooled(original)).mean())


def _pooled(moments: Moments) -> LatentStatistics:
    """Return mean and spread of each channel over the positions of all samples."""
    values = moments.double()
    weights = values[:, :1] / values[:, :1].sum()
    means, spreads = values[:, 1:].chunk(2, 1)
    mean = (weights * means).sum(0)
    return LatentStatistics(mean, (weights * (spreads.square() + (means - mean).square())).sum(0).sqrt())
