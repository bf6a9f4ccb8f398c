"""How far a new encoder's latents lie from those of the encoder it came from, on the same images.

All are means over what they name, no sampling, float64. An autoencoder that was widened or fine-tuned is
harmless to a generator trained on the old latents as far as these stay near 0. The definitions are our own,
for what arXiv 2402.17113 (transparent latents) and arXiv 2507.09308 (reference KL) ask for in words.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.errors import DataError

Latents = Float[Tensor, "batch latent rows columns"]
AnyLatents = Float[Tensor, "_ _ _ _"]
"""Latents among others that may have another shape, which is refused with words."""

PerSample = Float64[Tensor, " batch"]
PerChannel = Float64[Tensor, " latent"]


@dataclass(frozen=True)
class LatentStatistics:
    """Mean and standard deviation of each latent channel, over all samples and positions.

    Attributes:
        mean: of each channel.
        std: of each channel, the whole set's own (divided by n, not n − 1).
    """

    mean: PerChannel
    std: PerChannel


def latent_statistics(latents: Latents) -> LatentStatistics:
    """Return mean and spread of each channel of `latents`.

    Raises:
        DataError: no values, or one that is not finite.
    """
    values = _checked(latents, "latents")
    return LatentStatistics(values.mean((0, 2, 3)), values.var((0, 2, 3), correction=0).sqrt())


def latent_shift(new: AnyLatents, original: AnyLatents) -> PerSample:
    """Return rms(new − original) / std(original) of each sample, over all its elements.

    Args:
        new: means of the new encoder's posterior, `(batch, latent, rows, columns)`.
        original: means of the original encoder's posterior for the same images, the same shape.

    Returns:
        `(batch,)`, at least 0; NaN (not applicable) where the original latent is constant.

    Raises:
        DataError: shapes that differ, or a value that is not finite.
    """
    ours, theirs = _pair(new, original)
    spread = theirs.flatten(1).var(1, correction=0).sqrt()
    return torch.where(spread > 0, (ours - theirs).square().flatten(1).mean(1).sqrt() / spread, torch.nan)


def latent_kl(new: AnyLatents, original: AnyLatents) -> float:
    """Return the divergence of the Gaussian fits of both sets of latents, in nats per channel.

    Each channel of either set is fitted over all samples and positions; KL(new ‖ original) of the two fits,
    ½[ln(s_o²/s_n²) + (s_n² + (m_n − m_o)²)/s_o² − 1] with standard deviations s and means m, is averaged over
    the channels. It is a number of the whole set: the order of samples does not enter.

    Args:
        new: means of the new encoder's posterior, `(batch, latent, rows, columns)`.
        original: means of the original encoder's posterior for the same images, the same shape.

    Raises:
        DataError: shapes that differ, a value that is not finite, or a channel that is constant.
    """
    ours, theirs = (latent_statistics(latents) for latents in _pair(new, original))
    return float(gaussian_kl(ours, theirs).mean())


def gaussian_kl(first: LatentStatistics, second: LatentStatistics) -> PerChannel:
    """Return KL(first ‖ second) of each channel's Gaussian, in nats.

    Raises:
        DataError: a channel of either is constant, so that it has no density.
    """
    for name, statistics in (("first", first), ("second", second)):
        if constant := (statistics.std == 0).nonzero().flatten().tolist():
            raise DataError(
                f"{len(constant)} of {len(statistics.std)} latent channels of the {name} set are constant, "
                f"first channel {constant[0]}",
                remedy="Use more than one image, and images that differ.",
            )
    ratio = (first.std / second.std).square()
    return 0.5 * (ratio + ((first.mean - second.mean) / second.std).square() - 1 - ratio.log())


def posterior_kl(
    new_mean: AnyLatents, new_log_variance: AnyLatents, original_mean: AnyLatents, original_log_variance: AnyLatents
) -> PerSample:
    """Return KL(new posterior ‖ original posterior) of each sample, in nats per latent element.

    Where both variances are equal this is ½·mean((new − original)²/σ²).

    Args:
        new_mean: mean of the new encoder's posterior, `(batch, latent, rows, columns)`.
        new_log_variance: logarithm of its variance.
        original_mean: of the original encoder, for the same images.
        original_log_variance: of the original encoder.

    Raises:
        DataError: shapes that differ, or a value that is not finite.
    """
    mean, reference_mean = _pair(new_mean, original_mean)
    log_variance, reference_log_variance = _pair(new_log_variance, original_log_variance)
    gap = log_variance - reference_log_variance
    distance = (mean - reference_mean).square() / reference_log_variance.exp()
    return 0.5 * (gap.exp() + distance - 1 - gap).flatten(1).mean(1)


def _pair(new: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
    if new.shape != original.shape:
        raise DataError(
            f"the latents have the shapes {tuple(new.shape)} and {tuple(original.shape)}",
            remedy="Encode the same images at the same size by two encoders of one layout.",
        )
    return _checked(new, "new latents"), _checked(original, "original latents")


def _checked(latents: Tensor, name: str) -> Tensor:
    if latents.numel() == 0 or not bool(torch.isfinite(latents).all()):
        raise DataError(
            f"the {name} of shape {tuple(latents.shape)} are empty or not finite",
            remedy="Encode at least one finite image, in float32.",
        )
    return latents.detach().double()
