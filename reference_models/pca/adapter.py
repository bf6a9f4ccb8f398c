"""The linear yardstick as a reconstructor."""

import dataclasses

import torch

from alphabench.errors import DataError
from alphabench.image.compositing import premultiply, unpremultiply
from alphabench.image.types import Rgba
from alphabench.models.checkpoints import read_json, read_state, refuse_pickles, settings_from
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.runtime import resolve_device
from reference_models.identity import model_info
from reference_models.padding import pad_to_multiple
from reference_models.pca.model import PatchTransform, PatchTransformConfig
from reference_models.weights import BUNDLED

MINI = BUNDLED / "pca-mini"
CLASS_NAME = "PatchTransform"
WEIGHTS_FILE = "patch_transform.safetensors"


class PcaReconstructor:
    """Codes premultiplied patches by their principal components; always float32.

    Attributes:
        info: who the model is.
    """

    def __init__(self, transform: PatchTransform, info: ModelInfo, *, device: torch.device) -> None:
        self.info = info
        self.device = device
        self.transform = transform.eval().to(device)

    @torch.inference_mode()
    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1].

        One at a time: the kernels of a batch add in another order, and no bit may depend on the neighbours.
        """
        return torch.cat([self._one(image) for image in images.split(1)])

    def _one(self, images: Rgba) -> Rgba:
        height, width = images.shape[-2:]
        read = torch.cat([premultiply(images), images[:, 3:]], 1)
        read = pad_to_multiple(read, self.transform.config.patch).to(self.device)
        written = self.transform.decode(self.transform.encode(read), read.shape[-2], read.shape[-1])
        alpha = written[:, 3:].clamp(0.0, 1.0)
        colour = torch.minimum(written[:, :3].clamp(min=0.0), alpha)
        whole = unpremultiply(colour, alpha).clamp(0.0, 1.0)
        return whole[..., :height, :width].to(images.device).contiguous()


def load(request: LoadRequest) -> PcaReconstructor:
    """Return the bundled linear codec, or the one in `request.checkpoint`.

    Raises:
        DataError: the folder is not a sound checkpoint of a patch transform.
        UsageError: unknown device.
    """
    device = resolve_device(request.device)
    folder = request.checkpoint or MINI
    refuse_pickles(folder)
    path = folder / "config.json"
    values = read_json(path)
    if values.get("_class_name") != CLASS_NAME:
        raise DataError(
            f"{path} describes a {values.get('_class_name')!r}, not a {CLASS_NAME!r}",
            remedy="Give the folder of a fitted patch transform.",
        )
    known = {key: value for key, value in values.items() if key != "_class_name"}
    config = settings_from(known, PatchTransformConfig, where=str(path), error=DataError)
    transform = PatchTransform(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in transform.state_dict().items()}
    transform.load_state_dict(read_state(folder / WEIGHTS_FILE, shapes), strict=True)
    info = model_info(
        folder,
        {"model": folder / WEIGHTS_FILE},
        architecture="pca",
        config={"network": CLASS_NAME} | dataclasses.asdict(config),
        parameters=sum(tensor.numel() for tensor in transform.state_dict().values()),
        latent_numbers_per_pixel=config.latent_channels / config.patch**2,
    )
    return PcaReconstructor(transform, info, device=device)
