"""Regions against SciPy's morphology and cases drawn by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from alphabench.errors import DataError, UsageError
from alphabench.image.regions import default_radius, regions, unknown_region


def alpha_of(codes: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(codes.astype(np.float32) / np.float32(255))[None, None]


def patchy(seed: int, height: int = 30, width: int = 41) -> np.ndarray:
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.standard_normal((height, width)), 4)
    return np.clip(127 + 1500 * smooth, 0, 255).astype(np.uint8)


def eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    square = np.ones((2 * radius + 1, 2 * radius + 1), bool)
    return ndimage.binary_erosion(mask, square, border_value=1)


@pytest.mark.parametrize("radius", [0, 1, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_the_unknown_region_is_what_scipy_erodes(seed, radius):
    codes = patchy(seed)
    expected = ~(eroded(codes == 255, radius) | eroded(codes == 0, radius))
    assert expected.any()
    np.testing.assert_array_equal(unknown_region(alpha_of(codes), radius)[0, 0].numpy(), expected)


@pytest.mark.parametrize("radius", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_edge_band_is_where_a_square_meets_two_classes(seed, radius):
    codes = patchy(seed)
    kinds = np.where(codes == 255, 2, np.where(codes == 0, 0, 1))
    size = 2 * radius + 1
    expected = ndimage.maximum_filter(kinds, size, mode="nearest") > ndimage.minimum_filter(kinds, size, mode="nearest")
    np.testing.assert_array_equal(regions(alpha_of(codes), radius).edge[0, 0].numpy(), expected)


def test_opaque_semi_and_transparent_share_out_the_image():
    codes = patchy(5)
    parts = regions(alpha_of(codes))
    np.testing.assert_array_equal(parts.opaque[0, 0].numpy(), codes == 255)
    np.testing.assert_array_equal(parts.transparent[0, 0].numpy(), codes == 0)
    np.testing.assert_array_equal(parts.semi[0, 0].numpy(), (codes > 0) & (codes < 255))


def test_classes_follow_the_code_an_alpha_is_saved_as():
    alpha = torch.tensor([0.4, 0.5, 254.4, 254.5]).view(1, 1, 1, 4) / 255
    parts = regions(alpha)
    assert parts.transparent.flatten().tolist() == [True, False, False, False]
    assert parts.opaque.flatten().tolist() == [False, False, False, True]


def test_a_hard_edge_has_a_band_of_twice_the_radius_and_no_semi_pixel():
    alpha = torch.zeros(1, 1, 20, 20)
    alpha[..., 10:] = 1
    parts = regions(alpha, 2)
    assert not parts.semi.any()
    assert parts.edge.any(dim=2).flatten().nonzero().flatten().tolist() == [8, 9, 10, 11]
    assert torch.equal(parts.edge, unknown_region(alpha, 2))


def test_even_glass_is_unknown_all_over_but_has_no_edge():
    alpha = torch.full((1, 1, 9, 9), 0.5)
    assert unknown_region(alpha).all()
    assert not regions(alpha).edge.any()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_an_even_image_has_no_unknown_pixel_because_the_border_does_not_erode(level):
    alpha = torch.full((1, 1, 9, 9), level)
    assert not unknown_region(alpha, 3).any()
    assert not regions(alpha, 3).edge.any()


def test_images_of_a_batch_do_not_touch_each_other():
    batch = torch.cat([alpha_of(patchy(seed)) for seed in range(3)])
    together, edges = unknown_region(batch, 2), regions(batch, 2).edge
    for index in range(3):
        assert torch.equal(together[index], unknown_region(batch[index : index + 1], 2)[0])
        assert torch.equal(edges[index], regions(batch[index : index + 1], 2).edge[0])


@pytest.mark.parametrize(
    ("size", "radius"), [((256, 256), 3), ((1024, 1500), 10), ((20, 30), 1), ((1, 1), 1), ((250, 250), 2)]
)
def test_the_default_radius_is_one_percent_of_the_shorter_side(size, radius):
    assert default_radius(*size) == radius


def test_a_radius_larger_than_the_image_reaches_everything():
    alpha = torch.zeros(1, 1, 3, 5)
    alpha[0, 0, 0, 0] = 1
    assert unknown_region(alpha, 50).all()


def test_a_negative_radius_and_a_wild_alpha_are_refused():
    with pytest.raises(UsageError, match="negative"):
        unknown_region(torch.zeros(1, 1, 4, 4), -1)
    with pytest.raises(DataError, match="not finite"):
        regions(torch.full((1, 1, 2, 2), float("nan")))
