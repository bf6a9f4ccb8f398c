from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Maker = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ALPHABENCH_CACHE", str(cache))
    monkeypatch.delenv("ALPHABENCH_DATA", raising=False)
    return cache


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """Write a small image: `make("a/b.png", size=(8, 8), mode="RGBA", seed=0, alpha=None)`."""

    def write(
        name: str, *, size: tuple[int, int] = (8, 8), mode: str = "RGBA", seed: int = 0, alpha: int | None = None
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        channels = len(mode)
        pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], channels), dtype=np.uint8)
        if alpha is not None:
            pixels[..., -1] = alpha
        options = {"lossless": True} if path.suffix.lower() == ".webp" else {}
        Image.fromarray(pixels.squeeze() if mode == "L" else pixels).save(path, **options)
        return path

    return write
