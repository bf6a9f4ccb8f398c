"""The rim of foreign colour that matting on a known background leaves around an object.

Each soft pixel is compared with the nearest pixel of the solid core: a white or black halo shows as a jump
in straight colour. Texture inside the object raises the value too, so it is read against the same measure
of real images. Glass and smoke have no core: there it is silent by design.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    return per_rim(prediction, _jump)


def fringe_luma(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the mean luma jump from core to rim: above 0 a light halo, below 0 a dark one.

    `(batch,)` in [−1,1]; everything else as in `fringe`.
    """
    return per_rim(prediction, _luma_jump)


@dataclass(frozen=True)
class Rim:
    """The soft pixels near the solid core of one image, each with the core pixel nearest to it.

    Attributes:
        alpha: opacity of each rim pixel, `(pixel,)` in [0,1].
        colour: its straight colour, `(3, pixel)`.
        core: straight colour of the nearest core pixel, `(3, pixel)`.
    """

    alpha: NDArray[np.float64]
    colour: NDArray[np.float64]
    core: NDArray[np.float64]


def per_rim(prediction: Rgba, score: Callable[[Rim], float]) -> Float64[Tensor, " batch"]:
    """Return `score` of each sample's rim, NaN (not applicable) where there is none.

    Arguments and errors as in `fringe`.
    """
    checked = check_image(prediction, "prediction", channels=4).detach()
    colours, codes = checked[:, :3].double().cpu().numpy(), quantise(checked[:, 3]).cpu().numpy()
    rims = [_rim_of(*image) for image in zip(colours, codes, strict=True)]
    scores = [float("nan") if rim is None else score(rim) for rim in rims]
    return torch.tensor(scores, dtype=torch.float64, device=prediction.device)


def _rim_of(colour: NDArray[np.float64], codes: NDArray[np.uint8]) -> Rim | None:
    """Return the rim of one image: colour `(3, height, width)`, alpha codes; None without core or rim."""
    core = codes >= CORE_CODE
    band = (codes >= BAND_CODES[0]) & (codes <= BAND_CODES[1])
    if not core.any() or not band.any():
        return None
    distance, nearest = ndimage.distance_transform_edt(~core, return_indices=True)
    band &= distance <= REACH
    if not band.any():
        return None
    rows, columns = (axis[band] for axis in nearest)
    return Rim(codes[band] / 255, colour[:, band], colour[:, rows, columns])


def _jump(rim: Rim) -> float:
    return _weighted_mean(rim, np.sqrt(np.square(rim.colour - rim.core).mean(0)))


def _luma_jump(rim: Rim) -> float:
    return _weighted_mean(rim, np.array(LUMA_WEIGHTS) @ (rim.colour - rim.core))


def _weighted_mean(rim: Rim, size: NDArray[np.float64]) -> float:
    """Return the mean of one number per rim pixel, weighted by α(1 − α)."""
    weight = rim.alpha * (1 - rim.alpha)
    return float((weight * size).sum() / weight.sum())
