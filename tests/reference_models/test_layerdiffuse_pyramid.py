"""The colour fill: hand-counted values, a direct computation, hidden colour, edges of the domain."""

import pytest
import torch
from torch.nn import functional

from reference_models.layerdiffuse.pyramid import area_matrix, bilinear_matrix, level_sizes, pad_rgb


def case() -> torch.Tensor:
    """Eight pixels square: a pattern of colours, opaque in the middle, half transparent along one column."""
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    colour = torch.stack([((3 * x + 5 * y + 7 * channel) % 16) / 15 for channel in range(3)])
    alpha = ((x >= 2) & (x <= 5) & (y >= 2) & (y <= 5)).float()
    alpha[:, 2] *= 0.5
    return torch.cat([colour, alpha[None]])[None]


def test_the_values_of_a_small_case() -> None:
    # Computed in float64 from the released algorithm with OpenCV's resizing, and given with the specification.
    filled = pad_rgb(case())[0]
    assert [height for height, _ in level_sizes(8, 8)] == [8, 6, 5, 4, 3, 2, 1]
    for found, expected in (
        (filled.mean((1, 2)), (0.461203, 0.549394, 0.437337)),
        (filled[:, 0, 0], (0.438346, 0.555692, 0.446084)),
        (filled[:, 0, 7], (0.485970, 0.505342, 0.450484)),
        (filled[:, 7, 7], (0.450889, 0.588492, 0.428749)),
        (filled[:, 3, 2], (0.383141, 0.728640, 0.306194)),
        (filled[:, 3, 3], (0.533333, 1.0, 0.4)),
    ):
        torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)


def test_area_averages_are_exact_integrals() -> None:
    # An area average of a step function is the difference of its integral at the box's edges.
    values = torch.rand(13, dtype=torch.float64)
    integral = torch.cat([torch.zeros(1, dtype=torch.float64), values.cumsum(0)])
    edges = torch.arange(11, dtype=torch.float64) * 1.3
    below = edges.floor().long().clamp(max=12)
    at_edges = integral[below] + (edges - below) * values[below]
    expected = at_edges.diff() / 1.3
    torch.testing.assert_close(area_matrix(13, 10).double() @ values, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("size", "larger"), [(1, 1), (1, 2), (5, 6), (17, 20)])
def test_interpolation_is_that_of_torch(size: int, larger: int) -> None:
    row = torch.rand(1, 1, 1, size)
    expected = functional.interpolate(row, (1, larger), mode="bilinear", align_corners=False)
    torch.testing.assert_close((bilinear_matrix(size, larger) @ row[0, 0, 0])[None, None, None], expected)


def test_opaque_pixels_keep_their_colour_and_hidden_colour_changes_no_bit() -> None:
    images = torch.rand(2, 4, 37, 52)
    images[:, 3] = (images[:, 3] * 3 - 1).clamp(0, 1)
    filled = pad_rgb(images)
    opaque = (images[:, 3:] == 1).expand(-1, 3, -1, -1)
    assert torch.equal(filled[opaque], images[:, :3][opaque])
    hidden = (images[:, 3:] == 0).expand(-1, 3, -1, -1)
    other = images.clone()
    other[:, :3][hidden] = torch.rand(int(hidden.sum()))
    assert torch.equal(pad_rgb(other), filled)
    assert float(filled.min()) >= 0
    assert float(filled.max()) <= 1 + 1e-6


def test_one_colour_fills_everything_and_nothing_fills_with_black() -> None:
    images = torch.full((1, 4, 6, 20), 0.25)
    images[:, 3] = 0
    images[:, 3, 2, 5] = 0.3
    torch.testing.assert_close(pad_rgb(images), torch.full((1, 3, 6, 20), 0.25), atol=1e-6, rtol=0)
    assert torch.equal(
        pad_rgb(torch.cat([torch.rand(1, 3, 6, 20), torch.zeros(1, 1, 6, 20)], 1)), torch.zeros(1, 3, 6, 20)
    )


def test_the_number_of_levels() -> None:
    assert [len(level_sizes(side, side)) for side in (64, 256, 512, 1024)] == [17, 25, 28, 32]
    assert level_sizes(1, 9) == [(1, 9)]
    assert level_sizes(3, 30)[-1][0] == 1


def test_the_fill_is_not_the_straight_colour_at_partial_alpha() -> None:
    images = case()
    alpha = images[:, 3:]
    difference = (pad_rgb(images) - images[:, :3]) * alpha
    assert float(difference.abs().max()) == pytest.approx(0.12895, abs=1e-4)
