"""Where a short training starts: colour is passed on, and alpha lies in the latent's quietest direction.

From zero, an encoder that nobody listens to and a decoder that hears nothing take very long to find each other.
Here both start out agreeing: the encoder adds the low-passed alpha along the direction in which the latents of
training images vary least, and the decoder listens to all directions alike. A grey composite is right wherever
the image is opaque, so the decoder starts by passing it on. silu(x) - silu(-x) = x carries a value through the
activations of both. All of it stays trainable. Our own construction; the paper starts from zero.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reference_models.layerdiffuse.config import ChannelOrder
from reference_models.layerdiffuse.networks import (
    Residual,
    TransparencyNetworks,
    TransparentDecoder,
    TransparentEncoder,
    stages_of,
)

CONSTANT = 2.0  # beside values within ±0.5: the norm of a group changes by 3 % at most
KEPT = 0.1  # of the random weights around the passage: they must not drown it, and must not be dead
MIDDLE = 0.5
REACH = 1.5  # standard deviations of the quietest direction, between half transparent and opaque
LISTENERS = 8  # decoder channels that hear that direction alone
LOUDNESS = 0.25  # of the other channels' hearing: beside features of about unit size


@dataclass(frozen=True)
class LatentFacts:
    """What the latents of training images look like.

    Attributes:
        mean: of each channel.
        covariance: between channels.
        spread: median posterior standard deviation of each channel.
    """

    mean: Float[Tensor, " latent"]
    covariance: Float[Tensor, "latent latent"]
    spread: Float[Tensor, " latent"]


def latent_facts(
    means: Float[Tensor, "image latent rows columns"], stds: Float[Tensor, "image latent rows columns"]
) -> LatentFacts:
    """Return the facts of posterior means and standard deviations."""
    flat = means.transpose(0, 1).flatten(1)
    return LatentFacts(flat.mean(1), torch.cov(flat), stds.transpose(0, 1).flatten(1).median(1).values)


@torch.no_grad()
def agree(networks: TransparencyNetworks, facts: LatentFacts) -> None:
    """Set both networks so that colour and a low-passed alpha already go through.

    Args:
        networks: freshly made, of the offset unit `posterior_std`.
        facts: of the base's latents.
    """
    variances, directions = torch.linalg.eigh(facts.covariance)  # the quietest first
    pass_colour_on(networks.decoder, networks.config.channel_order)
    write_alpha(
        networks.encoder,
        networks.config.channel_order,
        # Alpha less a half lies within ±0.5, hence the factor of two.
        2 * REACH * variances[0].sqrt() * directions[:, 0] / (networks.config.offset_gain * facts.spread),
    )
    listen(networks.decoder, facts.mean, directions / variances.sqrt())


@torch.no_grad()
def write_alpha(encoder: TransparentEncoder, order: ChannelOrder, direction: Float[Tensor, " latent"]) -> None:
    """Set `encoder` to write (low-passed alpha - 0.5) · `direction`, by its first two channels."""
    convs = [layer for layer in encoder.blocks if isinstance(layer, nn.Conv2d)]
    binomial = torch.tensor([1.0, 2.0, 1.0]) / 4
    first, *between, last = convs
    first.weight[:2], bias_of(first)[:2] = 0, torch.tensor([-MIDDLE, MIDDLE])
    first.weight[:2, 0 if order == "ARGB" else 3, 1, 1] = torch.tensor([1.0, -1.0])
    carried = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])[:, :, None, None]
    for conv in between:
        tap = torch.zeros(3, 3)
        tap[1, 1] = 1
        conv.weight[:2], bias_of(conv)[:2] = 0, 0
        conv.weight[:2, :2] = carried * (torch.outer(binomial, binomial) if conv.stride == (2, 2) else tap)
    last.weight[:, 0, 1, 1], last.weight[:, 1, 1, 1] = direction, -direction


@torch.no_grad()
def listen(
    decoder: TransparentDecoder, mean: Float[Tensor, " latent"], white: Float[Tensor, "latent direction"]
) -> None:
    """Set how `decoder` reads latents: all directions equally loud, some channels for the first one alone.

    Args:
        decoder: to set.
        mean: of the latents.
        white: columns that latents less their mean are multiplied by for unit variances, the quietest first.
    """
    reader = decoder.latent_conv_in
    heard = torch.randn(reader.out_channels, reader.in_channels) * LOUDNESS
    heard[:LISTENERS] = 0
    heard[:LISTENERS, 0] = 1 - 2 * (torch.arange(LISTENERS) % 2).float()
    weight = heard @ white.T
    reader.weight.copy_(weight[:, :, None, None])
    bias_of(reader).copy_(-(weight @ mean))


@torch.no_grad()
def pass_colour_on(decoder: TransparentDecoder, order: ChannelOrder) -> None:
    """Set `decoder` so that the colour it writes is close to the image it reads, and its alpha about 0.5.

    Each colour has a group of the first stage's channels: its value, the negative value, and constants of both
    signs. A decoder with fewer than three groups, or an odd number or fewer than four channels in a group, is
    left as it is. All of it stays trainable.
    """
    groups, width = decoder.conv_norm_out.num_groups, decoder.conv_norm_out.num_channels
    size = width // groups
    if groups < 3 or size < 4 or size % 2:
        return
    read, written = decoder.conv_in, decoder.conv_out
    last = cast("Residual", stages_of(decoder.up_blocks)[-1].resnets[-1])
    shortcut = cast("nn.Conv2d", last.conv_shortcut)  # it has one: the skip makes its input wider
    for parameter in (*last.conv2.parameters(), *shortcut.parameters(), *written.parameters()):
        parameter.mul_(KEPT)
    bias_of(written).fill_(MIDDLE)
    skipped = shortcut.in_channels - width  # the skip, the first convolution's output, comes behind these
    gain = CONSTANT * math.sqrt((size - 2) / size)  # what the norm divides by, nearly
    for colour in range(3):
        channels = slice(colour * size, (colour + 1) * size)
        signs = torch.ones(size)
        signs[1::2] = -1
        read.weight[channels] = 0
        read.weight[colour * size : colour * size + 2, colour, 1, 1] = signs[:2]
        bias_of(read)[channels] = CONSTANT * signs
        bias_of(read)[colour * size : colour * size + 2] = -MIDDLE * signs[:2]
        shortcut.weight[channels] = 0
        for channel in range(channels.start, channels.stop):
            shortcut.weight[channel, skipped + channel] = 1
        bias_of(shortcut)[channels] = 0
        plane = colour + 1 if order == "ARGB" else colour
        written.weight[plane] = 0
        written.weight[plane, colour * size : colour * size + 2, 1, 1] = gain * signs[:2]


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution that has one."""
    if conv.bias is None:
        raise TypeError("this layer was built with a bias")
    return conv.bias
