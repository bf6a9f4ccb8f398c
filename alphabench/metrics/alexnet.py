"""The AlexNet of LPIPS: five rectified maps and the learned linear heads.

Source: Zhang et al. 2018, arXiv 1801.03924; constants of `richzhang/PerceptualSimilarity` version 0.1.
The features are those of torchvision's AlexNet, the heads come with the package `lpips`.
"""

import functools
from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn import functional

from alphabench.errors import DataError
from alphabench.image.types import Rgb
from alphabench.metrics.features import spatial_mean_of_squares
from alphabench.metrics.weights import WeightFile, locate, read_state

# Index in torchvision's `features`, channels in and out, kernel, stride, padding.
_CONVOLUTIONS = (
    (0, 3, 64, 11, 4, 2),
    (3, 64, 192, 5, 1, 2),
    (6, 192, 384, 3, 1, 1),
    (8, 384, 256, 3, 1, 1),
    (10, 256, 256, 3, 1, 1),
)
_POOLED_BEFORE = frozenset({3, 6})  # a 3×3 maximum with stride 2 comes before these
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class AlexFeatures(nn.Module):
    """AlexNet with the heads of LPIPS 0.1, frozen, in evaluation mode (no dropout).

    Args:
        backbone: `features.*` tensors of torchvision's AlexNet; its classifier is ignored.
        heads: `lin0.model.1.weight` … `lin4.model.1.weight`, `(1, channel, 1, 1)`.

    Raises:
        DataError: a tensor is missing or has another shape.
    """

    smallest_side = 31  # the last maximum needs 3 pixels: convolution 11/4 with padding 2, two maxima 3/2

    def __init__(self, backbone: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.name = "lpips-alex-0.1"
        for stage, (index, c_in, c_out, kernel, *_) in enumerate(_CONVOLUTIONS):
            weight = _take(backbone, f"features.{index}.weight", (c_out, c_in, kernel, kernel), "AlexNet")
            bias = _take(backbone, f"features.{index}.bias", (c_out,), "AlexNet")
            head = _take(heads, f"lin{stage}.model.1.weight", (1, c_out, 1, 1), "LPIPS heads")
            self.register_buffer(f"weight{stage}", weight.clone(memory_format=torch.channels_last))
            self.register_buffer(f"bias{stage}", bias.clone())
            self.register_buffer(f"head{stage}", head.flatten().clone())
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))

    def features(self, images: Rgb) -> list[Tensor]:
        """Return the maps after each of the five rectifiers: 64, 192, 384, 256, 256 channels."""
        shift, scale = self.get_buffer("shift"), self.get_buffer("scale")
        maps = ((images.to(scale.dtype) * 2 - 1 - shift) / scale).contiguous(memory_format=torch.channels_last)
        stages = []
        for stage, (index, _, _, _, stride, padding) in enumerate(_CONVOLUTIONS):
            if index in _POOLED_BEFORE:
                maps = functional.max_pool2d(maps, kernel_size=3, stride=2)
            weight, bias = self.get_buffer(f"weight{stage}"), self.get_buffer(f"bias{stage}")
            maps = functional.relu(functional.conv2d(maps, weight, bias, stride=stride, padding=padding))
            stages.append(maps)
        return stages

    def normalise(self, stages: list[Tensor]) -> list[Tensor]:
        """Return each stage divided by `sqrt(Σ_c f²) + 1e-10`."""
        return [maps / (torch.linalg.vector_norm(maps, dim=1, keepdim=True) + 1e-10) for maps in stages]

    def distance(self, prediction: list[Tensor], reference: list[Tensor]) -> Float64[Tensor, " batch"]:
        """Return the sum over the stages of the spatial mean of the weighted squared differences."""
        pairs = zip(prediction, reference, strict=True)
        return torch.stack(
            [spatial_mean_of_squares(u, v, self.get_buffer(f"head{stage}")) for stage, (u, v) in enumerate(pairs)]
        ).sum(dim=0)

    def forward(self, images: Rgb) -> list[Tensor]:
        """Return `features(images)`."""
        return self.features(images)

    def bytes_per_image(self, height: int, width: int) -> int:
        """Return the bytes of the five stages of one image."""
        numbers = 0
        for index, _, channels, kernel, stride, padding in _CONVOLUTIONS:
            if index in _POOLED_BEFORE:
                height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
            height = (height + 2 * padding - kernel) // stride + 1
            width = (width + 2 * padding - kernel) // stride + 1
            numbers += channels * height * width
        return numbers * self.get_buffer("scale").element_size()


def load_alexnet(
    backbone: str | WeightFile = "alexnet",
    heads: str | WeightFile = "lpips-heads",
    device: str | torch.device = "cpu",
) -> AlexFeatures:
    """Return the network of LPIPS, its two files checked by SHA-256.

    Raises:
        WeightsMissing: a file is not on this machine.
        DataError: a file is another one, or does not hold the tensors of LPIPS.
    """
    with torch.inference_mode(mode=False):  # buffers born in inference mode could never serve a loss
        network = AlexFeatures(read_state(locate(backbone)), read_state(locate(heads)))
        return network.to(device)


@functools.lru_cache(maxsize=8)
def alexnet(device: str | torch.device = "cpu") -> AlexFeatures:
    """Return the network of LPIPS, loaded once per process and device.

    Raises:
        WeightsMissing: a file is not on this machine.
        DataError: a file is another one.
    """
    return load_alexnet(device=device)


def _take(state: Mapping[str, Tensor], key: str, shape: tuple[int, ...], owner: str) -> Tensor:
    tensor = state.get(key)
    if tensor is None or tuple(tensor.shape) != shape:
        found = "nothing" if tensor is None else f"shape {tuple(tensor.shape)}"
        raise DataError(
            f"the weights of the {owner} have {found} at {key!r}, expected shape {shape}",
            remedy="See `alphabench weights list`, and fetch or reinstall the file it names.",
        )
    return tensor.detach().to(torch.float32)
