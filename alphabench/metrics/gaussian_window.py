"""The Gaussian window of SSIM as two banded matrix products.

Each block of `BLOCK` outputs is one product of `BLOCK + 10` inputs with a banded matrix. That spends four
times the multiplications of an 11-tap convolution, runs at the speed of a matrix product on plain
row-major images, and is several times faster than a grouped convolution with its change of layout.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

TAPS = 11
SIGMA = 1.5
HALO = TAPS - 1
"""Rows and columns that `valid` filtering takes away."""

BLOCK = 32
"""Columns of one banded product."""


def window(dtype: torch.dtype, device: torch.device) -> Float[Tensor, " tap"]:
    """Return the taps exp(−k²/(2·1.5²)), k = −5…5, that sum to 1 (Wang et al. 2004)."""
    offsets = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    taps = torch.exp(-offsets.square() / (2 * SIGMA**2))
    return (taps / taps.sum()).to(device, dtype)


def band(taps: Float[Tensor, " tap"], outputs: int) -> Float[Tensor, "output input"]:
    """Return the matrix that filters `outputs + 10` numbers to `outputs`: the taps, one step on per row."""
    matrix = taps.new_zeros(outputs, outputs + HALO)
    for row in range(outputs):
        matrix[row, row : row + TAPS] = taps
    return matrix


def padded_width(width: int) -> int:
    """Return the width that cuts into whole column blocks, at least `width`."""
    columns = min(BLOCK, width - HALO)
    return -(-(width - HALO) // columns) * columns + HALO


class ValidWindow:
    """Filters stripes of maps of one padded width; the outputs of padding columns are dropped by `total`.

    Args:
        width: columns of the images, at least 11.
        like: a tensor whose dtype and device the taps take.
    """

    def __init__(self, width: int, like: Tensor) -> None:
        self._taps = window(like.dtype, like.device)
        self._columns = min(BLOCK, width - HALO)
        self._outputs = width - HALO
        self._across = band(self._taps, self._columns).T.contiguous()
        self._down: dict[int, Tensor] = {}

    def __call__(
        self, maps: Float[Tensor, "batch map rows width"]
    ) -> Float[Tensor, "map block batch out_rows columns"]:
        """Return the filtered maps, columns in blocks: `(map, block, batch, rows − 10, columns)`."""
        batch, count, rows, width = maps.shape
        rows -= HALO
        if rows not in self._down:
            self._down[rows] = band(self._taps, rows)
        vertical = torch.matmul(self._down[rows], maps.reshape(batch * count, rows + HALO, width))
        windows = vertical.reshape(-1, width).unfold(1, self._columns + HALO, self._columns).transpose(0, 1)
        blocks = torch.bmm(windows, self._across.expand(windows.shape[0], -1, -1))
        return blocks.view(-1, batch, count, rows, self._columns).permute(2, 0, 1, 3, 4)

    def total(self, image: Float[Tensor, "map block batch rows columns"]) -> Float64[Tensor, "map batch"]:
        """Return the sum over each map's true pixels: short runs in the map's dtype, the rest in float64."""
        whole, rest = divmod(self._outputs, self._columns)
        sums = image[:, :whole].sum(-1).sum((1, 3), dtype=torch.float64)
        if rest:
            sums = sums + image[:, whole, :, :, :rest].sum(-1).sum(2, dtype=torch.float64)
        return sums
