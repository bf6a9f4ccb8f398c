"""A10 of the AlphaVAE acceptance tests, and the random perceptual distance."""

import pytest
import torch

from reference_models.losses.abmse import blend
from reference_models.losses.perceptual import RandomPerceptual


def images(seed: int) -> torch.Tensor:
    return torch.rand(3, 3, 32, 40, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_blends_are_mid_grey_true_white_and_true_black() -> None:
    colour, opacity = torch.full((1, 3, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.5)  # white times 0.5
    values = [float(blend(colour, opacity, level).mean()) for level in (0.0, 1.0, -1.0)]
    assert values == [0.5, 1.0, 0.0]


def test_equal_images_have_distance_zero_and_others_more() -> None:
    distance = RandomPerceptual()
    assert distance(images(0), images(0)).tolist() == [0.0, 0.0, 0.0]
    assert float(distance(images(0), images(1)).min()) > 0


def test_the_distance_is_symmetric() -> None:
    distance = RandomPerceptual()
    assert torch.allclose(distance(images(0), images(1)), distance(images(1), images(0)))


def test_the_filters_come_from_the_seed_and_are_not_trained() -> None:
    first, second, other = RandomPerceptual(), RandomPerceptual(), RandomPerceptual(seed=1)
    assert torch.equal(first.first, second.first)
    assert not torch.equal(first.first, other.first)
    assert list(first.parameters()) == []
    assert first.state_dict() == {}


def test_a_constant_shift_counts_less_than_lost_detail_of_the_same_energy() -> None:
    distance = RandomPerceptual()
    base = images(3) * 0.5
    detail = torch.sign(images(4)) * 0.2
    assert float(distance(base + detail, base).mean()) > float(distance(base + 0.2, base).mean())


@pytest.mark.parametrize(("floor", "least", "most"), [(0.01, 0.3, 1.0), (0.3, 0.0, 0.01)])
def test_the_floor_decides_what_invisible_ripple_costs_beside_other_content(
    floor: float, least: float, most: float
) -> None:
    distance = RandomPerceptual(floor=floor)
    flat = torch.zeros(1, 3, 64, 64)
    ripple = torch.randn(flat.shape, generator=torch.Generator().manual_seed(0)) / 127.5  # one 8-bit code
    blocks = images(5)[:1, :, :16, :16].repeat_interleave(4, 2).repeat_interleave(4, 3)
    share = float(distance(flat + ripple, flat) / distance(blocks.flip(3), blocks))
    assert least < share < most


def test_a_floor_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RandomPerceptual(floor=0.0)
