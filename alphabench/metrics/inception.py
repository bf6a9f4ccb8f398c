"""The Inception of the original FID: 2048 numbers per image.

It is the TensorFlow network of 2015 as ported by `mseitzer/pytorch-fid`. It differs from torchvision's
Inception v3 in three facts besides its weights: average pools do not count the padding, the last block
takes a maximum instead of an average, and there are 1,008 classes. Module names are those of the file.
Architecture: Szegedy et al. 2016, arXiv 1512.00567.
"""

import functools
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from alphabench.errors import DataError
from alphabench.image.resizing import clean_resize_299
from alphabench.image.types import Rgb
from alphabench.metrics.features import Pooled
from alphabench.metrics.weights import WeightFile, locate, read_state

Maps = Float[Tensor, "batch channel map_height map_width"]

_CLASSES = 1008
_DIM = 2048


class _Convolution(nn.Module):
    """A convolution without bias, batch normalisation with the stored statistics, rectifier."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int | tuple[int, int], *, stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(c_in, c_out, sides, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001)

    def forward(self, maps: Maps) -> Tensor:
        return functional.relu(self.bn(self.conv(maps)), inplace=True)


def _average(maps: Maps) -> Tensor:
    return functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(maps: Maps) -> Tensor:
    return functional.max_pool2d(maps, 3, stride=1, padding=1)


def _halved(maps: Maps) -> Tensor:
    return functional.max_pool2d(maps, 3, stride=2)


class _BlockA(nn.Module):
    """35×35: 1×1, 5×5 and double 3×3 branches beside a pool."""

    def __init__(self, c_in: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = _Convolution(c_in, 64, 1)
        self.branch5x5_1 = _Convolution(c_in, 48, 1)
        self.branch5x5_2 = _Convolution(48, 64, 5)
        self.branch3x3dbl_1 = _Convolution(c_in, 64, 1)
        self.branch3x3dbl_2 = _Convolution(64, 96, 3)
        self.branch3x3dbl_3 = _Convolution(96, 96, 3)
        self.branch_pool = _Convolution(c_in, pool, 1)

    def forward(self, maps: Maps) -> Tensor:
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(maps))
        parts = [
            self.branch1x1(maps),
            self.branch5x5_2(self.branch5x5_1(maps)),
            self.branch3x3dbl_3(double),
            self.branch_pool(_average(maps)),
        ]
        return torch.cat(parts, dim=1)


class _BlockB(nn.Module):
    """From 35×35 to 17×17."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        self.branch3x3 = _Convolution(c_in, 384, 3, stride=2, padded=False)
        self.branch3x3dbl_1 = _Convolution(c_in, 64, 1)
        self.branch3x3dbl_2 = _Convolution(64, 96, 3)
        self.branch3x3dbl_3 = _Convolution(96, 96, 3, stride=2, padded=False)

    def forward(self, maps: Maps) -> Tensor:
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(maps))
        return torch.cat([self.branch3x3(maps), self.branch3x3dbl_3(double), _halved(maps)], dim=1)


class _BlockC(nn.Module):
    """17×17: factorised 7×7 branches beside a pool."""

    def __init__(self, c_in: int, inner: int) -> None:
        super().__init__()
        wide, tall = (1, 7), (7, 1)
        self.branch1x1 = _Convolution(c_in, 192, 1)
        self.branch7x7_1 = _Convolution(c_in, inner, 1)
        self.branch7x7_2 = _Convolution(inner, inner, wide)
        self.branch7x7_3 = _Convolution(inner, 192, tall)
        self.branch7x7dbl_1 = _Convolution(c_in, inner, 1)
        self.branch7x7dbl_2 = _Convolution(inner, inner, tall)
        self.branch7x7dbl_3 = _Convolution(inner, inner, wide)
        self.branch7x7dbl_4 = _Convolution(inner, inner, tall)
        self.branch7x7dbl_5 = _Convolution(inner, 192, wide)
        self.branch_pool = _Convolution(c_in, 192, 1)

    def forward(self, maps: Maps) -> Tensor:
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(maps)))
        parts = [
            self.branch1x1(maps),
            self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(maps))),
            self.branch7x7dbl_5(self.branch7x7dbl_4(double)),
            self.branch_pool(_average(maps)),
        ]
        return torch.cat(parts, dim=1)


class _BlockD(nn.Module):
    """From 17×17 to 8×8."""

    def __init__(self, c_in: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Convolution(c_in, 192, 1)
        self.branch3x3_2 = _Convolution(192, 320, 3, stride=2, padded=False)
        self.branch7x7x3_1 = _Convolution(c_in, 192, 1)
        self.branch7x7x3_2 = _Convolution(192, 192, (1, 7))
        self.branch7x7x3_3 = _Convolution(192, 192, (7, 1))
        self.branch7x7x3_4 = _Convolution(192, 192, 3, stride=2, padded=False)

    def forward(self, maps: Maps) -> Tensor:
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(maps)))
        parts = [self.branch3x3_2(self.branch3x3_1(maps)), self.branch7x7x3_4(seven), _halved(maps)]
        return torch.cat(parts, dim=1)


class _BlockE(nn.Module):
    """8×8: forked 3×3 branches beside a pool, which takes the average or the maximum."""

    def __init__(self, c_in: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        self.branch1x1 = _Convolution(c_in, 320, 1)
        self.branch3x3_1 = _Convolution(c_in, 384, 1)
        self.branch3x3_2a = _Convolution(384, 384, (1, 3))
        self.branch3x3_2b = _Convolution(384, 384, (3, 1))
        self.branch3x3dbl_1 = _Convolution(c_in, 448, 1)
        self.branch3x3dbl_2 = _Convolution(448, 384, 3)
        self.branch3x3dbl_3a = _Convolution(384, 384, (1, 3))
        self.branch3x3dbl_3b = _Convolution(384, 384, (3, 1))
        self.branch_pool = _Convolution(c_in, 192, 1)

    def forward(self, maps: Maps) -> Tensor:
        single = self.branch3x3_1(maps)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(maps))
        parts = [
            self.branch1x1(maps),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(_maximum(maps) if self.maximum else _average(maps)),
        ]
        return torch.cat(parts, dim=1)


class InceptionFeatures(nn.Module):
    """The FID Inception up to its last pool, frozen, in evaluation mode.

    Args:
        state: the tensors of the file, all of them (strict).

    Raises:
        DataError: a tensor is missing, unknown or of another shape.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.name = "inception-2015-12-05-pool3"
        with torch.device("meta"):  # no random numbers for 24 million weights that are replaced at once
            self._build()
        self.to_empty(device="cpu")
        _load(self, state)
        self.to(memory_format=torch.channels_last)
        self.requires_grad_(requires_grad=False)
        self.eval()

    def _build(self) -> None:
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, stride=2, padded=False)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3, padded=False)
        self.Mixed_5b = _BlockA(192, pool=32)
        self.Mixed_5c = _BlockA(256, pool=64)
        self.Mixed_5d = _BlockA(288, pool=64)
        self.Mixed_6a = _BlockB(288)
        self.Mixed_6b = _BlockC(768, inner=128)
        self.Mixed_6c = _BlockC(768, inner=160)
        self.Mixed_6d = _BlockC(768, inner=160)
        self.Mixed_6e = _BlockC(768, inner=192)
        self.Mixed_7a = _BlockD(768)
        self.Mixed_7b = _BlockE(1280, maximum=False)
        self.Mixed_7c = _BlockE(2048, maximum=True)
        self.fc = nn.Linear(_DIM, _CLASSES)

    def train(self, mode: bool = True) -> "InceptionFeatures":
        """Stay in evaluation mode: a judge does not learn from what it sees."""
        super().train(mode=False)
        return self

    def features(self, images: Rgb) -> list[Tensor]:
        """Return the last maps `(batch, 2048, 8, 8)` of images in [0,1] of any size.

        Each image is first brought to 299² by the resize of clean-FID (arXiv 2104.11222).
        """
        scaled = (clean_resize_299(images) * 255 - 128) / 128
        return [self.maps(scaled)]

    def pooled(self, images: Rgb) -> Pooled:
        """Return the spatial mean of the last maps, `(batch, 2048)`, of images in [0,1]."""
        return self.features(images)[0].mean(dim=(2, 3))

    def forward(self, images: Rgb) -> Pooled:
        """Return `pooled(images)`."""
        return self.pooled(images)

    def maps(self, scaled: Rgb) -> Tensor:
        """Return the last maps of images that are already resized and scaled to [−1,1]."""
        maps = scaled.contiguous(memory_format=torch.channels_last)
        maps = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(maps)))
        maps = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halved(maps)))
        maps = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_halved(maps))))
        maps = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(maps)))
        maps = self.Mixed_6e(self.Mixed_6d(maps))
        last: Tensor = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(maps)))
        return last


def _load(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy every tensor of `state` into `network`; the counter of batch normalisation may be absent."""
    own = network.state_dict()
    counters = {name for name in own if name.endswith(".num_batches_tracked")}
    wrong = [
        f"{name}: expected {tuple(own[name].shape)}, found "
        + (f"{tuple(state[name].shape)}" if name in state else "nothing")
        for name in own
        if name not in counters and (name not in state or state[name].shape != own[name].shape)
    ]
    wrong += [f"{name}: unknown" for name in state if name not in own]
    if wrong:
        raise DataError(
            f"{len(wrong)} tensors of the FID Inception do not fit, first {wrong[0]}",
            remedy="Fetch the file again: alphabench weights fetch inception",
        )
    filled = {name: torch.zeros((), dtype=torch.long) for name in counters} | dict(state)
    network.load_state_dict(filled, strict=True)


def load_inception(weights: str | WeightFile = "inception", device: str | torch.device = "cpu") -> InceptionFeatures:
    """Return the FID Inception, its file checked by SHA-256.

    Raises:
        WeightsMissing: the file is not on this machine.
        DataError: the file is another one, or does not hold this network.
    """
    with torch.inference_mode(mode=False):
        return InceptionFeatures(read_state(locate(weights))).to(device)


@functools.lru_cache(maxsize=8)
def inception(device: str | torch.device = "cpu") -> InceptionFeatures:
    """Return the FID Inception, loaded once per process and device.

    Raises:
        WeightsMissing: the file is not on this machine.
        DataError: the file is another one.
    """
    return load_inception(device=device)
