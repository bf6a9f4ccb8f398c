"""Resume points: weights, averages and optimiser moments as safetensors, replaced atomically.

Nothing else is needed: the schedule is a function of the step, and so is all randomness.
"""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.models.checkpoints import read_json, read_state

KEPT = 2
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save(
    folder: Path,
    *,
    step: int,
    settings: str,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the resume point of `step` into `folder` and keep the last two.

    The files are written beside their final place and renamed, so that a kill leaves the previous one whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".step_{step:07d}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    tensors = {name: tensor.contiguous() for name, tensor in _tensors(model, average, optimizer).items()}
    save_file(tensors, temporary / "state.safetensors")
    (temporary / "state.json").write_text(json.dumps({"step": step, "settings": settings}), encoding="utf-8")
    for path in temporary.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    final = folder / f"step_{step:07d}"
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in _points(folder)[:-KEPT]:
        shutil.rmtree(old)


def last(folder: Path) -> Path | None:
    """Return the newest resume point in `folder`, or None."""
    points = _points(folder)
    return points[-1] if points else None


def load(point: Path, *, settings: str, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Set model, average and optimiser to a resume point and return its step.

    Raises:
        DataError: the point belongs to other settings, or its files are damaged.
    """
    state = read_json(point / "state.json")
    if state.get("settings") != settings:
        raise DataError(
            f"{point} was written by a run with other settings",
            remedy="Resume with the recipe it was started with, or start afresh in another folder.",
        )
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
    tensors = _tensors(model, average, optimizer)
    found = read_state(point / "state.safetensors", {name: tuple(t.shape) for name, t in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(found[name])
    return int(state["step"])


def _points(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step_*") if path.is_dir())


def _tensors(model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return views of everything that a resume needs, by name."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    for parameter, moments in optimizer.state.items():
        for moment in MOMENTS:
            tensors[f"{moment}.{names[parameter]}"] = moments[moment]
    return {name: tensor.detach() for name, tensor in tensors.items()}
