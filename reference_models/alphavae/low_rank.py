"""Low-rank fine-tuning of an AlphaVAE: small changes of frozen layers, and the alpha rows in full.

Each inner weight W becomes W + U·V with U of `rank` columns and V of `rank` rows, W read as a matrix with one
row for each output (arXiv 2106.09685). The outer convolutions keep their colour weights and train those of
alpha, which a low-rank change of nothing could not stand for. Both are parametrisations in PyTorch's sense:
layers keep their class and their place, and merging leaves a plain network.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from reference_models.alphavae.model import AlphaVae
from reference_models.rgb_vae.model import FACTOR, STEM, PatchVae


class LowRank(nn.Module):
    """The parametrisation W + U·V; U starts at zero, so that the network starts unchanged."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        rank = min(rank, outputs, inputs)
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        down = torch.randn(rank, inputs, generator=generator) * inputs**-0.5
        self.down = nn.Parameter(down.to(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight."""
        return weight + (self.up @ self.down).reshape(weight.shape)


class AlphaPart(nn.Module):
    """The parametrisation of a tensor whose part from index `first` on along `axis` is trained."""

    def __init__(self, tensor: Tensor, axis: int, first: int) -> None:
        super().__init__()
        self.axis, self.first = axis, first
        self.part = nn.Parameter(tensor.detach().narrow(axis, first, tensor.shape[axis] - first).clone())

    def forward(self, tensor: Tensor) -> Tensor:
        """Return the tensor with its trained part in place."""
        return torch.cat([tensor.narrow(self.axis, 0, self.first), self.part], self.axis)


def make_low_rank(vae: AlphaVae, rank: int, *, seed: int) -> None:
    """Freeze `vae` but for low-rank changes of its inner layers and the alpha rows of its outer ones."""
    vae.requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    outer = _outer_layers(vae)
    for layer, parts in outer:
        for name, axis, first in parts:
            tensor: Tensor = getattr(layer, name)
            parametrize.register_parametrization(layer, name, AlphaPart(tensor, axis, first))
    alpha_layers = {id(layer) for layer, _ in outer}
    inner = [module for module in vae.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer in inner:
        if id(layer) not in alpha_layers:
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, generator))


def merged(vae: AlphaVae) -> AlphaVae:
    """Return a copy of `vae` with plain weights, those that the changed layers compute with."""
    plain = copy.deepcopy(vae)
    for module in list(plain.modules()):
        if parametrize.is_parametrized(module):
            # `remove_parametrizations` would change the class that the copy shares with its original.
            values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}  # type: ignore[union-attr]
            del module.parametrizations
            module.__class__ = type(module).__bases__[0]
            for name, value in values.items():
                module.register_parameter(name, nn.Parameter(value, requires_grad=False))
    return plain


def _outer_layers(vae: AlphaVae) -> list[tuple[nn.Module, list[tuple[str, int, int]]]]:
    """Return the layers that read or write image channels, with the axis and start of alpha in their tensors."""
    encoder, decoder = vae.network.encoder, vae.network.decoder

    def writer(first: int) -> list[tuple[str, int, int]]:
        return [("weight", 0, first), ("bias", 0, first)]

    if isinstance(vae.network, PatchVae):
        return [
            (encoder.linear, [("weight", 1, 3)]),
            (encoder.stem, [("weight", 1, 3)]),
            (decoder.linear, writer(3 * FACTOR**2)),
            (decoder.out, writer(3 * STEM**2)),
        ]
    return [(encoder.conv_in, [("weight", 1, 3)]), (decoder.conv_out, writer(3))]
