import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.compositing import composite_over
from alphabench.metrics import reference_free as free
from alphabench.metrics.halo import fringe, fringe_luma


def image(alpha, colour=(0, 0, 0)):
    codes = np.zeros((4, *np.shape(alpha)))
    codes[:3] = np.asarray(colour, dtype=float).reshape(3, 1, 1)
    codes[3] = alpha
    return torch.from_numpy(codes)[None] / 255


def test_fixture_reference(exact_f32):
    _, reference = exact_f32
    assert free.alpha_entropy(reference).item() == pytest.approx(2.4181862, abs=1e-7)
    assert free.opaque_share(reference).item() == pytest.approx(0.11816406, abs=1e-8)
    assert free.clear_share(reference).item() == pytest.approx(0.48339844, abs=1e-8)
    assert free.semi_share(reference).item() == pytest.approx(0.39843750, abs=1e-8)
    assert free.soft_share(reference).item() == pytest.approx(0.35156250, abs=1e-8)
    assert free.border_cut(reference).item() == 0
    assert free.border_mean(reference).item() == 0
    assert free.hole_rate(reference).item() == 0
    assert free.hidden_colour_share(reference).item() == 1
    assert free.blank(reference).item() == 0
    assert fringe(reference).item() == pytest.approx(0.15234415, abs=1e-8)
    assert fringe_luma(reference).item() == pytest.approx(0.06501028, abs=1e-8)


def test_fixture_prediction(exact_f32):
    prediction, _ = exact_f32
    assert free.alpha_entropy(prediction).item() == pytest.approx(5.0257675, abs=1e-7)
    assert free.opaque_share(prediction).item() == pytest.approx(0.06445313, abs=1e-8)
    assert free.border_mean(prediction).item() == pytest.approx(0.00487034, abs=1e-8)
    assert fringe(prediction).item() == pytest.approx(0.10841960, abs=1e-8)
    assert fringe_luma(prediction).item() == pytest.approx(-0.00413126, abs=1e-8)


def haloed(ring):
    codes = np.zeros((4, 9, 9))
    codes[:3, 2:7, 2:7] = np.reshape(ring, (3, 1, 1))
    codes[3, 2:7, 2:7] = 128
    codes[:3, 3:6, 3:6] = np.reshape((200, 0, 0), (3, 1, 1))
    codes[3, 3:6, 3:6] = 255
    return torch.from_numpy(codes)[None] / 255


def test_a_white_halo_by_hand():
    white = haloed((255, 255, 255))
    assert fringe(white).item() == pytest.approx(0.82593797, abs=1e-8)
    assert fringe_luma(white).item() == pytest.approx(0.76549020, abs=1e-8)


def test_a_rim_of_the_core_colour_is_no_halo():
    assert fringe(haloed((200, 0, 0))).item() == 0
    assert fringe_luma(haloed((200, 0, 0))).item() == 0


def test_a_dark_halo_is_negative():
    assert fringe_luma(haloed((0, 0, 0))).item() < 0


def test_images_without_core_or_rim_have_no_fringe():
    far = np.zeros((30, 30))
    far[0, 0], far[29, 29] = 255, 128
    for alpha in (np.full((9, 9), 100), np.full((9, 9), 255), np.zeros((9, 9)), far):
        assert fringe(image(alpha)).isnan().all()
        assert fringe_luma(image(alpha)).isnan().all()


def test_uniform_codes_have_eight_bits():
    assert free.alpha_entropy(image(np.arange(256).reshape(16, 16))).item() == pytest.approx(8)
    assert free.alpha_entropy(image(np.full((4, 4), 7))).item() == 0


def test_shares_add_up_to_one(random_pair):
    prediction, _ = random_pair(batch=3)
    total = free.opaque_share(prediction) + free.clear_share(prediction) + free.semi_share(prediction)
    torch.testing.assert_close(total, torch.ones(3, dtype=torch.float64))


def test_two_levels_are_bimodal_wherever_they_lie():
    for low, high in ((0, 255), (0, 128), (90, 91)):
        alpha = np.full((4, 4), low)
        alpha[0, :3] = high
        assert free.alpha_bimodality(image(alpha)).item() == pytest.approx(1, abs=1e-12)


def test_three_levels_and_all_levels_are_bimodal_by_three_quarters():
    assert free.alpha_bimodality(image([[0, 100, 200]])).item() == pytest.approx(0.75)  # (2/9 · 1.5²) / (2/3)
    every = image(np.arange(256).reshape(16, 16))
    assert free.alpha_bimodality(every).item() == pytest.approx(4096 / 5461.25)
    assert free.alpha_bimodality(image(np.full((4, 4), 7))).isnan().all()


def test_bimodality_is_the_variance_between_the_classes_of_otsu():
    codes = np.random.default_rng(0).beta(0.4, 0.9, (40, 40)) * 120
    alpha = codes.round()
    above = alpha > threshold_otsu(alpha.astype(np.uint8))
    between = above.mean() * (1 - above.mean()) * (alpha[above].mean() - alpha[~above].mean()) ** 2
    assert free.alpha_bimodality(image(alpha)).item() == pytest.approx(between / alpha.var(), rel=1e-12)
    assert free.alpha_bimodality(image(2 * alpha + 7)).item() == pytest.approx(between / alpha.var(), rel=1e-12)


def test_dependence_is_the_transmittance_of_what_is_seen():
    assert free.background_dependence(image([[255, 51, 0]])).item() == pytest.approx(0.2 * 0.8 / 1.2)
    assert free.background_dependence(image([[255, 0]])).item() == 0
    assert free.background_dependence(image([[51, 51, 0, 0]])).item() == pytest.approx(0.8)
    assert free.background_dependence(image(np.zeros((3, 3)))).isnan().all()


def test_dependence_is_how_far_the_nine_composites_lie_apart(random_pair):
    picture = (random_pair(seed=4)[0] * 255).round() / 255
    backgrounds = canonical_tensor(dtype=torch.float64)
    apart = composite_over(picture, backgrounds).std(1).mean(1) / backgrounds.std(0).mean()
    weight = picture[:, 3]
    expected = (weight * apart).sum() / weight.sum()
    assert free.background_dependence(picture).item() == pytest.approx(expected.item(), rel=1e-9)


def test_an_object_on_the_frame_is_cut():
    alpha = np.zeros((4, 4))
    alpha[0] = 255
    assert free.border_cut(image(alpha)).item() == pytest.approx(4 / 12)
    assert free.border_mean(image(alpha)).item() == pytest.approx(4 / 12)


def test_gaps_inside_are_holes_and_bays_are_not():
    alpha = np.full((5, 6), 255)
    alpha[2, 2] = 0
    alpha[0:2, 4] = 0
    assert free.hole_rate(image(alpha)).item() == pytest.approx(1 / 28)
    assert free.hole_rate(image(np.zeros((5, 5)))).isnan().all()


def test_diagonal_gap_is_not_a_way_out():
    alpha = np.full((4, 4), 255)
    alpha[0, 0] = alpha[1, 1] = 0
    assert free.hole_rate(image(alpha)).item() == pytest.approx(1 / 15)


def test_specks_are_what_is_not_the_main_part():
    alpha = np.zeros((8, 8))
    alpha[0:3, 0:3] = 255
    alpha[3, 3] = 255
    alpha[7, 7] = 255
    assert free.speckle_rate(image(alpha)).item() == pytest.approx(1 / 11)
    assert free.speckle_rate(image(np.zeros((5, 5)))).isnan().all()


def test_hidden_colour_is_counted_among_transparent_pixels():
    picture = image([[0, 0], [255, 255]])
    picture[0, 1, 0, 0] = 0.5
    assert free.hidden_colour_share(picture).item() == 0.5
    assert free.hidden_colour_share(image(np.full((2, 2), 255))).isnan().all()


@pytest.mark.parametrize(("code", "alarm"), [(0, 1), (25, 1), (26, 0), (254, 0), (255, 1)])
def test_blank_is_nothing_to_see_or_no_transparency(code, alarm):
    assert free.blank(image(np.full((3, 3), code))).item() == alarm


def test_leak_is_the_visible_difference_of_two_reconstructions(random_pair):
    prediction, other = random_pair()
    assert free.hidden_leak(prediction, prediction).item() == 0
    clear, painted = torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    painted[:, :3] = 1
    assert free.hidden_leak(painted, clear).item() == 0
    painted[:, 3, 0, 0] = 1
    assert free.hidden_leak(painted, clear).item() == pytest.approx(0.5)
    assert free.hidden_leak(prediction, other).item() > 0
