"""A small store with pictures: two made-up models on six images, one of them with a gallery."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from alphabench.data.dataset import resolve_data
from alphabench.image.codec import write_png
from alphabench.leaderboard.site import SiteSettings, build_site
from alphabench.protocols import signature
from alphabench.results import load_record
from alphabench.results.document import document_bytes, record_id
from alphabench.results.record import Record

SIDE = 48
NAMES = tuple(f"img/{index:04d}" for index in range(12))
CLEAR, HALF = 0, 1
"""An image that is wholly transparent, and one whose alpha is 128 everywhere."""
HOSTILE = "<img src=x onerror=alert(1)> </script><script>alert(2)</script>"


@dataclass(frozen=True)
class Store:
    """Where the small store lies.

    Attributes:
        root: records, galleries and submissions.
        references: folder of the reference images.
        first: the record that has a gallery.
        second: the record without.
    """

    root: Path
    references: Path
    first: Record
    second: Record

    def settings(self, **more: object) -> SiteSettings:
        """Return the settings that find everything."""
        return SiteSettings(roots=(self.root,), data=(str(self.references),), **more)  # type: ignore[arg-type]


def reference(index: int) -> torch.Tensor:
    """Return an image of uint8 codes `(4, side, side)`."""
    codes = torch.zeros(4, SIDE, SIDE, dtype=torch.uint8)
    if index != CLEAR:
        codes[:3] = torch.arange(SIDE, dtype=torch.uint8)[None, None, :] * 5
        codes[3] = 128
    if index > HALF:
        codes[3, :, : SIDE // 2] = 20 * index
    return codes


def prediction(index: int, noise: int) -> torch.Tensor:
    """Return what a made-up model makes of it: opaque red of the transparent image."""
    codes = reference(index).clone()
    if index == CLEAR:
        codes[0], codes[3] = 255, 255
    if index > HALF:
        codes[:3] += noise * index
    return codes


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, writer: Callable[..., Path]) -> Store:
    root = tmp_path_factory.mktemp("site-store")
    references = root / "images" / "tiny"
    for index in range(len(NAMES)):
        write_png(references / f"img/{index:04d}.png", reference(index))
    manifest = resolve_data(references).full_hash
    records = []
    for model, psnr in (("first", 0.0), ("second", -0.5)):
        folder = root / "images" / model
        for index in range(len(NAMES)):
            write_png(folder / f"img/{index:04d}.png", prediction(index, 1))
        made = writer(
            root / "store" / model, model=model, images=len(NAMES), shifts={"psnr": psnr}, noise={"psnr": 0.1}, seed=3
        )
        records.append(over_data(made, manifest))
    store = root / "store"
    gallery(store, records[0], root / "images" / "first")
    card = store / "submissions" / "tests__first" / "card.toml"
    card.parent.mkdir(parents=True)
    card.write_text(f"[model]\nsummary = '{HOSTILE}'\nhomepage = 'https://example.org/?a=1&b=<2>'\n", encoding="utf-8")
    return Store(store, references, records[0], records[1])


def over_data(folder: Path, manifest: str) -> Record:
    """Give a made-up record the hash of images that exist."""
    record = load_record(folder, thorough=False)
    document = json.loads(json.dumps(record.document))
    document["data"]["manifest_hash"] = manifest
    document["signature"] = signature(record.protocol, "tiny@1", manifest, [])
    document["record_id"] = record_id(document)
    (folder / "record.json").write_bytes(document_bytes(document))
    return load_record(folder, thorough=False)


def gallery(store: Path, record: Record, pictures: Path) -> None:
    """Write a gallery of PNG files, which pages take like the WebP files of `leaderboard add`."""
    folder = store / "galleries" / record.id
    folder.mkdir(parents=True)
    entries = []
    for name in NAMES:
        data = (pictures / f"{name}.png").read_bytes()
        file = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.webp"
        (folder / file).write_bytes(data)
        entries.append({"sample": name, "file": file})
    (folder / "gallery.json").write_text(json.dumps({"samples": entries}), encoding="utf-8")


@pytest.fixture(scope="session")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small store's site."""
    out = tmp_path_factory.mktemp("site") / "pages"
    build_site(store.settings(), out)
    return out
