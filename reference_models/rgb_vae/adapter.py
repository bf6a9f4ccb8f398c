"""The simplest honest opponent: an RGB autoencoder used twice, for colour and for alpha."""

import dataclasses

import torch

from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Rgba
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.runtime import resolve_device, resolve_dtype
from reference_models.identity import model_info
from reference_models.padding import pad_to_multiple
from reference_models.rgb_vae.folder import WEIGHTS_FILE, load_folder
from reference_models.rgb_vae.model import FACTOR, PatchVae
from reference_models.weights import BUNDLED

MINI = BUNDLED / "rgb_vae-mini"


class TwiceReconstructor:
    """Codes the straight colour, 0 under alpha 0, and then alpha as a grey image: two codes an image.

    Alpha is the mean of the three channels that come back. Colour and alpha do not know of each other.

    Attributes:
        info: who the model is; its code holds twice the numbers of the RGB code.
    """

    def __init__(self, vae: PatchVae, info: ModelInfo, *, device: torch.device, dtype: torch.dtype) -> None:
        self.info = info
        self.device, self.dtype = device, dtype
        self.vae = vae.eval().requires_grad_(requires_grad=False).to(device, dtype)

    @torch.inference_mode()
    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1].

        One at a time: the kernels of a batch add in another order, and no bit may depend on the neighbours.
        """
        return torch.cat([self._one(image) for image in images.split(1)])

    def _one(self, images: Rgba) -> Rgba:
        height, width = images.shape[-2:]
        clean = pad_to_multiple(clear_hidden(images), FACTOR)
        colour = self._through(clean[:, :3])
        alpha = self._through(clean[:, 3:].expand(-1, 3, -1, -1)).mean(1, keepdim=True)
        return torch.cat([colour, alpha], 1)[..., :height, :width].to(images.device).contiguous()

    def _through(self, images: torch.Tensor) -> torch.Tensor:
        read = (images * 2 - 1).to(self.device, self.dtype)
        written = self.vae.decode(self.vae.encode(read).mode())
        return (written.float() * 0.5 + 0.5).clamp(0.0, 1.0)


def load_twice(request: LoadRequest) -> TwiceReconstructor:
    """Return the bundled RGB autoencoder as a reconstructor, or the one in `request.checkpoint`.

    Raises:
        DataError: the folder is not a sound checkpoint of an RGB patch VAE.
        UsageError: unknown device or dtype.
    """
    device, dtype = resolve_device(request.device), resolve_dtype(request.dtype)
    folder = request.checkpoint or MINI
    vae = load_folder(folder, channels=3)
    info = model_info(
        folder,
        {"model": folder / WEIGHTS_FILE},
        architecture="rgb-vae-twice",
        config={"network": "PatchVae"} | dataclasses.asdict(vae.config),
        parameters=sum(parameter.numel() for parameter in vae.parameters()),
        latent_numbers_per_pixel=2 * vae.config.latent_channels / FACTOR**2,
        name="rgb-vae-twice-mini" if folder == MINI else None,
    )
    return TwiceReconstructor(vae, info, device=device, dtype=dtype)
