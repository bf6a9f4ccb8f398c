from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.data.mini.__main__ import check, main
from alphabench.data.mini.noise import fractal, lattice
from alphabench.data.mini.pictures import CATEGORIES, entries
from alphabench.data.mini.shapes import sine
from alphabench.errors import DataError

Codes = np.ndarray


@pytest.fixture(scope="module")
def mini() -> DataSet:
    return resolve_data("alpha-mini")


@pytest.fixture(scope="module")
def images(mini: DataSet) -> dict[str, dict[str, Codes]]:
    found: dict[str, dict[str, Codes]] = {}
    for sample in mini:
        found.setdefault(sample.category, {})[sample.id] = mini.read(sample).numpy()
    return found


def test_eight_pictures_of_each_of_six_categories(mini: DataSet) -> None:
    assert mini.manifest.categories == dict.fromkeys(("hard", "soft", "hair", "glass", "smoke", "text"), 8)
    assert {(sample.width, sample.height) for sample in mini} == {(256, 256)}


def test_files_are_the_ones_of_the_manifest_and_small(mini: DataSet) -> None:
    assert mini.verify().ok
    assert sum(mini.path(sample).stat().st_size for sample in mini) < 6_000_000


def test_generator_reproduces_every_pixel(mini: DataSet) -> None:
    check(mini.root)


def test_a_changed_pixel_is_found(mini: DataSet, tmp_path: Path) -> None:
    for sample in mini:
        target = tmp_path / sample.path
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(mini.path(sample))
    (tmp_path / "hard/beach-ball.png").unlink()
    (tmp_path / "hard/beach-ball.png").write_bytes(mini.path(mini.manifest.samples[1]).read_bytes())
    with pytest.raises(DataError, match=r"1 of 48 files .* first 'hard/beach-ball'"):
        check(tmp_path)


def test_seeds_are_category_times_thousand_plus_index() -> None:
    assert [entry.seed for entry in entries()] == [1000 * place + index for place in range(6) for index in range(8)]


def test_every_picture_has_a_caption_of_its_own(mini: DataSet) -> None:
    captions = [sample.caption for sample in mini]
    assert all(len(caption.split()) > 4 for caption in captions)
    assert len(set(captions)) == 48


@pytest.mark.parametrize("category", CATEGORIES)
def test_two_pictures_hide_colour_two_hide_none_and_one_touches_the_border(
    images: dict[str, dict[str, Codes]], category: str
) -> None:
    hidden = [bool(codes[:3, codes[3] == 0].any()) for codes in images[category].values()]
    assert hidden.count(True) >= 2
    assert hidden.count(False) >= 2
    assert all((codes[3] == 0).any() for codes in images[category].values())
    borders = [
        bool(codes[3, 0].any() or codes[3, -1].any() or codes[3, :, 0].any() or codes[3, :, -1].any())
        for codes in images[category].values()
    ]
    assert any(borders)


def share(codes: Codes, chosen: Callable[[Codes], Codes]) -> float:
    return float(chosen(codes[3]).mean())


def semi(alpha: Codes) -> Codes:
    return (alpha > 0) & (alpha < 255)


def test_hard_shapes_are_opaque_with_a_thin_edge(images: dict[str, dict[str, Codes]]) -> None:
    for codes in images["hard"].values():
        assert share(codes, lambda alpha: alpha == 255) > 0.2
        assert share(codes, semi) < 0.03


def test_soft_shapes_have_wide_ramps(images: dict[str, dict[str, Codes]]) -> None:
    for codes in images["soft"].values():
        assert share(codes, semi) > 0.2
        assert len(np.unique(codes[3])) > 150


def test_hair_has_more_edge_than_body_somewhere_in_each_picture(images: dict[str, dict[str, Codes]]) -> None:
    for name, codes in images["hair"].items():
        steps = np.abs(np.diff(codes[3].astype(int), axis=1)) > 40
        assert steps.sum(axis=1).max() > 8, name


def test_glass_is_mostly_semi_transparent(images: dict[str, dict[str, Codes]]) -> None:
    for name, codes in images["glass"].items():
        seen = codes[3][codes[3] > 0]
        assert (seen < 255).mean() > 0.7, name
        assert ((seen > 255 * 0.14) & (seen < 255 * 0.75)).mean() > 0.5, name


def test_smoke_has_no_opaque_pixel(images: dict[str, dict[str, Codes]]) -> None:
    for codes in images["smoke"].values():
        assert codes[3].max() < 250
        assert share(codes, semi) > 0.3


def test_text_covers_little(images: dict[str, dict[str, Codes]]) -> None:
    for codes in images["text"].values():
        assert float(codes[3].mean()) / 255.0 < 0.15


def test_sine_agrees_with_numpy() -> None:
    turns = np.linspace(-3.0, 3.0, 1001)
    assert np.abs(sine(turns) - np.sin(2.0 * np.pi * turns)).max() < 1e-7


def test_lattice_noise_is_even_and_uncorrelated() -> None:
    x, y = np.meshgrid(np.arange(200), np.arange(200))
    values = lattice(x.astype(np.int64), y.astype(np.int64), 5)
    assert abs(values.mean() - 0.5) < 0.01
    assert abs(values.var() - 1.0 / 12.0) < 0.003
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(values[1:].ravel(), values[:-1].ravel())[0, 1]) < 0.02


def test_fractal_noise_is_smooth_and_bounded() -> None:
    steps = np.arange(256, dtype=np.float64) + 0.5
    values = fractal(steps[None, :], steps[:, None], 64.0, 9)
    assert 0.0 <= values.min() < values.max() < 1.0
    assert np.abs(np.diff(values)).max() < 0.12


def test_generator_writes_an_equal_set_elsewhere(
    tmp_path: Path, mini: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(tmp_path / "images"), "--manifest", str(tmp_path / "mini.toml")]) == 0
    assert "48 pictures" in capsys.readouterr().out
    check(tmp_path / "images")
