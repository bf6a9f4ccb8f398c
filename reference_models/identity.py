"""Who a loaded checkpoint is: the facts that a record keeps."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alphabench.data.naming import slug_of
from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.models.spec import ModelInfo
from reference_models.weights import BUNDLED


def model_info(
    folder: Path,
    weights: Mapping[str, Path],
    *,
    architecture: str,
    config: Mapping[str, Any],
    parameters: int,
    latent_numbers_per_pixel: float | None,
    name: str | None = None,
) -> ModelInfo:
    """Return the facts of the checkpoint in `folder`, bundled ones as ours, all others as local.

    Args:
        folder: the checkpoint folder.
        weights: its safetensors files by role; `model` where there is one only.
        architecture: slug of the class that runs it.
        config: its resolved configuration.
        parameters: number of parameters.
        latent_numbers_per_pixel: size of the code; None where nothing is coded.
        name: slug of the model; made of the folder's name if None.
    """
    ours = folder.parent == BUNDLED
    return ModelInfo(
        name=name or slug_of(folder.resolve().name, fallback="model"),
        org="alphabench" if ours else "local",
        licence="Apache-2.0" if ours else "unknown",
        kind="checkpoint",
        architecture=architecture,
        config=dict(config),
        checkpoints=tuple((role, sha256_of(path), path.stat().st_size) for role, path in weights.items()),
        parameters=parameters,
        trained_on=training_sets(folder / "alphabench.toml"),
        latent_numbers_per_pixel=latent_numbers_per_pixel,
    )


def training_sets(settings: Path) -> tuple[str, ...]:
    """Return the names of the training sets in a checkpoint's settings, empty where there is no such file.

    Raises:
        DataError: the file is no TOML.
    """
    if not settings.is_file():
        return ()
    try:
        data = tomllib.loads(settings.read_text(encoding="utf-8")).get("data", {})
        folders = [source["folder"] for source in data.get("sources", [])]
        folders += [data["table"]] if "table" in data else []
        names = [str(folder).split("/")[0] for folder in folders]
        procedural = ["procedural"] if data.get("procedural_images", 0) else []
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{settings} does not describe a training: {error}", remedy="Remove the file or write it again."
        ) from error
    return tuple(dict.fromkeys(names + procedural))
