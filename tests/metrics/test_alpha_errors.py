import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.measure import label

from alphabench.image.regions import unknown_region
from alphabench.metrics.alpha_errors import mad, mse, sad, sad_per_mpx
from alphabench.metrics.connectivity import conn_aim, conn_rhemann, largest_component
from alphabench.metrics.gradient import grad_aim, grad_rhemann
from alphabench.metrics.masks import boundary_f, hard_iou, soft_iou

ERRORS = [sad, sad_per_mpx, mad, mse, grad_rhemann, grad_aim, conn_rhemann, conn_aim]


def alpha(codes):
    return torch.as_tensor(np.asarray(codes), dtype=torch.float64)[None, None] / 255


def squares(large=255, small=255):
    codes = np.zeros((8, 8))
    codes[1:4, 1:4] = large
    codes[5:7, 5:7] = small
    return alpha(codes)


@pytest.fixture
def f32_alpha(exact_f32):
    return tuple(image[:, 3:] for image in exact_f32)


def test_fixture_errors_over_the_whole_image(f32_alpha):
    assert sad(*f32_alpha).item() == pytest.approx(0.0076627451, abs=1e-10)
    assert sad_per_mpx(*f32_alpha).item() == pytest.approx(7.4831495, abs=1e-7)
    assert mad(*f32_alpha).item() == pytest.approx(0.0074831495, abs=1e-10)
    assert mse(*f32_alpha).item() == pytest.approx(0.00010762087, abs=1e-11)
    assert grad_aim(*f32_alpha).item() == pytest.approx(0.00058539868, rel=1e-5)
    assert grad_rhemann(*f32_alpha).item() == pytest.approx(0.00058426326, rel=1e-5)
    assert conn_rhemann(*f32_alpha).item() == 0
    assert conn_aim(*f32_alpha).item() == 0


def test_fixture_errors_over_the_unknown_region(f32_alpha):
    region = unknown_region(f32_alpha[1], 2)
    assert int(region.sum()) == 680
    assert int(unknown_region(f32_alpha[1], 5).sum()) == 1023
    assert sad(*f32_alpha, region).item() == pytest.approx(0.0059450980, abs=1e-10)
    assert mse(*f32_alpha, region).item() == pytest.approx(0.00012560780, abs=1e-11)
    assert mad(*f32_alpha, region).item() == pytest.approx(0.0059450980 * 1000 / 680, abs=1e-9)


def test_fixture_connectivity_of_a_halved_left_side(f32_codes):
    prediction, reference = (
        codes[3].int().numpy().copy() for codes in (f32_codes["prediction"], f32_codes["reference"])
    )
    prediction[:, :16] = reference[:, :16] // 2
    pair = alpha(prediction), alpha(reference)
    assert conn_rhemann(*pair).item() == pytest.approx(0.1038137255, abs=1e-10)
    assert conn_aim(*pair).item() == pytest.approx(0.1038137255, abs=1e-10)


def test_connectivity_by_hand():
    reference = squares()
    lacking = squares(small=0)
    assert conn_rhemann(lacking, reference).item() == pytest.approx(0.004, abs=1e-12)
    assert conn_aim(lacking, reference).item() == pytest.approx(0.004, abs=1e-12)
    nothing = squares(0, 0)
    assert conn_rhemann(nothing, reference).item() == pytest.approx(0.013, abs=1e-12)
    assert conn_aim(nothing, reference).item() == 0
    # 128 reaches 127.5, so the large square's level is 0.5 and its own distance stays under the tolerance.
    faded = squares(large=128)
    assert conn_rhemann(faded, reference).item() == pytest.approx(0.0045, abs=1e-12)


def test_connectivity_equals_a_plain_float_version():
    generator = np.random.default_rng(4)
    for _ in range(6):
        reference = ndimage.gaussian_filter(generator.normal(size=(40, 33)), 2)
        reference = np.clip(0.5 + 4 * reference, 0, 1)
        prediction = np.clip(reference + 0.2 * ndimage.gaussian_filter(generator.normal(size=(40, 33)), 1), 0, 1)
        codes = [np.rint(255 * image).astype(int) for image in (prediction, reference)]
        pair = [alpha(image) for image in codes]
        assert conn_rhemann(*pair).item() == pytest.approx(plain_connectivity(*codes), abs=1e-12)


def plain_connectivity(prediction, reference):
    """The published procedure step by step, with scikit-image for the components."""
    level = np.full(prediction.shape, -1)
    for step in range(1, 11):
        both = (10 * prediction >= 255 * step) & (10 * reference >= 255 * step)
        labels = label(both, connectivity=1)
        omega = np.zeros_like(both)
        if labels.max():
            omega = labels == 1 + np.argmax([np.sum(labels == one) for one in range(1, labels.max() + 1)])
        level[(level == -1) & ~omega] = step - 1
    level[level == -1] = 10
    phi = []
    for image in (prediction, reference):
        distance = image / 255 - level / 10
        phi.append(1 - distance * (distance >= 0.15 - 1e-9))
    return np.abs(phi[0] - phi[1]).sum() / 1000


def test_of_equal_components_the_first_by_rows_is_kept():
    mask = np.zeros((6, 9), dtype=bool)
    mask[3:5, 0:2] = True
    mask[1:3, 6:8] = True
    kept = largest_component(mask)
    assert kept[1:3, 6:8].all()
    assert not kept[3:5, 0:2].any()
    assert largest_component(np.zeros((3, 3), dtype=bool)).sum() == 0


def test_components_touch_at_corners_only_when_asked():
    mask = np.eye(4, dtype=bool)
    assert largest_component(mask).sum() == 1
    assert largest_component(mask, diagonal=True).sum() == 4


@pytest.mark.parametrize("size", [(40, 31), (3, 9), (1, 1)])
def test_aim_gradient_equals_scipy(size):
    generator = np.random.default_rng(0)
    pair = [generator.integers(0, 256, size) / 255 for _ in range(2)]
    magnitudes = [
        np.hypot(*(ndimage.gaussian_filter(image, 1.4, order=order) for order in ((1, 0), (0, 1)))) for image in pair
    ]
    expected = np.square(magnitudes[0] - magnitudes[1]).sum() / 10
    assert grad_aim(*(torch.from_numpy(image)[None, None] for image in pair)).item() == pytest.approx(
        expected, rel=1e-9
    )


def test_rhemann_gradient_equals_scipy():
    generator = np.random.default_rng(1)
    pair = [0.2 + 0.5 * generator.random((30, 41)) for _ in range(2)]
    x = np.arange(-4, 5)
    gauss = np.exp(-(x**2) / (2 * 1.4**2))
    kernel = np.outer(gauss, -x * gauss)
    kernel /= np.linalg.norm(kernel)
    magnitudes = []
    for image in pair:
        stretched = (image - image.min()) / (image.max() - image.min())
        sides = [ndimage.correlate(stretched, each, mode="nearest") for each in (kernel, kernel.T)]
        magnitudes.append(np.hypot(*sides))
    expected = np.square(magnitudes[0] - magnitudes[1]).sum() / 1000
    ours = grad_rhemann(*(torch.from_numpy(image)[None, None] for image in pair))
    assert ours.item() == pytest.approx(expected, rel=1e-12)


def test_rhemann_gradient_does_not_see_a_fade_and_aim_does(f32_alpha):
    _, reference = f32_alpha
    assert grad_rhemann(reference / 2, reference).item() == pytest.approx(0, abs=1e-12)
    assert grad_aim(reference / 2, reference).item() > 1e-3


def test_a_constant_alpha_has_no_gradient():
    flat = torch.full((1, 1, 12, 12), 0.7)
    assert grad_rhemann(flat, torch.zeros_like(flat)).item() == 0


@pytest.mark.parametrize("error", ERRORS)
def test_two_transparent_alphas_have_no_error(error):
    assert error(squares(0, 0), squares(0, 0)).item() == 0


def test_an_empty_prediction_misses_the_whole_matte():
    assert sad(squares(0, 0), squares()).item() == pytest.approx(0.013)


@pytest.mark.parametrize("error", ERRORS)
def test_a_region_of_all_pixels_changes_nothing_and_an_empty_one_is_not_applicable(error, f32_alpha):
    everywhere = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    assert error(*f32_alpha, everywhere).item() == pytest.approx(error(*f32_alpha).item(), rel=1e-12)
    assert error(*f32_alpha, ~everywhere).isnan().all()


@pytest.mark.parametrize("error", [grad_rhemann, grad_aim, conn_rhemann])
def test_errors_outside_the_region_do_not_count(error):
    reference, prediction = squares(), squares(small=0)
    region = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    region[..., 5:7, 5:7] = True
    inside, outside = error(prediction, reference, region).item(), error(prediction, reference, ~region).item()
    assert inside + outside == pytest.approx(error(prediction, reference).item(), rel=1e-12)
    assert inside > 0


def test_fixture_overlap(f32_alpha):
    assert soft_iou(*f32_alpha).item() == pytest.approx(0.9766293102, abs=1e-10)
    assert hard_iou(*f32_alpha).item() == 1


def test_overlap_of_two_by_two_pixels_by_hand():
    one = torch.tensor([0.5, 0, 1, 1]).view(1, 1, 2, 2)
    other = torch.tensor([1, 0, 0.5, 1]).view(1, 1, 2, 2)
    assert soft_iou(one, other).item() == pytest.approx(2 / 3)


def test_overlap_of_empty_alphas_is_perfect_and_of_one_empty_is_none():
    for score in (soft_iou, hard_iou, boundary_f):
        assert score(squares(0, 0), squares(0, 0)).item() == 1
        assert score(squares(0, 0), squares()).item() == 0


def test_boundary_is_right_within_the_reach_and_wrong_beyond():
    codes = np.zeros((64, 64))
    codes[20:40, 20:40] = 255
    reference = alpha(codes)
    assert boundary_f(alpha(np.roll(codes, 1, axis=1)), reference).item() == 1
    shifted = boundary_f(alpha(np.roll(codes, 3, axis=1)), reference).item()
    # Two vertical sides of 20 pixels move out of reach (1 pixel at this size); of the horizontal sides a part.
    assert 0.4 < shifted < 0.6
    assert boundary_f(alpha(np.roll(codes, 22, axis=1)), reference).item() == 0


def test_a_full_mask_is_bounded_by_the_frame():
    full = torch.ones(1, 1, 16, 16)
    assert boundary_f(full, full).item() == 1
    assert boundary_f(full, torch.zeros_like(full)).item() == 0
