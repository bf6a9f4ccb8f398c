"""Protocols from TOML files: the shipped ones by name, one's own by path."""

import datetime as dt
import difflib
import functools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from alphabench.errors import UsageError
from alphabench.protocols.model import Protocol
from alphabench.protocols.sections import SECTIONS
from alphabench.protocols.settings import SETTINGS
from alphabench.protocols.tables import Strict, WeightFile

MAX_BYTES = 64 * 1024


def list_protocols() -> list[Protocol]:
    """Return the shipped protocols, sorted by name and version."""
    return sorted(_shipped().values(), key=lambda protocol: (protocol.name, protocol.version))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Return a protocol by name (the newest version), by `name@version`, or from a TOML file.

    Raises:
        UsageError: there is no such protocol, or the file is not one; the message names the first fault.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, str):
        if text in (shipped := _shipped()):
            return shipped[text]
        versions = [protocol for protocol in list_protocols() if protocol.name == text]
        if versions:
            return versions[-1]
    if isinstance(name_or_path, Path) or text.endswith(".toml"):
        return _read(Path(name_or_path))
    known = [protocol.id for protocol in list_protocols()]
    raise UsageError(
        f"there is no protocol called {text!r}{_nearest(text, known)}",
        remedy=f"Use one of: {', '.join(known)}; or the path of a TOML file.",
    )


def parse_protocol(document: Mapping[str, Any], *, name: str) -> Protocol:
    """Return the protocol that the tables of a TOML `document` describe.

    Args:
        document: the parsed tables.
        name: what to call the file in messages.

    Raises:
        UsageError: unknown keys or metrics, wrong values, metric versions that this package does not have.
    """
    for where, value in _leaves(document):
        if isinstance(value, float) and not math.isfinite(value):
            raise _fault(name, f"{where} is {value}", "Write a finite number.")
        if isinstance(value, dt.date | dt.time):
            raise _fault(name, f"{where} is a date or time", 'Write text, "2026-01-31", in [notes].')
    known = [*SECTIONS, "metrics"]
    for section, table in document.items():
        if section not in known:
            raise _fault(name, f"unknown table [{section}]{_nearest(section, known)}", f"Known: {known}.")
        if not isinstance(table, Mapping):
            raise _fault(name, f"[{section}] is not a table", f"Write a table [{section}].")
    for section in ("protocol", "views", "metrics"):
        if section not in document:
            raise _fault(name, f"the table [{section}] is missing", "Start from a shipped protocol's file.")
    parts: dict[str, Any] = {
        section: _validated(SECTIONS[section], table, name, section)
        for section, table in document.items()
        if section != "metrics"
    }
    parts["metrics"] = {
        metric: _validated(_settings_of(metric, name), table, name, f"metrics.{metric}")
        for metric, table in document["metrics"].items()
    }
    try:
        protocol = Protocol(**parts)
    except ValidationError as error:
        raise _fault(name, _words(error.errors()[0]["msg"]), "Mend the file.") from error
    _check_catalog(protocol, name)
    return protocol


@functools.cache
def _shipped() -> dict[str, Protocol]:
    found = {}
    folder = files("alphabench.protocols").joinpath("shipped")
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            protocol = parse_protocol(tomllib.loads(entry.read_text(encoding="utf-8")), name=entry.name)
            found[protocol.id] = protocol
    return found


def _read(path: Path) -> Protocol:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _fault(str(path), f"it has more than {MAX_BYTES} bytes", "A protocol is a short file.")
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise UsageError(
            f"the protocol file {str(path)!r} cannot be read: {error.strerror}",
            remedy="Give the path of a TOML file, or a name that `alphabench protocols list` shows.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fault(str(path), f"it is not TOML: {error}", "Mend the file.") from error
    protocol = parse_protocol(document, name=str(path))
    twin = _shipped().get(protocol.id)
    if twin is not None and twin.hash != protocol.hash:
        raise _fault(
            str(path),
            f"it calls itself {protocol.id} but differs from the shipped protocol of that name "
            f"(hash {protocol.hash[:8]}, shipped {twin.hash[:8]})",
            "Give it a name of its own in [protocol].",
        )
    return protocol


def _settings_of(metric: str, name: str) -> type[Strict]:
    if metric not in SETTINGS:
        raise _fault(
            name,
            f"unknown metric {metric!r}{_nearest(metric, list(SETTINGS))}",
            f"Known: {', '.join(SETTINGS)}.",
        )
    return SETTINGS[metric]


def _check_catalog(protocol: Protocol, name: str) -> None:
    from alphabench.metrics.catalog import CATALOG

    for metric, settings in protocol.metrics.items():
        if metric not in CATALOG:
            raise _fault(name, f"the metric {metric!r} is not in this package", "Upgrade alphabench.")
        if CATALOG[metric].version != settings.version:
            raise _fault(
                name,
                f"{metric} has version {settings.version} in the file and {CATALOG[metric].version} in this package",
                f"Write version = {CATALOG[metric].version}, or install the alphabench that has the other.",
            )


def _validated(kind: type[Strict], table: Mapping[str, Any], name: str, section: str) -> Strict:
    try:
        return kind.model_validate_json(json.dumps(table))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _keys_at(kind, first["loc"])
            message = f"unknown key {where!r} in [{section}]{_nearest(str(first['loc'][-1]), known)}"
            raise _fault(name, message, f"Known keys: {', '.join(known)}.") from error
        fault = f"{where} in [{section}]: " if where else f"[{section}]: "
        raise _fault(name, f"{fault}{_words(first['msg'])}", "Mend the value.") from error


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys known beside the last part of `loc`, a path inside the table of `kind`."""
    if len(loc) == 1:
        return list(kind.model_fields)
    parents = {"heads": WeightFile, "backbone": WeightFile, "weights": WeightFile}
    if parent := parents.get(str(loc[0])):
        return list(parent.model_fields)
    return ["name", "rgb"]


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{where}[{index}]")
    else:
        yield where, value


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")


def _fault(name: str, message: str, remedy: str) -> UsageError:
    return UsageError(f"protocol file {name}: {message}", remedy=remedy)
