"""What can be said of one RGBA image without a reference: how its alpha is spread, and faults of cut-outs.

None of these is a score of quality alone; most have no direction. They are meant to be compared with their
distribution over real images. Alpha is taken as 8-bit codes, colour as straight colour.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from alphabench.image.codec import quantise
from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgba
from alphabench.metrics.check import check_image, check_pair
from alphabench.metrics.connectivity import largest_component
from alphabench.metrics.masks import MASK_CODE

SOFT_CODES = (26, 229)
"""First and last code that counts as soft."""

BLANK_CODE = 26
"""An image whose alpha stays below this code shows nothing."""

Codes = NDArray[np.int64]


def alpha_entropy(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the entropy of the 256 alpha codes, in bits, 0…8.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.

    Raises:
        DataError: see `alphabench.metrics.check.check_image`.
    """
    return _per_alpha(prediction, _entropy)


def opaque_share(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of pixels with alpha code 255; arguments as in `alpha_entropy`."""
    return _share(prediction, 255, 255)


def clear_share(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of pixels with alpha code 0; arguments as in `alpha_entropy`."""
    return _share(prediction, 0, 0)


def semi_share(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of pixels with alpha codes 1…254; arguments as in `alpha_entropy`."""
    return _share(prediction, 1, 254)


def soft_share(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of pixels with alpha codes 26…229; arguments as in `alpha_entropy`."""
    return _share(prediction, *SOFT_CODES)


def border_cut(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of the outermost ring with alpha code ≥ 128: an object cut by the frame.

    Arguments as in `alpha_entropy`. Lower is better.
    """
    return _per_alpha(prediction, lambda alpha: float((_ring(alpha) >= MASK_CODE).mean()))


def border_mean(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the mean alpha of the outermost ring; arguments as in `alpha_entropy`. Lower is better."""
    return _per_alpha(prediction, lambda alpha: float(_ring(alpha).mean() / 255))


def hole_rate(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of holes in the filled mask (code ≥ 128): gaps that do not reach the border.

    Arguments as in `alpha_entropy`. NaN (not applicable) where the mask is empty. Lower is better.
    """
    return _per_alpha(prediction, _holes)


def speckle_rate(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of the mask (code ≥ 128) outside its largest 8-connected component.

    Arguments as in `alpha_entropy`. NaN (not applicable) where the mask is empty. Lower is better.
    """
    return _per_alpha(prediction, _speckles)


def hidden_colour_share(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of fully transparent pixels whose colour is not black.

    Arguments as in `alpha_entropy`. NaN (not applicable) where no pixel is fully transparent.
    """
    codes = _codes(check_image(prediction, "prediction", channels=4))
    hidden = codes[:, 3] == 0
    painted = hidden & (codes[:, :3] != 0).any(1)
    return painted.sum((1, 2)).double() / hidden.sum((1, 2)).double()


def hidden_leak(prediction: Rgba, other: Rgba) -> Float64[Tensor, " batch"]:
    """Return how far two reconstructions of references that differ only in hidden colour lie apart.

    Args:
        prediction: reconstruction of the references with hidden colour 0, `(batch, 4, height, width)`.
        other: reconstruction of the same references with noise as hidden colour.

    Returns:
        Mean |P − P'| of premultiplied colour plus mean |A − A'|, 0 for a model that sees no hidden colour.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, other = check_pair(prediction, other, channels=4)
    colour = (premultiply(prediction) - premultiply(other)).double().abs()
    alpha = (prediction[:, 3:] - other[:, 3:]).double().abs()
    pixels = prediction.shape[2] * prediction.shape[3]
    return colour.sum(-1).sum((1, 2)) / (3 * pixels) + alpha.sum(-1).sum((1, 2)) / pixels


def blank(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return 1 where an image shows nothing (all codes below 26) or has no transparency at all, else 0.

    Arguments as in `alpha_entropy`. An alarm to be counted, not a score.
    """
    return _per_alpha(prediction, lambda alpha: float(alpha.max() < BLANK_CODE or alpha.min() == 255))


def _codes(image: Tensor) -> Tensor:
    """Return the 8-bit codes of a checked image as int64."""
    return quantise(image.detach()).long()


def _per_alpha(prediction: Tensor, score: Callable[[Codes], float]) -> Float64[Tensor, " batch"]:
    """Return `score` of each sample's alpha codes `(height, width)`."""
    alphas = _codes(check_image(prediction, "prediction", channels=4)[:, 3]).cpu().numpy()
    return torch.tensor([score(alpha) for alpha in alphas], dtype=torch.float64, device=prediction.device)


def _share(prediction: Tensor, first: int, last: int) -> Float64[Tensor, " batch"]:
    """Return the share of pixels with alpha codes first…last."""
    alpha = _codes(check_image(prediction, "prediction", channels=4)[:, 3])
    return ((alpha >= first) & (alpha <= last)).sum((1, 2)).double() / alpha[0].numel()


def _entropy(alpha: Codes) -> float:
    shares = np.bincount(alpha.ravel(), minlength=256) / alpha.size
    present = shares[shares > 0]
    return float(np.sum(present * np.log2(1 / present)))


def _ring(alpha: Codes) -> Codes:
    """Return the outermost pixels, each once."""
    inside = np.zeros(alpha.shape, dtype=np.bool_)
    inside[1:-1, 1:-1] = True
    return alpha[~inside]


def _holes(alpha: Codes) -> float:
    mask = alpha >= MASK_CODE
    if not mask.any():
        return float("nan")
    filled = ndimage.binary_fill_holes(mask)
    return float((filled & ~mask).sum() / filled.sum())


def _speckles(alpha: Codes) -> float:
    mask = alpha >= MASK_CODE
    area = int(mask.sum())
    return 1 - int(largest_component(mask, diagonal=True).sum()) / area if area else float("nan")
