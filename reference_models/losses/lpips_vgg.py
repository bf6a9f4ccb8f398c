"""LPIPS with VGG-16 as a training loss, the perceptual term of the published recipes (arXiv 1801.03924).

Arithmetic and linear heads are those of the package `lpips` 0.1; the backbone is torchvision's VGG-16, read from
the folder of the metrics' weights. No metric of this project judges by it: those use AlexNet.
"""

import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from alphabench.errors import DataError
from alphabench.metrics.weights import locate, read_state

SMALLEST_SIDE = 16  # four halvings come before the last features


def vgg16_state() -> Mapping[str, Tensor]:
    """Return the tensors of torchvision's VGG-16.

    Raises:
        WeightsMissing: the file is not on this machine.
        DataError: another file lies in its place.
    """
    return read_state(locate("vgg16"))


class LpipsVgg(nn.Module):
    """LPIPS 0.1 over VGG-16, frozen, in evaluation mode whatever the training does.

    Args:
        backbone: `features.*` tensors of torchvision's VGG-16; its classifier is ignored.

    Raises:
        DataError: a tensor is missing or has another shape.
    """

    def __init__(self, backbone: Mapping[str, Tensor]) -> None:
        super().__init__()
        import lpips

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips uses names that torchvision has renamed
            distance = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
        wanted = cast("nn.Module", distance.net).state_dict()
        # The slices of lpips keep torchvision's numbers: slice2.5.weight is features.5.weight.
        state = {name: f"features.{name.split('.', 1)[1]}" for name in wanted}
        bad = [
            source
            for name, source in state.items()
            if source not in backbone or backbone[source].shape != wanted[name].shape
        ]
        if bad:
            raise DataError(
                f"the VGG-16 weights lack {len(bad)} tensors or have them in other shapes, first {bad[0]}",
                remedy="Run: alphabench weights fetch vgg16",
            )
        cast("nn.Module", distance.net).load_state_dict({name: backbone[source] for name, source in state.items()})
        self.distance: Any = distance.requires_grad_(requires_grad=False)
        self.train(mode=False)

    def train(self, mode: bool = True) -> "LpipsVgg":
        """Stay in evaluation mode: the heads have dropout while training."""
        del mode
        super().train(mode=False)
        return self

    def forward(
        self, prediction: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Return LPIPS of each pair of images in [-1,1], 0 for equal images.

        Raises:
            DataError: a side is shorter than 16 pixels.
        """
        if min(prediction.shape[-2:]) < SMALLEST_SIDE:
            raise DataError(
                f"LPIPS with VGG-16 needs images of {SMALLEST_SIDE} pixels a side, got {tuple(prediction.shape[-2:])}",
                remedy="Train on larger crops.",
            )
        distances: Tensor = self.distance(prediction, target)
        return distances.flatten().to(torch.float32)
