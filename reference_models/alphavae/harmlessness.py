"""What AlphaVAE leaves of the RGB autoencoder it was widened from: both codes of opaque images, both decoded."""

import tomllib
from pathlib import Path

import torch

from alphabench.errors import DataError
from alphabench.image.types import Rgba
from alphabench.models.contract import ParentComparison
from reference_models.alphavae.folder import base_folder
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import to_network
from reference_models.checkpoint_folder import SETTINGS_FILE
from reference_models.layerdiffuse.base import FrozenBase, base_sha256, load_base
from reference_models.padding import pad_to_multiple


def load_parent(folder: Path) -> FrozenBase:
    """Return the RGB autoencoder that the checkpoint in `folder` was widened from, float32, frozen.

    Raises:
        UsageError: the named parent is not there.
        DataError: the checkpoint's settings do not name a parent, or it is another file than in the training, or
            no sound checkpoint of an RGB autoencoder.
    """
    path = folder / SETTINGS_FILE
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        name, digest = str(settings["model"]["base"]), str(settings.get("base_sha256", ""))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} does not say which RGB autoencoder it was widened from: {path.name} names no base under [model]",
            remedy=f'Write {path.name} with [model] base = "FOLDER" of that autoencoder, or take another protocol.',
        ) from error
    parent = base_folder(name, path)
    if digest and digest != (found := base_sha256(parent)):
        raise DataError(
            f"{folder} was widened from an autoencoder with SHA-256 {digest}, {parent} has {found}",
            remedy="Give the autoencoder of the training: comparing with another one says nothing.",
        )
    return load_base(parent)


@torch.inference_mode()
def compared_with_parent(vae: AlphaVae, parent: FrozenBase, images: Rgba) -> ParentComparison:
    """Return the parent's code of opaque images and the model's own, with the parent's decodes of both.

    Args:
        vae: the RGBA autoencoder, in float32.
        parent: the RGB autoencoder, on the same device.
        images: `(batch, 4, height, width)` in [0,1], any size; their alpha is taken as 1.

    Raises:
        DataError: the latents of both have different shapes.
    """
    height, width = images.shape[-2:]
    place = next(vae.parameters()).device
    opaque = pad_to_multiple(torch.cat([images[:, :3], torch.ones_like(images[:, 3:])], 1), vae.factor).to(place)
    # Opaque colour is the same straight and premultiplied, so that the parent reads the first three channels.
    read = to_network(opaque, vae.colour)
    new, old = vae.encode(read), parent.encode(read[:, :3])
    if new.mean.shape != old.mean.shape:
        raise DataError(
            f"the latents have the shape {tuple(new.mean.shape)}, the RGB parent's {tuple(old.mean.shape)}",
            remedy="Name the autoencoder that this model was widened from.",
        )
    decodes = [(parent.decode(latents) * 0.5 + 0.5).clamp(0.0, 1.0) for latents in (old.mean, new.mean)]
    image, original, shifted = (whole[..., :height, :width].contiguous() for whole in (opaque[:, :3], *decodes))
    return ParentComparison(
        image=image,
        original_mean=old.mean.double(),
        original_log_variance=old.log_variance.double(),
        shifted_mean=new.mean.double(),
        shifted_log_variance=new.log_variance.double(),
        original_decode=original,
        shifted_decode=shifted,
    )
