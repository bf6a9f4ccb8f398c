"""The RGB autoencoder that AlphaVAE starts from; importing this loads no torch."""

from pathlib import Path

from alphabench.models.spec import ModelSpec, TrainerSpec

_ROOM = Path(__file__).parent

TWICE = ModelSpec(
    name="rgb-vae-twice",
    task="reconstruction",
    summary="Colour through the RGB autoencoder and alpha, as a grey image, through it again.",
    licence="Apache-2.0",
    origin="weights trained by this project (reference_models/rgb_vae/configs/mini.toml)",
    load="reference_models.rgb_vae.adapter:load_twice",
    weights=_ROOM.parent / "weights" / "rgb_vae-mini",
)

TRAINER = TrainerSpec(name="rgb_vae", run="reference_models.rgb_vae.train:run", configs=_ROOM / "configs")
