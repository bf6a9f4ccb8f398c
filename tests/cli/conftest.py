"""A small protocol for runs that are about the way, not about the numbers."""

from pathlib import Path

import pytest

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
