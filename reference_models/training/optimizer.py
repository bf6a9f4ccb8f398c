"""The optimiser, its schedule and its memory, for every player of a training."""

import contextlib
import io
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from reference_models.training.config import OptimizerConfig

ADAMW_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
PRODIGY_MOMENTS = ("exp_avg", "exp_avg_sq", "s", "p0")
ESTIMATES = ("d", "d_max", "d_numerator", "k")
"""The numbers, equal in all groups, that Prodigy steps by."""


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the learning rate of `step`, counted from 0: linear warm-up, then half a cosine."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    share = (step - config.warmup) / max(1, steps - config.warmup)
    return config.lr * (config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * share)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters of `optimizer`."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_of(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimiser over the trained parameters; vectors (biases, norms) do not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
    from prodigyopt import Prodigy

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its settings
        made: torch.optim.Optimizer = Prodigy(
            groups,
            lr=config.lr,
            betas=config.betas,
            weight_decay=config.weight_decay,
            use_bias_correction=True,
            safeguard_warmup=True,
        )
    return made


def moments_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return what the optimiser remembers: views of its tensors by name, and its numbers under `estimate.`.

    The tensors of parameters that have not moved yet are made as the optimiser itself would make them.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    adaptive = not isinstance(optimizer, torch.optim.AdamW)
    found = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            moments = optimizer.state[parameter]
            if not moments:
                moments |= _first_estimates(parameter) if adaptive else _first_moments(parameter)
            for moment in PRODIGY_MOMENTS if adaptive else ADAMW_MOMENTS:
                found[f"{moment}.{names[parameter]}"] = moments[moment]
    if adaptive:
        group = optimizer.param_groups[0]
        found |= {f"estimate.{name}": torch.tensor(float(group[name]), dtype=torch.float64) for name in ESTIMATES}
    return found


def restore_estimates(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    """Give a Prodigy its numbers back, from what `moments_of` returned; AdamW has none."""
    for name in ESTIMATES:
        if (value := moments.get(f"estimate.{name}")) is not None:
            for group in optimizer.param_groups:
                group[name] = int(value) if name == "k" else float(value)


def _first_moments(parameter: Tensor) -> dict[str, Tensor]:
    return {
        "step": torch.zeros((), device=parameter.device),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }


def _first_estimates(parameter: Tensor) -> dict[str, Any]:
    start = parameter.detach()
    return {
        "step": 0,
        "s": torch.zeros_like(start.flatten()),
        "p0": start.flatten().clone() if bool(start.any()) else start.new_zeros(()),
        "exp_avg": torch.zeros_like(start),
        "exp_avg_sq": torch.zeros_like(start),
    }
