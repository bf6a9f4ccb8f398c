"""How well two alphas overlap, softly, as masks, and along their boundaries."""

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from alphabench.image.codec import quantise
from alphabench.image.types import Alpha
from alphabench.metrics.check import check_pair

MASK_CODE = 128
"""The least 8-bit alpha that belongs to the mask."""

BOUNDARY_SHARE = 0.0075
"""How far apart two boundaries may lie, as a share of the image's diagonal."""


def soft_iou(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return Σ min(p, t) / Σ max(p, t); 1 where both are fully transparent.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=1)
    return _ratio(
        torch.minimum(prediction, reference).double().sum(-1).sum((1, 2)),
        torch.maximum(prediction, reference).double().sum(-1).sum((1, 2)),
    )


def hard_iou(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return intersection over union of the masks, code ≥ 128; 1 where both are empty.

    Arguments and errors as in `soft_iou`.
    """
    one, other = (mask_of(image) for image in check_pair(prediction, reference, channels=1))
    return _ratio((one & other).sum((1, 2, 3)).double(), (one | other).sum((1, 2, 3)).double())


def boundary_f(prediction: Alpha, reference: Alpha) -> Float64[Tensor, " batch"]:
    """Return the harmonic mean of boundary precision and recall.

    A boundary is a mask (code ≥ 128) less its erosion by four neighbours, where outside the image counts
    as no mask: so a full mask has the frame as its boundary. A boundary pixel is right when the other
    boundary has one within the Euclidean distance max(1, round(0.0075 · diagonal)).

    Arguments and errors as in `soft_iou`.

    Returns:
        `(batch,)` in [0,1]; 1 where both boundaries are empty, 0 where one is.
    """
    prediction, reference = check_pair(prediction, reference, channels=1)
    height, width = prediction.shape[2:]
    reach = max(1, round(BOUNDARY_SHARE * float(np.hypot(height, width))))
    masks = [mask_of(image)[:, 0].cpu().numpy() for image in (prediction, reference)]
    scores = [_boundary_score(one, other, reach) for one, other in zip(*masks, strict=True)]
    return torch.tensor(scores, dtype=torch.float64, device=prediction.device)


def mask_of(alpha: Tensor) -> Tensor:
    """Return where the 8-bit code of `alpha` is at least `MASK_CODE`."""
    return quantise(alpha) >= MASK_CODE


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, 1 where the whole is 0."""
    return torch.where(whole > 0, part / whole, 1.0)


def _boundary_score(one: NDArray[np.bool_], other: NDArray[np.bool_], reach: int) -> float:
    """Return the boundary F of two masks `(height, width)`."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (one, other)]
    if not edges[0].any() or not edges[1].any():
        return float(edges[0].any() == edges[1].any())
    precision, recall = (
        float((ndimage.distance_transform_edt(~target)[edge] <= reach).mean()) for edge, target in (edges, edges[::-1])
    )
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
