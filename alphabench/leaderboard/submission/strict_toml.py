"""TOML from strangers: small, flat, finite, without dates."""

import math
import tomllib
from collections.abc import Iterator
from typing import Any

from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse

MAX_DEPTH = 4
LARGEST = 2**53 - 1


def read_toml(data: bytes, *, path: str, code: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        data: its bytes; the first stage has limited their number.
        path: its name, for findings.
        code: of the findings.

    Raises:
        Refused: no UTF-8, no TOML (a key twice is none), too deep, or values that a record cannot hold.
    """
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fact = "it is nested too deeply" if isinstance(error, RecursionError) else f"it is no TOML: {error}"
        raise Refused([finding(code, path, fact, "Mend the line it names.")]) from error
    refuse(check_values(document, path=path, code=code))
    return document


def check_values(document: dict[str, Any], *, path: str, code: str) -> list[Finding]:
    """Refuse NaN, infinities, dates, integers beyond 2^53 - 1 and deep nesting: TOML allows them all."""
    found = []
    for where, depth, value in _leaves(document, "", 1):
        fact = ""
        if depth > MAX_DEPTH:
            fact = f"{where} is nested more than {MAX_DEPTH} levels deep"
        elif isinstance(value, float) and not math.isfinite(value):
            fact = f"{where} is {value}, which is no number"
        elif isinstance(value, int) and abs(value) > LARGEST:
            fact = f"{where} is beyond the integers of JSON"
        elif not isinstance(value, str | int | float | list | dict):
            fact = f"{where} is a date or time"
        if fact:
            found.append(finding(code, path, fact, "Write a finite number, a text, or true or false."))
    return found


def _leaves(value: Any, where: str, depth: int) -> Iterator[tuple[str, int, Any]]:
    """Yield every value with its place; what is too deep is yielded itself and not entered."""
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(f"{where}.{key}" if where else key, item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    for place, item in items:
        if isinstance(item, dict | list) and depth < MAX_DEPTH + 1:
            yield from _leaves(item, place, depth + 1)
        else:
            yield place, depth, item
