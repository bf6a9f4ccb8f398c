"""The generator behind the contract: prompts and seeds in, straight RGBA in [0,1] out."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from alphabench.errors import DataError, UsageError
from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Rgba
from alphabench.models.contract import Sampling, Unread
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.runtime import resolve_device, resolve_dtype
from reference_models.identity import model_info
from reference_models.rgba_lora.components import PATCH
from reference_models.rgba_lora.config import Levels
from reference_models.rgba_lora.folder import Checkpoint, load_checkpoint, parameters_of
from reference_models.rgba_lora.sampler import drawn
from reference_models.weights import BUNDLED

MINI = BUNDLED / "rgba_lora-mini"
NAME = "rgba-lora-mini"
LARGEST = 4096
MOST_STEPS = 1000


class RgbaLoraGenerator:
    """Samples latents by a FLUX transformer and decodes them by the RGBA autoencoder.

    The guidance of the mini model is classifier-free: 1 means none, the words alone, and less means nothing.
    An image drawn alone and in a batch may differ by one 8-bit level of alpha or premultiplied colour here and there:
    sums of a batch round otherwise.

    Attributes:
        info: who the model is.
        defaults: the sampling that it was made for.
    """

    def __init__(self, checkpoint: Checkpoint, info: ModelInfo, device: torch.device) -> None:
        self.info = info
        self.checkpoint = checkpoint
        for network in (*checkpoint.components.networks().values(), checkpoint.codec.network):
            network.to(device)
        config = checkpoint.config
        self.defaults = Sampling(config.size, config.size, config.steps, config.guidance)

    def check(self, sampling: Sampling) -> None:
        """Refuse sizes that the network cannot tile, and steps or guidance out of range; see `Generator`."""
        unit = self.checkpoint.codec.factor * PATCH
        for name, side in (("height", sampling.height), ("width", sampling.width)):
            if side < unit or side > LARGEST or side % unit:
                raise UsageError(
                    f"{self.info.name} cannot draw images of {name} {side}",
                    remedy=f"Use a multiple of {unit} up to {LARGEST}; it was made for {self.defaults.height}.",
                )
        if not 1 <= sampling.steps <= MOST_STEPS:
            raise UsageError(f"{sampling.steps} steps are out of range", remedy=f"Use 1 to {MOST_STEPS} steps.")
        least = 0 if self.checkpoint.components.guided else 1
        if not (math.isfinite(sampling.guidance) and sampling.guidance >= least):
            raise UsageError(
                f"a guidance of {sampling.guidance} is out of range for {self.info.name}",
                remedy=f"Use a number from {least} up{'' if least == 0 else ': 1 means none, the words alone'}.",
            )

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> Tensor:
        """Return normalised latents, `(batch, latent, rows, columns)`; see `Generator`.

        Raises:
            DataError: a latent is not finite.
        """
        latents = drawn(self.checkpoint.components, prompts, seeds, sampling)
        if not bool(torch.isfinite(latents).all()):
            raise DataError(
                f"{self.info.name} drew latents that are not finite",
                remedy="Use fewer or more steps, a lower guidance, or float32.",
            )
        return latents

    def unread(self, prompts: Sequence[str]) -> list[Unread]:
        """Return the words that have no token, and whether a prompt is cut; see `PromptReader`."""
        return self.checkpoint.components.unread(prompts)

    def decode(self, latents: Tensor) -> Rgba:
        """Return latents as images, `(batch, 4, height, width)`, float32 in [0,1], alpha levelled as the model says."""
        return levelled(self.checkpoint.codec.decode(latents), self.checkpoint.config.alpha_levels)


def levelled(images: Rgba, levels: Levels) -> Rgba:
    """Return images whose alpha is 0 up to the first level, 1 from the second on, and linear between.

    Args:
        images: straight RGBA in [0,1].
        levels: (0, 1) leaves them alone.
    """
    low, high = levels
    if (low, high) == (0.0, 1.0):
        return images
    alpha = ((images[:, 3:] - low) / (high - low)).clamp(0.0, 1.0)
    return clear_hidden(torch.cat([images[:, :3], alpha], 1))


def load(request: LoadRequest) -> RgbaLoraGenerator:
    """Return the bundled generator, or the one in `request.checkpoint`.

    Raises:
        DataError: the folder is not a sound checkpoint, or its base or its autoencoder is another one.
        UsageError: unknown device or dtype, or its base or its autoencoder is not there.
    """
    device, dtype = resolve_device(request.device), resolve_dtype(request.dtype)
    folder = request.checkpoint or MINI
    checkpoint = load_checkpoint(folder, dtype)
    config = dataclasses.asdict(checkpoint.config)
    del config["base_words_sha256"]  # of files that are named with their own digests
    if checkpoint.adapter is not None:
        config |= {"rank": checkpoint.adapter.rank, "adapted_layers": len(checkpoint.adapter.modules)}
    info = model_info(
        folder,
        checkpoint.files,
        architecture="rgba-lora",
        config=config,
        parameters=parameters_of(checkpoint),
        latent_numbers_per_pixel=None,
        name=NAME if folder == MINI else None,
    )
    return RgbaLoraGenerator(checkpoint, info, device)
