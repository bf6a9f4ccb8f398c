"""Writing a checkpoint folder in one step: config, weights and settings, whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

CONFIG_FILE = "config.json"
SETTINGS_FILE = "alphabench.toml"
READABLE = 0o644  # safetensors makes its files readable by their owner only


def write_folder(
    folder: Path,
    *,
    config: Mapping[str, Any],
    weights_file: str,
    state: Mapping[str, Tensor],
    settings: str,
    more: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Write a checkpoint folder, replacing what was there only when the new one is whole.

    Args:
        folder: to write.
        config: for config.json.
        weights_file: name of the safetensors file.
        state: tensors by name, in the dtype they are stored in.
        settings: TOML text of the recipe that they were trained by.
        more: further safetensors files, each with its tensors by name.
    """
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    (temporary / CONFIG_FILE).write_text(json.dumps(dict(config), indent=2) + "\n", encoding="utf-8")
    for file, stored in {weights_file: state, **(more or {})}.items():
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.items()}
        save_file(tensors, temporary / file, metadata={"format": "pt"})
        (temporary / file).chmod(READABLE)
    (temporary / SETTINGS_FILE).write_text(settings, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    temporary.replace(folder)
