"""The linear yardstick: principal components of image patches; importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="pca",
    task="reconstruction",
    summary="A linear transform of premultiplied 8×8 patches to 16 numbers each, the mini VAE's code size.",
    licence="Apache-2.0",
    origin="fitted by this project (reference_models/pca/configs/mini.toml)",
    load="reference_models.pca.adapter:load",
    weights=_ROOM.parent / "weights" / "pca-mini",
)

TRAINER = TrainerSpec(name="pca", run="reference_models.pca.train:run", configs=_ROOM / "configs")
