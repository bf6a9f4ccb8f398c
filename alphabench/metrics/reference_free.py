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


def alpha_bimodality(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return how well alpha separates into two levels: Otsu's separability of the 256 alpha codes.

    The largest share, over all thresholds, of the variance of alpha that lies between the codes below and above
    the threshold: η = max_k σ_B²(k) / σ_T². It is 1 exactly where alpha has two values, 3/4 where all values are
    equally frequent, and equal for α and a + bα: it tells the shape of the distribution, not how opaque it is.

    Arguments as in `alpha_entropy`.

    Returns:
        `(batch,)` in (0,1], a pure number without a better side: a cut-out is bimodal, smoke is not. NaN (not
        applicable) where alpha is constant.

    Source: Otsu 1979, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems,
    Man, and Cybernetics 9:62, equations 12 to 19.
    """
    return _per_alpha(prediction, _separability)


def background_dependence(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return how much what one sees of the object changes with the background, weighted by opacity.

    A pixel's composites over several backgrounds lie apart by a share of the distance between the backgrounds
    themselves. Because compositing is linear this share is 1 − α, whichever the backgrounds; its mean over the
    object, each pixel counted with its opacity, is Σ α(1 − α) / Σ α.

    Arguments as in `alpha_entropy`.

    Returns:
        `(batch,)` in [0,1), a pure number without a better side: 0 where all that is visible is opaque, near 1
        where there is no more than a breath. NaN (not applicable) where all is transparent. Transparent
        surroundings do not change it.

    Source: own definition on the compositing equation of Porter and Duff 1984.
    """
    return _per_alpha(prediction, _transmittance)


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


def _separability(alpha: Codes) -> float:
    counts = np.bincount(alpha.ravel(), minlength=256).astype(np.float64)
    codes = np.arange(256.0)
    pixels, total = counts.sum(), (codes * counts).sum()
    spread = pixels * (codes**2 * counts).sum() - total**2
    if spread <= 0:
        return float("nan")
    below, sum_below = np.cumsum(counts)[:-1], np.cumsum(codes * counts)[:-1]
    parted = (below > 0) & (below < pixels)
    below, sum_below = below[parted], sum_below[parted]
    between = (total * below - pixels * sum_below) ** 2 / (below * (pixels - below))
    return float(min(between.max() / spread, 1.0))


def _transmittance(alpha: Codes) -> float:
    visible = int(alpha.sum())
    return float((alpha * (255 - alpha)).sum() / (255 * visible)) if visible else float("nan")
