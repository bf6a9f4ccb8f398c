"""LayerDiffuse as a reconstructor: straight RGBA in [0,1] of any size in, the same out."""

import dataclasses
from pathlib import Path

import torch

from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Rgba
from alphabench.models.contract import ParentComparison
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.runtime import resolve_device, resolve_dtype
from reference_models.identity import model_info, training_sets
from reference_models.layerdiffuse.base import base_weights
from reference_models.layerdiffuse.folder import Checkpoint, load_checkpoint
from reference_models.layerdiffuse.harmlessness import compared_with_parent
from reference_models.layerdiffuse.model import LayerDiffuse
from reference_models.padding import pad_to_multiple
from reference_models.weights import BUNDLED

MINI = BUNDLED / "layerdiffuse-mini"

LEVELS = 255


class LayerDiffuseReconstructor:
    """Encodes without noise and decodes by the median of eight passes, or by one if the config says so.

    The transparent encoder, the frozen encoder and the shifted latent are float32 whatever the dtype: a
    posterior's spread is too small for less. Only both decoders run in `dtype`.

    Attributes:
        model: the networks around their base.
        info: who the model is.
        parent_sees_transparency: whether the RGB parent is fed transparent images; it is, over mid-grey.
    """

    parent_sees_transparency = True

    def __init__(self, model: LayerDiffuse, info: ModelInfo, *, device: torch.device, dtype: torch.dtype) -> None:
        self.info = info
        self.device = device
        self.model = model.eval().requires_grad_(requires_grad=False).to(device)
        self.model.base.lower_decoder(dtype)
        self.model.networks.decoder.to(dtype).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1].

        One at a time: the kernels of a batch add in another order, and no bit may depend on the neighbours. Sides
        are grown to multiples of the config's `size_multiple` by repeating the last row and column, and cropped.
        """
        return torch.cat([self._one(image) for image in images.split(1)])

    def open_parent(self) -> None:
        """Do nothing: the frozen base is part of the model."""

    def probe(self, images: Rgba) -> ParentComparison:
        """Return the frozen code of `images` and the shifted one; see `HarmlessnessProbe`."""
        return compared_with_parent(self.model, images)

    def _one(self, images: Rgba) -> Rgba:
        height, width = images.shape[-2:]
        read = pad_to_multiple(clear_hidden(images), self.model.config.size_multiple).to(self.device)
        made = self.model.decode(self.model.encode(read).latents)
        made = made[..., :height, :width].to(images.device).contiguous()
        # The released code truncates its 8-bit output; the values between are what the benchmark rounds to it.
        return (made * LEVELS).floor() / LEVELS if self.model.config.compat == "cli" else made


def load(request: LoadRequest) -> LayerDiffuseReconstructor:
    """Return the bundled LayerDiffuse, or the one in `request.checkpoint`, which may hold the released files.

    Raises:
        DataError: the folder is not a sound checkpoint, or its base is another one.
        UsageError: unknown device or dtype.
    """
    device, dtype = resolve_device(request.device), resolve_dtype(request.dtype)
    folder = request.checkpoint or MINI
    checkpoint = load_checkpoint(folder)
    return LayerDiffuseReconstructor(checkpoint.model, info_of(checkpoint, folder), device=device, dtype=dtype)


def info_of(checkpoint: Checkpoint, folder: Path) -> ModelInfo:
    """Return the facts of a checkpoint: three files take part, and so do the training sets of the base."""
    model = checkpoint.model
    files = {
        "transparent_encoder": checkpoint.encoder,
        "transparent_decoder": checkpoint.decoder,
        "base": base_weights(checkpoint.base),
    }
    info = model_info(
        folder,
        files,
        architecture="layerdiffuse",
        config=dataclasses.asdict(model.config),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        latent_numbers_per_pixel=model.base.latent_channels / model.base.factor**2,
    )
    sets = (*info.trained_on, *training_sets(checkpoint.base / "alphabench.toml"))
    return dataclasses.replace(info, trained_on=tuple(dict.fromkeys(sets)))
