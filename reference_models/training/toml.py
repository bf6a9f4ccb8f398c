"""Settings written back as TOML, so that they travel inside the checkpoint."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tomli_w


def settings_to_toml(settings: Any) -> str:
    """Return a settings dataclass (or mapping) as TOML text; what is None is left out, for TOML has no word for it."""
    values = dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else settings  # type: ignore[arg-type]
    return tomli_w.dumps(_told(values))


def _told(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _told(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return value
