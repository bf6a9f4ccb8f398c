import math

import pytest
import torch

from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS, texture
from alphabench.image.compositing import composite
from alphabench.metrics.closed_form import (
    ABMSE_MOMENTS,
    UNIFORM_MOMENTS,
    composite_psnr,
    mildest_solid_background,
    moments,
    mse_on_own,
    mse_on_random,
    mse_on_solid,
    psnr_abmse,
    psnr_adversarial,
    psnr_from_mse,
    psnr_uniform,
    psnr_worst_solid,
    worst_solid_background,
)
from alphabench.metrics.pixel import psnr, psnr_alpha, psnr_straight_rgb

NAMES = list(CANONICAL_BACKGROUNDS)
CORNERS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 3)

F32_PSNR = {
    "gray": 46.291257, "black": 42.597802, "white": 43.387308, "red": 42.934460, "green": 42.944489,
    "blue": 42.663040, "yellow": 43.310335, "cyan": 43.015193, "magenta": 43.004999,
}  # fmt: skip


def pixels(rows):
    return torch.tensor(rows, dtype=torch.float64).T.reshape(1, 4, 2, 2)


@pytest.fixture
def by_hand():
    """Two images of 2 × 2 pixels whose errors are small fractions."""
    reference = pixels([(1, 0, 0, 1), (0, 1, 0, 0), (0, 0, 1, 0.5), (0.5, 0.5, 0.5, 1)])
    prediction = pixels([(1, 0, 0, 0.5), (0, 0, 1, 0), (0, 0, 1, 1), (0.5, 0.5, 0.5, 1)])
    return prediction, reference


def test_seven_sums_by_hand(by_hand):
    pair = moments(*by_hand)
    assert pair.pp.tolist() == [[0.25, 0.0, 0.25]]
    assert pair.pa.tolist() == [[0.25, 0.0, 0.25]]
    assert pair.aa.tolist() == [0.5]
    assert pair.pixels == 4


def test_errors_on_solid_backgrounds_by_hand(by_hand, nine):
    mse = dict(zip(NAMES, mse_on_solid(moments(*by_hand), nine)[0].tolist(), strict=True))
    for name in ("black", "red", "blue", "magenta"):
        assert mse[name] == pytest.approx(1 / 24, abs=1e-15)
    for name in ("white", "green", "yellow", "cyan"):
        assert mse[name] == pytest.approx(1 / 12, abs=1e-15)
    assert mse["gray"] == pytest.approx(0.0313321799, abs=1e-10)
    scores = composite_psnr(*by_hand, nine)[0]
    assert scores[:3].tolist() == pytest.approx([15.040094, 13.802112, 10.791812], abs=1e-6)


def test_worst_backgrounds_by_hand(by_hand):
    assert worst_solid_background(moments(*by_hand)).tolist() == [[0.0, 1.0, 0.0]]
    assert psnr_worst_solid(*by_hand).item() == pytest.approx(10.791812, abs=1e-6)
    assert psnr_adversarial(*by_hand).item() == pytest.approx(9.030900, abs=1e-6)


def test_fixture_moments_and_derived_scores(exact_f32):
    pair = moments(*exact_f32)
    assert pair.pp[0].tolist() == pytest.approx([0.0594165096, 0.0503045282, 0.0591833863], abs=1e-10)
    assert pair.pa[0].tolist() == pytest.approx([0.0614011805, 0.0615814430, 0.0563610075], abs=1e-10)
    assert pair.aa.item() == pytest.approx(0.1102037678, abs=1e-10)
    assert worst_solid_background(pair).tolist() == [[0.0, 0.0, 0.0]]
    assert psnr_worst_solid(*exact_f32).item() == pytest.approx(42.597802, abs=1e-6)
    assert psnr_adversarial(*exact_f32).item() == pytest.approx(40.726384, abs=1e-6)
    assert psnr_uniform(*exact_f32).item() == pytest.approx(44.884449, abs=1e-6)
    assert psnr_abmse(*exact_f32).item() == pytest.approx(44.859158, abs=1e-6)
    mildest = mildest_solid_background(pair)
    assert mildest[0].tolist() == pytest.approx([0.5571604, 0.5587962, 0.5114254], abs=1e-7)
    assert psnr_from_mse(mse_on_own(pair, mildest)).item() == pytest.approx(46.333692, abs=1e-6)


def test_fixture_psnr_on_nine_backgrounds(exact_f32, nine):
    scores = dict(zip(NAMES, composite_psnr(*exact_f32, nine)[0].tolist(), strict=True))
    assert scores == pytest.approx(F32_PSNR, abs=1e-6)
    assert sum(scores.values()) / 9 == pytest.approx(43.349876, abs=1e-6)


def test_float32_psnr_stays_within_a_ten_thousandth_of_a_decibel(exact_f32, nine):
    single = composite_psnr(exact_f32[0].float(), exact_f32[1].float(), nine.float())
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, composite_psnr(*exact_f32, nine), atol=1e-4, rtol=0)


def test_fixture_alpha_and_straight_colour(exact_f32):
    prediction, reference = exact_f32
    assert psnr_alpha(prediction[:, 3:], reference[:, 3:]).item() == pytest.approx(39.681035, abs=1e-6)
    assert psnr_straight_rgb(*exact_f32).item() == pytest.approx(41.650092, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("checker8", 45.126594), ("gradient", 45.931071), ("noise", 44.971062), ("stripes", 43.890487)],
)
def test_fixture_psnr_on_textures(exact_f32, name, expected):
    background = texture(name, 32, 32).double()
    prediction, reference = (composite(image, background) for image in exact_f32)
    assert psnr(prediction, reference).item() == pytest.approx(expected, abs=1e-5)


def test_closed_form_equals_psnr_of_composites(random_pair):
    prediction, reference = random_pair(batch=3)
    backgrounds = torch.rand((5, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direct = torch.stack(
        [psnr(composite(prediction, colour), composite(reference, colour)) for colour in backgrounds], dim=1
    )
    torch.testing.assert_close(composite_psnr(prediction, reference, backgrounds), direct, atol=1e-9, rtol=0)


def test_worse_backgrounds_never_score_higher(random_pair, nine):
    prediction, reference = random_pair(batch=200, height=8, width=8)
    over_nine = composite_psnr(prediction, reference, nine)
    worst = psnr_worst_solid(prediction, reference)
    adversarial = psnr_adversarial(prediction, reference)
    slack = 1e-9
    assert (adversarial <= worst + slack).all()
    assert (worst <= over_nine.amin(1) + slack).all()
    assert (over_nine.amin(1) <= over_nine.mean(1) + slack).all()
    corners = composite_psnr(prediction, reference, CORNERS).amin(1)
    torch.testing.assert_close(worst, corners, atol=1e-9, rtol=0)


def test_no_noise_background_beats_the_adversarial_bound(random_pair):
    prediction, reference = random_pair()
    bound = psnr_adversarial(prediction, reference).item()
    generator = torch.Generator().manual_seed(2)
    for _ in range(50):
        background = torch.rand((3, *reference.shape[2:]), dtype=torch.float64, generator=generator).round()
        score = psnr(composite(prediction, background), composite(reference, background)).item()
        assert bound <= score + 1e-9


def test_adversarial_background_equals_a_search_per_pixel(random_pair):
    prediction, reference = random_pair(height=5, width=4)
    black, white = (
        (composite(prediction, colour) - composite(reference, colour)).square()
        for colour in (torch.zeros(3).double(), torch.ones(3).double())
    )
    expected = -10 * math.log10(torch.maximum(black, white).mean().item())
    assert psnr_adversarial(prediction, reference).item() == pytest.approx(expected, abs=1e-9)


def test_random_background_forms_agree_with_drawn_colours(random_pair):
    pair = moments(*random_pair())
    generator = torch.Generator().manual_seed(3)
    drawn = torch.rand((100_000, 3), dtype=torch.float64, generator=generator)
    expected = mse_on_solid(pair, drawn).mean().item()
    assert mse_on_random(pair, *UNIFORM_MOMENTS).item() == pytest.approx(expected, rel=1e-2)


def test_moments_of_photographs_are_those_of_the_source():
    mean, square = ABMSE_MOMENTS
    assert mean == pytest.approx((0.48215, 0.45945, 0.41015))
    assert square == pytest.approx((0.311225, 0.285950, 0.251000))


def test_sums_of_two_tiles_are_the_sums_of_the_image(random_pair, nine):
    prediction, reference = random_pair(batch=2)
    tiles = [moments(prediction[:, :, rows], reference[:, :, rows]) for rows in (slice(10), slice(10, None))]
    whole = mse_on_solid(moments(prediction, reference), nine)
    torch.testing.assert_close(mse_on_solid(tiles[0] + tiles[1], nine), whole, atol=1e-15, rtol=1e-12)


def test_identical_images_score_infinity_on_every_background(random_pair, nine):
    _, reference = random_pair()
    assert composite_psnr(reference, reference, nine).isposinf().all()
    for score in (psnr_worst_solid, psnr_adversarial, psnr_uniform, psnr_abmse, psnr_straight_rgb, psnr):
        assert score(reference, reference).isposinf().all()


def test_one_code_off_everywhere_is_48_decibels():
    reference = torch.full((1, 3, 8, 8), 100 / 255, dtype=torch.float64)
    assert psnr(reference + 1 / 255, reference).item() == pytest.approx(48.130804, abs=1e-6)


def test_opposite_constants_score_zero_decibels_even_on_one_pixel():
    black = torch.zeros(1, 3, 1, 1)
    assert psnr(black, black + 1).item() == 0.0


def test_straight_colour_without_a_visible_pixel_is_not_applicable():
    image = torch.rand(1, 4, 4, 4)
    clear = image.clone()
    clear[:, 3] = 0
    assert psnr_straight_rgb(image, clear).isnan().all()
    assert psnr_straight_rgb(clear, image).isnan().all()


def test_mildest_background_of_equal_alphas_is_defined(random_pair):
    prediction, reference = random_pair()
    prediction[:, 3] = reference[:, 3]
    assert mildest_solid_background(moments(prediction, reference)).tolist() == [[0.0, 0.0, 0.0]]


def test_closed_form_psnr_has_the_gradient_of_a_loss(random_pair, nine):
    prediction, reference = random_pair(height=4, width=3)
    prediction = prediction.clamp(0.1, 0.9).requires_grad_()
    for score in (lambda image: composite_psnr(image, reference, nine[:4]), lambda image: psnr(image, reference)):
        assert torch.autograd.gradcheck(score, (prediction,))
    assert torch.autograd.gradcheck(lambda image: psnr_worst_solid(image, reference), (prediction,))
