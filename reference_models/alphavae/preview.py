"""What a training looks at: reconstructions of whole images, their PSNR, and grids over a checkerboard."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import composite
from alphabench.image.types import Codes, Rgba
from alphabench.metrics.closed_form import composite_psnr
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import from_network, to_network
from reference_models.padding import pad_to_multiple

CHECKER = 16  # pixels of a tile of the sample grids' background


@torch.no_grad()
def reconstruct(vae: AlphaVae, images: Rgba) -> Rgba:
    """Return the reconstruction of images of any size, through the posterior's mode."""
    height, width = images.shape[-2:]
    read = to_network(pad_to_multiple(images, vae.factor), vae.colour).to(device_of(vae))
    written = vae.decode(vae.encode(read).mode())
    return from_network(written, vae.colour)[..., :height, :width].to(images.device)


def device_of(model: nn.Module) -> torch.device:
    """Return the device that the model's parameters are on."""
    return next(model.parameters()).device


def mean_psnr(prediction: Rgba, reference: Rgba) -> float:
    """Return the PSNR in dB of one 8-bit reconstruction, mean of the nine canonical backgrounds."""
    rounded = to_float(quantise(prediction))
    return float(composite_psnr(rounded, reference, canonical_tensor()).mean())


def beside(images: list[Tensor]) -> Rgba:
    """Return images in a row, each on a transparent square as large as the largest of them needs."""
    side = max(max(image.shape[-2:]) for image in images)
    squares = [functional.pad(image, (0, side - image.shape[-1], 0, side - image.shape[-2])) for image in images]
    return torch.cat(squares, 3)


def on_checkerboard(images: Rgba) -> Codes:
    """Return one image over a grey checkerboard as opaque codes."""
    _, _, height, width = images.shape
    rows = torch.arange(height)[:, None] // CHECKER
    columns = torch.arange(width)[None] // CHECKER
    tiles = (0.55 + 0.2 * ((rows + columns) % 2)).expand(1, 3, height, width)
    codes = quantise(composite(images, tiles))[0]
    return torch.cat([codes, torch.full_like(codes[:1], 255)])
