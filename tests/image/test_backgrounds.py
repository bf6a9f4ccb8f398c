"""Backgrounds: names, order, values, and textures against their formulas written once more by hand."""

import numpy as np
import pytest
import torch
from PIL import Image

from alphabench.errors import DataError, UsageError
from alphabench.image.backgrounds import (
    CANONICAL_BACKGROUNDS,
    TEXTURES,
    canonical_tensor,
    parse_colour,
    photograph,
    portable_hash,
    portable_noise,
    texture,
)
from alphabench.image.compositing import composite


def test_the_nine_canonical_backgrounds_stand_in_the_published_order():
    codes = {
        "gray": (128, 128, 128),
        "black": (0, 0, 0),
        "white": (255, 255, 255),
        "red": (255, 0, 0),
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "yellow": (255, 255, 0),
        "cyan": (0, 255, 255),
        "magenta": (255, 0, 255),
    }
    assert list(CANONICAL_BACKGROUNDS) == list(codes)
    for name, colour in codes.items():
        assert CANONICAL_BACKGROUNDS[name] == tuple(code / 255 for code in colour)


def test_the_canonical_backgrounds_cannot_be_changed():
    with pytest.raises(TypeError):
        CANONICAL_BACKGROUNDS["gray"] = (0.5, 0.5, 0.5)  # type: ignore[index]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_canonical_tensor_holds_the_same_colours(dtype):
    colours = canonical_tensor(dtype=dtype)
    assert colours.shape == (9, 3)
    assert colours.dtype == dtype
    assert colours.tolist() == torch.tensor(list(CANONICAL_BACKGROUNDS.values()), dtype=dtype).tolist()


@pytest.mark.parametrize(
    ("word", "colour"),
    [
        ("gray", (128 / 255, 128 / 255, 128 / 255)),
        (" Magenta ", (1, 0, 1)),
        ("#0080fF", (0, 128 / 255, 1)),
        ((0.25, 0.5, 1), (0.25, 0.5, 1)),
        ([0, 0, 0], (0, 0, 0)),
    ],
)
def test_a_colour_is_meant_by_name_by_hex_digits_or_by_numbers(word, colour):
    assert parse_colour(word) == colour


@pytest.mark.parametrize("word", ["grey-blue", "#fff", "#12345g", "", (0, 0), (0, 0, 1.5), (0, 0, float("nan"))])
def test_an_unknown_colour_is_refused_with_the_list_of_names(word):
    with pytest.raises(UsageError) as refusal:
        parse_colour(word)
    assert "gray, black, white" in refusal.value.remedy


def test_the_portable_hash_has_its_published_values():
    known = {
        (0, 0, 0): 0,
        (1, 0, 0): 2182377942,
        (0, 1, 0): 3299714085,
        (0, 0, 1): 2110994010,
        (31, 17, 2): 3830036475,
    }
    x, y, c = (torch.tensor(column) for column in zip(*known, strict=True))
    assert portable_hash(x, y, c).tolist() == list(known.values())
    assert portable_noise(x, y, c).tolist() == [value / 2**32 for value in known.values()]


def test_the_portable_hash_equals_unbounded_integers_at_far_coordinates():
    def by_hand(x: int, y: int, c: int) -> int:
        mixed = (x * 374761393 + y * 668265263 + c * 2246822519) % 2**32
        mixed = (mixed ^ (mixed >> 13)) * 1274126177 % 2**32
        return mixed ^ (mixed >> 16)

    places = torch.randint(0, 2**31, (3, 500))
    assert portable_hash(*places).tolist() == [by_hand(*place) for place in places.T.tolist()]


def test_noise_is_white():
    noise = texture("noise", 64, 64)
    assert abs(float(noise.mean()) - 0.5) < 0.01
    assert abs(float(noise.std()) - 12**-0.5) < 0.01
    neighbours = torch.corrcoef(torch.stack([noise[:, :, 1:].flatten(), noise[:, :, :-1].flatten()]))
    assert abs(float(neighbours[0, 1])) < 0.03


def pixel_by_hand(name: str, x: int, y: int, height: int, width: int) -> tuple[float, ...]:
    if name == "checker8":
        return (0.25 if (x // 8 + y // 8) % 2 == 0 else 0.75,) * 3
    if name == "gradient":
        across, down = x / (width - 1), y / (height - 1)
        return across, down, 1 - across
    if name == "stripes":
        return (1, 0.2, 0.1) if x % 6 < 3 else (0.1, 0.4, 1)
    place = (torch.tensor(x), torch.tensor(y))
    return tuple(float(portable_noise(*place, torch.tensor(c))) for c in range(3))


@pytest.mark.parametrize("name", TEXTURES)
def test_each_texture_follows_its_formula(name):
    height, width = 19, 21
    picture = texture(name, height, width)
    expected = [[pixel_by_hand(name, x, y, height, width) for x in range(width)] for y in range(height)]
    assert picture.dtype == torch.float32
    np.testing.assert_array_equal(
        picture.permute(1, 2, 0).numpy(), np.array(expected, dtype=np.float64).astype(np.float32)
    )


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_textures_exist_at_one_pixel_width(name, size):
    picture = texture(name, *size)
    assert picture.shape == (3, *size)
    assert bool(((picture >= 0) & (picture <= 1)).all())


def test_a_caller_may_change_the_texture_it_was_given():
    expected = texture("stripes", 4, 5)
    texture("stripes", 4, 5).zero_()
    assert torch.equal(texture("stripes", 4, 5), expected)


def test_a_smaller_noise_is_the_corner_of_a_larger_one():
    assert torch.equal(texture("noise", 5, 6), texture("noise", 50, 60)[:, :5, :6])


@pytest.mark.parametrize(
    ("name", "decibel"),
    [("checker8", 45.126594), ("gradient", 45.931071), ("noise", 44.971062), ("stripes", 43.890487)],
)
def test_the_fixture_over_textures_has_its_published_psnr(f32, name, decibel):
    background = texture(name, 32, 32).double()
    ours, theirs = (composite(image.double(), background) for image in f32)
    assert float(-10 * (ours - theirs).square().mean().log10()) == pytest.approx(decibel, abs=1e-5)


def test_an_unknown_texture_is_refused_by_name():
    with pytest.raises(UsageError, match="plaid") as refusal:
        texture("plaid", 4, 4)
    assert "checker8" in refusal.value.remedy


def test_a_photograph_covers_the_background_and_is_cut_in_the_middle(tmp_path):
    columns = np.repeat(np.arange(0, 240, 6, dtype=np.uint8)[None, :], 20, axis=0)
    Image.fromarray(np.dstack([columns] * 3)).save(tmp_path / "wide.png")
    picture = photograph(tmp_path / "wide.png", 10, 10)
    expected = columns[:, 10:30].reshape(10, 2, 10, 2).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(picture[0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(7, 31), (31, 7), (50, 50), (1, 1)])
def test_a_photograph_has_the_size_asked_for(tmp_path, size):
    random = np.random.default_rng(1)
    Image.fromarray(random.integers(0, 256, (23, 37, 3), dtype=np.uint8)).save(tmp_path / "photo.jpg")
    picture = photograph(tmp_path / "photo.jpg", *size)
    assert picture.shape == (3, *size)
    assert bool(((picture >= 0) & (picture <= 1)).all())


def test_a_transparent_picture_is_no_photograph(data_folder):
    path = data_folder() / "animal" / "000.png"
    with pytest.raises(DataError, match="transparent pixels"):
        photograph(path, 8, 8)
