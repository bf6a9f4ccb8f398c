"""What every test file may use: fixed seeds and threads, the fixture `F32`, folders of small images."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from alphabench.image.codec import to_float, write_png
from alphabench.image.types import Codes, Rgba

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the default run does not need: slow tests, downloads, a browser, an absent GPU."""
    asked = str(config.getoption("markexpr"))
    left_out = {name for name in ("slow", "weights", "browser") if name not in asked}
    if not torch.cuda.is_available():
        left_out.add("gpu")
    dropped = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if dropped:
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    torch.manual_seed(20250709)
    np.random.seed(20250709)  # noqa: NPY002


@pytest.fixture
def f32_codes() -> dict[str, Codes]:
    """The 32×32 integer fixture: `reference` and `prediction`, uint8 `(4, 32, 32)`."""
    y, x = np.mgrid[0:32, 0:32]
    reference = [
        (7 * x + 3 * y) % 256,
        (5 * x + 11 * y + 40) % 256,
        255 - (6 * x + 2 * y) % 256,
        np.clip(40 * (12 - np.maximum(abs(x - 15), abs(y - 16))), 0, 255),
    ]
    noise = [(x * y) % 7 - 3, 2 - (x + 2 * y) % 5, (3 * x + y) % 9 - 4, (x + y) % 11 - 5]
    prediction = [np.clip(plane + extra, 0, 255) for plane, extra in zip(reference, noise, strict=True)]
    return {
        "reference": torch.from_numpy(np.stack(reference).astype(np.uint8)),
        "prediction": torch.from_numpy(np.stack(prediction).astype(np.uint8)),
    }


@pytest.fixture
def f32(f32_codes: dict[str, Codes]) -> tuple[Rgba, Rgba]:
    """The 32×32 fixture as `(prediction, reference)`, float32 `(1, 4, 32, 32)`."""
    return to_float(f32_codes["prediction"])[None], to_float(f32_codes["reference"])[None]


@pytest.fixture
def data_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of folders of small RGBA PNGs, `<name>/<category>/<000>.png`.

    Each image has opaque, semi-transparent and transparent pixels and colour under alpha 0; equal arguments
    give equal images. With `categories=()` the images lie in the folder itself.
    """

    def make(
        name: str = "data",
        *,
        categories: Sequence[str] = ("animal", "glass"),
        count: int = 2,
        height: int = 24,
        width: int = 32,
        seed: int = 0,
    ) -> Path:
        folder = tmp_path / name
        for index, category in enumerate(categories or ("",)):
            for image in range(count):
                codes = _soft_blob(height, width, np.random.default_rng([seed, index, image]))
                write_png(folder / category / f"{image:03}.png", codes)
        return folder

    return make


def _soft_blob(height: int, width: int, random: np.random.Generator) -> Codes:
    y, x = np.mgrid[0:height, 0:width]
    centre_y, centre_x = random.uniform(0.4, 0.6, 2) * (height, width)
    distance = np.hypot((y - centre_y) / height, (x - centre_x) / width)
    alpha = np.clip(255 * (0.4 - distance) / 0.2, 0, 255)
    slope = random.uniform(-1, 1, (3, 2, 1, 1))
    colour = 128 + 100 * (slope[:, 0] * (y / height - 0.5) + slope[:, 1] * (x / width - 0.5))
    return torch.from_numpy(np.concatenate([colour, alpha[None]]).round().astype(np.uint8))


SMALL = """
[protocol]
name = "small"
version = 1
status = "draft"
task = "reconstruction"

[views]
backgrounds = [
  { name = "black", rgb = [0, 0, 0] },
  { name = "white", rgb = [255, 255, 255] },
]
worst = ["solid"]

[metrics.psnr]
version = 1
views = ["composite", "alpha"]
mean_cap_db = 100.0

[metrics.psnr_worst_solid]
version = 1
views = ["worst-solid"]
mean_cap_db = 100.0

[metrics.sad]
version = 1
views = ["alpha"]

[metrics.sad_unknown]
version = 1
views = ["alpha"]
partial = ["alpha"]
"""


@pytest.fixture
def small_protocol(tmp_path: Path) -> Path:
    """The path of a protocol with two backgrounds and four cheap metrics."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path
