"""FID with the arithmetic that the published numbers were made with: a matrix square root, clipped at 0.

On few images the product of the two covariances is singular, and the root of a singular matrix is the one
place where this differs from `alphabench.metrics.set_distance.frechet_distance`, which is exact there.

Facts: `chaofengc/IQA-PyTorch`, `pyiqa/archs/fid_arch.py`, release 0.1.16; the clipping is that of
`o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/i2i_eval_pipe.py`.
"""

import warnings

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import linalg
from torch import Tensor

from alphabench.errors import DataError
from alphabench.metrics.set_distance import TooFewSamples

RIDGE = 1e-6
"""What is added to both diagonals where the root of the product is not finite."""

IMAGINARY = 1e-3
"""Largest imaginary part on the diagonal of the root that is taken for noise."""


def paper_fid(
    prediction: Float[Tensor, "prediction_count dim"], reference: Float[Tensor, "reference_count dim"]
) -> float:
    """Return the FID of one leaf on one background.

    Args:
        prediction: Inception features, one row per image.
        reference: likewise; the counts may differ.

    Raises:
        TooFewSamples: a side has one image, hence no covariance; there the authors' run stops.
        DataError: the root has an imaginary part that is no noise, or is not finite.
    """
    if min(len(prediction), len(reference)) < 2:
        raise TooFewSamples(
            f"a leaf of {min(len(prediction), len(reference))} images has no covariance, hence no FID",
            remedy="Score leaves of at least two images.",
        )
    sides = [features.detach().to("cpu", torch.float32).numpy() for features in (reference, prediction)]
    means = [side.mean(axis=0) for side in sides]  # in float32, as there
    sigmas = [np.atleast_2d(np.cov(side, rowvar=False)) for side in sides]
    root = _root(sigmas[0] @ sigmas[1])
    if not np.isfinite(root).all():
        ridge = RIDGE * np.eye(len(root))
        root = _root((sigmas[0] + ridge) @ (sigmas[1] + ridge))
    imaginary = np.abs(np.diagonal(root).imag).max()
    if not imaginary <= IMAGINARY:
        raise DataError(
            f"the root of a covariance product has an imaginary part of {imaginary:.3g}, so there is no FID",
            remedy="Use more images per leaf, or alpha-exact@1, whose rFID needs no root.",
        )
    gap = means[0] - means[1]
    distance = gap @ gap + np.trace(sigmas[0]) + np.trace(sigmas[1]) - 2 * np.trace(root.real)
    return max(float(distance), 0.0)


def _root(product: NDArray[np.float64]) -> NDArray[np.complex128]:
    with warnings.catch_warnings():
        # SciPy says that a singular matrix may have no root; the number is judged by what comes out.
        warnings.filterwarnings("ignore", message="(?i).*singular.*")
        return np.asarray(linalg.sqrtm(product), dtype=np.complex128)
