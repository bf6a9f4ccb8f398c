"""The linear yardstick: principal components of image patches; importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="pca",
    task="reconstruction",
    summary="linear transform of premultiplied 8×8 patches to 16 numbers each",
    licence="Apache-2.0",
    origin="alphabench, recipe pca/mini",
    load="reference_models.pca.adapter:load",
    weights=_ROOM.parent / "weights" / "pca-mini",
)

TRAINER = TrainerSpec(name="pca", run="reference_models.pca.train:run", configs=_ROOM / "configs")
