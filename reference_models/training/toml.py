"""Settings written back as TOML, so that they travel inside the checkpoint."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


def settings_to_toml(settings: Any) -> str:
    """Return a settings dataclass (or mapping) as TOML text: plain keys first, then its tables."""
    return "\n".join(_table(_as_mapping(settings), "")).strip() + "\n"


def _as_mapping(settings: Any) -> Mapping[str, Any]:
    return dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else settings  # type: ignore[arg-type]


def _table(values: Mapping[str, Any], prefix: str) -> list[str]:
    lines = [
        f"{key} = {_value(value)}"
        for key, value in values.items()
        if value is not None and not _is_table(value) and not _is_tables(value)
    ]
    for key, value in values.items():
        if _is_table(value):
            lines += ["", f"[{prefix}{key}]", *_table(value, f"{prefix}{key}.")]
        elif _is_tables(value):
            for item in value:
                lines += ["", f"[[{prefix}{key}]]", *_table(item, f"{prefix}{key}.")]
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(v, Mapping) for v in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)
