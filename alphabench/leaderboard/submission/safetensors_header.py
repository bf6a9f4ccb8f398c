"""The header of a safetensors file, read by rules stricter than the library's.

The library loads what two readers could take for two things: a tensor's name twice, unknown members, white
space before the header, tensors of no size. Here everything is checked with Python's own integers before any
tensor is allocated; only then the library reads the values.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse

SIZES = {"F32": 4, "F16": 2, "BF16": 2}
MEMBERS = {"dtype", "shape", "data_offsets"}
LARGEST_SIDE = 2**31 - 1
MOST_SIDES = 8
REMEDY = "Write the file anew with safetensors.torch.save_file."


@dataclass(frozen=True)
class Header:
    """What a file says about its tensors: the shape and dtype of each by name."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]


class _Twice(ValueError):
    """A key that stands twice in one table."""


def read_header(path: Path, name: str) -> Header:
    """Return the header of the safetensors file at `path`, called `name` in findings.

    Raises:
        Refused: the header or the layout is not exactly what the format and this module allow.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        refuse(check_length(name, length, size))
        raw = file.read(length)
    refuse(check_raw(name, raw))
    tensors = _parsed(name, raw)
    metadata = tensors.pop("__metadata__", {})
    refuse([*check_metadata(name, metadata), *check_entries(name, tensors)][:20])
    refuse(check_dtypes(name, tensors)[:20])
    refuse(check_shapes(name, tensors)[:20])
    refuse(check_layout(name, tensors, size - 8 - length)[:20])
    return Header(
        {tensor: tuple(entry["shape"]) for tensor, entry in tensors.items()},
        {tensor: entry["dtype"] for tensor, entry in tensors.items()},
    )


def check_length(name: str, length: int, size: int) -> list[Finding]:
    """Refuse a header that is too short, too long, or longer than its file: before it is read."""
    if 2 <= length <= limits.HEADER_BYTES and 8 + length <= size:
        return []
    fact = f"its header would have {length} bytes in a file of {size}"
    return [finding("E_ST_HEADER", name, f"{fact}, at most {limits.HEADER_BYTES} are read", REMEDY)]


def check_raw(name: str, raw: bytes) -> list[Finding]:
    """Refuse a header that does not begin with its table, or that has too many tables and lists to be parsed."""
    if raw[:1] != b"{":
        return [finding("E_ST_HEADER", name, "its header does not begin with a table", REMEDY)]
    tables, lists = raw.count(b"{"), raw.count(b"[")
    if max(tables, lists / 2) > limits.TENSORS + limits.METADATA_BYTES or raw.count(b",") > 16 * limits.TENSORS:
        return [finding("E_ST_HEADER", name, f"it has more than {limits.TENSORS} tensors", REMEDY)]
    return []


def check_metadata(name: str, metadata: Any) -> list[Finding]:
    """Refuse metadata that is not a small table of texts; its content is ignored."""
    if isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values()):
        size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
        if size <= limits.METADATA_BYTES:
            return []
    return [finding("E_ST_HEADER", name, "its __metadata__ is no small table of texts", REMEDY)]


def check_entries(name: str, tensors: Mapping[str, Any]) -> list[Finding]:
    """Refuse no tensors, too many, and entries with other members than dtype, shape and data_offsets."""
    if not 1 <= len(tensors) <= limits.TENSORS:
        fact = f"it has {len(tensors)} tensors, 1 to {limits.TENSORS} are read"
        return [finding("E_ST_HEADER", name, fact, REMEDY)]
    return [
        finding("E_ST_HEADER", name, f"the entry of {tensor!r} has other members than {sorted(MEMBERS)}", REMEDY)
        for tensor, entry in tensors.items()
        if not isinstance(entry, dict) or entry.keys() != MEMBERS
    ]


def check_dtypes(name: str, tensors: Mapping[str, Any]) -> list[Finding]:
    """Refuse numbers that are no floating point numbers of 16 or 32 bits."""
    return [
        finding(
            "E_ST_DTYPE",
            name,
            f"{tensor!r} holds {str(entry['dtype'])[:20]}, not one of {', '.join(SIZES)}",
            "Save the weights as float32, float16 or bfloat16.",
        )
        for tensor, entry in tensors.items()
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in SIZES
    ]


def check_shapes(name: str, tensors: Mapping[str, Any]) -> list[Finding]:
    """Refuse shapes that are not up to eight whole numbers from 1 to 2^31 - 1."""
    return [
        finding("E_ST_LAYOUT", name, f"{tensor!r} has the shape {str(entry['shape'])[:80]}", REMEDY)
        for tensor, entry in tensors.items()
        if not isinstance(entry["shape"], list)
        or len(entry["shape"]) > MOST_SIDES
        or any(type(side) is not int or not 1 <= side <= LARGEST_SIDE for side in entry["shape"])
    ]


def check_layout(name: str, tensors: Mapping[str, Any], room: int) -> list[Finding]:
    """Refuse tensors that overlap, leave gaps, leave the file, or have other bytes than their shape needs.

    Args:
        name: of the file.
        tensors: entries with sound dtypes and shapes.
        room: bytes of the file behind the header.
    """
    spans = []
    for tensor, entry in tensors.items():
        offsets = entry["data_offsets"]
        if not isinstance(offsets, list) or [type(offset) for offset in offsets] != [int, int]:
            return [finding("E_ST_LAYOUT", name, f"{tensor!r} has the offsets {str(offsets)[:80]}", REMEDY)]
        begin, end = offsets
        needed = math.prod(entry["shape"]) * SIZES[entry["dtype"]]
        if end - begin != needed:
            fact = f"{tensor!r} needs {needed} bytes, its offsets span {end - begin}"
            return [finding("E_ST_LAYOUT", name, fact, REMEDY)]
        spans.append((begin, end, tensor))
    position = 0
    for begin, end, tensor in sorted(spans):
        if begin != position:
            what = "overlaps its neighbour" if begin < position else "leaves a gap before it"
            return [finding("E_ST_LAYOUT", name, f"{tensor!r} {what}, at byte {begin} instead of {position}", REMEDY)]
        position = end
    if position != room:
        return [finding("E_ST_LAYOUT", name, f"its tensors end at byte {position} of {room}", REMEDY)]
    return []


def _parsed(name: str, raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except _Twice as error:
        raise Refused([finding("E_ST_DUPLICATE", name, str(error), REMEDY)]) from error
    except (ValueError, RecursionError) as error:
        raise Refused([finding("E_ST_HEADER", name, f"its header is no JSON: {error}", REMEDY)]) from error
    tensors: dict[str, Any] = document
    return tensors


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise _Twice(f"the key {key[:80]!r} stands twice in one table")
        table[key] = value
    return table


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")
