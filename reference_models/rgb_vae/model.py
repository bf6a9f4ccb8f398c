"""A patch-stem residual VAE: a linear patch codec with convolutions beside it that learn the rest.

The encoder reads 4×4 patches, works at a quarter and then at an eighth of the resolution, and gives a
Gaussian posterior; the decoder mirrors it. Beside both runs a linear path (8×8 patches to the latent and
back), set from the principal components of image patches, so that the untrained network is already the best
linear codec of its size. Images are in [-1,1]. All layers see bounded neighbourhoods and no statistics of the
whole image, so that a pixel's code depends on its surroundings only and not on the size of the image.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

FACTOR = 8
"""Pixels a latent position stands for, along each side."""

STEM = 4
"""Pixels a position of the finer grid stands for, along each side."""

LOG_VARIANCE_RANGE = (-30.0, 20.0)
"""Bounds of the posterior's log-variance, those of diffusers' `DiagonalGaussianDistribution`."""


@dataclass(frozen=True)
class PatchVaeConfig:
    """The shape of a `PatchVae` and the statistics of its latents.

    Attributes:
        channels: image channels, 3 (RGB) or 4 (RGBA).
        latent_channels: numbers of the code at each latent position.
        fine_channels: width at a quarter of the resolution.
        coarse_channels: width at an eighth of the resolution.
        fine_blocks: residual blocks at a quarter of the resolution, in encoder and decoder each.
        coarse_blocks: residual blocks at an eighth of the resolution, in encoder and decoder each.
        initial_log_variance: log-variance of the posterior before training.
        scaling_factor: one over the standard deviation of the latents on the training images.
        shift_factor: mean of the latents on the training images.
        colour: how the colour of RGBA images enters and leaves the net: `straight`, or `premultiplied` by
            alpha, which leaves no hidden colour to code. For opaque images both are the same.
    """

    channels: int = 3
    latent_channels: int = 16
    fine_channels: int = 64
    coarse_channels: int = 192
    fine_blocks: int = 2
    coarse_blocks: int = 3
    initial_log_variance: float = -7.5
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    colour: Literal["straight", "premultiplied"] = "straight"


@dataclass(frozen=True)
class Posterior:
    """A Gaussian over latents, independent in each number.

    Attributes:
        mean: `(batch, latent, height / 8, width / 8)`.
        log_variance: the same shape.
    """

    mean: Float[Tensor, "batch latent height width"]
    log_variance: Float[Tensor, "batch latent height width"]

    def mode(self) -> Float[Tensor, "batch latent height width"]:
        """Return the most likely latent: what evaluation decodes."""
        return self.mean

    def sample(self, noise: Float[Tensor, "batch latent height width"]) -> Float[Tensor, "batch latent height width"]:
        """Return the latent that `noise`, drawn from the standard normal, stands for."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, `(batch, channels, height, width)`, normalised at each position."""
        channels_last = x.permute(0, 2, 3, 1)
        normal = functional.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, eps=1e-5)
        return normal.permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to their input; the second starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = PixelNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(zeroed(self.conv2.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`, `(batch, channels, height, width)`."""
        h = self.conv1(functional.silu(self.norm(x)))
        residual: Tensor = self.conv2(functional.silu(h))
        return x + residual


def zeroed(bias: Tensor | None) -> Tensor:
    """Return the bias of a layer that is known to have one."""
    if bias is None:
        raise TypeError("this layer was built with a bias")
    return bias


class PatchEncoder(nn.Module):
    """Images to the mean and log-variance of their latents."""

    def __init__(self, config: PatchVaeConfig) -> None:
        super().__init__()
        fine, coarse, latent = config.fine_channels, config.coarse_channels, config.latent_channels
        self.linear = nn.Conv2d(config.channels, latent, FACTOR, stride=FACTOR)
        self.stem = nn.Conv2d(config.channels, fine, STEM, stride=STEM)
        self.fine = nn.Sequential(*(ResidualBlock(fine) for _ in range(config.fine_blocks)))
        self.down = nn.Conv2d(fine, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*(ResidualBlock(coarse) for _ in range(config.coarse_blocks)))
        self.norm = PixelNorm(coarse)
        self.out = nn.Conv2d(coarse, 2 * latent, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            bias = zeroed(self.out.bias)
            bias[:latent] = 0.0
            bias[latent:] = config.initial_log_variance

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, `(batch, latent, height / 8, width / 8)` each."""
        h = self.coarse(self.down(self.fine(self.stem(images))))
        residual, log_variance = self.out(functional.silu(self.norm(h))).float().chunk(2, dim=1)
        mean = self.linear(images).float() + residual
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


class PatchDecoder(nn.Module):
    """Latents to images, unclamped."""

    def __init__(self, config: PatchVaeConfig) -> None:
        super().__init__()
        fine, coarse, latent = config.fine_channels, config.coarse_channels, config.latent_channels
        self.linear = nn.Conv2d(latent, config.channels * FACTOR**2, 1)
        self.stem = nn.Conv2d(latent, coarse, 3, padding=1)
        self.coarse = nn.Sequential(*(ResidualBlock(coarse) for _ in range(config.coarse_blocks)))
        self.up = nn.Conv2d(coarse, 4 * fine, 1)
        self.fine = nn.Sequential(*(ResidualBlock(fine) for _ in range(config.fine_blocks)))
        self.norm = PixelNorm(fine)
        self.out = nn.Conv2d(fine, config.channels * STEM**2, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(zeroed(self.out.bias))

    def forward(self, latents: Tensor) -> Tensor:
        """Return images `(batch, channels, 8·height, 8·width)` in about [-1,1]."""
        latents = latents.to(self.stem.weight.dtype)  # the posterior is float32 whatever the weights are
        h = self.coarse(self.stem(latents))
        h = self.fine(functional.pixel_shuffle(self.up(h), 2))
        residual = functional.pixel_shuffle(self.out(functional.silu(self.norm(h))).float(), STEM)
        return functional.pixel_shuffle(self.linear(latents).float(), FACTOR) + residual


class PatchVae(nn.Module):
    """The patch-stem VAE: `encode` to a posterior, `decode_unclamped` back to an image in [-1,1]."""

    def __init__(self, config: PatchVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = PatchEncoder(config)
        self.decoder = PatchDecoder(config)

    def encode(self, images: Float[Tensor, "batch channels height width"]) -> Posterior:
        """Return the posterior of images in [-1,1] whose sides are multiples of 8."""
        mean, log_variance = self.encoder(images)
        return Posterior(mean, log_variance)

    def decode_unclamped(
        self, latents: Float[Tensor, "batch latent height width"]
    ) -> Float[Tensor, "batch channels high wide"]:
        """Return the images of `latents`, not clamped: training needs the gradient outside [-1,1] too."""
        images: Tensor = self.decoder(latents)
        return images

    def decode(self, latents: Float[Tensor, "batch latent height width"]) -> Float[Tensor, "batch channels high wide"]:
        """Return the images of `latents`, clamped to [-1,1]."""
        return self.decode_unclamped(latents).clamp(-1.0, 1.0)

    @torch.no_grad()
    def set_linear_path(
        self,
        mean_patch: Float[Tensor, " values"],
        basis: Float[Tensor, "values latent"],
        scale: Float[Tensor, " latent"],
    ) -> None:
        """Make the linear path the codec z = (x - mean) · basis / scale, x = mean + (z · scale) · basis.

        Args:
            mean_patch: mean of the flattened (channel, row, column) 8×8 patches in [-1,1].
            basis: orthonormal columns.
            scale: what a latent of 1 stands for along each column.
        """
        read = (basis / scale).T
        self.encoder.linear.weight.copy_(read.reshape(self.encoder.linear.weight.shape))
        zeroed(self.encoder.linear.bias).copy_(-(read @ mean_patch))
        write = basis * scale
        self.decoder.linear.weight.copy_(write.reshape(self.decoder.linear.weight.shape))
        zeroed(self.decoder.linear.bias).copy_(mean_patch)
