"""A3 to A7 of the AlphaVAE acceptance tests."""

import math

import pytest
import torch
from torch import Tensor

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.compositing import composite_over
from reference_models.losses.abmse import (
    RELEASED_MOMENTS,
    BackgroundMoments,
    abmse,
    blend_error,
    premultiplied_error,
    sampled_error,
    two_point_backgrounds,
)
from reference_models.losses.backgrounds import PRESETS


def pixel(colour: tuple[float, float, float], alpha: float) -> Tensor:
    """One pixel in [-1,1] from straight colour in [-1,1] and opacity in [0,1]."""
    return torch.tensor([*colour, 2 * alpha - 1], dtype=torch.float64).reshape(1, 4, 1, 1).requires_grad_()


def test_a_pixel_computed_by_hand() -> None:
    target, prediction = pixel((0.5, -0.5, 1.0), 0.8), pixel((0.25, 0.0, 0.5), 0.5)
    weighed = torch.tensor([0.275, -0.4, 0.55], dtype=torch.float64).reshape(1, 3, 1, 1)
    opacity = torch.full((1, 1, 1, 1), 0.3, dtype=torch.float64)
    error = blend_error(weighed, opacity, RELEASED_MOMENTS).flatten()
    assert error.tolist() == pytest.approx([0.1099825, 0.168076, 0.394507], abs=1e-9)
    loss = abmse(prediction, target, RELEASED_MOMENTS)
    assert float(loss.detach()) == pytest.approx(0.6725655, abs=1e-9)
    loss.sum().backward()
    gradient = prediction.grad.flatten().tolist()
    assert gradient == pytest.approx([-0.28571, 0.37567, -0.60391, -0.745305], abs=1e-5)


def test_it_is_the_expected_error_over_two_backgrounds_of_the_same_moments() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1000, 4, 1, 1, generator=generator, dtype=torch.float64) * 2 - 1
    prediction = torch.rand(1000, 4, 1, 1, generator=generator, dtype=torch.float64) * 2 - 1
    mean = torch.tensor(RELEASED_MOMENTS.mean, dtype=torch.float64).reshape(3, 1, 1)
    second = torch.tensor(RELEASED_MOMENTS.second, dtype=torch.float64).reshape(3, 1, 1)
    spread = (second - mean**2).sqrt()
    assert (mean + spread).flatten().tolist() == pytest.approx([0.5256, 0.4661, 0.3957], abs=1e-4)
    assert (mean - spread).flatten().tolist() == pytest.approx([-0.5970, -0.6283, -0.7551], abs=1e-4)

    def over(images: Tensor, background: Tensor) -> Tensor:
        opacity = (images[:, 3:] + 1) / 2
        return images[:, :3] * opacity + (1 - opacity) * background

    errors = [
        (over(target, background) - over(prediction, background)).square().flatten(1).sum(1)
        for background in (mean + spread, mean - spread)
    ]
    expected = (errors[0] + errors[1]) / 2
    assert torch.allclose(abmse(prediction, target, RELEASED_MOMENTS), expected, atol=1e-12, rtol=0)


def test_normal_backgrounds_of_the_same_moments_agree_within_their_noise() -> None:
    mean = torch.tensor(RELEASED_MOMENTS.mean, dtype=torch.float64)
    spread = (torch.tensor(RELEASED_MOMENTS.second, dtype=torch.float64) - mean**2).sqrt()
    draws = torch.randn(1_000_000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    errors = (torch.tensor([0.275, -0.4, 0.55]) - 0.3 * (mean + spread * draws)).square().sum(1)
    standard_error = float(errors.std()) / 1000
    assert abs(float(errors.mean()) - 0.6725655) < 5 * standard_error


def test_with_the_moments_of_the_nine_colours_it_is_four_times_their_mean_error() -> None:
    colours = canonical_tensor().double()
    moments = BackgroundMoments.from_colours(colours * 2 - 1)
    assert moments.mean == pytest.approx((0.000436,) * 3, abs=1e-6)
    assert moments.second == pytest.approx((0.888891,) * 3, abs=1e-6)
    generator = torch.Generator().manual_seed(3)
    images = [torch.rand(2, 4, 5, 6, generator=generator) for _ in range(2)]
    errors = (composite_over(images[0], colours.float()) - composite_over(images[1], colours.float())).square()
    expected = 4 * errors.double().mean(1).flatten(1).sum(1)
    measured = abmse(images[0].double() * 2 - 1, images[1].double() * 2 - 1, moments)
    assert torch.allclose(measured, expected, rtol=1e-5)


def test_colours_that_nobody_sees_are_free() -> None:
    target, prediction = pixel((0.9, -0.3, 0.1), 0.0), pixel((-0.7, 0.2, 0.8), 0.0)
    loss = abmse(prediction, target, RELEASED_MOMENTS)
    loss.sum().backward()
    assert float(loss.detach()) == 0.0
    assert float(prediction.grad[0, :3].abs().max()) == 0.0


def test_a_transparent_prediction_learns_opacity_but_no_colour() -> None:
    target, prediction = pixel((0.9, -0.3, 0.1), 0.5), pixel((-0.7, 0.2, 0.8), 0.0)
    abmse(prediction, target, RELEASED_MOMENTS).sum().backward()
    assert float(prediction.grad[0, :3].abs().max()) == 0.0
    assert float(prediction.grad[0, 3]) != 0.0


def test_at_the_opaque_start_a_transparent_pixel_pulls_alpha_down_by_its_own_error() -> None:
    target, prediction = pixel((0.0, 0.0, 0.0), 0.0), pixel((0.2, -0.4, 0.6), 1.0)
    colour = -prediction.detach()[:, :3]
    error = blend_error(colour, torch.full((1, 1, 1, 1), -1.0, dtype=torch.float64), RELEASED_MOMENTS)
    assert error.flatten().tolist() == pytest.approx([0.37058, 0.40112, 0.93904], abs=1e-9)
    loss = abmse(prediction, target, RELEASED_MOMENTS)
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(1.71074, abs=1e-9)
    assert float(prediction.grad[0, 3]) == pytest.approx(1.71074, abs=1e-9)


def test_impossible_moments_are_refused_with_channel_and_numbers() -> None:
    with pytest.raises(ValueError, match=r"0\.1 of green .* 0\.5"):
        BackgroundMoments((0.0, 0.5, 0.0), (1.0, 0.1, 1.0))


def test_a_moment_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="nan of blue"):
        BackgroundMoments((0.0, 0.0, 0.0), (1.0, 1.0, math.nan))


def test_the_named_backgrounds_are_what_their_names_say() -> None:
    def of(*colours: tuple[float, float, float]) -> BackgroundMoments:
        return BackgroundMoments.from_samples(torch.tensor(colour).reshape(3, 1, 1) for colour in colours)

    def near(found: BackgroundMoments, expected: BackgroundMoments, tolerance: float) -> None:
        assert found.mean == pytest.approx(expected.mean, abs=tolerance)
        assert found.second == pytest.approx(expected.second, abs=tolerance)

    assert PRESETS["white"] == of((1.0, 1.0, 1.0))
    assert PRESETS["black"] == of((0.0, 0.0, 0.0))
    assert PRESETS["grey"] == of((0.5, 0.5, 0.5))
    assert PRESETS["black-white-coin"] == of((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    near(PRESETS["nine-colours"], BackgroundMoments.from_colours(canonical_tensor() * 2 - 1), 1e-7)
    ramp = torch.linspace(0, 1, 100_001, dtype=torch.float64).float().expand(3, 1, -1)
    near(PRESETS["uniform"], BackgroundMoments.from_samples([ramp]), 1e-4)
    assert PRESETS["imagenet"] == RELEASED_MOMENTS
    assert PRESETS["customary-imagenet"].mean == pytest.approx((-0.030, -0.088, -0.188))
    assert PRESETS["customary-imagenet"].second == pytest.approx((0.2107, 0.2084, 0.2378), abs=1e-4)


def test_measured_moments_weigh_images_evenly_whatever_their_size() -> None:
    sizes = ((2, 3), (40, 50))
    images = [torch.full((3, *size), level) for size, level in zip(sizes, (0.0, 1.0), strict=True)]
    found = BackgroundMoments.from_samples(images)
    assert found == PRESETS["black-white-coin"]
    noise = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    values = noise.double().flatten(1) * 2 - 1
    measured = BackgroundMoments.from_samples(iter([noise]))
    assert measured.mean == pytest.approx(values.mean(1).tolist(), abs=1e-12)
    assert measured.second == pytest.approx((values**2).mean(1).tolist(), abs=1e-12)
    assert BackgroundMoments.from_samples([torch.full((3, 7, 9), 0.3)]).mean == pytest.approx((-0.4,) * 3, abs=1e-6)
    with pytest.raises(ValueError, match="no image"):
        BackgroundMoments.from_samples([])


def test_sampled_backgrounds_have_the_moments_and_their_error_the_expectation() -> None:
    """Both signs of each channel are equally likely: the mean over all eight sign patterns is the expectation."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)[None]
    for moments in PRESETS.values():
        colours = two_point_backgrounds(signs, moments)[0]
        assert colours.mean(0).tolist() == pytest.approx(moments.mean, abs=1e-12)
        assert (colours**2).mean(0).tolist() == pytest.approx(moments.second, abs=1e-12)
        generator = torch.Generator().manual_seed(1)
        colour = torch.randn(1, 3, 4, 5, generator=generator, dtype=torch.float64)
        opacity = torch.randn(1, 1, 4, 5, generator=generator, dtype=torch.float64)
        error = sampled_error(colour, opacity, colours[None])
        assert torch.allclose(error, blend_error(colour, opacity, moments), atol=1e-12, rtol=0)


def test_the_premultiplied_error_is_that_of_premultiplied_images_in_the_networks_range() -> None:
    generator = torch.Generator().manual_seed(2)
    target, prediction = (torch.rand(2, 4, 3, 3, generator=generator) for _ in range(2))

    def network(images: Tensor) -> Tensor:
        return torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], 1) * 2 - 1

    def weighed(images: Tensor) -> tuple[Tensor, Tensor]:
        return (2 * images[:, :3] - 1) * images[:, 3:], images[:, 3:]

    (colour, opacity), (made, made_opacity) = weighed(target), weighed(prediction)
    found = premultiplied_error(colour - made, opacity - made_opacity)
    assert torch.allclose(found, (network(target) - network(prediction)).square(), atol=1e-6)


def test_a_background_without_variance_is_accepted() -> None:
    assert BackgroundMoments((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).mean[0] == 0.5
