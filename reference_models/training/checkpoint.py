"""Resume points: weights, averages and optimiser moments as safetensors, replaced atomically.

Nothing else is needed: the schedule is a function of the step, and so is all randomness.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.models.checkpoints import read_json, read_state
from reference_models.training.optimizer import moments_of, restore_estimates

KEPT = 2
LISTED = 3  # how many differing keys a message shows
DATA = "data_sha256"
"""The input that may change: a file that has gone bad must not cost a run its weeks."""


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Everything that a training changes.

    Attributes:
        model: what is trained.
        average: its averaged copy.
        optimizer: that of the model.
        adversary: the discriminator, or None.
        adversary_optimizer: that of the discriminator, or None.
    """

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    adversary: nn.Module | None = None
    adversary_optimizer: torch.optim.Optimizer | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return views of all of it by name, the moments of parameters that have not moved yet as zeros."""
        tensors = {f"model.{name}": tensor for name, tensor in _own(self.model).items()}
        tensors |= {f"average.{name}": tensor for name, tensor in _own(self.average).items()}
        tensors |= moments_of(self.model, self.optimizer)
        if self.adversary is not None and self.adversary_optimizer is not None:
            tensors |= {f"adversary.{name}": tensor for name, tensor in _own(self.adversary).items()}
            moments = moments_of(self.adversary, self.adversary_optimizer)
            tensors |= {f"adversary_{name}": tensor for name, tensor in moments.items()}
        return {name: tensor.detach() for name, tensor in tensors.items()}

    def restored(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what is not a tensor in place: the numbers that an optimiser steps by."""
        restore_estimates(self.optimizer, tensors)
        if self.adversary_optimizer is not None:
            own = {name.removeprefix("adversary_"): value for name, value in tensors.items() if "_estimate." in name}
            restore_estimates(self.adversary_optimizer, own)


def save(
    folder: Path, *, step: int, settings: str, state: TrainingState, inputs: Mapping[str, str] | None = None
) -> None:
    """Write the resume point of `step` into `folder` and keep the last two.

    The files are written beside their final place and renamed, so that a kill or a full disk leaves the
    previous one whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".step_{step:07d}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(temporary, {"step": step, "settings": settings, "inputs": dict(inputs or {})}, state)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # a full disk needs the space
        raise
    final = folder / f"step_{step:07d}"
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    for old in _points(folder)[:-KEPT]:
        shutil.rmtree(old)


def _write(folder: Path, facts: Mapping[str, Any], state: TrainingState) -> None:
    folder.mkdir()
    tensors = {
        # Counters (of batches seen) become floating point numbers, the only kind that `read_state` takes.
        name: (tensor if tensor.is_floating_point() else tensor.double()).contiguous()
        for name, tensor in state.tensors().items()
    }
    save_file(tensors, folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps(facts), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def last(folder: Path) -> Path | None:
    """Return the newest resume point in `folder`, or None."""
    points = _points(folder)
    return points[-1] if points else None


def load(point: Path, *, settings: str, state: TrainingState, inputs: Mapping[str, str] | None = None) -> int:
    """Set everything in `state` to a resume point and return its step.

    Raises:
        DataError: the point belongs to other settings (the message names the keys and both values) or was built
            on another model of the same name, or its files are damaged.
    """
    saved = read_json(point / "state.json")
    if (theirs := str(saved.get("settings"))) != settings and (told := differences(theirs, settings)):
        raise DataError(
            f"{point} was written by a run with other settings: {told}",
            remedy="Resume with the recipe it was started with, or start afresh in another folder.",
        )
    if other := [name for name in changed_inputs(point, inputs or {}) if name != DATA]:
        raise DataError(
            f"{point} was written by a run that built on another model: {', '.join(other)} has changed",
            remedy="Bring back the model that the run started with, or start afresh in another folder.",
        )
    tensors = state.tensors()
    found = read_state(point / "state.safetensors", {name: tuple(t.shape) for name, t in tensors.items()})
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(found[name])
    state.restored(tensors)
    return int(saved["step"])


def changed_inputs(point: Path, inputs: Mapping[str, str]) -> list[str]:
    """Return the names of the inputs whose digests are other ones than those of a resume point."""
    told = read_json(point / "state.json").get("inputs", {})
    return [name for name, digest in inputs.items() if name in told and told[name] != digest]


def differences(theirs: str, ours: str) -> str:
    """Return the keys in which two TOML settings differ, with both values, for a message; empty if none does.

    A key that only `ours` has, with an empty list or text, is one that the earlier version did not know.
    """
    before, now = _flat(theirs), _flat(ours)
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    keys = [key for key in keys if key in before or now[key] not in ([], "")]
    shown = [f"{key} is {_spoken(now, key)} here and {_spoken(before, key)} there" for key in keys[:LISTED]]
    return "; ".join(shown) + (f"; and {len(keys) - LISTED} more" if len(keys) > LISTED else "")


def _spoken(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "absent"


def _flat(settings: str) -> dict[str, Any]:
    try:
        return dict(_leaves("", tomllib.loads(settings)))
    except tomllib.TOMLDecodeError:
        return {"settings": settings}


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [leaf for key, item in value.items() for leaf in _leaves(f"{prefix}.{key}" if prefix else key, item)]
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(f"{prefix}[{index}]", item)]
    return [(prefix, value)]


def _points(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step_*") if path.is_dir())


def _own(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a module's state, each under the first of its names: tied weights are one."""
    found: dict[Tensor, str] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        found.setdefault(tensor, name)
    return {name: tensor for tensor, name in found.items()}
