"""The class itself: settings, module, and the reconstructor around it."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from alphabench.files import sha256_of
from alphabench.image.compositing import premultiply, unpremultiply
from alphabench.image.types import Rgba
from alphabench.models.checkpoints import read_state, read_toml_settings
from alphabench.models.spec import LoadRequest, ModelInfo


@dataclass(frozen=True)
class Settings:
    """Side of a block in pixels."""

    block: int = 2


class BlockMean(nn.Module):
    """The mean of each block, times a gain for each channel."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.gain = nn.Parameter(torch.ones(4))

    def forward(self, images: Tensor) -> Tensor:
        """Return premultiplied images of the same shape, `(batch, 4, height, width)`."""
        block = self.settings.block
        small = functional.avg_pool2d(images, block, ceil_mode=True) * self.gain[:, None, None]
        large = functional.interpolate(small, scale_factor=block)
        return large[..., : images.shape[-2], : images.shape[-1]]


class HalfSize:
    """What is judged: straight colour in [0,1] in, the same out."""

    def __init__(self, module: BlockMean, info: ModelInfo) -> None:
        self.module, self.info = module, info

    @torch.inference_mode()
    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1]."""
        made = self.module(torch.cat([premultiply(images), images[:, 3:]], 1)).clamp(0, 1)
        alpha = made[:, 3:]
        colour = torch.minimum(made[:, :3], alpha)
        return unpremultiply(colour, alpha).clamp(0, 1)


def describe(settings: Settings) -> tuple[dict[str, object], float]:
    """Return the configuration as records hold it, and the numbers of the code for each pixel."""
    return asdict(settings), 4 / settings.block**2


def load(request: LoadRequest) -> HalfSize:
    """Return the model in `request.checkpoint`: a folder with config.toml and model.safetensors."""
    assert request.checkpoint is not None  # without bundled weights the registry asks for --checkpoint
    settings = read_toml_settings(request.checkpoint / "config.toml", Settings)
    module = BlockMean(settings)
    weights = request.checkpoint / "model.safetensors"
    module.load_state_dict(read_state(weights, {"gain": (4,)}), strict=True)
    config, latent = describe(settings)
    info = ModelInfo(
        name="halfsize",
        org="local",
        licence="MIT",
        kind="checkpoint",
        architecture="halfsize",
        config=config,
        checkpoints=(("model", sha256_of(weights), weights.stat().st_size),),
        parameters=4,
        latent_numbers_per_pixel=latent,
    )
    return HalfSize(module.eval(), info)
