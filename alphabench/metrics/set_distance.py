"""Distances between two sets of feature vectors: Fréchet distance and kernel distance.

Both work in float64 on the CPU, use every pair of samples and no random number, and do not depend on the
order of the rows. Which network made the features gives them their names: rFID and KID with the FID
Inception, `rfid-rand` and `kid-rand` with the random network.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.errors import DataError, IncompleteError

KERNEL_ROWS = 1024
"""Rows of the kernel matrix worked on at a time."""

_TOLERANCE = 1e-6  # relative to the two variances: what rounding may take below 0


class TooFewSamples(IncompleteError):
    """A set is too small for a distance between sets, which is then unavailable (exit code 4)."""

    code: ClassVar[str] = "too-few-samples"


def frechet_distance(
    prediction: Float[Tensor, "prediction_count dim"],
    reference: Float[Tensor, "reference_count reference_dim"],
) -> Float64[Tensor, ""]:
    """Return the Fréchet distance between Gaussians fitted to two sets of features, float64.

    `‖μx − μy‖² + tr Σx + tr Σy − 2 tr √(Σx Σy)` with unbiased covariances. The last trace is the nuclear
    norm of `A Bᵀ`, A and B the centred features over `√(n−1)`: exact also for singular covariances, where
    a matrix square root fails. Sets larger than the dimension go through the covariances instead.

    The value is biased upwards, and the more so the smaller the sets: compare only equal counts.

    Args:
        prediction: one row per sample.
        reference: one row per sample; the counts may differ.

    Returns:
        A scalar ≥ 0; rounding may leave a tiny negative number, which is not clipped.

    Raises:
        TooFewSamples: a set has fewer than two samples.
        DataError: dimensions differ, or a feature is not finite.

    Source: Heusel et al. 2017, arXiv 1706.08500.
    """
    x, y = _checked(prediction, reference)
    if min(len(x), len(y)) > x.shape[1]:
        return frechet_distance_of_sums(FrechetSums.of(x), FrechetSums.of(y))
    a = (x - x.mean(dim=0)) / (len(x) - 1) ** 0.5
    b = (y - y.mean(dim=0)) / (len(y) - 1) ** 0.5
    gap = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    overlap = torch.linalg.svdvals(a @ b.T).sum()
    return _frechet(gap, a.square().sum() + b.square().sum(), overlap)


def kernel_distance(
    prediction: Float[Tensor, "prediction_count dim"],
    reference: Float[Tensor, "reference_count reference_dim"],
) -> Float64[Tensor, ""]:
    """Return the unbiased squared maximum mean discrepancy with the kernel `(u·v/dim + 1)³`, float64.

    All pairs are used, no subsets are drawn: other numbers than libraries that average random subsets. For
    a reconstruction the two sets are paired, so identical sets give a negative number, not 0.

    Args:
        prediction: one row per sample.
        reference: one row per sample; the counts may differ.

    Returns:
        A scalar; unbiased, so it may be negative.

    Raises:
        TooFewSamples: a set has fewer than two samples.
        DataError: dimensions differ, or a feature is not finite.

    Source: Bińkowski et al. 2018, arXiv 1801.01401 (KID).
    """
    x, y = _checked(prediction, reference)
    n, m = len(x), len(y)
    within = _kernel_sum(x, x) - _kernel_diagonal(x), _kernel_sum(y, y) - _kernel_diagonal(y)
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * _kernel_sum(x, y) / (n * m)


@dataclass
class FrechetSums:
    """Count, sum and sum of outer products of feature vectors: all a Fréchet distance needs.

    For sets above ten thousand samples, whose features one does not want to keep. Sums of parts add.

    Attributes:
        count: number of vectors.
        total: Σ f, float64 `(dim,)`.
        products: Σ f fᵀ, float64 `(dim, dim)`.
    """

    count: int
    total: Float64[Tensor, " dim"]
    products: Float64[Tensor, "dim dim"]

    @classmethod
    def empty(cls, dim: int) -> "FrechetSums":
        """Return the sums of no vector of dimension `dim`."""
        return cls(0, torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64))

    @classmethod
    def of(cls, features: Float[Tensor, "count dim"]) -> "FrechetSums":
        """Return the sums of some vectors."""
        sums = cls.empty(features.shape[1])
        sums.add(features)
        return sums

    def add(self, features: Float[Tensor, "count dim"]) -> None:
        """Add some vectors, of any float dtype, on any device."""
        rows = features.detach().to("cpu", torch.float64)
        self.count += len(rows)
        self.total += rows.sum(dim=0)
        self.products.addmm_(rows.T, rows)

    def __add__(self, other: "FrechetSums") -> "FrechetSums":
        return FrechetSums(self.count + other.count, self.total + other.total, self.products + other.products)

    @property
    def mean(self) -> Float64[Tensor, " dim"]:
        """Return the mean vector."""
        return self.total / self.count

    @property
    def covariance(self) -> Float64[Tensor, "dim dim"]:
        """Return the unbiased covariance."""
        return (self.products - torch.outer(self.total, self.mean)) / (self.count - 1)


def frechet_distance_of_sums(prediction: FrechetSums, reference: FrechetSums) -> Float64[Tensor, ""]:
    """Return the Fréchet distance of two sets known by their sums; see `frechet_distance`.

    The trace comes from the eigenvalues of the symmetric matrix `L Σy Lᵀ` with `Σx = Lᵀ L`.

    Raises:
        TooFewSamples: a set has fewer than two samples.
        DataError: dimensions differ.
    """
    _check_counts(prediction.count, reference.count)
    if prediction.total.shape != reference.total.shape:
        raise _dimension_error(len(prediction.total), len(reference.total))
    sigma_x, sigma_y = prediction.covariance, reference.covariance
    values, vectors = torch.linalg.eigh(sigma_x)
    root = values.clamp(min=0).sqrt().unsqueeze(1) * vectors.T
    middle = root @ sigma_y @ root.T
    overlap = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp(min=0).sqrt().sum()
    gap = (prediction.mean - reference.mean).square().sum()
    return _frechet(gap, sigma_x.trace() + sigma_y.trace(), overlap)


def _frechet(gap: Tensor, variances: Tensor, overlap: Tensor) -> Float64[Tensor, ""]:
    value = gap + variances - 2 * overlap
    if not float(value) >= -_TOLERANCE * max(float(variances), torch.finfo(torch.float64).tiny):
        raise DataError(
            f"a Fréchet distance came out as {float(value)!r} with variances of {float(variances)!r}: "
            "the features are too badly scaled for float64",
            remedy="Check the features for values that are far larger than the others.",
        )
    return value


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([_kernel(rows, y).sum() for rows in x.split(KERNEL_ROWS)]).sum()


def _kernel_diagonal(x: Tensor) -> Tensor:
    return ((x.square().sum(dim=1) / x.shape[1] + 1) ** 3).sum()


def _checked(prediction: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if prediction.shape[1] != reference.shape[1]:
        raise _dimension_error(prediction.shape[1], reference.shape[1])
    _check_counts(len(prediction), len(reference))
    for name, features in (("prediction", prediction), ("reference", reference)):
        finite = features.isfinite()
        if not bool(finite.all()):
            row, column = (int(index) for index in (~finite).nonzero()[0])
            raise DataError(
                f"feature {column} of sample {row} of the {name} is {float(features[row, column])}",
                remedy="Look for NaN or infinite values in that sample's image.",
            )
    x, y = (features.detach().to("cpu", torch.float64) for features in (prediction, reference))
    return x, y


def _check_counts(prediction: int, reference: int) -> None:
    if min(prediction, reference) < 2:
        raise TooFewSamples(
            f"a distance between sets needs two samples on each side, found {prediction} predictions and "
            f"{reference} references",
            remedy="Score a set of at least two images per category.",
        )


def _dimension_error(prediction: int, reference: int) -> DataError:
    return DataError(
        f"features of {prediction} and of {reference} numbers cannot be compared",
        remedy="Make both sets with one network.",
    )
