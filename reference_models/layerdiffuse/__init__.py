"""LayerDiffuse: alpha hidden in a frozen RGB autoencoder's latent (arXiv 2402.17113); importing loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

MODEL = ModelSpec(
    name="layerdiffuse",
    task="reconstruction",
    summary="alpha hidden in the latent of a frozen RGB autoencoder",
    licence="Apache-2.0",
    origin="arXiv 2402.17113, recipe layerdiffuse/mini",
    load="reference_models.layerdiffuse.adapter:load",
    weights=_ROOM.parent / "weights" / "layerdiffuse-mini",
    convert="reference_models.layerdiffuse.convert:convert",
)

TRAINER = TrainerSpec(
    name="layerdiffuse",
    run="reference_models.layerdiffuse.train:run",
    configs=_ROOM / "configs",
    experiments=_ROOM / "experiments",
)
