"""The rooms as the registry sees them."""

import importlib
import subprocess
import sys

import pytest

from reference_models import alphavae, layerdiffuse, pca, rgb_vae, rgba_lora

LOADS = [room.MODEL.load for room in (alphavae, layerdiffuse, pca, rgba_lora)] + [rgb_vae.TWICE.load]
RUNS = [room.TRAINER.run for room in (alphavae, layerdiffuse, pca, rgb_vae, rgba_lora)]


def test_listing_the_rooms_imports_no_torch() -> None:
    code = (
        "import sys; from reference_models import alphavae, layerdiffuse, pca, rgb_vae, rgba_lora;"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", LOADS + RUNS)
def test_every_named_function_exists(path: str) -> None:
    module, name = path.split(":")
    assert callable(getattr(importlib.import_module(module), name))
