"""A13, T5 and what else happens to an image on its way into a batch."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from reference_models.training.augment import (
    bled,
    centre_crop,
    cleared,
    faded,
    flattened,
    halved,
    on_white,
    padded,
    resized,
    with_hidden_colour,
)
from reference_models.training.streams import array_stream


def random_codes(height: int, width: int, seed: int = 0) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 256, (4, height, width)).astype(np.uint8)
    codes[3, : height // 2] = 0
    return codes


def test_halving_weighs_colours_by_alpha() -> None:
    codes = np.zeros((4, 2, 2), np.uint8)
    codes[:, 0, 0] = (200, 100, 50, 255)
    codes[:3, 1, 1] = 99  # hidden
    assert halved(codes).ravel().tolist() == [200, 100, 50, 64]


@pytest.mark.parametrize(("truncate", "middle"), [(False, 128), (True, 127)])
def test_flattened_images_are_opaque_and_take_one_of_27_colours(truncate: bool, middle: int) -> None:
    codes = np.zeros((4, 3, 3), np.uint8)
    codes[:, 1, 1] = (10, 20, 30, 255)
    seen = set()
    for step in range(300):
        flat = flattened(array_stream(0, step, "flat"), codes, truncate=truncate)
        assert (flat[3] == 255).all()
        assert flat[:3, 1, 1].tolist() == [10, 20, 30]
        seen.add(tuple(flat[:3, 0, 0].tolist()))
    assert len(seen) == 27
    assert {level for colour in seen for level in colour} == {0, middle, 255}


def test_truncating_loses_no_level_of_opaque_pixels_and_rounds_down_the_others() -> None:
    levels = np.arange(256, dtype=np.uint8)
    codes = np.stack([levels, levels, levels, np.full(256, 255, np.uint8)])[:, None]
    rng = array_stream(0, 0, "flat")
    assert np.array_equal(flattened(rng, codes, truncate=True), codes)
    half = np.array([101, 101, 101, 51], np.uint8).reshape(4, 1, 1)  # alpha 0.2 exactly
    seen = {tuple(flattened(array_stream(0, k, "x"), half, truncate=True)[:3, 0, 0].tolist()) for k in range(300)}
    # 101/5 + 4/5·{0, 127.5, 255} = 20.2, 122.2, 224.2
    assert {level for colour in seen for level in colour} == {20, 122, 224}


def test_white_replaces_the_colour_by_the_composite_and_keeps_the_alpha_where_asked() -> None:
    codes = np.array([100, 0, 255, 51], np.uint8).reshape(4, 1, 1)
    assert on_white(codes, keep_alpha=True).ravel().tolist() == [224, 204, 255, 51]
    assert on_white(codes, keep_alpha=False).ravel().tolist() == [224, 204, 255, 255]


def test_hidden_colours_follow_the_policy_and_visible_pixels_never_change() -> None:
    codes = random_codes(12, 10)
    seen = codes[3] > 0
    for policy in ("keep", "zero", "bleed"):
        made = with_hidden_colour(codes, policy)  # type: ignore[arg-type]
        assert np.array_equal(made[:, seen], codes[:, seen])
        assert np.array_equal(made[3], codes[3])
    assert np.array_equal(with_hidden_colour(codes, "keep"), codes)
    assert not cleared(codes)[:3, ~seen].any()


def test_bled_colours_are_those_of_the_nearest_visible_pixel() -> None:
    codes = random_codes(9, 11)
    rows, columns = np.nonzero(codes[3])
    made = bled(codes)
    for row, column in zip(*np.nonzero(codes[3] == 0), strict=True):
        distances = np.hypot(rows - row, columns - column)
        nearest = codes[:3, rows[distances == distances.min()], columns[distances == distances.min()]]
        assert (nearest == made[:3, row, column][:, None]).all(0).any()


@pytest.mark.parametrize("alpha", [0, 255])
def test_images_without_or_with_only_visible_pixels_bleed_nothing(alpha: int) -> None:
    codes = random_codes(4, 4)
    codes[3] = alpha
    assert np.array_equal(bled(codes), codes if alpha else cleared(codes))


@pytest.mark.parametrize(("shape", "size", "expected"), [((40, 60), 16, (16, 24)), ((50, 30), 16, (26, 16))])
def test_resizing_agrees_with_pillow_to_its_rounding(
    shape: tuple[int, int], size: int, expected: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.random((4, *shape)), (0, 4, 4))
    codes = np.round((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    codes[3] = np.maximum(codes[3], 128)
    made = resized(codes, size)
    assert made.shape == (4, *expected)
    picture = Image.fromarray(np.ascontiguousarray(codes.transpose(1, 2, 0)))
    theirs = np.asarray(picture.resize(expected[::-1], Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(made.astype(int) - theirs.astype(int)).max() <= 3  # Pillow rounds the premultiplied codes


def test_hidden_colours_enter_no_resized_pixel() -> None:
    codes = random_codes(32, 32)
    other = codes.copy()
    other[:3, codes[3] == 0] = 77
    assert np.array_equal(resized(codes, 16), resized(other, 16))
    assert not resized(codes, 16)[:3, resized(codes, 16)[3] == 0].any()


def test_what_is_hidden_after_resizing_depends_on_the_policy_and_not_on_the_size() -> None:
    codes = random_codes(16, 16)
    enlarged = np.kron(codes, np.ones((1, 2, 2), np.uint8))
    for image in (codes, enlarged):
        made = with_hidden_colour(resized(image, 16), "zero")
        assert not made[:3, made[3] == 0].any()


def test_padding_adds_transparency_and_centre_crops_take_the_middle() -> None:
    codes = random_codes(3, 5)
    wide = padded(codes, 4)
    assert wide.shape == (4, 4, 5)
    assert np.array_equal(wide[:, :3], codes)
    assert not wide[:, 3].any()
    assert np.array_equal(centre_crop(random_codes(6, 8), 2), random_codes(6, 8)[:, 2:4, 3:5])


def test_fading_changes_the_alpha_only_and_in_proportion() -> None:
    codes = random_codes(8, 8)
    made = faded(array_stream(0, 0, "fade"), codes)
    assert np.array_equal(made[:3], codes[:3])
    share = made[3].astype(float).sum() / codes[3].astype(float).sum()
    assert 0.09 < share < 0.96
    assert np.abs(made[3] - codes[3] * share).max() < 1.5


def test_resizing_takes_views_and_returns_codes() -> None:
    turned = random_codes(20, 30).transpose(0, 2, 1)[:, ::-1]
    made = resized(turned, 10)
    assert made.dtype == np.uint8
    assert torch.from_numpy(made).shape == (4, 15, 10)
