"""The two trained networks of LayerDiffuse: transparent encoder and transparent decoder (arXiv 2402.17113).

Names and shapes of all tensors are those of the released files; only `layout` of the tests and these classes
know them. Everything that goes in and out is in [0,1], latents are unscaled.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reference_models.layerdiffuse.config import LayerDiffuseConfig

INJECTED_BEFORE = 3  # the stage at an eighth of the resolution, where the latent is added
NORM_EPSILON = 1e-5

Features = Float[Tensor, "batch channels height width"]
OtherWidth = Float[Tensor, "batch _ height width"]
OtherSize = Float[Tensor, "batch channels _ _"]


class TransparentEncoder(nn.Module):
    """Alpha and padded colour to the raw offset of the latent; the last layer starts at zero."""

    def __init__(self, config: LayerDiffuseConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (read, width) in enumerate(pairwise((4, *config.encoder_widths))):
            stride = 1 if index == 0 else 2
            layers += [nn.Conv2d(read, width, 3, stride=stride, padding=1), nn.SiLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.SiLU()]
        layers.append(zeroed(nn.Conv2d(config.encoder_widths[-1], config.latent_channels, 3, padding=1)))
        self.blocks = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "batch 4 height width"]) -> Float[Tensor, "batch latent rows columns"]:
        """Return the offset of each latent number, unscaled by the gain."""
        offsets: Tensor = self.blocks(images)
        return offsets


class Residual(nn.Module):
    """Two 3×3 convolutions beside their input, which a 1×1 convolution widens where it must."""

    def __init__(self, read: int, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, read, eps=NORM_EPSILON)
        self.conv1 = nn.Conv2d(read, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width, eps=NORM_EPSILON)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(read, width, 1) if read != width else None

    def forward(self, x: Features) -> OtherWidth:
        """Return the features, `width` channels wide."""
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h)))
        shortcut: Tensor = x if self.conv_shortcut is None else self.conv_shortcut(x)
        summed: Tensor = shortcut + h
        return summed


class Attention(nn.Module):
    """Every position asks every other, in heads of `head_dim`; added to the input."""

    def __init__(self, width: int, groups: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.group_norm = nn.GroupNorm(groups, width, eps=NORM_EPSILON)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])  # a list, because the released name is to_out.0

    def forward(self, x: Features) -> Features:
        """Return features of the same shape."""
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        queries, keys, values = (
            read(tokens).unflatten(2, (-1, self.head_dim)).transpose(1, 2) for read in (self.to_q, self.to_k, self.to_v)
        )
        found = functional.scaled_dot_product_attention(queries, keys, values)
        written: Tensor = self.to_out[0](found.transpose(1, 2).flatten(2))
        summed: Tensor = x + written.transpose(1, 2).unflatten(2, tuple(x.shape[2:]))
        return summed


class Resampler(nn.Module):
    """A 3×3 convolution that halves the sides, or one after doubling them."""

    def __init__(self, width: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv = nn.Conv2d(width, width, 3, stride=2 if down else 1, padding=1)

    def forward(self, x: Features) -> OtherSize:
        """Return the features at half or at twice the resolution."""
        resampled: Tensor = self.conv(x if self.down else functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return resampled


class Stage(nn.Module):
    """Residual blocks, with attention after each or after none, and perhaps a resampler."""

    def __init__(
        self, reads: Sequence[int], width: int, config: LayerDiffuseConfig, *, attention: bool, down: bool, last: bool
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(read, width, config.groups) for read in reads)
        if attention:
            self.attentions = nn.ModuleList(Attention(width, config.groups, config.head_dim) for _ in reads)
        if not last:
            name = "downsamplers" if down else "upsamplers"
            self.add_module(name, nn.ModuleList([Resampler(width, down=down)]))

    def attended(self, index: int, x: Features) -> Features:
        """Return `x` after the attention that follows residual block `index`, if there is one."""
        attentions = getattr(self, "attentions", None)
        return x if attentions is None else attentions[index](x)

    def resampled(self, x: Features) -> OtherSize | None:
        """Return `x` at the next stage's resolution, or None in the last stage."""
        resamplers = getattr(self, "downsamplers", None) or getattr(self, "upsamplers", None)
        return None if resamplers is None else resamplers[0](x)


class Middle(nn.Module):
    """The coarsest stage: a residual block, attention, a residual block."""

    def __init__(self, width: int, config: LayerDiffuseConfig) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(width, width, config.groups) for _ in range(2))
        self.attentions = nn.ModuleList([Attention(width, config.groups, config.head_dim)])

    def forward(self, x: Features) -> Features:
        """Return features of the same shape."""
        middle: Tensor = self.resnets[1](self.attentions[0](self.resnets[0](x)))
        return middle


class TransparentDecoder(nn.Module):
    """A U-Net from the frozen decode and the latent to alpha and straight colour; the latent starts unheard."""

    def __init__(self, config: LayerDiffuseConfig) -> None:
        super().__init__()
        widths, layers = config.decoder_widths, config.decoder_layers
        count = len(widths)
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.latent_conv_in = zeroed(nn.Conv2d(config.latent_channels, widths[INJECTED_BEFORE - 1], 1))
        self.down_blocks = nn.ModuleList(
            Stage(
                [widths[max(stage - 1, 0)], *[width] * (layers - 1)],
                width,
                config,
                attention=stage >= config.first_attn,
                down=True,
                last=stage == count - 1,
            )
            for stage, width in enumerate(widths)
        )
        self.mid_block = Middle(widths[-1], config)
        self.up_blocks = nn.ModuleList(
            Stage(
                [widths[min(stage + 1, count - 1)] + widths[stage]]
                + [2 * widths[stage]] * (layers - 1)
                + [widths[stage] + widths[max(stage - 1, 0)]],
                widths[stage],
                config,
                attention=stage >= config.first_attn,
                down=False,
                last=stage == 0,
            )
            for stage in reversed(range(count))
        )
        self.conv_norm_out = nn.GroupNorm(config.groups, widths[0], eps=NORM_EPSILON)
        self.conv_out = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(
        self,
        rgb: Float[Tensor, "batch 3 height width"],
        latents: Float[Tensor, "batch latent rows columns"],
    ) -> Float[Tensor, "batch 4 height width"]:
        """Return four channels in the config's order, unclipped.

        Args:
            rgb: frozen decode in [0,1], sides multiples of two to the number of stages less one.
            latents: what was decoded, unscaled, at an eighth of the resolution.
        """
        x = self.conv_in(rgb)
        skips = [x]
        for index, stage in enumerate(stages_of(self.down_blocks)):
            if index == INJECTED_BEFORE:
                # Not in place: the tensor before the addition is one of the skips.
                x = x + self.latent_conv_in(latents.to(x.dtype))
            for layer, resnet in enumerate(stage.resnets):
                x = stage.attended(layer, resnet(x))
                skips.append(x)
            if (smaller := stage.resampled(x)) is not None:
                x = smaller
                skips.append(x)
        x = self.mid_block(x)
        for stage in stages_of(self.up_blocks):
            for layer, resnet in enumerate(stage.resnets):
                x = stage.attended(layer, resnet(torch.cat([x, skips.pop()], 1)))
            if (larger := stage.resampled(x)) is not None:
                x = larger
        written: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return written


class TransparencyNetworks(nn.Module):
    """Both trained networks, and nothing of the frozen base: what is averaged, checkpointed and exported.

    Attributes:
        config: their shape and conventions.
        encoder: the transparent encoder.
        decoder: the transparent decoder.
    """

    def __init__(self, config: LayerDiffuseConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TransparentEncoder(config)
        self.decoder = TransparentDecoder(config)


def stages_of(blocks: nn.ModuleList) -> list[Stage]:
    """Return the stages in a list of modules that holds nothing else."""
    return cast("list[Stage]", list(blocks))


def zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    """Return `conv` with weights and bias set to zero."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
