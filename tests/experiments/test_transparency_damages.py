import numpy as np
import pytest
import torch

from alphabench.data.mini.pictures import entries
from alphabench.experiments.transparency.damages import BACKGROUNDS, DAMAGES, turned_hue
from alphabench.experiments.transparency.truths import SEED_STEP, delivered, truths
from alphabench.image.compositing import composite, premultiply
from alphabench.metrics.halo import fringe_luma
from alphabench.metrics.reference_free import border_cut, hole_rate, speckle_rate

SEED = 7


@pytest.fixture
def disc():
    """A disc of one colour with a soft rim, 64 x 64 pixels, float64."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    alpha = (18.5 - (x - 31.5).hypot(y - 31.5)).clamp(0, 1)
    colour = torch.tensor([0.8, 0.3, 0.2]).view(3, 1, 1).expand(3, 64, 64)
    return torch.cat([colour * (alpha > 0), alpha[None]])[None].double()


def damaged(name, image, strength=None):
    damage = DAMAGES[name]
    return damage.apply(image, damage.strengths[-1] if strength is None else strength, SEED)


@pytest.mark.parametrize("name", DAMAGES)
def test_strengths_rise_and_every_result_is_an_image(name, disc):
    damage = DAMAGES[name]
    assert list(damage.strengths) == sorted(set(damage.strengths))
    assert damage.strengths[0] > 0
    made = [damage.apply(disc, strength, SEED) for strength in damage.strengths]
    for image in made:
        assert ((image >= -1e-12) & (image <= 1 + 1e-12)).all()
        assert image.dtype == torch.float64
    assert torch.equal(made[-1], damage.apply(disc, damage.strengths[-1], SEED))
    if name not in {"recolour", "threshold", "enlarge"}:  # these keep the mean alpha of a disc
        first, last = ((delivered(image)[:, 3].mean() - disc[:, 3].mean()).abs() for image in (made[0], made[-1]))
        assert last >= first


def test_holes_are_nested_and_counted_by_the_hole_rate(disc):
    areas = []
    for strength in DAMAGES["holes"].strengths:
        punched = damaged("holes", disc, strength)
        areas.append(((punched[0, 3] == 0) & (disc[0, 3] == 1)).sum().item())
        mask = (disc[0, 3] >= 0.5).sum().item()
        assert hole_rate(punched).item() == pytest.approx(areas[-1] / mask)
    assert areas == sorted(areas)
    assert areas[0] > 0


def test_an_object_too_thin_for_holes_is_left_out(disc):
    thin = disc.clone()
    thin[:, 3, :31] = 0
    thin[:, 3, 33:] = 0
    assert damaged("holes", thin) is None


def test_a_halo_has_its_sign_and_a_white_rim_around_white_is_none(disc):
    assert fringe_luma(damaged("halo_light", disc)).item() > 0.1
    assert fringe_luma(damaged("halo_dark", disc)).item() < -0.1
    white = torch.cat([torch.ones_like(disc[:, :3]), disc[:, 3:]], 1)
    assert damaged("halo_light", white) is None
    assert damaged("halo_dark", white) is not None


def test_erosion_and_dilation_by_whole_pixels(disc):
    mask = (disc[:, 3:] == 1).double()
    hard = torch.cat([disc[:, :3], mask], 1)
    for name, radius, sign in (("shrink", 2.0, -1), ("grow", 2.0, 1)):
        row = damaged(name, hard, radius)[0, 3, 32]
        assert row.sum() == hard[0, 3, 32].sum() + sign * 2 * radius
    grown = damaged("grow", hard, 2.0)
    assert torch.allclose(grown[0, :3, 32, 15], disc[0, :3, 32, 32])


def test_half_a_pixel_is_half_way(disc):
    whole, half = (damaged("shrink", disc, radius) for radius in (1.0, 0.5))
    torch.testing.assert_close(half[:, 3], (whole[:, 3] + disc[:, 3]) / 2)


def test_the_hard_threshold_leaves_two_levels(disc):
    codes = (delivered(damaged("threshold", disc))[:, 3] * 255).round().unique()
    assert codes.tolist() == [0, 255]


def test_a_veil_is_a_faint_background_under_the_image(disc):
    background = torch.tensor(BACKGROUNDS[SEED % len(BACKGROUNDS)], dtype=torch.float64)
    veiled = damaged("veil", disc, 0.2)
    expected = premultiply(disc) + 0.2 * (1 - disc[:, 3:]) * background.view(1, 3, 1, 1)
    torch.testing.assert_close(premultiply(veiled), expected)
    torch.testing.assert_close(veiled[:, 3], disc[:, 3] + 0.2 * (1 - disc[:, 3]))


def test_full_spill_is_the_photographed_colour(disc):
    background = torch.tensor(BACKGROUNDS[SEED % len(BACKGROUNDS)], dtype=torch.float64)
    spilt = damaged("spill", disc, 1.0)
    torch.testing.assert_close(spilt[:, :3], composite(disc, background))
    assert torch.equal(spilt[:, 3], disc[:, 3])


def test_a_cut_takes_its_share_of_the_extent_and_leaves_running_objects_out(disc):
    moved = damaged("cut", disc, 0.4)
    assert border_cut(moved).item() > 0
    rows, columns = ((moved[0, 3] > 0.05).any(axis) for axis in (1, 0))
    extents = sorted((rows.sum().item(), columns.sum().item()))
    assert extents == [36 - round(0.4 * 36), 36]
    assert damaged("cut", moved) is None


def test_specks_are_counted_and_of_any_place(disc):
    for count in (4, 40):
        speckled = damaged("specks", disc, float(count))
        assert (speckled[0, 3] - disc[0, 3]).sum().item() == 4 * count
        mask = (disc[0, 3] >= 0.5).sum().item()
        assert speckle_rate(speckled).item() == pytest.approx(4 * count / (mask + 4 * count))


def test_turned_hues_keep_alpha_and_gray_and_come_back_around(disc):
    gray = torch.full((1, 4, 2, 2), 0.3, dtype=torch.float64)
    torch.testing.assert_close(turned_hue(gray, 77.0), gray)
    torch.testing.assert_close(turned_hue(disc, 360.0), disc)
    red = torch.tensor([1.0, 0, 0, 1], dtype=torch.float64).view(1, 4, 1, 1)
    torch.testing.assert_close(turned_hue(red, 120.0)[0, :, 0, 0], torch.tensor([0.0, 1, 0, 1], dtype=torch.float64))


def test_a_smaller_object_keeps_its_share_of_the_area(disc):
    half = damaged("smaller", disc, 0.5)
    assert half.shape == disc.shape
    assert half[:, 3].mean().item() == pytest.approx(disc[:, 3].mean().item() / 4)
    assert damaged("enlarge", disc).shape[2:] == (128, 128)


def test_the_truth_is_drawn_from_other_seeds_than_the_embedded_set():
    drawn = list(truths(motifs=1, side=64))
    assert [truth.category for truth in drawn[::2]] == ["hard", "soft", "hair", "glass", "smoke", "text"]
    assert max(entry.seed for entry in entries()) < SEED_STEP <= min(truth.seed for truth in drawn)
    assert len({truth.seed for truth in drawn}) == len(drawn) == 12
    for truth in drawn:
        assert torch.equal(truth.image, delivered(truth.image))
        assert not truth.image[:, :3][:, :, truth.image[0, 3] == 0].any()
    assert torch.equal(drawn[0].image, next(truths(motifs=1, side=64)).image)
    assert not np.allclose(drawn[0].image, drawn[1].image)
