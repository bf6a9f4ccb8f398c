"""Opaque initialisation: an RGB autoencoder widened to RGBA that starts as the RGB one on opaque images.

Every layer that reads image channels gets zero weights for alpha, every layer that writes them gets zero
weights and, summed over the layers that write, bias 1: alpha 1 in [-1,1], opaque (arXiv 2507.09308).
"""

import copy
import dataclasses
from typing import Any, Literal, TypeVar

import torch
from torch import nn

from alphabench.errors import DataError
from reference_models.rgb_vae.model import FACTOR, STEM, PatchVae

Vae = TypeVar("Vae", bound=nn.Module)
Initialisation = Literal["opaque", "random"]


class WideningError(DataError):
    """The autoencoder does not have exactly three image channels."""


def widen(vae: Vae, *, initialisation: Initialisation = "opaque", seed: int = 0) -> Vae:
    """Return a copy of `vae` for RGBA: same rgb for any alpha, alpha output exactly 1, same dtype and device.

    Args:
        vae: a `PatchVae`, or a diffusers `AutoencoderKL` (or a class with the same two outer convolutions).
        initialisation: `random` draws the weights of alpha as a new convolution draws all of its own, instead
            of the opaque ones: what opaque initialisation is compared with.
        seed: of the random weights.

    Raises:
        WideningError: the autoencoder has four image channels already, or another number than three.
    """
    wide: Any = copy.deepcopy(vae)
    random = torch.Generator().manual_seed(seed) if initialisation == "random" else None
    if isinstance(vae, PatchVae):
        _refuse_unless_rgb(vae.config.channels, vae.config.channels)
        encoder, decoder = wide.encoder, wide.decoder
        encoder.linear, encoder.stem = _wide_reader(encoder.linear, random), _wide_reader(encoder.stem, random)
        # Two layers write, and their outputs are added: one of them carries the bias.
        decoder.linear = _wide_writer(decoder.linear, pixels=FACTOR**2, alpha=1.0, random=random)
        decoder.out = _wide_writer(decoder.out, pixels=STEM**2, alpha=0.0, random=random)
        wide.config = dataclasses.replace(vae.config, channels=4)
    elif hasattr(wide, "register_to_config"):
        _refuse_unless_rgb(wide.config.in_channels, wide.config.out_channels)
        wide.encoder.conv_in = _wide_reader(wide.encoder.conv_in, random)
        wide.decoder.conv_out = _wide_writer(wide.decoder.conv_out, pixels=1, alpha=1.0, random=random)
        # register_to_config keeps the other keys readable as attributes; a plain dict would lose them.
        wide.register_to_config(in_channels=4, out_channels=4)
    else:
        raise WideningError(
            f"cannot widen a {type(vae).__name__}", remedy="Give a PatchVae or a diffusers AutoencoderKL."
        )
    widened: Vae = wide
    return widened


def _refuse_unless_rgb(read: int, written: int) -> None:
    if (read, written) == (4, 4):
        raise WideningError(
            "this autoencoder has four image channels already",
            remedy="Widen the RGB autoencoder it came from.",
        )
    if (read, written) != (3, 3):
        raise WideningError(
            f"this autoencoder reads {read} and writes {written} image channels, not 3 and 3",
            remedy="Only RGB autoencoders can be widened.",
        )


def _like(conv: nn.Conv2d, read: int, written: int) -> nn.Conv2d:
    """Return an uninitialised convolution of other width with everything else as in `conv`."""
    return nn.Conv2d(
        read,
        written,
        conv.kernel_size,  # type: ignore[arg-type]
        stride=conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        dilation=conv.dilation,  # type: ignore[arg-type]
        padding_mode=conv.padding_mode,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    ).train(conv.training)


@torch.no_grad()
def _wide_reader(conv: nn.Conv2d, random: torch.Generator | None) -> nn.Conv2d:
    wide = _like(conv, 4, conv.out_channels)
    wide.weight.zero_()
    if random is not None:
        _draw(wide.weight, wide, random)
    wide.weight[:, :3] = conv.weight
    _bias(wide).copy_(_bias(conv))
    return wide


@torch.no_grad()
def _wide_writer(conv: nn.Conv2d, *, pixels: int, alpha: float, random: torch.Generator | None) -> nn.Conv2d:
    """Add alpha rows after the colour rows, `pixels` rows for each channel: a pixel shuffle follows."""
    wide = _like(conv, conv.in_channels, 4 * pixels)
    wide.weight.zero_()
    _bias(wide)[3 * pixels :] = alpha
    if random is not None:
        _draw(wide.weight, wide, random)
        _draw(_bias(wide), wide, random)
    wide.weight[: 3 * pixels] = conv.weight
    _bias(wide)[: 3 * pixels] = _bias(conv)
    return wide


def _draw(values: torch.Tensor, conv: nn.Conv2d, random: torch.Generator) -> None:
    """Draw evenly within ± 1/√(numbers that one output reads), as PyTorch starts a convolution."""
    bound = conv.weight[0].numel() ** -0.5
    values.copy_((torch.rand(values.shape, generator=random) * 2 - 1) * bound)


def _bias(conv: nn.Conv2d) -> torch.Tensor:
    if conv.bias is None:
        raise WideningError(
            "an outer convolution has no bias to make alpha opaque with", remedy="Give it a zero bias first."
        )
    return conv.bias
