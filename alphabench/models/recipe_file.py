"""Recipe files: TOML that may extend another file and then holds only what differs."""

import copy
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alphabench.errors import UsageError
from alphabench.models.registry import list_trainers
from alphabench.models.spec import TrainerSpec

EXTENDS = "extends"


def bundled_recipes() -> dict[str, tuple[TrainerSpec, Path]]:
    """Return the trainer and the file of every bundled recipe, by its name `room/recipe`."""
    return {
        f"{spec.name}/{file.stem}": (spec, file)
        for spec in list_trainers().values()
        for file in sorted(spec.configs.glob("*.toml"))
    }


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file, laid over those of the file that its key `extends` names, and so on.

    `extends` is a path relative to the file that holds it, or a bundled recipe such as `alphavae/mini`. Tables
    are merged key by key; anything else, lists of tables included, is replaced as a whole. The key itself is
    not returned.

    Raises:
        UsageError: a file is absent or no TOML, `extends` is no text, or files extend one another in a circle.
    """
    return _read(path, ())


def recipe_chain(path: Path) -> list[Path]:
    """Return the recipe file and those that it extends, nearest first.

    Raises:
        UsageError: as `read_recipe`.
    """
    chain = [path]
    while (base := _base_of(chain[-1], _document(chain[-1]))) is not None:
        _refuse_circle(base, chain)
        chain.append(base)
    return chain


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested tables with `changes` laid over them; neither argument is altered."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def parsed_changes(assignments: Sequence[str]) -> dict[str, Any]:
    """Return nested tables from lines `table.key=value`; a value that is no TOML is a text.

    Raises:
        UsageError: a line has no `=`, or an empty key.
    """
    changes: dict[str, Any] = {}
    for line in assignments:
        name, equals, text = line.partition("=")
        keys = name.strip().split(".")
        if not equals or not all(keys):
            raise UsageError(
                f"{line!r} sets no key of a recipe", remedy="Write TABLE.KEY=VALUE, for instance run.steps=500."
            )
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        for key in reversed(keys):
            value = {key: value}
        changes = merged(changes, value)
    return changes


def _read(path: Path, readers: Sequence[Path]) -> dict[str, Any]:
    values = _document(path)
    base = _base_of(path, values)
    values.pop(EXTENDS, None)
    if base is None:
        return values
    _refuse_circle(base, [*readers, path])
    return merged(_read(base, [*readers, path]), values)


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no settings file {path}", remedy="Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} is not readable TOML: {error}", remedy="Mend the line it names.") from error


def _base_of(path: Path, values: Mapping[str, Any]) -> Path | None:
    name = values.get(EXTENDS)
    if name is None:
        return None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{path}: extends is {name!r}", remedy="It is the path of a recipe, in quotation marks.")
    base = path.parent / Path(name).expanduser()
    if base.is_file():
        return base
    bundled = bundled_recipes()
    if name in bundled:
        return bundled[name][1]
    raise UsageError(
        f"{path} extends {name!r}, which is neither the file {base} nor a bundled recipe",
        remedy=f"The path is relative to the recipe; bundled: {', '.join(bundled)}.",
    )


def _refuse_circle(base: Path, readers: Sequence[Path]) -> None:
    if base.resolve() in {reader.resolve() for reader in readers}:
        names = " -> ".join(path.name for path in (*readers, base))
        raise UsageError(f"the recipes extend one another in a circle: {names}", remedy="Break the circle.")
