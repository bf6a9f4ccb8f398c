"""The installed experiments and comparisons: TOML files in the folders that trainers name."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.models.registry import list_trainers

HIDDEN = "_"
"""Files that start so are extended by experiments and are none themselves."""


def installed_files(subfolder: str = "") -> Mapping[str, Path]:
    """Return the TOML files in one folder of every trainer's experiments by name, in alphabetical order."""
    folders = [spec.experiments / subfolder for spec in list_trainers().values() if spec.experiments is not None]
    files = (path for folder in folders for path in folder.glob("*.toml") if not path.stem.startswith(HIDDEN))
    return dict(sorted((path.stem, path) for path in files))


def file_called(name: str, known: Mapping[str, Path], *, noun: str) -> Path:
    """Return the file of `known` called `name`, or the file `name` itself where it ends in `.toml`.

    Raises:
        UsageError: there is none.
    """
    if name.endswith(".toml"):
        return Path(name)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no {noun} called {name!r}",
            remedy=f"{hint}Known: {', '.join(known) or 'none'}. One of your own is a path that ends in .toml.",
        )
    return known[name]
