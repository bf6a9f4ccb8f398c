"""FID of the authors' runs: the matrix square root, the clipping, the leaf of one image."""

import warnings

import numpy as np
import pytest
import torch

from alphabench.metrics.set_distance import TooFewSamples, frechet_distance
from alphabench.tasks.paper_fid import paper_fid


def features(seed, count=40, dim=6, scale=1.0):
    mix = np.random.default_rng(99).normal(size=(dim, dim))
    return torch.from_numpy(scale * np.random.default_rng(seed).normal(size=(count, dim)) @ mix).float()


def test_two_by_hand():
    """Means 1 and 3, variances 2 and 8: 4 + (sqrt 2 - sqrt 8)^2 = 6."""
    assert paper_fid(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])) == pytest.approx(6.0)


def test_it_equals_the_exact_distance_where_the_covariances_are_regular():
    x, y = features(1), features(2, count=50, scale=1.3)
    assert paper_fid(x, y) == pytest.approx(float(frechet_distance(x, y)), rel=1e-5)


def test_it_is_symmetric_and_never_negative():
    x, y = features(3), features(4)
    assert paper_fid(x, y) == pytest.approx(paper_fid(y, x), rel=1e-6)
    assert 0 <= paper_fid(x, x) < 1e-4


def test_a_leaf_of_one_image_has_no_fid():
    with pytest.raises(TooFewSamples, match="a leaf of 1 images has no covariance"):
        paper_fid(features(5, count=1), features(6))


@pytest.mark.parametrize(("count", "dim"), [(40, 6), (5, 12)])
def test_it_is_the_number_of_pyiqa(count, dim):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, at import only
        pytest.importorskip("pyiqa")
        from pyiqa.archs.fid_arch import frechet_distance as theirs
    x, y = features(7, count, dim), features(8, count, dim)
    sides = [side.numpy() for side in (y, x)]
    moments = [part for side in sides for part in (side.mean(axis=0), np.cov(side, rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy: `disp` is going away, and singular matrices
        expected = max(float(theirs(*moments)), 0.0)
    assert paper_fid(x, y) == pytest.approx(expected, abs=1e-4)
