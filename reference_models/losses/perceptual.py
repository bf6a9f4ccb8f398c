"""A perceptual distance from seeded random convolutions: a training loss, never a metric.

It has the arithmetic of LPIPS (arXiv 1801.03924: unit-normalised channels, squared difference, spatial mean)
over features that nobody has trained. The filters and their seed differ from those of every metric that
judges the models, because no model is trained on its judge.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SEED = 20_111
SCALES = 3
FIRST, SECOND = 24, 32
FLOOR = 1e-2


class RandomPerceptual(nn.Module):
    """Distance between images in random orthonormal zero-mean filters at three scales.

    Args:
        seed: of the filters.
        floor: norm of the features of a position below which their direction stops to matter. With 0.01 noise of one
            8-bit code on a flat image costs 0.5, a third of what shuffled blocks cost; with 0.3 it costs 0.003.
    """

    first: Tensor
    second: Tensor

    def __init__(self, seed: int = SEED, *, floor: float = FLOOR) -> None:
        super().__init__()
        if floor <= 0:
            raise ValueError(f"the floor must be positive, not {floor}")
        self.floor = floor
        generator = torch.Generator().manual_seed(seed)
        first = torch.randn(FIRST, 3 * 25, generator=generator)
        first = torch.linalg.qr(first.T - first.T.mean(0, keepdim=True))[0].T
        second = torch.linalg.qr(torch.randn(FIRST * 9, SECOND, generator=generator))[0].T
        self.register_buffer("first", first.reshape(FIRST, 3, 5, 5).contiguous(), persistent=False)
        self.register_buffer("second", second.reshape(SECOND, FIRST, 3, 3).contiguous(), persistent=False)

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return the features of images in [-1,1], finest first."""
        found = []
        for scale in range(SCALES):
            scaled = functional.avg_pool2d(images, 2**scale) if scale else images
            edges = functional.leaky_relu(functional.conv2d(scaled, self.first, stride=2, padding=2), 0.2)
            found.append(edges)
            found.append(functional.leaky_relu(functional.conv2d(edges, self.second, stride=2, padding=1), 0.2))
        return found

    def forward(
        self, prediction: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Return one distance for each pair of images in [-1,1], 0 for equal images."""
        distance = torch.zeros(len(prediction), device=prediction.device)
        for ours, theirs in zip(self.features(prediction), self.features(target), strict=True):
            difference = self._direction(ours.float()) - self._direction(theirs.float())
            distance = distance + difference.square().sum(1).mean((1, 2)) / (2 * SCALES)
        return distance

    def _direction(self, features: Tensor) -> Tensor:
        return features / torch.sqrt(features.square().sum(1, keepdim=True) + self.floor**2)
