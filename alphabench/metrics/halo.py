"""The rim of foreign colour that matting on a known background leaves around an object.

Each soft pixel is compared with the nearest pixel of the solid core: a white or black halo shows as a jump
in straight colour. Texture inside the object raises the value too, so it is read against the same measure
of real images. Glass and smoke have no core: there it is silent by design.
"""

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from alphabench.image.codec import quantise
from alphabench.image.types import Rgba
from alphabench.metrics.check import check_image
from alphabench.metrics.similarity import LUMA_WEIGHTS

CORE_CODE = 243
"""The least alpha code of the solid core (0.95)."""

BAND_CODES = (13, 242)
"""First and last alpha code of the rim."""

REACH = 8
"""How many pixels away the nearest core pixel may lie, Euclidean."""


def fringe(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the mean colour jump between rim and core, weighted by α(1 − α).

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.

    Returns:
        `(batch,)` in [0,1], root mean square over the channels of each pixel's jump; NaN (not applicable)
        where there is no core, no rim, or none near the other. Lower is better.

    Raises:
        DataError: see `alphabench.metrics.check.check_image`.
    """
    return _weighted_jump(prediction, signed=False)


def fringe_luma(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the mean luma jump from core to rim: above 0 a light halo, below 0 a dark one.

    `(batch,)` in [−1,1]; everything else as in `fringe`.
    """
    return _weighted_jump(prediction, signed=True)


def _weighted_jump(prediction: Tensor, *, signed: bool) -> Float64[Tensor, " batch"]:
    checked = check_image(prediction, "prediction", channels=4).detach()
    colours, codes = checked[:, :3].double().cpu().numpy(), quantise(checked[:, 3]).cpu().numpy()
    scores = [_jump(*image, signed=signed) for image in zip(colours, codes, strict=True)]
    return torch.tensor(scores, dtype=torch.float64, device=prediction.device)


def _jump(colour: NDArray[np.float64], codes: NDArray[np.uint8], *, signed: bool) -> float:
    """Return the weighted mean jump of one image: colour `(3, height, width)`, alpha codes."""
    core = codes >= CORE_CODE
    band = (codes >= BAND_CODES[0]) & (codes <= BAND_CODES[1])
    if not core.any() or not band.any():
        return float("nan")
    distance, nearest = ndimage.distance_transform_edt(~core, return_indices=True)
    band &= distance <= REACH
    if not band.any():
        return float("nan")
    rows, columns = (axis[band] for axis in nearest)
    jump = colour[:, band] - colour[:, rows, columns]
    alpha = codes[band] / 255
    weight = alpha * (1 - alpha)
    size = np.array(LUMA_WEIGHTS) @ jump if signed else np.sqrt(np.square(jump).mean(0))
    return float((weight * size).sum() / weight.sum())
