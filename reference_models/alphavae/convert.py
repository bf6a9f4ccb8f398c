"""An RGB VAE folder widened to RGBA by the opaque initialisation, without training."""

from pathlib import Path

from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.models.checkpoints import read_json
from reference_models.alphavae.folder import load_network, save_network
from reference_models.checkpoint_folder import CONFIG_FILE
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.surgery import WideningError, widen
from reference_models.training.toml import settings_to_toml


def convert(source: Path, destination: Path) -> Path:
    """Write the RGB VAE in `source` as an RGBA VAE into the new folder `destination` and return it.

    The result gives back opaque images as the RGB VAE does, with alpha 1 everywhere: the starting point of a
    training. An `AutoencoderKL` stays one, readable by `diffusers.AutoencoderKL.from_pretrained`.

    Raises:
        DataError: `destination` exists; `source` is no sound RGB VAE folder.
        WideningError: `source` holds four image channels already.
    """
    if destination.exists():
        raise DataError(f"{destination} exists already", remedy="Name a new folder, or remove the old one first.")
    if source.is_dir() and (source / CONFIG_FILE).is_file():
        values = read_json(source / CONFIG_FILE)
        if 4 in {values.get("in_channels"), values.get("out_channels"), values.get("channels")}:
            raise WideningError(
                f"{source} holds a VAE of four image channels already",
                remedy="Nothing is to be done: give it to --checkpoint, or convert the RGB VAE it came from.",
            )
    network = widen(load_network(source, channels=3))
    # The sum of the file that was widened lets anyone trace the folder back to it.
    origin = {"step": 0, "base": source.name, "base_sha256": sha256_of(source / WEIGHTS_FILE)}
    try:
        save_network(destination, network, settings=settings_to_toml(origin))
    except PermissionError as error:
        raise DataError(f"{destination} cannot be written: {error}", remedy="Name a folder of your own.") from error
    return destination
