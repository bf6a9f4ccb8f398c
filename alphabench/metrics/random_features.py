"""A seeded random network: perceptual distance and set features that need no download.

Five convolutions with fixed random weights; the first has kernels of mean zero, and borders are replicated,
so that a flat saturated background does not drown the rest. It is neither LPIPS nor the FID Inception: its
numbers compare only with numbers of the same protocol, and it reacts to noise far more than to blur.
"""

import functools
import hashlib
import itertools
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn import functional

from alphabench.errors import DataError
from alphabench.image.types import Rgb
from alphabench.metrics.features import Pooled, spatial_mean_of_squares

CHANNELS = (3, 32, 64, 128, 128, 128)
"""Channels of the input and after each of the five stages."""

RULER_SEED = 20250709
"""The seed of the shipped network. Training takes another one: no model is trained on its judge."""

SHA256 = "a10556d04bb4be21c8725c32e1df9346d0803faf43ddc7baecadb1a7dbb3b925"
"""SHA-256 of the shipped weights: little-endian float32, the five tensors one after another."""

_NORM_OFFSET = 0.1  # keeps the noise of one 8-bit code small where an image is flat


class RandomFeatures(nn.Module):
    """The random feature network, frozen; differentiable with respect to its images.

    Args:
        weights: five float tensors `(c_out, c_in, 3, 3)` as `seeded_weights` makes them.
        name: what identifies the network in records.
    """

    smallest_side = 1

    def __init__(self, weights: Sequence[Tensor], *, name: str) -> None:
        super().__init__()
        self.name = name
        for index, tensor in enumerate(weights, start=1):
            laid_out = tensor.detach().clone(memory_format=torch.channels_last)
            self.register_buffer(f"stage{index}", laid_out, persistent=False)

    def features(self, images: Rgb) -> list[Tensor]:
        """Return the rectified maps after each stage; each halves the size, rounded up."""
        maps = (images.to(self._stages[0].dtype) * 2 - 1).contiguous(memory_format=torch.channels_last)
        stages = []
        for kernel in self._stages:
            padded = functional.pad(maps, (1, 1, 1, 1), mode="replicate")
            maps = functional.conv2d(padded, kernel, stride=2)
            maps = functional.relu(maps, inplace=not maps.requires_grad)
            stages.append(maps)
        return stages

    def normalise(self, stages: list[Tensor]) -> list[Tensor]:
        """Return each stage divided by `sqrt(Σ_c f² + 0.1)`."""
        return [maps / (maps.square().sum(dim=1, keepdim=True) + _NORM_OFFSET).sqrt() for maps in stages]

    def distance(self, prediction: list[Tensor], reference: list[Tensor]) -> Float64[Tensor, " batch"]:
        """Return the mean over the stages of the spatial mean of `Σ_c (u − v)²`, in [0, 2]."""
        pairs = zip(prediction, reference, strict=True)
        return torch.stack([spatial_mean_of_squares(u, v) for u, v in pairs]).mean(dim=0)

    def pooled(self, images: Rgb) -> Pooled:
        """Return the spatial mean and biased standard deviation of each stage, `(batch, 960)`.

        Order: mean, deviation of stage 1, then of stage 2, … .
        """
        return _moments(self.features(images))

    def forward_all(self, images: Rgb) -> tuple[list[Tensor], Pooled]:
        """Return the stages and the pooled vectors of one pass."""
        stages = self.features(images)
        return stages, _moments(stages)

    def forward(self, images: Rgb) -> list[Tensor]:
        """Return `features(images)`."""
        return self.features(images)

    def bytes_per_image(self, height: int, width: int) -> int:
        """Return the bytes of the five stages of one image."""
        numbers = 0
        for channels in CHANNELS[1:]:
            height, width = (height + 1) // 2, (width + 1) // 2
            numbers += channels * height * width
        return numbers * self._stages[0].element_size()

    @property
    def _stages(self) -> list[Tensor]:
        return [self.get_buffer(f"stage{index}") for index in range(1, len(CHANNELS))]


def _moments(stages: list[Tensor]) -> Pooled:
    columns = []
    for maps in stages:
        mean = maps.mean(dim=(2, 3), keepdim=True)
        deviation = (maps - mean).square().mean(dim=(2, 3)).sqrt()
        columns += [mean.flatten(1), deviation]
    return torch.cat(columns, dim=1)


def seeded_weights(seed: int) -> list[Tensor]:
    """Return the five weight tensors of a seed, float32 `(c_out, c_in, 3, 3)`.

    Normal numbers of `numpy.random.PCG64(seed)` times `sqrt(2 / (9 c_in))`; in the first stage the mean of
    each 3×3 kernel is subtracted. NumPy may change its normal numbers between versions: for the shipped
    network the file is the truth, not this function.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    tensors = []
    for stage, (fan_in, fan_out) in enumerate(itertools.pairwise(CHANNELS)):
        weights = generator.standard_normal((fan_out, fan_in, 3, 3)) * np.sqrt(2 / (9 * fan_in))
        if stage == 0:
            weights -= weights.mean(axis=(2, 3), keepdims=True)
        tensors.append(torch.from_numpy(weights.astype(np.float32)))
    return tensors


def training_features(seed: int) -> RandomFeatures:
    """Return a random network of one's own seed, for a training loss.

    Raises:
        DataError: the seed is the ruler's.
    """
    if seed == RULER_SEED:
        raise DataError(f"seed {seed} is that of the network that judges", remedy="Train with any other seed.")
    return RandomFeatures(seeded_weights(seed), name=f"random-features-seed-{seed}")


@functools.lru_cache(maxsize=8)
def random_features(device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> RandomFeatures:
    """Return the shipped random network, the one behind `lpips-rand`, `rfid-rand` and `kid-rand`.

    Raises:
        DataError: the shipped file was changed.
    """
    with torch.inference_mode(mode=False):  # buffers born in inference mode could never serve a loss
        with as_file(files("alphabench.metrics") / "assets" / "random-features-1.safetensors") as path:
            weights = read_weights(path)
        return RandomFeatures(weights, name="random-features-1").to(device=device, dtype=dtype)


def read_weights(path: Path, *, sha256: str = SHA256) -> list[Tensor]:
    """Return the five weight tensors of a safetensors file.

    Raises:
        DataError: the file cannot be read, has other tensors, or their SHA-256 is not `sha256`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    remedy = "Install alphabench again: the file belongs to the package and is never edited."
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}", remedy=remedy) from error
    expected = {
        f"stage{stage}": (fan_out, fan_in, 3, 3)
        for stage, (fan_in, fan_out) in enumerate(itertools.pairwise(CHANNELS), start=1)
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        raise DataError(f"{path} holds the tensors {found}, expected {expected}", remedy=remedy)
    weights = [tensors[name].to(torch.float32) for name in expected]
    content = b"".join(tensor.numpy().astype("<f4").tobytes() for tensor in weights)
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DataError(
            f"the weights in {path} are not the shipped ones: SHA-256 {digest}, expected {sha256}",
            remedy=remedy,
        )
    return weights
