"""Packs whose weights or settings are wrong."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from pack_forge import Case, edit_card, entry, put, relist, safetensors
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def weights(data: bytes) -> Callable[[Path], None]:
    return lambda pack: put(pack, WEIGHTS, data)


def changed_weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def spoil(pack: Path) -> None:
        tensors = load_file(pack / WEIGHTS)
        change(tensors)
        save_file(tensors, pack / WEIGHTS)
        relist(pack)

    return spoil


def three_faults(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["mean"]
    tensors["surplus"] = torch.zeros(2)
    tensors["basis"] = tensors["basis"].T.contiguous()


def not_finite(tensors: dict[str, torch.Tensor]) -> None:
    tensors["basis"][0, :2] = torch.tensor([float("nan"), float("inf")])


def million_tensors(pack: Path) -> None:
    raw = b"{" + b",".join(b'"t%d":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}' % n for n in range(1_000_000))
    put(pack, WEIGHTS, safetensors(None, raw=raw + b"}"))


def config(text: str) -> Callable[[Path], None]:
    return lambda pack: put(pack, "config.toml", text.encode())


def unknown_architecture(pack: Path) -> None:
    edit_card(pack, model={"architecture": "os:system"})


ONE = entry([1], 0, 4)
HUGE = (2**63 - 1, 200_000_000)

CASES = [
    Case(
        "pickle",
        "safetensors_header.check_length",
        "E_ST_HEADER",
        "its header would have",
        weights(b"\x80\x02}q\x00." + bytes(100)),
        7,
    ),
    *(
        Case(
            f"header of {length} bytes",
            "safetensors_header.check_length",
            "E_ST_HEADER",
            f"have {length} bytes",
            weights(struct.pack("<Q", length) + b"{}" + bytes(64)),
            10,
        )
        for length in HUGE
    ),
    Case(
        "header of no table",
        "safetensors_header.check_raw",
        "E_ST_HEADER",
        "does not begin with a table",
        weights(safetensors(None, bytes(4), raw=b" " + json.dumps({"mean": ONE}).encode())),
    ),
    Case(
        "header of lists",
        "safetensors_header.check_raw",
        "E_ST_HEADER",
        "more than 20000 tensors",
        weights(safetensors(None, raw=b'{"a":[' + b"[]," * 300_000 + b"[]]}")),
    ),
    Case(
        "header that is no JSON",
        "safetensors_header.read_header",
        "E_ST_HEADER",
        "no JSON",
        weights(safetensors(None, raw=b'{"a":NaN}')),
    ),
    Case(
        "bottomless header",
        "safetensors_header.read_header",
        "E_ST_HEADER",
        "no JSON",
        weights(safetensors(None, raw=b'{"a":' + b"[" * 100_000)),
    ),
    Case(
        "name twice",
        "safetensors_header.read_header",
        "E_ST_DUPLICATE",
        "'mean' stands twice",
        weights(
            safetensors(
                None,
                bytes(8),
                raw=b'{"mean":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
                b'"mean":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
            )
        ),
        11,
    ),
    Case(
        "overlap",
        "safetensors_header.check_layout",
        "E_ST_LAYOUT",
        "overlaps",
        weights(safetensors({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}, bytes(8))),
        12,
    ),
    Case(
        "out of range",
        "safetensors_header.check_layout",
        "E_ST_LAYOUT",
        "end at byte 4 of 2",
        weights(safetensors({"a": ONE}, bytes(2))),
        12,
    ),
    Case(
        "gap",
        "safetensors_header.check_layout",
        "E_ST_LAYOUT",
        "leaves a gap",
        weights(safetensors({"a": ONE, "b": entry([1], 8, 12)}, bytes(12))),
        12,
    ),
    Case(
        "bytes behind",
        "safetensors_header.check_layout",
        "E_ST_LAYOUT",
        "end at byte 4 of 9",
        weights(safetensors({"a": ONE}, bytes(9))),
        12,
    ),
    Case(
        "overflow",
        "safetensors_header.check_layout",
        "E_ST_LAYOUT",
        "needs",
        weights(safetensors({"a": entry([2**31 - 1] * 3, 0, 4)}, bytes(4))),
        13,
    ),
    *(
        Case(
            f"side {side!r}",
            "safetensors_header.check_shapes",
            "E_ST_LAYOUT",
            "has the shape",
            weights(safetensors({"a": entry([side], 0, 4)}, bytes(4))),
            13,
        )
        for side in (-1, 0, True, 1.0)
    ),
    *(
        Case(
            f"dtype {dtype}",
            "safetensors_header.check_dtypes",
            "E_ST_DTYPE",
            f"holds {dtype}",
            weights(safetensors({"a": entry([1], 0, size, dtype)}, bytes(size))),
            14,
        )
        for dtype, size in (("F64", 8), ("I64", 8), ("U8", 1))
    ),
    Case(
        "unknown member",
        "safetensors_header.check_entries",
        "E_ST_HEADER",
        "other members",
        weights(safetensors({"a": entry([1], 0, 4, code="x")}, bytes(4))),
    ),
    Case(
        "metadata of code",
        "safetensors_header.check_metadata",
        "E_ST_HEADER",
        "__metadata__",
        weights(safetensors({"__metadata__": {"a": {"b": 1}}, "a": ONE}, bytes(4))),
    ),
    Case("missing", "architecture.check_shapes", "E_ST_SHAPES", "'mean' is missing", changed_weights(three_faults), 15),
    Case(
        "surplus",
        "architecture.check_shapes",
        "E_ST_SHAPES",
        "'surplus' is one too many",
        changed_weights(three_faults),
        15,
    ),
    Case(
        "transposed",
        "architecture.check_shapes",
        "E_ST_SHAPES",
        "(48, 256) instead of (256, 48)",
        changed_weights(three_faults),
        15,
    ),
    Case(
        "not finite",
        "architecture.check_values",
        "E_ST_VALUES",
        "2 of 12288 values of 'basis'",
        changed_weights(not_finite),
        16,
    ),
    Case("a million tensors", "safetensors_header.check_length", "E_ST_HEADER", "at most 8388608", million_tensors, 17),
    Case(
        "a class name",
        "architecture.read_settings",
        "E_CONFIG",
        "unknown key '_class_name'",
        config('patch = 8\nlatent_channels = 48\n_class_name = "os.system"\n'),
        9,
    ),
    Case(
        "a thousand million layers",
        "architecture.check_ranges",
        "E_CONFIG",
        "latent_channels = 1e+09",
        config("patch = 8\nlatent_channels = 1000000000\n"),
        18,
    ),
    Case(
        "a width of 1e9",
        "architecture.check_ranges",
        "E_CONFIG",
        "patch = 1e+09",
        config("patch = 1e9\nlatent_channels = 48\n"),
        18,
    ),
    Case(
        "a text for a number",
        "architecture.read_settings",
        "E_CONFIG",
        "patch is '8'",
        config('patch = "8"\nlatent_channels = 48\n'),
    ),
    Case("infinite setting", "strict_toml.check_values", "E_CONFIG", "is inf", config("patch = inf\n")),
    Case(
        "class nobody reviewed",
        "architecture.check_listed",
        "E_CONFIG",
        "'os:system' are not taken",
        unknown_architecture,
    ),
]
