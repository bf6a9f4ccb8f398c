import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from alphabench.metrics.colour_leak import colour_leak
from alphabench.metrics.halo import fringe

RIM = (200, 128, 60)
"""Alpha codes of the rim, from the core outwards."""
BACKGROUND = (0.25, 0.5, 1.0)


def cut_out(share, background=BACKGROUND, cores=None, rim=RIM):
    """A solid half whose rows have their own colours, and a rim that keeps a share of a background."""
    if cores is None:
        cores = np.random.default_rng(0).random((12, 3))
    cores = np.asarray(cores, dtype=float)
    picture = np.zeros((4, len(cores), 5 + len(rim) + 3))
    picture[:3] = cores.T[:, :, None]
    picture[3, :, :5] = 1
    for column, code in enumerate(rim, start=5):
        alpha = code / 255
        jump = share * (1 - alpha) * (np.asarray(background)[:, None] - cores.T)
        picture[:3, :, column] = cores.T + jump
        picture[3, :, column] = alpha
    return torch.from_numpy(picture)[None]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_the_share_of_a_background_is_found_whatever_its_colour(share):
    for background in (BACKGROUND, (0, 1, 0), (1, 1, 1), (0.5, 0.5, 0.5)):
        assert colour_leak(cut_out(share, background)).item() == pytest.approx(share, rel=5e-3)


def test_own_colours_leak_nothing_and_a_photographed_rim_leaks_all():
    assert colour_leak(cut_out(0.0)).item() == pytest.approx(0, abs=1e-12)
    assert colour_leak(cut_out(1.0)).item() == pytest.approx(1, abs=5e-3)


def test_a_rim_of_one_opacity_is_leak_and_outline_by_half():
    even = cut_out(0.5, (1, 1, 1), np.zeros((4, 3)), rim=(51,))
    assert even[0, 0, 0, 5].item() == pytest.approx(0.4)  # 0.5 · (1 − 0.2)
    assert colour_leak(even).item() == pytest.approx(0.2 / 0.8, rel=1e-3)  # half of 0.4 is λ · (1 − 0.2)


def test_an_outline_is_no_leak():
    outlined = cut_out(0.0)
    outlined[:, :3, :, 5:] += 0.7 * (torch.tensor([0.1, 0.0, 0.2]).view(1, 3, 1, 1) - outlined[:, :3, :, 5:])
    assert colour_leak(outlined).item() == pytest.approx(0, abs=5e-3)
    assert fringe(outlined).item() > 0.1


def test_of_equally_good_shares_the_smallest_is_taken():
    gray = cut_out(1.0, (0.5, 0.5, 0.5), np.zeros((4, 3)))
    assert colour_leak(gray).item() == pytest.approx(0.5, rel=1e-3)  # half of white instead of all of gray


def test_colours_beyond_any_background_count_as_all():
    beyond = cut_out(0.0, cores=np.zeros((4, 3)))
    for column, code in enumerate(RIM, start=5):
        beyond[:, :3, :, column] = min(1.0, 1.6 * (1 - code / 255))
    assert colour_leak(beyond).item() == 1


def test_a_general_solver_finds_the_same_share():
    generator = np.random.default_rng(3)
    picture = cut_out(0.4)
    picture[0, :3, :, 5:8] += 0.1 * torch.from_numpy(generator.random((3, 12, 3)) - picture[0, :3, :, 5:8].numpy())
    core, colour = (picture[0, :3, :, part].numpy() for part in (slice(4, 5), slice(5, 8)))
    alpha = np.array(RIM) / 255

    def error(unknown):
        background, outline = unknown[:3, None, None], unknown[3:6, None, None]
        explained = unknown[6] * (1 - alpha) * (background - core) + unknown[7] * (outline - core)
        return float(np.square(alpha * (colour - core - explained)).sum())

    starts = np.concatenate([generator.random((6, 6)), np.full((6, 2), 0.5)], axis=1)
    found = min((minimize(error, start, bounds=[(0, 1)] * 8, tol=1e-13) for start in starts), key=lambda got: got.fun)
    assert 0.1 < found.x[6] < 0.9
    assert colour_leak(picture).item() == pytest.approx(found.x[6], abs=5e-3)


def test_images_without_core_or_rim_are_not_judged():
    for alpha in (0.0, 0.5, 1.0):
        assert colour_leak(torch.full((1, 4, 6, 6), alpha, dtype=torch.float64)).isnan().all()
