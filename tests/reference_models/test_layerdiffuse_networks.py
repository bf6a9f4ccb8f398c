"""The two networks: tensors of the released files by name, shape and digest; the forward pass against diffusers."""

import hashlib
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_blocks import (
    AttnDownBlock2D,
    AttnUpBlock2D,
    DownBlock2D,
    UNetMidBlock2D,
    UpBlock2D,
)
from torch import Tensor, nn
from torch.nn import functional

from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.initial import pass_colour_on
from reference_models.layerdiffuse.networks import TransparencyNetworks, TransparentDecoder

MINI: dict[str, Any] = {
    "latent_channels": 16,
    "encoder_widths": (16, 32, 64, 128),
    "decoder_widths": (16, 32, 64, 128, 128),
    "decoder_layers": 1,
}
FLUX: dict[str, Any] = {"latent_channels": 16}

# Tensors, parameters, digest of names and shapes: counted from the released layouts.
FACTS = {
    "sdxl decoder": ({}, 538, 104_104_804, "db3729d9a6509a73e6d05ae250de10dddfa857a1df7b00ee16bc53ac211ea382"),
    "flux decoder": (FLUX, 538, 104_105_572, "fd372e8ab06fa32967d703682e0901ea63ea970434378001f979d72bf8dc6cc6"),
    "sdxl encoder": ({}, 18, 1_181_764, "b00e206c440bfc5107a3988cd9917b8d9ed2dd6bfa13cfe2c89f752fef0ee57b"),
    "flux encoder": (FLUX, 18, 1_209_424, "6d80189adf7f3522ccefc83836a3eda0682eb0c401574af475e47636a3e26b98"),
    "mini decoder": (MINI, 226, 4_164_148, "5b5c17d8196dedea5252635a7e59fc9c2824dadeb25baf95cb3d90c7f6dc8ac3"),
    "mini encoder": (MINI, 18, 312_112, "fdc8539fdcd3dae6d21b574db357fd3c9ad5ab86c82435615ee50a8b2613fa02"),
}

# Tensors and parameters of each part of the SDXL decoder, counted by hand from the layout.
PARTS = {
    "conv_in": (2, 896),
    "latent_conv_in": (2, 320),
    **{
        f"down_blocks.{index}": numbers
        for index, numbers in enumerate(
            [
                (18, 46_496),
                (18, 46_496),
                (20, 168_768),
                (20, 673_408),
                (40, 3_217_664),
                (40, 12_857_856),
                (36, 11_546_624),
            ]
        )
    },
    "mid_block": (26, 10_494_976),
    **{
        f"up_blocks.{index}": numbers
        for index, numbers in enumerate(
            [
                (62, 28_335_104),
                (62, 27_023_872),
                (62, 7_417_600),
                (32, 1_658_496),
                (32, 415_552),
                (32, 109_504),
                (30, 89_952),
            ]
        )
    },
    "conv_norm_out": (2, 64),
    "conv_out": (2, 1_156),
}


def config(**sizes: Any) -> LayerDiffuseConfig:
    return LayerDiffuseConfig(base="vae", base_sha256="", channel_order="ARGB", offset_gain=300.0, **sizes)


def on_meta(**sizes: Any) -> TransparencyNetworks:
    with torch.device("meta"):
        return TransparencyNetworks(config(**sizes))


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("name", list(FACTS))
def test_names_and_shapes_are_those_of_the_release(name: str) -> None:
    sizes, tensors, parameters, digest = FACTS[name]
    shapes = shapes_of(getattr(on_meta(**sizes), name.split()[1]))
    lines = [f"{key} {','.join(map(str, shapes[key]))}" for key in sorted(shapes)]
    assert len(shapes) == tensors
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == digest


def test_the_parameters_of_each_part_of_the_released_decoder() -> None:
    shapes = shapes_of(on_meta().decoder)
    found: dict[str, tuple[int, int]] = {}
    for name, shape in shapes.items():
        part = next(part for part in PARTS if name.startswith(f"{part}."))
        tensors, parameters = found.get(part, (0, 0))
        found[part] = (tensors + 1, parameters + torch.Size(shape).numel())
    assert found == PARTS
    assert shapes["down_blocks.4.resnets.0.conv_shortcut.weight"] == (256, 128, 1, 1)
    assert shapes["up_blocks.1.resnets.2.conv1.weight"] == (512, 768, 3, 3)
    assert shapes["mid_block.attentions.0.to_out.0.bias"] == (512,)


def test_a_fresh_decoder_does_not_hear_the_latent_and_a_fresh_encoder_is_silent() -> None:
    networks = TransparencyNetworks(config(**MINI))
    rgb = torch.rand(1, 3, 32, 32)
    one, other = (networks.decoder(rgb, torch.randn(1, 16, 4, 4)) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.equal(networks.encoder(torch.rand(1, 4, 32, 32)), torch.zeros(1, 16, 4, 4))


class FromDiffusers(nn.Module):
    """The same network of diffusers' own blocks, as the released code builds it."""

    def __init__(self, widths: tuple[int, ...], layers: int, latent: int) -> None:
        super().__init__()
        common: dict[str, Any] = {"temb_channels": None, "resnet_eps": 1e-5, "resnet_groups": 4, "dropout": 0.0}
        count = len(widths)
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.latent_conv_in = nn.Conv2d(latent, widths[2], 1)
        self.down_blocks = nn.ModuleList()
        for index, width in enumerate(widths):
            sizes = {"in_channels": widths[max(index - 1, 0)], "out_channels": width, "num_layers": layers}
            last = index == count - 1
            if index >= 4:
                down: nn.Module = AttnDownBlock2D(
                    **sizes, **common, attention_head_dim=8, downsample_type=None if last else "conv"
                )
            else:
                down = DownBlock2D(**sizes, **common, add_downsample=not last)
            self.down_blocks.append(down)
        self.mid_block = UNetMidBlock2D(in_channels=widths[-1], attention_head_dim=8, attn_groups=None, **common)
        self.up_blocks = nn.ModuleList()
        for index, stage in enumerate(reversed(range(count))):
            sizes = {
                "in_channels": widths[max(stage - 1, 0)],
                "prev_output_channel": widths[min(stage + 1, count - 1)],
                "out_channels": widths[stage],
                "num_layers": layers + 1,
            }
            last = index == count - 1
            if stage >= 4:
                up: nn.Module = AttnUpBlock2D(
                    **sizes, **common, attention_head_dim=8, upsample_type=None if last else "conv"
                )
            else:
                up = UpBlock2D(**sizes, **common, add_upsample=not last)
            self.up_blocks.append(up)
        self.conv_norm_out = nn.GroupNorm(4, widths[0], eps=1e-5)
        self.conv_out = nn.Conv2d(widths[0], 4, 3, padding=1)

    def forward(self, rgb: Tensor, latents: Tensor) -> Tensor:
        x = self.conv_in(rgb)
        skips = (x,)
        for index, block in enumerate(self.down_blocks):
            if index == 3:
                x = x + self.latent_conv_in(latents)
            x, states = block(hidden_states=x, temb=None)
            skips += states
        x = self.mid_block(x, None)
        for block in self.up_blocks:
            count = len(block.resnets)
            x = block(hidden_states=x, temb=None, res_hidden_states_tuple=skips[-count:])
            skips = skips[:-count]
        written: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return written


@pytest.mark.parametrize("layers", [1, 2])
def test_the_forward_pass_is_that_of_diffusers_blocks(layers: int) -> None:
    sizes = MINI | {"decoder_layers": layers}
    ours = TransparentDecoder(config(**sizes)).eval()
    for parameter in ours.parameters():  # the zeros too, or the latent would not be tested
        nn.init.normal_(parameter, std=0.1 if parameter.ndim == 1 else parameter[0].numel() ** -0.5)
    theirs = FromDiffusers(sizes["decoder_widths"], layers, 16).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    rgb, latents = torch.rand(1, 3, 64, 128), torch.randn(1, 16, 8, 16)
    with torch.no_grad():
        made = ours(rgb, latents)
        torch.testing.assert_close(made, theirs(rgb, latents), atol=2e-5, rtol=1e-5)
        assert (made - ours(rgb, -latents)).abs().max() > 1e-3


@pytest.mark.parametrize("order", ["ARGB", "RGBA"])
def test_training_starts_at_passing_the_colour_on(order: Any) -> None:
    decoder = TransparentDecoder(config(**MINI))
    pass_colour_on(decoder, order)
    rgb = functional.interpolate(torch.rand(2, 3, 8, 8), (64, 64), mode="bilinear")
    with torch.no_grad():
        made = decoder(rgb, torch.randn(2, 16, 8, 8))
    colour = made[:, 1:] if order == "ARGB" else made[:, :3]
    alpha = made[:, :1] if order == "ARGB" else made[:, 3:]
    assert (colour - rgb).square().mean().sqrt() < 0.04
    assert (alpha - 0.5).abs().max() < 0.2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"decoder_widths": (32, 32, 64)}, "stages"),
        ({"decoder_widths": (30, 32, 64, 64)}, "multiples of groups"),
        ({"head_dim": 48}, "head_dim"),
        ({"encoder_widths": (8, 8, 8, 10**9)}, "4096"),
        ({"offset_unit": "latent_std"}, "latent_std must hold 4"),
        ({"latent_std": (1.0,)}, "latent_std must hold 0"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**sizes)


def test_the_size_multiple_follows_from_the_stages() -> None:
    assert config().size_multiple == 64
    assert config(**MINI).size_multiple == 16
    assert config(decoder_widths=(16, 16, 16, 16)).size_multiple == 8
