"""The rooms as the registry sees them."""

import importlib
import subprocess
import sys

import pytest

from reference_models import alphavae, layerdiffuse, pca, rgb_vae

LOADS = [alphavae.MODEL.load, layerdiffuse.MODEL.load, pca.MODEL.load, rgb_vae.TWICE.load]
RUNS = [alphavae.TRAINER.run, layerdiffuse.TRAINER.run, pca.TRAINER.run, rgb_vae.TRAINER.run]


def test_listing_the_rooms_imports_no_torch() -> None:
    code = (
        "import sys; from reference_models import alphavae, layerdiffuse, pca, rgb_vae;"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", LOADS + RUNS)
def test_every_named_function_exists(path: str) -> None:
    module, name = path.split(":")
    assert callable(getattr(importlib.import_module(module), name))
