"""The yardsticks' code: reconstructors that have no weights."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from alphabench.image.codec import decode_webp, encode_webp, quantise, to_float
from alphabench.image.compositing import clear_hidden
from alphabench.image.types import Codes, Rgba
from alphabench.models.spec import LoadRequest, ModelInfo

BYTES_PER_PIXEL = 16 / 64
"""One byte for each latent number of the mini VAE: 16 numbers for a patch of 8 x 8 pixels."""

HIGHEST_QUALITY = 100


def _info(name: str, latent_numbers_per_pixel: float | None = None, **config: object) -> ModelInfo:
    return ModelInfo(
        name=name,
        org="alphabench",
        licence="Apache-2.0",
        kind="builtin",
        architecture=name,
        config=config,
        latent_numbers_per_pixel=latent_numbers_per_pixel,
    )


@dataclass(frozen=True)
class Pointwise:
    """A reconstructor that is one function of the images."""

    info: ModelInfo
    function: Callable[[Rgba], Rgba]

    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the function of `images`, same shape."""
        return self.function(images)


def _opaque(images: Rgba) -> Rgba:
    visible = clear_hidden(images)
    return torch.cat((visible[:, :3], torch.ones_like(visible[:, 3:])), dim=1)


def load_identity(request: LoadRequest) -> Pointwise:
    """Return the model that gives back what it gets."""
    return Pointwise(_info("identity", 4.0), torch.clone)


def load_opaque(request: LoadRequest) -> Pointwise:
    """Return the model that keeps the visible colour and sets alpha to 1 (black where nothing was seen)."""
    return Pointwise(_info("opaque", 3.0), _opaque)


def load_blank(request: LoadRequest) -> Pointwise:
    """Return the model that answers full transparency."""
    return Pointwise(_info("blank", 0.0), torch.zeros_like)


@dataclass
class WebpCodec:
    """Lossy WebP, colour and alpha at one quality, the largest that fits the byte budget of each image.

    Attributes:
        encoded_bytes: bytes really used for each image of the last batch.
    """

    info: ModelInfo
    encoded_bytes: list[int] = field(default_factory=list)

    def reconstruct(self, images: Rgba) -> Rgba:
        """Return `images` through the codec, same shape; fills `encoded_bytes`."""
        codes = quantise(clear_hidden(images)).cpu()
        packed = [fit_webp(image, budget(image)) for image in codes]
        self.encoded_bytes = [len(data) for data in packed]
        decoded = torch.stack([decode_webp(data) for data in packed])
        return to_float(decoded).to(images.device)


def budget(image: Codes) -> int:
    """Return the bytes that the image, `(4, height, width)`, may take: one for each latent number."""
    return int(image.shape[-2] * image.shape[-1] * BYTES_PER_PIXEL)


def fit_webp(image: Codes, limit: int) -> bytes:
    """Return the lossy WebP of the highest quality (0 to 100) within `limit` bytes.

    The size grows with the quality, so bisection finds it. Where even quality 0 is larger than `limit`
    (tiny images, whose header alone counts) the smallest file is returned: the bytes really used are
    reported beside the result.
    """
    low, high = 0, HIGHEST_QUALITY
    best = encode_webp(image, low)
    while low < high:
        middle = (low + high + 1) // 2
        data = encode_webp(image, middle)
        if len(data) <= limit:
            low, best = middle, data
        else:
            high = middle - 1
    return best


def load_webp(request: LoadRequest) -> WebpCodec:
    """Return the codec yardstick at the mini VAE's budget of `BYTES_PER_PIXEL`."""
    return WebpCodec(_info("webp", BYTES_PER_PIXEL, bytes_per_pixel=BYTES_PER_PIXEL))
