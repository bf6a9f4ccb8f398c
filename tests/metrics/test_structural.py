import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS, texture
from alphabench.image.compositing import composite
from alphabench.metrics import blocks
from alphabench.metrics.closed_form import composite_psnr
from alphabench.metrics.gaussian_window import window
from alphabench.metrics.similarity import ssim_alpha, ssim_direct, ssim_luma_direct
from alphabench.metrics.structural import (
    composite_all,
    composite_psnr_ssim,
    composite_ssim,
    composite_ssim_luma,
    ssim_worst9,
)

NAMES = list(CANONICAL_BACKGROUNDS)

F32_RGB = {
    "gray": 0.98947125, "black": 0.99495030, "white": 0.99458163, "red": 0.99460981, "green": 0.99508639,
    "blue": 0.99478604, "yellow": 0.99474590, "cyan": 0.99492213, "magenta": 0.99444554,
}  # fmt: skip
F32_LUMA = {
    "gray": 0.99818585, "black": 0.99790380, "white": 0.99827053, "red": 0.99783645, "green": 0.99837262,
    "blue": 0.99794515, "yellow": 0.99831316, "cyan": 0.99839030, "magenta": 0.99791877,
}  # fmt: skip


def scikit_ssim(prediction, reference):
    """Mean over the valid area by scikit-image, float64."""
    pair = [image[0].double().permute(1, 2, 0).numpy() for image in (prediction, reference)]
    return structural_similarity(
        *pair, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )


def test_window_has_the_published_taps():
    taps = window(torch.float64, torch.device("cpu"))
    published = [0.00102838, 0.00759876, 0.03600077, 0.10936069, 0.21300554, 0.26601172]
    assert taps[:6].tolist() == pytest.approx(published, abs=1e-8)
    assert taps.flip(0).tolist() == taps.tolist()
    assert taps.sum().item() == pytest.approx(1, abs=1e-15)


def test_fixture_rgb_and_luma_on_nine_backgrounds(exact_f32, nine):
    scores = composite_all(*exact_f32, nine)
    assert dict(zip(NAMES, scores.ssim_rgb[0].tolist(), strict=True)) == pytest.approx(F32_RGB, abs=1e-8)
    assert dict(zip(NAMES, scores.ssim_luma[0].tolist(), strict=True)) == pytest.approx(F32_LUMA, abs=1e-8)
    assert scores.ssim_rgb.mean().item() == pytest.approx(0.99417767, abs=1e-8)
    assert scores.ssim_luma.mean().item() == pytest.approx(0.99812629, abs=1e-8)


def test_float32_agrees_with_float64(exact_f32, nine):
    single = composite_all(exact_f32[0].float(), exact_f32[1].float(), nine)
    double = composite_all(*exact_f32, nine)
    torch.testing.assert_close(single.ssim_rgb, double.ssim_rgb, atol=1e-6, rtol=0)
    torch.testing.assert_close(single.ssim_luma, double.ssim_luma, atol=1e-6, rtol=0)


def test_all_entrances_give_the_same_numbers(exact_f32, nine):
    together = composite_all(*exact_f32, nine)
    psnr, ssim = composite_psnr_ssim(*exact_f32, nine)
    assert torch.equal(psnr, together.psnr)
    assert torch.equal(psnr, composite_psnr(*exact_f32, nine))
    torch.testing.assert_close(ssim, together.ssim_rgb, atol=1e-13, rtol=0)
    assert torch.equal(ssim, composite_ssim(*exact_f32, nine))
    torch.testing.assert_close(composite_ssim_luma(*exact_f32, nine), together.ssim_luma, atol=1e-13, rtol=0)
    assert ssim_worst9(*exact_f32).item() == ssim.min().item()


@pytest.mark.parametrize("size", [(32, 32), (11, 11), (12, 75), (75, 43), (70, 107)])
def test_closed_form_equals_composites_filtered_one_by_one(random_pair, nine, size):
    prediction, reference = random_pair(batch=2, height=size[0], width=size[1])
    backgrounds = torch.cat([nine, torch.tensor([[0.3, 0.9, 0.05]], dtype=torch.float64)])
    scores = composite_all(prediction, reference, backgrounds)
    for index, colour in enumerate(backgrounds):
        pair = [composite(image, colour) for image in (prediction, reference)]
        torch.testing.assert_close(scores.ssim_rgb[:, index], ssim_direct(*pair), atol=1e-12, rtol=0)
        torch.testing.assert_close(scores.ssim_luma[:, index], ssim_luma_direct(*pair), atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (11, 64), (50, 43)])
def test_direct_form_equals_scikit_image(random_pair, size):
    prediction, reference = random_pair(height=size[0], width=size[1])
    prediction, reference = prediction[:, :3], reference[:, :3]
    assert ssim_direct(prediction, reference).item() == pytest.approx(scikit_ssim(prediction, reference), abs=1e-12)


def test_fixture_against_scikit_image_and_torchmetrics(exact_f32, nine):
    for index, skimage, torchmetrics in ((0, 0.98947125, 0.99345773), (1, 0.99495030, 0.96996470)):
        pair = [composite(image, nine[index]) for image in exact_f32]
        assert scikit_ssim(*pair) == pytest.approx(skimage, abs=1e-8)
        assert ssim_direct(*pair).item() == pytest.approx(skimage, abs=1e-8)
        padded = structural_similarity_index_measure(*pair, data_range=1.0)
        assert padded.item() == pytest.approx(torchmetrics, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("checker8", 0.99483043), ("gradient", 0.99347459), ("noise", 0.99559354), ("stripes", 0.99593307)],
)
def test_fixture_on_textures(exact_f32, name, expected):
    background = texture(name, 32, 32).double()
    assert ssim_direct(*(composite(image, background) for image in exact_f32)).item() == pytest.approx(
        expected, abs=1e-7
    )


def test_fixture_alpha(exact_f32):
    assert ssim_alpha(*(image[:, 3:] for image in exact_f32)).item() == pytest.approx(0.99485019, abs=1e-8)


def test_float32_map_keeps_its_digits_on_bright_smooth_images():
    y, x = torch.meshgrid(torch.arange(256.0).double(), torch.arange(256.0).double(), indexing="ij")
    reference = 0.93 + 0.05 * torch.sin(x / 40) * torch.cos(y / 31)
    prediction = (reference + 0.004 * torch.sin(x * y / 50)).clamp(0, 1)

    def windows(image):  # 11 × 11 crops: the score of a crop is one value of the map
        return image.unfold(0, 11, 12).unfold(1, 11, 12).reshape(-1, 1, 11, 11)

    pair = windows(prediction), windows(reference)
    shown = ssim_direct(*(image.float() for image in pair))
    exact = ssim_direct(*pair)
    assert (shown - exact).abs().max() < 2e-5
    assert (naive_map(prediction.float(), reference.float()) - naive_map(prediction, reference)).abs().max() > 1e-4


def naive_map(prediction, reference):
    """The textbook formula without a shift."""
    taps = window(prediction.dtype, prediction.device)
    kernel = torch.outer(taps, taps)[None, None]

    def blur(image):
        return torch.nn.functional.conv2d(image[None, None], kernel)

    mx, my = blur(reference), blur(prediction)
    vx, vy = blur(reference**2) - mx**2, blur(prediction**2) - my**2
    cov = blur(reference * prediction) - mx * my
    return (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def test_whole_image_on_bright_smooth_images_keeps_its_digits(nine):
    y, x = torch.meshgrid(torch.arange(256.0).double(), torch.arange(256.0).double(), indexing="ij")
    grey = 0.93 + 0.05 * torch.sin(x / 40) * torch.cos(y / 31)
    reference = torch.stack([grey, grey, grey, grey])[None].clamp(0, 1)
    prediction = (reference + 0.004 * torch.sin(x * y / 50)).clamp(0, 1)
    single = composite_ssim(prediction.float(), reference.float(), nine)
    torch.testing.assert_close(single, composite_ssim(prediction, reference, nine), atol=1e-6, rtol=0)


def test_identical_images_score_exactly_one(random_pair, nine):
    _, reference = random_pair(height=33, width=45, dtype=torch.float32)
    assert (composite_ssim(reference, reference, nine) == 1).all()
    assert (composite_ssim_luma(reference, reference, nine) == 1).all()
    assert (ssim_direct(reference, reference) == 1).all()


def test_two_transparent_images_score_one_whatever_their_colour(random_pair, nine):
    prediction, reference = random_pair()
    prediction[:, 3] = reference[:, 3] = 0
    assert (composite_ssim(prediction, reference, nine) == 1).all()


def test_constants_differ_by_their_luminance_term():
    one, other = torch.full((1, 3, 20, 20), 0.6).double(), torch.full((1, 3, 20, 20), 0.5).double()
    assert ssim_direct(one, other).item() == pytest.approx(0.98360924, abs=1e-8)


@pytest.mark.parametrize("size", [(10, 10), (10, 40), (40, 10)])
def test_images_below_the_window_are_not_applicable(nine, size):
    image = torch.rand(2, 4, *size)
    scores = composite_all(image, image, nine)
    assert scores.ssim_rgb.isnan().all()
    assert scores.ssim_luma.isnan().all()
    assert scores.psnr.isposinf().all()
    assert scores.ssim_rgb.shape == (2, 9)
    assert ssim_direct(image, image).isnan().all()


def test_a_score_does_not_depend_on_the_batch(random_pair, nine):
    prediction, reference = random_pair(batch=7, height=40, width=37, dtype=torch.float32)
    together = composite_all(prediction, reference, nine)
    for index in range(7):
        alone = composite_all(prediction[index : index + 1], reference[index : index + 1], nine)
        assert torch.equal(alone.ssim_rgb[0], together.ssim_rgb[index])
        assert torch.equal(alone.ssim_luma[0], together.ssim_luma[index])
        assert torch.equal(alone.psnr[0], together.psnr[index])


def test_a_score_does_not_depend_on_the_blocks(random_pair, nine, monkeypatch):
    prediction, reference = random_pair(batch=3, height=61, width=50)
    whole = composite_all(prediction, reference, nine)
    for pixels in (300, 10_000):
        monkeypatch.setattr(blocks, "CPU_BLOCK_PIXELS", pixels)
        parts = composite_all(prediction, reference, nine)
        torch.testing.assert_close(parts.ssim_rgb, whole.ssim_rgb, atol=1e-13, rtol=0)
        torch.testing.assert_close(parts.ssim_luma, whole.ssim_luma, atol=1e-13, rtol=0)
        torch.testing.assert_close(parts.psnr, whole.psnr, atol=1e-10, rtol=0)
    monkeypatch.setattr(blocks, "sample_chunks", lambda batch, *_: [slice(0, batch)])
    torch.testing.assert_close(composite_all(prediction, reference, nine).ssim_rgb, whole.ssim_rgb)


def test_a_score_and_its_gradient_do_not_depend_on_the_threads(random_pair, nine, monkeypatch):
    monkeypatch.setattr(blocks, "CPU_BLOCK_PIXELS", 300)
    prediction, reference = random_pair(height=61, width=50, dtype=torch.float32)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 3):
        torch.set_num_threads(count)
        image = prediction.clone().requires_grad_()
        scores = composite_ssim(image, reference, nine)
        scores.sum().backward()
        with torch.no_grad():
            assert torch.equal(composite_ssim(image, reference, nine), scores)
        assert torch.get_num_threads() == count
        results.append((scores.detach(), image.grad))
    torch.set_num_threads(threads)
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


def test_hidden_colour_changes_no_bit(random_pair, nine):
    prediction, reference = random_pair(height=40, width=40, dtype=torch.float32)
    prediction[:, 3, :20] = 0
    reference[:, 3, 10:30] = 0
    before = composite_all(prediction, reference, nine)
    generator = torch.Generator().manual_seed(5)
    for image in (prediction, reference):
        other = torch.rand(image[:, :3].shape, generator=generator)
        image[:, :3] = torch.where(image[:, 3:] == 0, other, image[:, :3])
    after = composite_all(prediction, reference, nine)
    for name in ("psnr", "ssim_rgb", "ssim_luma"):
        assert torch.equal(getattr(before, name), getattr(after, name))


def test_values_below_zero_are_allowed():
    wave = 0.5 + 0.4 * torch.sin(torch.arange(30.0))
    image = wave.expand(1, 3, 30, 30).double()
    assert ssim_direct(1 - image, image).item() < -0.5


def test_closed_form_ssim_has_the_gradient_of_a_loss(random_pair, nine):
    prediction, reference = random_pair(height=11, width=12)
    prediction = prediction.clamp(0.1, 0.9).requires_grad_()
    few = torch.cat([nine[:3], nine[3:4]])
    assert torch.autograd.gradcheck(
        lambda image: composite_all(image, reference, few).ssim_rgb, (prediction,), fast_mode=True
    )
    assert torch.autograd.gradcheck(
        lambda image: composite_all(image, reference, few).ssim_luma, (prediction,), fast_mode=True
    )
    assert torch.autograd.gradcheck(lambda image: ssim_direct(image, reference), (prediction,), fast_mode=True)


def test_one_background_more_costs_no_accuracy(exact_f32):
    levels = torch.linspace(0, 1, 6, dtype=torch.float64)
    grid = torch.cartesian_prod(levels, levels, levels)
    scores = composite_ssim(*exact_f32, grid)
    assert scores.shape == (1, 216)
    place = int(np.ravel_multi_index((1, 5, 0), (6, 6, 6)))
    pair = [composite(image, grid[place]) for image in exact_f32]
    assert scores[0, place].item() == pytest.approx(scikit_ssim(*pair), abs=1e-12)
    assert not math.isnan(scores.sum().item())
