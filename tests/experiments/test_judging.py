"""What is measured of one image, against cases solved by hand."""

import math
from pathlib import Path

import pytest
import torch

from alphabench.errors import AlphabenchError, DataError
from alphabench.experiments.judging import Row, images_of, judge, measured, noise
from alphabench.experiments.measures import IMAGE_MEASURES
from alphabench.experiments.plan import JudgedSet
from alphabench.image.backgrounds import portable_noise
from alphabench.image.codec import read_rgba, write_png
from alphabench.image.types import Rgba
from alphabench.models.registry import load_model
from alphabench.models.spec import LoadRequest, ModelInfo


def _even(colour: float, alpha: float, side: int = 16) -> Rgba:
    image = torch.full((1, 4, side, side), colour)
    image[:, 3] = alpha
    return image


def test_an_equal_answer_is_perfect_and_finite() -> None:
    image = _even(0.5, 0.25)
    values = measured(image, image)
    assert values["psnr"] == values["psnr_textured"] == values["psnr_worst_solid"] == 100.0
    assert values["mad"] == values["lpips-rand"] == values["colour_error"] == 0.0


def test_signed_errors_of_a_soft_image() -> None:
    """Colour 0.5 at alpha 0.4 answered by 0.8 at 0.5: over black 0.4 against 0.2, alpha 0.1 too high."""
    values = measured(_even(0.8, 0.5), _even(0.5, 0.4))
    assert values["alpha_bias"] == pytest.approx(25.5, rel=1e-5)
    assert values["colour_bias"] == pytest.approx(51.0, rel=1e-5)
    assert values["colour_error"] == pytest.approx(51.0, rel=1e-5)
    assert values["psnr_black"] == pytest.approx(-20 * math.log10(0.2), rel=1e-5)
    # Over white both colours gain 1 - alpha: 0.9 against 0.8.
    assert values["psnr_white"] == pytest.approx(20.0, rel=1e-4)


def test_the_error_over_noise_is_its_mean_square() -> None:
    """Premultiplied difference 0 and alpha difference 0.1: the error at each pixel is 0.1 of the noise."""
    values = measured(_even(0.4, 0.5), _even(0.5, 0.4))
    texture = noise(4, 16, 16).double()
    assert values["psnr_noise4"] == pytest.approx(float(-10 * (0.01 * texture.square().mean()).log10()), rel=1e-4)


def test_hard_edges_have_no_soft_measures() -> None:
    values = measured(_even(0.4, 1.0), _even(0.5, 1.0))
    assert "alpha_bias" not in values
    assert "psnr_photographs" not in values
    assert set(values) <= set(IMAGE_MEASURES)


def test_hidden_colours_change_no_measure() -> None:
    reference, first = _even(0.5, 0.5), _even(0.5, 0.5)
    reference[..., :8], first[:, 3, :, :8] = 0.0, 0.0
    second = first.clone()
    second[:, :3, :, :8] = 0.9
    assert measured(first, reference) == measured(second, reference)


@pytest.mark.parametrize("cell", [1, 4])
def test_noise_has_square_cells_of_portable_noise(cell: int) -> None:
    texture = noise(cell, 9, 10)
    assert texture.shape == (3, 9, 10)
    row, column, channel = torch.tensor(7), torch.tensor(5), torch.tensor(2)
    assert float(texture[2, 7, 5]) == pytest.approx(float(portable_noise(column // cell, row // cell, channel)))
    assert torch.equal(texture[:, 0, 0], texture[:, cell - 1, cell - 1])
    assert not torch.equal(texture[:, 0, 0], texture[:, cell, cell])


def _folder(root: Path, count: int) -> JudgedSet:
    for index in range(count):
        codes = torch.full((4, 12, 20), 10 * index, dtype=torch.uint8)
        codes[3, 4:8, 8:12] = 200
        write_png(root / "set" / f"{index:02}.png", codes)
    return JudgedSet("set", folder="set", images=3, side=4)


def test_images_are_evenly_spaced_and_centred(tmp_path: Path) -> None:
    found = list(images_of(_folder(tmp_path, 9), tmp_path))
    assert [name for name, _, _ in found] == ["00.png", "03.png", "06.png"]
    assert found[1][2].shape == (4, 4, 4)
    assert torch.equal(found[1][2], read_rgba(tmp_path / "set" / "03.png")[:, 4:8, 8:12])
    assert bool((found[1][2][3] == 200).all())


def test_a_set_spreads_over_its_categories() -> None:
    found = list(images_of(JudgedSet("mini", data="alpha-mini", images=6), Path()))
    assert len({category for _, category, _ in found}) == 6


def test_rows_name_set_sample_and_measure(tmp_path: Path) -> None:
    model = load_model("identity", LoadRequest())
    rows = judge(model, [_folder(tmp_path, 3)], data_root=tmp_path)
    assert Row("set", "00.png", "all", "psnr", 100.0) in rows
    assert {row.sample for row in rows} == {"00.png", "01.png", "02.png"}


class _Broken:
    info = ModelInfo("broken", "none", "none", "builtin")

    def reconstruct(self, images: Rgba) -> Rgba:
        return torch.full_like(images, torch.nan)


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not finite"):
        judge(_Broken(), [_folder(tmp_path, 1)], data_root=tmp_path)


def test_absent_images_and_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AlphabenchError):
        list(images_of(JudgedSet("set", folder="set"), tmp_path))
    _folder(tmp_path, 1)
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="no photographs"):
        judge(load_model("identity", LoadRequest()), [], data_root=tmp_path, photographs="photos")
