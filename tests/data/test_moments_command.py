"""`alphabench data moments`: what a loss is told about its backgrounds."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alphabench.cli.app import run
from alphabench.image.codec import write_png
from alphabench.image.moments import ColourMoments, colour_moments
from reference_models.losses.backgrounds import BackgroundMoments

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def moments(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run(["data", "moments", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def photograph(path: Path, *columns: tuple[int, int, int]) -> None:
    codes = torch.tensor(columns, dtype=torch.uint8).T[:, None].repeat(1, 3, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, codes)


def test_each_image_counts_the_same_whatever_its_size(tmp_path: Path, moments: Command) -> None:
    photograph(tmp_path / "wide.png", (255, 0, 0), (255, 0, 0), (255, 255, 51), (255, 255, 51))
    photograph(tmp_path / "inner" / "small.png", (0, 0, 0))
    document = json.loads(moments(tmp_path, "--json")[1])
    # red: 1 and -1; green: 0 and -1; blue: (-1 + 0.2·2 - 1)/2 = -0.8 with square (1 + 0.36)/2 = 0.68, and -1
    assert document["background_mean"] == [0.0, -0.5, pytest.approx((-0.8 - 1) / 2)]
    assert document["background_second_moment"] == [1.0, 1.0, pytest.approx((0.68 + 1) / 2)]
    assert document["images"] == 2
    assert document["unreadable"] == []


def test_the_text_is_toml_that_a_recipe_takes(tmp_path: Path, moments: Command) -> None:
    photograph(tmp_path / "a.png", (37, 120, 250), (90, 3, 11))
    loss = tomllib.loads(moments(tmp_path)[1])["loss"]
    read = BackgroundMoments(tuple(loss["background_mean"]), tuple(loss["background_second_moment"]))
    assert read.mean[0] == pytest.approx((37 + 90) / 255 - 1, abs=1e-6)


def test_moments_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    images = [rng.random((3, 5, 7)), rng.random((3, 2, 9))]
    found = colour_moments(torch.from_numpy(image) for image in images)
    scaled = [2 * image - 1 for image in images]
    assert found.mean == pytest.approx(np.mean([image.mean((1, 2)) for image in scaled], 0))
    assert found.second == pytest.approx(np.mean([(image**2).mean((1, 2)) for image in scaled], 0))


def test_rounding_leaves_moments_that_a_colour_can_have() -> None:
    for code in range(256):
        value = 2 * code / 255 - 1
        found = ColourMoments((value,) * 3, (value**2,) * 3, 1).rounded()
        BackgroundMoments(found.mean, found.second)
        assert found.second == pytest.approx((value**2,) * 3, abs=2e-6)


def test_damaged_photographs_are_named_and_left_out(tmp_path: Path, moments: Command) -> None:
    photograph(tmp_path / "a.png", (0, 0, 0))
    (tmp_path / "b.png").write_bytes(b"junk")
    code, _, said = moments(tmp_path)
    assert code == 0
    assert "b.png was left out" in said
    assert json.loads(moments(tmp_path, "--json")[1])["unreadable"][0]["path"] == "b.png"
    (tmp_path / "a.png").unlink()
    assert "none of the 1 images" in moments(tmp_path)[2]


def test_transparent_images_and_folders_without_images_are_refused(tmp_path: Path, moments: Command) -> None:
    assert "holds no images" in moments(tmp_path)[2]
    write_png(tmp_path / "a.png", torch.full((4, 3, 3), 200, dtype=torch.uint8))
    code, _, said = moments(tmp_path)
    assert code == 3
    assert "not opaque" in said
    assert moments(tmp_path / "absent")[0] == 2
