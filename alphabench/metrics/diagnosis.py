"""The usual failures of RGBA autoencoders, measured: alpha that shrinks, colours that drift, blur that scores well.

They explain a score and rank nothing, so they are not in the catalog and in no protocol: signs and sizes, for
people. Images are straight RGBA in [0,1]; hidden colour changes no value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from scipy.stats import rankdata
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.regions import regions
from alphabench.image.types import Alpha, Rgba
from alphabench.metrics.blocks import one_thread
from alphabench.metrics.check import check_pair

PerSample = Float64[Tensor, " batch"]


@dataclass(frozen=True)
class ImageDiagnosis:
    """What is wrong with each image of a batch, with its sign.

    Attributes:
        alpha_kept: see `alpha_kept`.
        alpha_spill: see `alpha_spill`.
        semi_alpha_bias: see `semi_alpha_bias`.
        colour_bias: see `colour_bias`.
    """

    alpha_kept: PerSample
    alpha_spill: PerSample
    semi_alpha_bias: PerSample
    colour_bias: Float64[Tensor, "batch 3"]


def diagnose_images(prediction: Rgba, reference: Rgba) -> ImageDiagnosis:
    """Return the signed faults of each image of a batch.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    alphas = prediction[:, 3:], reference[:, 3:]
    return ImageDiagnosis(
        alpha_kept(*alphas), alpha_spill(*alphas), semi_alpha_bias(*alphas), colour_bias(prediction, reference)
    )


@one_thread()
def alpha_kept(prediction: Alpha, reference: Alpha) -> PerSample:
    """Return Σp / Σt of two alphas over the pixels with t > 0: below 1, visible parts lost opacity.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch,)`, a pure number; NaN (not applicable) where the reference is fully transparent.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    return _share(prediction, reference, visible=True)


@one_thread()
def alpha_spill(prediction: Alpha, reference: Alpha) -> PerSample:
    """Return Σp over the pixels with t = 0, as a share of Σt: opacity where there should be none.

    Blur of thin structures and rings around contours spill, since alpha cannot go below 0 to make up for it.
    `alpha_kept` and this add up to the ratio of the whole opacities. Arguments and errors as there.
    """
    return _share(prediction, reference, visible=False)


def _share(prediction: Tensor, reference: Tensor, *, visible: bool) -> Tensor:
    prediction, reference = (alpha.double() for alpha in check_pair(prediction, reference, channels=1))
    whole = reference.sum((1, 2, 3))
    part = (prediction * ((reference > 0) == visible)).sum((1, 2, 3))
    return torch.where(whole > 0, part / whole, torch.nan)


@one_thread()
def semi_alpha_bias(prediction: Alpha, reference: Alpha) -> PerSample:
    """Return the mean of p − t over the semi-transparent pixels of the reference (codes 1 to 254).

    There alpha is hardest to keep, and there a shrinkage hides that the mass of opaque parts covers up.

    Args:
        prediction: alpha in [0,1], `(batch, 1, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch,)` in [−1,1]; NaN (not applicable) where the reference has no semi-transparent pixel.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=1)
    semi = regions(reference, 0).semi
    difference = (prediction.double() - reference.double()) * semi
    return difference.sum((1, 2, 3)) / semi.sum((1, 2, 3))


@one_thread()
def colour_bias(prediction: Rgba, reference: Rgba) -> Float64[Tensor, "batch 3"]:
    """Return the mean of (c_p − c_t) of each straight colour channel, weighed by min(alpha_p, alpha_t).

    The weight is the opacity that both sides have: an alpha that is wrong adds no colour error of its own,
    and colour hidden on either side does not count.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.

    Returns:
        `(batch, 3)`, red, green, blue, in [−1,1]; NaN (not applicable) where nothing is visible on both sides.

    Raises:
        DataError: see `alphabench.metrics.check.check_pair`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    weight = torch.minimum(prediction[:, 3:], reference[:, 3:]).double()
    difference = (prediction[:, :3].double() - reference[:, :3].double()) * weight
    return difference.sum((2, 3)) / weight.sum((2, 3))


def cast_of(bias: Sequence[float]) -> float:
    """Return the strength of a colour cast: the Euclidean length of a bias of red, green and blue."""
    return math.hypot(*bias)


def rank_gaps(errors: Mapping[str, float], distances: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return how much worse each sample ranks by perceptual distance than by squared error.

    A blurred image has a low squared error and a high perceptual distance: the first rewards the mean of all
    plausible details, the second asks for one of them. The ranks are of one run, so that no scale is needed
    between the two numbers; what is the same for all images of a run cannot show.

    Args:
        errors: squared error of each sample over the backgrounds, lower is better.
        distances: perceptual distance of each sample, lower is better; only samples in both count.

    Returns:
        For each sample the rank by error, from 0 (best) to 1 (worst), equal values sharing theirs, and the
        rank by distance less that, in [−1,1]: positive looks worse than it scores. Empty for fewer than two.

    Raises:
        DataError: a value that is NaN or negative.
    """
    names = sorted(errors.keys() & distances.keys())
    if len(names) < 2:
        return {}
    for noun, values in (("squared error", errors), ("perceptual distance", distances)):
        for name in names:
            if not values[name] >= 0:
                raise DataError(f"the {noun} of {name!r} is {values[name]}", remedy="Give values of at least 0.")
    by_error, by_distance = (
        (rankdata([values[name] for name in names]) - 1) / (len(names) - 1) for values in (errors, distances)
    )
    return {
        name: (float(error), float(distance - error))
        for name, error, distance in zip(names, by_error, by_distance, strict=True)
    }
