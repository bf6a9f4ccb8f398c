"""The signs of the usual failures, on images whose faults are made by hand."""

import math

import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.diagnosis import (
    alpha_kept,
    alpha_spill,
    cast_of,
    colour_bias,
    diagnose_images,
    rank_gaps,
    semi_alpha_bias,
)


def picture(alpha: list[float], colour: tuple[float, float, float] = (0.2, 0.5, 0.8)) -> torch.Tensor:
    """One row of pixels of one colour."""
    plane = torch.tensor(alpha).reshape(1, 1, 1, -1)
    return torch.cat([torch.tensor(colour).reshape(1, 3, 1, 1).expand(1, 3, 1, len(alpha)), plane], 1)


def test_alpha_kept_and_spilt_by_hand() -> None:
    reference, prediction = picture([1.0, 0.5, 0.0, 0.0])[:, 3:], picture([0.9, 0.3, 0.2, 0.1])[:, 3:]
    assert float(alpha_kept(prediction, reference)) == pytest.approx(1.2 / 1.5, abs=1e-6)
    assert float(alpha_spill(prediction, reference)) == pytest.approx(0.3 / 1.5, abs=1e-6)
    assert float(semi_alpha_bias(prediction, reference)) == pytest.approx(-0.2, abs=1e-6)


def test_kept_and_spilt_add_up_to_the_ratio_of_the_whole_opacities() -> None:
    generator = torch.Generator().manual_seed(3)
    reference = (torch.rand(3, 1, 9, 7, generator=generator) * 2 - 1).clamp(0, 1)
    prediction = torch.rand(3, 1, 9, 7, generator=generator)
    whole = prediction.double().sum((1, 2, 3)) / reference.double().sum((1, 2, 3))
    assert torch.allclose(alpha_kept(prediction, reference) + alpha_spill(prediction, reference), whole)


def test_a_perfect_copy_has_no_fault() -> None:
    image = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    image[:, 3, :2] = 0.0
    found = diagnose_images(image, image)
    assert found.alpha_kept.tolist() == pytest.approx([1, 1])
    assert found.alpha_spill.tolist() == [0, 0]
    assert found.semi_alpha_bias.tolist() == [0, 0]
    assert found.colour_bias.abs().max() == 0


@pytest.mark.parametrize("factor", [0.7, 0.95])
def test_alpha_multiplied_by_a_number_keeps_that_share_and_tints_nothing(factor: float) -> None:
    reference = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    prediction = torch.cat([reference[:, :3], reference[:, 3:] * factor], 1)
    found = diagnose_images(prediction, reference)
    assert found.alpha_kept.tolist() == pytest.approx([factor, factor], rel=1e-6)
    mean = reference[:, 3].double().mean((1, 2))
    assert torch.allclose(found.semi_alpha_bias, (factor - 1) * mean, rtol=1e-5)
    assert found.colour_bias.abs().max() == 0


def test_a_cast_is_measured_by_channel_with_its_sign_where_both_are_visible() -> None:
    reference = picture([1.0, 0.5, 0.0, 0.5])
    prediction = picture([1.0, 0.5, 0.0, 0.0], (0.3, 0.5, 0.7))
    assert colour_bias(prediction, reference)[0].tolist() == pytest.approx([0.1, 0.0, -0.1], abs=1e-6)
    # Half of the opacity that both have is tinted by 0.1: the mean is 0.05.
    half = torch.cat([picture([1.0], (0.3, 0.5, 0.8)), picture([1.0])], 3)
    assert colour_bias(half, picture([1.0, 1.0]))[0].tolist() == pytest.approx([0.05, 0, 0], abs=1e-6)
    assert cast_of([0.3, 0.0, -0.4]) == pytest.approx(0.5)


def test_hidden_colour_of_either_side_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    reference, prediction = torch.rand(2, 1, 4, 8, 8, generator=generator)
    reference[:, 3, :3], prediction[:, 3, 5:] = 0, 0
    before = diagnose_images(prediction, reference)
    reference[:, :3, :3], prediction[:, :3, 5:] = 0.123, 0.987
    after = diagnose_images(prediction, reference)
    assert torch.equal(before.colour_bias, after.colour_bias)
    assert torch.equal(before.alpha_kept, after.alpha_kept)


def test_what_does_not_apply_is_nan_and_never_zero() -> None:
    empty, full = picture([0.0, 0.0]), picture([1.0, 1.0])
    found = diagnose_images(full, empty)
    assert math.isnan(float(found.alpha_kept))
    assert math.isnan(float(found.alpha_spill))
    assert found.colour_bias.isnan().all()
    assert math.isnan(float(diagnose_images(full, full).semi_alpha_bias))


def test_a_batch_has_the_values_of_its_images_alone() -> None:
    generator = torch.Generator().manual_seed(5)
    prediction, reference = torch.rand(2, 3, 4, 6, 5, generator=generator)
    together = diagnose_images(prediction, reference)
    for index in range(3):
        alone = diagnose_images(prediction[index : index + 1], reference[index : index + 1])
        assert torch.equal(alone.colour_bias[0], together.colour_bias[index])
        assert torch.equal(alone.semi_alpha_bias[0], together.semi_alpha_bias[index])


def test_an_image_out_of_range_is_refused() -> None:
    with pytest.raises(DataError, match="prediction"):
        diagnose_images(picture([1.5]), picture([1.0]))


def test_rank_gaps_by_hand() -> None:
    # Ranks by error: a 0, b 1/2, c 1; by distance: c 0, a 1/2, b 1.
    gaps = rank_gaps({"a": 1.0, "b": 2.0, "c": 3.0, "x": 9.0}, {"a": 0.2, "b": 0.3, "c": 0.1})
    assert gaps == {"a": (0.0, 0.5), "b": (0.5, 0.5), "c": (1.0, -1.0)}
    assert sum(gap for _, gap in gaps.values()) == pytest.approx(0)


def test_equal_ranks_have_no_gap_and_any_scale_gives_the_same_ranks() -> None:
    errors = {str(index): float(index % 4) for index in range(9)}
    assert {gap for _, gap in rank_gaps(errors, errors).values()} == {0.0}
    distances = {name: (value + 1) ** 3 for name, value in errors.items()}
    assert {gap for _, gap in rank_gaps(errors, distances).values()} == {0.0}
    assert rank_gaps({"a": 1.0}, {"a": 1.0}) == {}
    with pytest.raises(DataError, match="'a'"):
        rank_gaps({"a": math.nan, "b": 1.0}, {"a": 1.0, "b": 1.0})
