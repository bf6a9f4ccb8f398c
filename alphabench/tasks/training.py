"""Find the trainer and the recipe that a name or a file means."""

import difflib
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.models.recipe_file import bundled_recipes, read_recipe
from alphabench.models.registry import list_trainers, trainer_spec
from alphabench.models.spec import TrainerSpec
from alphabench.runtime import expanded


def recipe(config: str) -> tuple[TrainerSpec, Path]:
    """Return the trainer and the recipe file for `config`.

    Args:
        config: `room/recipe` for a bundled recipe, or the path of a TOML file whose key `trainer` names
            the room, itself or in the file that it extends.

    Raises:
        UsageError: no such recipe, file or room.
    """
    path = expanded(config)
    if path.suffix == ".toml":
        return trainer_spec(_room(path)), path
    known = bundled_recipes()
    if config not in known:
        near = difflib.get_close_matches(config, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no bundled recipe called {config!r}",
            remedy=f"{hint}Bundled: {', '.join(known)}. A recipe of your own is a path that ends in .toml.",
        )
    return known[config]


def _room(path: Path) -> str:
    room = read_recipe(path).get("trainer")
    if not isinstance(room, str):
        raise UsageError(
            f"{path} does not say which model it trains",
            remedy=f"Write trainer = NAME at its top, one of: {', '.join(list_trainers())}.",
        )
    return room
