"""TOML documents changed key by key and written back; reading and merging them is `models.recipe_file`'s."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w

from alphabench.errors import UsageError
from alphabench.models.recipe_file import merged

Document = dict[str, Any]


def nested(changes: Mapping[str, Any], *, where: str) -> Document:
    """Return changes as nested tables: `{"loss.kl_weight": 0}` becomes `{"loss": {"kl_weight": 0}}`.

    Raises:
        UsageError: one change sets a table that another one sets a key of.
    """
    result: Document = {}
    for name, value in changes.items():
        *tables, key = name.split(".")
        place = result
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise UsageError(f"{where}: {name!r} lies inside a value", remedy="Name each key once.")
        inner = nested(value, where=where) if isinstance(value, Mapping) else value
        place[key] = (
            merged(place[key], inner) if isinstance(place.get(key), dict) and isinstance(inner, dict) else inner
        )
    return result


def without(document: Mapping[str, Any], keys: Iterable[str]) -> Document:
    """Return a copy of a document without some keys, named as `table.key`; absent ones are no fault."""
    result = copy.deepcopy(dict(document))
    for name in keys:
        *tables, key = name.split(".")
        place: Any = result
        for table in tables:
            place = place.get(table, {}) if isinstance(place, dict) else {}
        if isinstance(place, dict):
            place.pop(key, None)
    return result


def with_seed(value: Any, seed: int) -> Any:
    """Return a value in whose strings, however deep, `{seed}` is replaced by the seed."""
    if isinstance(value, str):
        return value.replace("{seed}", str(seed))
    if isinstance(value, Mapping):
        return {name: with_seed(inner, seed) for name, inner in value.items()}
    return [with_seed(inner, seed) for inner in value] if isinstance(value, list) else value


def to_toml(document: Mapping[str, Any]) -> str:
    """Return a document as TOML text."""
    return tomli_w.dumps(document)
