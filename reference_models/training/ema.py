"""Averaged weights: smoother than the trained ones, hence the ones that are validated and exported."""

import copy

import torch
from torch import nn


class AveragedModel:
    """An exponential moving average of a model's parameters, with a short memory at first.

    Attributes:
        model: the averaged copy, in evaluation mode, without gradients.
        decay: largest decay.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards `model` after optimiser step `step`, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = [average.detach() for average in self.model.parameters()]
        values = [value.detach() for value in model.parameters()]
        torch._foreach_lerp_(averages, values, 1 - decay)
