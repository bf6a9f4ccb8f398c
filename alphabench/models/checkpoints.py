"""Weights and settings from folders that nobody vouches for: safetensors and strict settings, never pickles.

Importing this module imports no torch.
"""

import contextlib
import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.models.recipe_file import merged, read_recipe, recipe_chain

if TYPE_CHECKING:
    import torch

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
HEADER_LIMIT = 100_000_000  # bytes; the limit that the safetensors format itself sets
LISTED = 5  # how many offending names a message shows

Settings = TypeVar("Settings")


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder or file of pickled weights: reading a pickle can run its author's code.

    Raises:
        DataError: a file ends like a pickle, or starts like one whatever its name is.
    """
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.suffix.lower() in PICKLE_SUFFIXES or _starts_like_a_pickle(path):
            raise DataError(
                f"{path} holds pickled weights, which could run code when read",
                remedy="Save the weights as .safetensors (safetensors.torch.save_file) and remove the pickle.",
            )


def _starts_like_a_pickle(path: Path) -> bool:
    if path.suffix.lower() not in {".safetensors", ""}:
        return False
    with path.open("rb") as file:
        head = file.read(8)
    zip_archive = head.startswith(b"PK\x03\x04")
    protocol_byte = len(head) > 1 and head[0] == 0x80 and head[1] in range(2, 6)
    if not protocol_byte:
        return zip_archive
    # A safetensors file starts with its header's length: 0x80 0x02 can be one, if "{" follows.
    with path.open("rb") as file:
        return file.read(9)[8:9] != b"{"


def read_state(path: Path, expected: Mapping[str, tuple[int, ...]]) -> "dict[str, torch.Tensor]":
    """Return the tensors of a safetensors file, exactly the expected names and shapes, all finite.

    Args:
        path: a `.safetensors` file.
        expected: shape of each tensor that the model has.

    Raises:
        DataError: the file is absent, a pickle, truncated or no safetensors file; names are missing or
            too many; shapes differ; a value is not finite. The message names what is wrong.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    # Names and shapes first: they are in the header, so that a wrong file is never read whole.
    _compare(path, read_shapes(path), expected)
    try:
        # Copied, because the tensors are views of the mapped file and would die with it.
        state: dict[str, torch.Tensor] = {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            raise DataError(
                f"{path}: {name!r} holds {str(tensor.dtype).removeprefix('torch.')}, not floating point numbers",
                remedy="Save the weights as they were trained; quantised weights are not read.",
            )
        if not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise DataError(
                f"{path}: {count} of {tensor.numel()} values of {name!r} are not finite",
                remedy="The training that wrote this file diverged: take an earlier checkpoint.",
            )
    return state


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes that the header of a safetensors file declares, by name.

    Raises:
        DataError: the file is absent, a pickle, truncated or no safetensors file.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", remedy="Give a folder with a .safetensors file in it.")
    refuse_pickles(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, HEADER_LIMIT):
            raise _unreadable(path, "it is shorter than its header says")
        try:
            header = json.loads(file.read(length))
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in entries.items()}
            end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise _unreadable(path, "its header is not that of a safetensors file") from error
    if size != 8 + length + end:
        raise _unreadable(path, f"it has {size} bytes where its header announces {8 + length + end}")
    return shapes


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts that the header of a safetensors file carries beside the tensors, by key.

    Raises:
        DataError: as `read_shapes`.
    """
    from safetensors import SafetensorError, safe_open

    read_shapes(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is truncated or not a safetensors file: {why}",
        remedy="Copy or download the file again and compare its sha256.",
    )


def _compare(path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != tuple(expected[name])
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:LISTED])}{', …' if len(names) > LISTED else ''}"
        for what, names in (("missing", missing), ("extra", extra), ("misshapen", misshapen))
        if names
    ]
    if faults:
        raise DataError(
            f"{path} does not fit its config: {'; '.join(faults)}",
            remedy="Use the weights together with the config.json that was saved beside them.",
        )


def read_json_config(path: Path, cls: type[Settings]) -> Settings:
    """Return the dataclass `cls` filled from a JSON file; keys that start with `_` are notes and ignored.

    Raises:
        DataError: the file is absent, no JSON object, or holds unknown keys or values of a wrong type.
    """
    values = read_json(path)
    known = {key: value for key, value in values.items() if not key.startswith("_")}
    return settings_from(known, cls, where=str(path), error=DataError)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file at `path`.

    Raises:
        DataError: the file is absent or holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", remedy=f"Give a folder with a {path.name} in it.") from error
    except NotADirectoryError as error:
        raise DataError(
            f"{path.parent} is a file, where a folder with {path.name} in it is needed",
            remedy="Give the folder that holds the file.",
        ) from error
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON: {error}", remedy="Write the file again.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} holds no JSON object", remedy="Write the settings as one object.")
    return values


def read_toml_settings(path: Path, cls: type[Settings], *, changes: Mapping[str, Any] | None = None) -> Settings:
    """Return the dataclass `cls` filled from a TOML file, each table a nested dataclass.

    A file with the key `extends` lies over the file that it names, see `read_recipe`.

    Args:
        path: the file.
        cls: a dataclass, see `settings_from`.
        changes: nested tables that are laid over those of the file.

    Raises:
        UsageError: the file is absent, no TOML, or holds unknown keys or values of a wrong type.
    """
    values = read_recipe(path)
    if changes:
        values = merged(values, changes)
    bases = [base.name for base in recipe_chain(path)[1:]]
    where = f"{path} (extends {', '.join(bases)})" if bases else str(path)
    return settings_from(values, cls, where=where, error=UsageError)


def settings_from(
    values: Mapping[str, Any],
    cls: type[Settings],
    *,
    where: str,
    error: type[AlphabenchError] = UsageError,
) -> Settings:
    """Return the dataclass `cls` filled from a mapping; unknown keys are refused with the nearest known one.

    Whole numbers are taken for float fields and arrays for tuple fields; nothing else is converted.

    Args:
        values: keys and values, tables as nested mappings.
        cls: a dataclass whose fields are numbers, texts, booleans, tuples of them, or dataclasses.
        where: file and table for the message.
        error: kind of error to raise.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise error(
                f"{where}: unknown key {key!r}",
                remedy=f"Did you mean {near[0]!r}? Known keys: {', '.join(fields)}."
                if near
                else "This table takes no keys.",
            )
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in required if name not in values]:
        raise error(f"{where}: {len(missing)} keys are missing, first {missing[0]!r}", remedy="Add them to the file.")
    taken = {key: _convert(value, hints[key], f"{where}: {key}", error=error) for key, value in values.items()}
    try:
        return cls(**taken)
    except ValueError as refusal:
        raise error(f"{where}: {refusal}", remedy="Mend the value it names.") from refusal


def _convert(value: Any, hint: Any, where: str, *, error: type[AlphabenchError]) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return settings_from(value, hint, where=where, error=error)  # type: ignore[arg-type]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        if value is None and type(None) in arguments:
            return None
        inner = [argument for argument in arguments if argument is not type(None)]
        return _convert(value, inner[0], where, error=error)
    if origin is tuple and isinstance(value, list | tuple):
        endless = arguments[-1] is Ellipsis
        inner_hints = [arguments[0]] * len(value) if endless else list(arguments)
        if len(inner_hints) == len(value):
            return tuple(
                _convert(item, inner_hint, f"{where}[{index}]", error=error)
                for index, (item, inner_hint) in enumerate(zip(value, inner_hints, strict=True))
            )
    if origin is typing.Literal and value in arguments:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number may be beyond all floats
            if math.isfinite(value):
                return float(value)
    elif hint is bool or hint is str:
        if isinstance(value, hint):
            return value
    elif hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    wanted = f"one of {', '.join(map(repr, arguments))}" if origin is typing.Literal else _spoken(hint)
    raise error(f"{where} is {value!r}", remedy=f"It must be {wanted}.")


def _spoken(hint: Any) -> str:
    names = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    if hint in names:
        return names[hint]
    return "a table" if dataclasses.is_dataclass(hint) else f"a value of type {hint}"
