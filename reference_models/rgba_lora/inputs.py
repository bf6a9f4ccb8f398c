"""Which models a recipe builds on, by what is in their files and not by their names."""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alphabench.errors import UsageError
from alphabench.files import sha256_of
from reference_models.alphavae.folder import base_folder

READ = (".safetensors", ".json")


def model_digests(recipe: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of the base and of the autoencoder of a recipe; of those that are there.

    Args:
        recipe: the recipe's file, beside which folders are looked for.
        document: its content.
    """
    digests = {}
    for key in ("base", "vae"):
        name = document.get(key, "")
        try:
            folder = base_folder(name, recipe) if name else None
        except UsageError:
            folder = None  # the training says so when it comes to it
        if folder is not None:
            digests[key] = _digest(folder.resolve())
    return digests


@functools.cache
def _digest(folder: Path) -> str:
    """Return the digest of every weight and every setting in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in READ)
    lines = (f"{path.relative_to(folder).as_posix()}\t{sha256_of(path)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
