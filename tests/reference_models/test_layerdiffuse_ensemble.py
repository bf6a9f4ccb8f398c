"""The eight passes: equal treatment of flips and turns, the lower median, the memory bound."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.ensemble import SYMMETRIES, ensembled, lower_median, restored, transformed
from reference_models.layerdiffuse.networks import TransparentDecoder

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "quarter turn": lambda x: torch.rot90(x, 1, (2, 3)),
    "left to right": lambda x: x.flip(3),
    "upside down": lambda x: x.flip(2),
    "transposed": lambda x: x.transpose(2, 3),
}


@pytest.fixture(scope="module")
def decoder() -> TransparentDecoder:
    torch.manual_seed(3)
    config = LayerDiffuseConfig(
        base="vae",
        base_sha256="",
        channel_order="ARGB",
        offset_gain=300.0,
        decoder_widths=(16, 16, 32, 32, 32),
        decoder_layers=1,
    )
    decoder = TransparentDecoder(config).eval().requires_grad_(requires_grad=False)
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.1 if parameter.ndim == 1 else 1.5 * parameter[0].numel() ** -0.5)
    return decoder


def inputs(height: int = 64, width: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    return (
        torch.rand(1, 3, height, width, generator=generator),
        torch.randn(1, 4, height // 8, width // 8, generator=generator),
    )


def passes(decoder: TransparentDecoder, rgb: Tensor, latents: Tensor) -> Tensor:
    """The eight passes one by one, moved back, not through the code under test."""
    found = []
    for flip in (False, True):
        for turns in range(4):
            seen, codes = (torch.rot90(x.flip(3) if flip else x, turns, (2, 3)) for x in (rgb, latents))
            made = torch.rot90(decoder(seen, codes).clamp(0, 1), -turns, (2, 3))
            found.append(made.flip(3) if flip else made)
    return torch.stack(found)


@pytest.mark.parametrize("name", list(MOVES))
def test_the_ensemble_moves_with_the_image_and_a_single_pass_does_not(name: str, decoder: TransparentDecoder) -> None:
    move, (rgb, latents) = MOVES[name], inputs()
    moved = ensembled(decoder, move(rgb), move(latents))
    torch.testing.assert_close(moved, move(ensembled(decoder, rgb, latents)), atol=1e-6, rtol=0)
    single = decoder(move(rgb), move(latents)).clamp(0, 1) - move(decoder(rgb, latents).clamp(0, 1))
    assert float(single.abs().max()) > 0.1


@pytest.mark.parametrize("size", [(64, 64), (64, 128)])
def test_the_result_is_the_fourth_smallest_of_the_passes(size: tuple[int, int], decoder: TransparentDecoder) -> None:
    rgb, latents = inputs(*size)
    made = ensembled(decoder, rgb, latents)
    ranked = passes(decoder, rgb, latents).sort(0).values
    assert made.shape == (1, 4, *size)
    torch.testing.assert_close(made, ranked[3], atol=1e-5, rtol=0)
    assert float((made - (ranked[3] + ranked[4]) / 2).abs().max()) > 1e-3


def test_the_median_is_torch_s_own_for_any_eight_values() -> None:
    values = torch.randint(0, 6, (8, 5000)).float()  # with ties
    assert torch.equal(lower_median(values), values.median(0).values)


@pytest.mark.parametrize(("bound", "together"), [(10**9, 4), (2 * 64 * 128, 2), (1, 1)])
def test_the_bound_limits_what_runs_together_and_not_the_result(
    bound: int, together: int, decoder: TransparentDecoder
) -> None:
    seen = []

    def counted(rgb: Tensor, latents: Tensor) -> Tensor:
        seen.append(len(rgb))
        made: Tensor = decoder(rgb, latents)
        return made

    rgb, latents = inputs(64, 128)
    made = ensembled(counted, rgb, latents, batch_pixels=bound)
    assert set(seen) == {together}
    assert sum(seen) == 8
    torch.testing.assert_close(made, passes(decoder, rgb, latents).sort(0).values[3], atol=1e-5, rtol=0)


def test_every_symmetry_is_there_once_and_is_undone() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    found = {tuple(transformed(image, symmetry).flatten().tolist()) for symmetry in SYMMETRIES}
    assert len(found) == 8
    for symmetry in SYMMETRIES:
        assert torch.equal(restored(transformed(image, symmetry), symmetry), image)
