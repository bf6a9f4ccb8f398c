"""AlphaVAE: an RGB autoencoder widened to RGBA (arXiv 2507.09308); importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="alphavae",
    task="reconstruction",
    summary="An RGB autoencoder widened to RGBA by opaque initialisation, trained with alpha-blending loss.",
    licence="Apache-2.0",
    origin="arXiv 2507.09308; weights trained by this project (reference_models/alphavae/configs/mini.toml)",
    load="reference_models.alphavae.adapter:load",
    weights=_ROOM.parent / "weights" / "alphavae-mini",
)

TRAINER = TrainerSpec(name="alphavae", run="reference_models.alphavae.train:run", configs=_ROOM / "configs")
