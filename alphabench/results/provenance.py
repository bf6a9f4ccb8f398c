"""Where and with what the numbers were made: no host names, no user names, no paths."""

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabench.runtime import World
from alphabench.version import __version__

if TYPE_CHECKING:
    import torch

LIBRARIES = (
    "accelerate",
    "diffusers",
    "lpips",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "pyiqa",
    "safetensors",
    "scikit-image",
    "scipy",
    "torchmetrics",
    "torchvision",
)
PACKAGE = Path(__file__).resolve().parents[1]
SOURCES = ("alphabench", "reference_models", "data_manifests", "pyproject.toml")


def environment(
    device: "torch.device", dtype: str, place: World, extra: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the record's table of the machine and its libraries.

    Args:
        device: where metrics and model run.
        dtype: precision inside the model, or `external`.
        place: this process among those of the run.
        extra: more entries of `libraries`, for instance `weights:<file>` with a SHA-256.
    """
    import torch

    versions = {name: found for name in LIBRARIES if (found := _version(name)) is not None}
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "torch": str(torch.__version__),
        "device": {"kind": device.type, "name": _device_name(device), "count": place.size},
        "dtype": dtype,
        "tf32": False,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "world_size": place.size,
        "libraries": dict(sorted({**versions, **(extra or {})}.items())),
    }


@functools.cache
def code_version() -> Mapping[str, str | bool | None]:
    """Return the package's version, and its commit where it lies in a git checkout of this project."""
    root = PACKAGE.parent
    commit, dirty = None, None
    if _is_checkout(root):
        commit = _git(root, "rev-parse", "--verify", "HEAD")
        status = _git(root, "status", "--porcelain", "--", *(name for name in SOURCES if (root / name).exists()))
        dirty = bool(status) if commit is not None and status is not None else None
    return {"version": __version__, "commit": commit, "dirty": dirty}


def _is_checkout(root: Path) -> bool:
    project = root / "pyproject.toml"
    if not (root / ".git").exists() or not project.is_file():
        return False
    return 'name = "alphabench"' in project.read_text(encoding="utf-8")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device_name(device: "torch.device") -> str:
    if device.type != "cuda":
        return device.type
    import torch

    return str(torch.cuda.get_device_name(device))
