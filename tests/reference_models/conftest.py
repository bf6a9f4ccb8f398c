"""A tiny training set and tiny recipes, so that whole trainings take seconds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from alphabench.image.codec import write_png
from reference_models.training.procedural import FAMILIES
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.streams import array_stream

RGB = """
[model]
fine_channels = 8
coarse_channels = 16
fine_blocks = 1
coarse_blocks = 1

[data]
root = "{root}"
validation = "set/val"
size = 32
batch = 2

[[data.sources]]
folder = "set/train"
weight = 1.0

[loss]
perceptual_weight = 0.001
kl_weight = 1e-6

[optimizer]
warmup = 2

[run]
steps = 6
precision = "float32"
checkpoint_every = 3
validate_every = 3
"""

ALPHA = """
[model]
base = "{base}"
colour = "premultiplied"

[data]
root = "{root}"
validation = "set/val"
size = 32
batch = 2
procedural_images = 3
procedural_size = 32
procedural_weight = 0.3
flatten_probability = 0.2

[[data.sources]]
folder = "set/train"
weight = 1.0

[loss]
reduction = "mean"
perceptual_weight = 0.0005
perceptual_scale = "per_element"
kl_weight = 1e-4
reference_kl_weight = 1e-9
reference_kl_images = 1

[optimizer]
warmup = 2

[run]
steps = 6
precision = "float32"
checkpoint_every = 3
validate_every = 3
"""


@pytest.fixture(scope="session")
def layouts() -> ModuleType:
    """The module that makes tiny folders of the FLUX and SDXL layouts."""
    spec = importlib.util.spec_from_file_location("diffusers_folders", Path(__file__).with_name("diffusers_folders.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a run's curves only in tests that are named for it: a drawing takes longer than a tiny training."""
    loop = sys.modules.get("reference_models.training.loop")
    if loop is not None and "curves" not in request.node.name:
        monkeypatch.setattr(loop, "write_curves", lambda log, folder: [])


@pytest.fixture
def training_root(tmp_path: Path) -> Path:
    """A data root with four training and two validation images of 64²."""
    root = tmp_path / "data"
    names = list(FAMILIES)
    for split, count in (("train", 4), ("val", 2)):
        folder = root / "set" / split
        folder.mkdir(parents=True)
        for index in range(count):
            family, _ = FAMILIES[names[index]]
            codes = to_codes(family(array_stream(5, index, split), 64))
            write_png(folder / f"{index}.png", torch.from_numpy(np.ascontiguousarray(codes)))
    return root


@pytest.fixture
def rgb_recipe(tmp_path: Path, training_root: Path) -> Path:
    """A recipe of an RGB VAE that trains in about a second."""
    path = tmp_path / "rgb.toml"
    path.write_text(RGB.format(root=training_root.as_posix()), encoding="utf-8")
    return path


@pytest.fixture
def alpha_recipe(tmp_path: Path, training_root: Path) -> Path:
    """A recipe of an AlphaVAE on a random tiny RGB VAE, in about a second."""
    from reference_models.rgb_vae.folder import save_folder
    from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

    torch.manual_seed(0)
    config = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
    save_folder(tmp_path / "base", PatchVae(config), settings="")
    path = tmp_path / "alpha.toml"
    text = ALPHA.format(root=training_root.as_posix(), base=(tmp_path / "base").as_posix())
    path.write_text(text, encoding="utf-8")
    return path
