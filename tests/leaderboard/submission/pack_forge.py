"""Packs for the tests: good ones, and the means to spoil them; equal arguments give equal packs."""

import hashlib
import json
import shutil
import struct
import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from alphabench.image.codec import encode_png, write_png
from alphabench.leaderboard.submission.pack import toml_text
from alphabench.results.document import document_bytes, record_id

SAMPLES = ("glass/a", "glass/b", "hair/a", "hair/b")
HEIGHT, WIDTH = 24, 32
SLUG = "acme__tiny"


@dataclass(frozen=True)
class Case:
    """A pack that is refused, and by which check.

    Attributes:
        name: what is wrong.
        check: `module.function` of the check that finds it.
        code: of the finding.
        words: part of its line.
        spoil: makes a good pack bad; may return the folder to validate instead, or options of the command.
        row: of the specification's table; 0 for none.
        kind: which good pack is spoilt.
        path: where the finding is; empty where any will do.
    """

    name: str
    check: str
    code: str
    words: str
    spoil: Callable[[Path], Any]
    row: int = 0
    kind: str = "full"
    path: str = ""


@dataclass(frozen=True)
class Ordinary:
    """Good packs by kind, and what they are judged on."""

    packs: Mapping[str, Path]
    run: Path
    data: Path
    protocol: Path
    weights: Path
    extras: dict[str, Any] = field(default_factory=dict)


def soft_blob(seed: int) -> torch.Tensor:
    """Return the codes `(4, 24, 32)` of a picture with every kind of opacity."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(y / HEIGHT - 0.5, x / WIDTH - random.uniform(0.4, 0.6))
    alpha = np.clip(255 * (0.45 - distance) / 0.3, 0, 255)
    colour = [128 + 100 * np.sin(random.uniform(1, 5) * x / WIDTH + random.uniform(0, 6)) + 0 * y for _ in range(3)]
    return torch.from_numpy(np.stack([*colour, alpha]).round().astype(np.uint8))


def write_images(folder: Path) -> None:
    """Write the references."""
    for index, sample in enumerate(SAMPLES):
        write_png(folder / f"{sample}.png", soft_blob(index))


def write_weights(folder: Path) -> Path:
    """Write a small patch transform, whose basis is the corner of the identity, and return its folder."""
    folder.mkdir(parents=True)
    basis = torch.linalg.qr(torch.randn(256, 48, generator=torch.Generator().manual_seed(1)))[0]
    save_file({"mean": torch.full((256,), 0.4), "basis": basis.contiguous()}, folder / "patch_transform.safetensors")
    config = {"_class_name": "PatchTransform", "patch": 8, "latent_channels": 48}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def read_card(pack: Path) -> dict[str, Any]:
    """Return the tables of a pack's card."""
    return tomllib.loads((pack / "card.toml").read_text(encoding="utf-8"))


def write_card(pack: Path, card: Mapping[str, Any]) -> None:
    """Write the tables of a card."""
    head = {key: value for key, value in card.items() if not isinstance(value, dict)}
    rest = {key: value for key, value in card.items() if isinstance(value, dict)}
    (pack / "card.toml").write_text(toml_text({"": head, **rest}), encoding="utf-8")


def edit_card(pack: Path, **tables: Any) -> None:
    """Change members of a card: `model={...}` is merged, anything else replaced, None removed."""
    card = read_card(pack)
    for key, value in tables.items():
        if isinstance(value, dict) and isinstance(card.get(key), dict):
            card[key] = card[key] | value
        elif value is None:
            card.pop(key, None)
        else:
            card[key] = value
    write_card(pack, card)


def relist(pack: Path) -> None:
    """Let the card list what is there."""
    card = read_card(pack)
    paths = sorted(path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file())
    card["files"] = {path: sha256(pack / path) for path in paths if path != "card.toml"}
    write_card(pack, card)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def put(pack: Path, path: str, data: bytes) -> None:
    """Write a file of a pack and let the card list it."""
    (pack / path).parent.mkdir(parents=True, exist_ok=True)
    (pack / path).write_bytes(data)
    relist(pack)


def safetensors(entries: Any, data: bytes = b"", *, raw: bytes | None = None) -> bytes:
    """Return the bytes of a safetensors file with any header."""
    header = json.dumps(entries).encode() if raw is None else raw
    return struct.pack("<Q", len(header)) + header + data


def entry(shape: Any, begin: int, end: int, dtype: str = "F32", **more: Any) -> dict[str, Any]:
    """Return an entry of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


def chunk(kind: bytes, content: bytes, *, broken: bool = False) -> bytes:
    """Return a PNG chunk."""
    crc = zlib.crc32(kind + content) ^ broken
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    form: tuple[int, int, int, int, int] = (8, 6, 0, 0, 0),
    pixels: bytes | None = None,
    between: bytes = b"",
    behind: bytes = b"",
    end: bytes | None = None,
) -> bytes:
    """Return a PNG file with any parts; `pixels` is the content of its one IDAT chunk."""
    plain = zlib.compress((b"\0" + bytes(4 * WIDTH)) * HEIGHT)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">II5B", *size, *form)),
            between,
            chunk(b"IDAT", plain if pixels is None else pixels),
            chunk(b"IEND", b"") if end is None else end,
            behind,
        )
    )


def put_png(pack: Path, data: bytes) -> None:
    """Replace the first prediction."""
    put(pack, "predictions/glass/a.png", data)


def good_png(seed: int = 0) -> bytes:
    """Return a prediction as a run writes it."""
    return encode_png(soft_blob(seed))


def edit_record(pack: Path, change: Callable[[dict[str, Any]], None], *, reseal: bool = True) -> None:
    """Change the claimed record of a pack; its identity is computed anew unless `reseal` is off."""
    path = pack / "record" / "record.json"
    document = json.loads(path.read_bytes())
    change(document)
    if reseal:
        document["record_id"] = record_id({key: value for key, value in document.items() if key != "record_id"})
    path.write_bytes(document_bytes(document))
    relist(pack)


def copied(pack: Path, folder: Path) -> Path:
    """Return a copy of a pack under its own name below `folder`."""
    target = folder / pack.name
    shutil.copytree(pack, target)
    return target
