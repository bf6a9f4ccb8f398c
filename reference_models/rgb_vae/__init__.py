"""The RGB autoencoder that AlphaVAE starts from; importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

TWICE = ModelSpec(
    name="rgb-vae-twice",
    task="reconstruction",
    summary="colour through the RGB autoencoder, then alpha as a grey image",
    licence="Apache-2.0",
    origin="alphabench, recipe rgb_vae/mini",
    load="reference_models.rgb_vae.adapter:load_twice",
    weights=_ROOM.parent / "weights" / "rgb_vae-mini",
)

TRAINER = TrainerSpec(name="rgb_vae", run="reference_models.rgb_vae.train:run", configs=_ROOM / "configs")
