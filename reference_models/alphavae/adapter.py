"""AlphaVAE as a reconstructor: straight RGBA in [0,1] of any size in, the same out."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from alphabench.errors import DataError
from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Rgba
from alphabench.models.contract import ParentComparison
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.runtime import resolve_device, resolve_dtype
from reference_models.alphavae.folder import load_network
from reference_models.alphavae.harmlessness import compared_with_parent, load_parent
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import Colour, from_network, to_network
from reference_models.identity import model_info
from reference_models.layerdiffuse.base import FrozenBase
from reference_models.padding import pad_to_multiple
from reference_models.rgb_vae.folder import WEIGHTS_FILE
from reference_models.rgb_vae.model import PatchVae
from reference_models.weights import BUNDLED

MINI = BUNDLED / "alphavae-mini"


class AlphaVaeReconstructor:
    """Encodes to the posterior's mode and decodes; the only place of inference that knows [-1,1].

    Colours under alpha 0 are set to 0 before anything is computed, so they change no bit of the output.

    Attributes:
        info: who the model is.
        parent_sees_transparency: whether the RGB parent is fed transparent images; it is not.
    """

    parent_sees_transparency = False

    def __init__(
        self,
        vae: AlphaVae,
        info: ModelInfo,
        *,
        device: torch.device,
        dtype: torch.dtype,
        folder: Path | None = None,
    ) -> None:
        self.info = info
        self.folder = folder
        self._parent: FrozenBase | None = None
        self.device, self.dtype = device, dtype
        self.vae = vae.eval().requires_grad_(requires_grad=False).to(device, dtype)

    @torch.inference_mode()
    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1].

        One at a time: the kernels of a batch add in another order, and no bit may depend on the neighbours.
        """
        return torch.cat([self._one(image) for image in images.split(1)])

    def open_parent(self) -> None:
        """Load the RGB autoencoder that the checkpoint was widened from.

        Raises:
            UsageError: it is not there.
            DataError: the checkpoint does not name it, or it is another one than in the training.
        """
        if self.folder is None:
            raise DataError(
                f"{self.info.name} was not loaded from a folder, which could name its RGB parent",
                remedy="Load it by `alphabench.models.registry.load_model`.",
            )
        self._parent = load_parent(self.folder).to(self.device)

    def probe(self, images: Rgba) -> ParentComparison:
        """Return the RGB parent's code of opaque images and the model's own; see `HarmlessnessProbe`."""
        if self._parent is None:
            self.open_parent()
        assert self._parent is not None
        return compared_with_parent(self.vae, self._parent, images)

    def _one(self, images: Rgba) -> Rgba:
        height, width = images.shape[-2:]
        clean = pad_to_multiple(clear_hidden(images), self.vae.factor)
        read = to_network(clean, self.vae.colour).to(self.device, self.dtype)
        written = self.vae.decode(self.vae.encode(read).mode())
        # Back to float32 before the range is mapped: bfloat16 would lose every other level above 128.
        whole = from_network(written.float(), self.vae.colour)
        return whole[..., :height, :width].to(images.device).contiguous()


def load(request: LoadRequest) -> AlphaVaeReconstructor:
    """Return the bundled AlphaVAE, or the one in `request.checkpoint`, of either layout.

    Raises:
        DataError: the folder is not a sound checkpoint of an RGBA autoencoder.
        UsageError: unknown device or dtype.
    """
    device, dtype = resolve_device(request.device), resolve_dtype(request.dtype)
    folder = request.checkpoint or MINI
    network: Any = load_network(folder, channels=4)
    colour: Colour = network.config.colour if isinstance(network, PatchVae) else "straight"
    vae = AlphaVae(network, colour)
    info = model_info(
        folder,
        {"model": folder / WEIGHTS_FILE},
        architecture="alphavae",
        config=_config_of(network),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        latent_numbers_per_pixel=vae.latent_channels / vae.factor**2,
    )
    return AlphaVaeReconstructor(vae, info, device=device, dtype=dtype, folder=folder)


def _config_of(network: Any) -> dict[str, Any]:
    if isinstance(network, PatchVae):
        return {"network": "PatchVae"} | dataclasses.asdict(network.config)
    config = {key: value for key, value in dict(network.config).items() if not key.startswith("_")}
    return {"network": "AutoencoderKL"} | {
        key: list(value) if isinstance(value, tuple) else value for key, value in config.items()
    }
