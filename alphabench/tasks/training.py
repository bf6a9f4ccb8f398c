"""Find the trainer and the recipe that a name or a file means."""

import tomllib
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.models.registry import list_trainers, trainer_spec
from alphabench.models.spec import TrainerSpec


def recipe(config: str) -> tuple[TrainerSpec, Path]:
    """Return the trainer and the recipe file for `config`.

    Args:
        config: `room/recipe` for a bundled recipe, or the path of a TOML file whose key `trainer` names
            the room.

    Raises:
        UsageError: no such recipe, file or room.
    """
    path = Path(config)
    if path.suffix == ".toml":
        return trainer_spec(_room(path)), path
    known = {
        f"{spec.name}/{file.stem}": (spec, file)
        for spec in list_trainers().values()
        for file in sorted(spec.configs.glob("*.toml"))
    }
    if config not in known:
        raise UsageError(
            f"there is no bundled recipe called {config!r}",
            remedy=f"Bundled: {', '.join(known)}. A recipe of your own is a path that ends in .toml.",
        )
    return known[config]


def _room(path: Path) -> str:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", remedy="Name an existing recipe.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no readable TOML file: {error}", remedy="Mend the recipe.") from error
    room = document.get("trainer")
    if not isinstance(room, str):
        raise UsageError(
            f"{path} does not say which model it trains",
            remedy=f"Write trainer = NAME at its top, one of: {', '.join(list_trainers())}.",
        )
    return room
