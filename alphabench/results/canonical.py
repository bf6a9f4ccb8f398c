"""Strict JSON: canonical when written, without duplicate keys or NaN when read."""

import json
from typing import Any, NoReturn

from alphabench.errors import DataError
from alphabench.protocols.canonical import canonical_json, sha256_json

__all__ = ["canonical_json", "parse_json", "sha256_json"]

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 20
LARGEST = 2**53 - 1


def parse_json(data: bytes, *, name: str, max_bytes: int = MAX_BYTES) -> Any:
    """Return the document in `data`, refusing what Python's parser lets pass.

    Args:
        data: UTF-8.
        name: what to call the document in messages.
        max_bytes: the longest document that is read.

    Raises:
        DataError: not UTF-8, not JSON, a key twice in one table, NaN or an infinity, an integer beyond
            2^53 - 1, more than 20 levels deep, or too long.
    """
    remedy = "Take the file from its source again; it has been damaged or edited."
    if len(data) > max_bytes:
        raise DataError(f"{name} has {len(data)} bytes, more than {max_bytes}", remedy=remedy)
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_safe,
        )
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not a valid document: {error}", remedy=remedy) from error
    if _depth(document) > MAX_DEPTH:
        raise DataError(f"{name} is more than {MAX_DEPTH} levels deep", remedy=remedy)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one table")
    return table


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{text[:40]} is too large for a number")
    return value


def _safe(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST:
        raise ValueError(f"{text[:40]} is beyond the integers of JSON")
    return int(text)


def _depth(document: Any) -> int:
    level, deepest = [document], 0
    while level:
        deepest += 1
        nested: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                nested.extend(item.values())
            elif isinstance(item, list):
                nested.extend(item)
        level = nested
    return deepest
