"""AlphaVAE: an RGB autoencoder widened to RGBA (arXiv 2507.09308); importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="alphavae",
    task="reconstruction",
    summary="RGB autoencoder widened to RGBA, trained with the alpha-blending loss",
    licence="Apache-2.0",
    origin="arXiv 2507.09308, recipe alphavae/mini",
    load="reference_models.alphavae.adapter:load",
    weights=_ROOM.parent / "weights" / "alphavae-mini",
    convert="reference_models.alphavae.convert:convert",
)

TRAINER = TrainerSpec(
    name="alphavae",
    run="reference_models.alphavae.train:run",
    configs=_ROOM / "configs",
    experiments=_ROOM / "experiments",
)
