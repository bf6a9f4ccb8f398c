"""Fréchet and kernel distances against hand-solved cases, SciPy's matrix root and double loops."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch

from alphabench.errors import DataError
from alphabench.metrics import set_distance
from alphabench.metrics.set_distance import (
    FrechetSums,
    TooFewSamples,
    frechet_distance,
    frechet_distance_of_sums,
    kernel_distance,
)

X = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
Y = torch.tensor([[1.0], [5.0]], dtype=torch.float64)
ROWS = torch.arange(6, dtype=torch.float64)[:, None]
COLUMNS = torch.arange(4, dtype=torch.float64)
U = torch.sin(1.3 * ROWS + 0.7 * COLUMNS)
V = torch.cos(0.9 * ROWS[:5] - 0.4 * COLUMNS)


def gaussians(n: int, m: int, dim: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator)
    x = torch.randn(n, dim, generator=generator) @ mixing
    return x, torch.randn(m, dim, generator=generator) * 2 + 0.3


def frechet_with_sqrtm(x: torch.Tensor, y: torch.Tensor) -> float:
    a, b = x.double().numpy(), y.double().numpy()
    sigma_a, sigma_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns of singular matrices
        root = scipy.linalg.sqrtm(sigma_a @ sigma_b)
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(sigma_a) + np.trace(sigma_b) - 2 * np.trace(root).real)


def kernel_with_loops(x: torch.Tensor, y: torch.Tensor) -> float:
    def kernel(u: torch.Tensor, v: torch.Tensor) -> float:
        return (float(u @ v) / len(u) + 1) ** 3

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(u, v) for u in x for v in y) / (n * m)


def test_frechet_by_hand():
    assert float(frechet_distance(X, Y)) == pytest.approx(6, abs=1e-12)
    assert float(frechet_distance(U, V)) == pytest.approx(0.49457351, abs=1e-7)


def test_kernel_distance_by_hand():
    assert float(kernel_distance(X, Y)) == pytest.approx(-463, abs=1e-9)
    assert float(kernel_distance(X, X)) == pytest.approx(-62, abs=1e-9)
    assert float(kernel_distance(U, V)) == pytest.approx(-0.7121596145, abs=1e-9)


@pytest.mark.parametrize(("n", "m", "dim"), [(60, 50, 8), (9, 60, 8), (8, 8, 8), (5, 7, 16)])
def test_frechet_agrees_with_the_matrix_root_of_scipy(n, m, dim):
    x, y = gaussians(n, m, dim)
    assert float(frechet_distance(x, y)) == pytest.approx(frechet_with_sqrtm(x, y), rel=1e-5)


def test_the_two_forms_of_frechet_agree():
    x, y = gaussians(40, 30, 35)
    by_sums = frechet_distance_of_sums(FrechetSums.of(x), FrechetSums.of(y))
    assert float(frechet_distance(x, y)) == pytest.approx(float(by_sums), rel=1e-8)


def test_identical_sets_have_frechet_distance_zero():
    for n, dim in ((20, 30), (60, 8)):
        x, _ = gaussians(n, 2, dim)
        assert abs(float(frechet_distance(x, x.clone()))) < 1e-9 * float(x.var(dim=0).sum())


def test_the_order_of_the_rows_and_of_the_arguments_does_not_matter():
    x, y = gaussians(12, 9, 20)
    shuffled = x[torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    for distance in (frechet_distance, kernel_distance):
        assert float(distance(shuffled, y)) == pytest.approx(float(distance(x, y)), rel=1e-12)
        assert float(distance(y, x)) == pytest.approx(float(distance(x, y)), rel=1e-12)


def test_kernel_distance_agrees_with_a_double_loop_in_any_chunk(monkeypatch):
    x, y = gaussians(11, 8, 5)
    x, y = x.double(), y.double()
    expected = kernel_with_loops(x, y)
    for rows in (1, 3, 1000):
        monkeypatch.setattr(set_distance, "KERNEL_ROWS", rows)
        assert float(kernel_distance(x, y)) == pytest.approx(expected, rel=1e-10)


def test_sums_of_parts_are_the_sums_of_the_whole():
    x, y = gaussians(50, 40, 6)
    parts = FrechetSums.of(x[:20]) + FrechetSums.of(x[20:])
    assert parts.count == 50
    assert torch.allclose(parts.covariance, torch.cov(x.double().T), atol=1e-10)
    value = frechet_distance_of_sums(parts, FrechetSums.of(y))
    assert float(value) == pytest.approx(frechet_with_sqrtm(x, y), rel=1e-6)


def test_a_shift_of_one_set_adds_its_square():
    x, _ = gaussians(30, 2, 4)
    assert float(frechet_distance(x, x + 0.5)) == pytest.approx(4 * 0.25, abs=1e-5)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_one_sample_is_too_few(distance):
    with pytest.raises(TooFewSamples, match="found 1 predictions and 4 references") as caught:
        distance(torch.rand(1, 3), torch.rand(4, 3))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_unequal_dimensions_and_values_that_are_not_finite_are_refused(distance):
    with pytest.raises(DataError, match="3 and of 4 numbers"):
        distance(torch.rand(5, 3), torch.rand(5, 4))
    broken = torch.rand(5, 3)
    broken[2, 1] = torch.nan
    with pytest.raises(DataError, match="feature 1 of sample 2 of the reference is nan"):
        distance(torch.rand(5, 3), broken)
