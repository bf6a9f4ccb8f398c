"""The linear yardstick: an orthonormal basis that reconstructs what lies in its span."""

from pathlib import Path

import torch

from alphabench.image.codec import read_rgba, to_float
from alphabench.models.spec import LoadRequest, TrainRequest
from reference_models.pca.adapter import load
from reference_models.pca.train import run

RECIPE = """
batches = 4

[model]
patch = 8
latent_channels = {latent}

[data]
root = "{root}"
size = 32
batch = 4

[[data.sources]]
folder = "set/train"
weight = 1.0
"""


def fitted(tmp_path: Path, root: Path, latent: int) -> Path:
    recipe = tmp_path / f"pca{latent}.toml"
    recipe.write_text(RECIPE.format(latent=latent, root=root.as_posix()), encoding="utf-8")
    return run(recipe, TrainRequest(out=tmp_path / f"out{latent}", device="cpu"), lambda _: None)


def test_a_fitted_basis_is_orthonormal_and_loads(tmp_path: Path, training_root: Path) -> None:
    model = load(LoadRequest(checkpoint=fitted(tmp_path, training_root, 16)))
    basis = model.transform.basis
    assert torch.allclose(basis.T @ basis, torch.eye(16), atol=1e-5)
    assert model.info.latent_numbers_per_pixel == 0.25
    assert model.info.trained_on == ("set",)


def test_with_as_many_numbers_as_values_it_is_the_identity(tmp_path: Path, training_root: Path) -> None:
    model = load(LoadRequest(checkpoint=fitted(tmp_path, training_root, 256)))
    images = torch.rand(1, 4, 24, 40, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.1
    assert torch.allclose(model.reconstruct(images), images, atol=1e-3)


def test_more_numbers_lose_less(tmp_path: Path, training_root: Path) -> None:
    images = to_float(read_rgba(next((training_root / "set" / "train").glob("*.png"))))[None]
    errors = []
    for latent in (4, 64, 200):
        model = load(LoadRequest(checkpoint=fitted(tmp_path, training_root, latent)))
        errors.append(float((model.reconstruct(images) - images).square().mean()))
    assert errors[0] > errors[1] > errors[2]
