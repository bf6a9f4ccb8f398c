"""Latents of each kind of autoencoder: normalised as its config says, and back."""

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest
import torch

from alphabench.errors import DataError
from alphabench.image.codec import to_float
from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgba
from alphabench.models.checkpoints import read_json
from alphabench.models.spec import LoadRequest
from reference_models.alphavae.adapter import load as load_alphavae
from reference_models.alphavae.convert import convert
from reference_models.layerdiffuse.adapter import load as load_layerdiffuse
from reference_models.rgba_lora.latents import channel_sensitivity, load_codec, refuse_other_factor
from reference_models.weights import BUNDLED
from tests.reference_models.rgba_lora.conftest import COLOURS, disc


@pytest.fixture
def image() -> Rgba:
    return to_float(disc(COLOURS["red"], side=64, radius=20))[None]


def test_the_round_trip_is_that_of_alphavae(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "alphavae-mini")
    latents = codec.encode(image)
    assert latents.shape == (1, 16, 8, 8)
    made, expected = codec.decode(latents), load_alphavae(LoadRequest()).reconstruct(image)
    torch.testing.assert_close(premultiply(made), premultiply(expected), atol=2e-5, rtol=0)
    torch.testing.assert_close(made[:, 3:], expected[:, 3:], atol=2e-5, rtol=0)


def test_normalised_latents_are_the_raw_ones_shifted_and_scaled(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "alphavae-mini")
    config = read_json(BUNDLED / "alphavae-mini" / "config.json")
    mean, spread = codec.raw_encode(image)
    expected = (mean - config["shift_factor"]) * config["scaling_factor"]
    torch.testing.assert_close(codec.encode(image), expected)
    noise = torch.ones_like(mean)
    torch.testing.assert_close(codec.encode(image, noise) - expected, spread * config["scaling_factor"])


def test_hidden_colour_changes_no_bit(image: Rgba) -> None:
    painted = torch.where(image[:, 3:] == 0, torch.tensor([0.2, 0.9, 0.4, 0.0]).reshape(1, 4, 1, 1), image)
    for name in ("alphavae-mini", "rgb_vae-mini", "layerdiffuse-mini"):
        codec = load_codec(BUNDLED / name)
        assert torch.equal(codec.encode(painted), codec.encode(image)), name


def test_an_rgb_autoencoder_sees_grey_behind_and_gives_opaque_images(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "rgb_vae-mini")
    assert not codec.alpha
    made = codec.decode(codec.encode(image))
    assert bool((made[:, 3] == 1).all())
    assert float((made[0, :3, :4, :4] - 128 / 255).abs().max()) < 0.05


def test_the_round_trip_is_that_of_layerdiffuse(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "layerdiffuse-mini")
    made = codec.decode(codec.encode(image))
    expected = load_layerdiffuse(LoadRequest()).reconstruct(image)
    torch.testing.assert_close(made, expected, atol=1e-3, rtol=0)


def test_images_are_decoded_alike_alone_and_together(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "alphavae-mini")
    latents = codec.encode(torch.cat([image, image.flip(3), image.flip(2)]))
    together = codec.decode(latents)
    assert torch.equal(together, torch.cat([codec.decode(one) for one in latents.split(1)]))


def test_a_diffusers_autoencoder_of_either_kind_is_read(tmp_path: Path, layouts: ModuleType, image: Rgba) -> None:
    layouts.write_folder(tmp_path / "sdxl", "sdxl")
    codec = load_codec(tmp_path / "sdxl")
    assert (codec.shift, codec.scale, codec.channels, codec.alpha) == (0.0, 0.13025, 4, False)
    layouts.write_folder(tmp_path / "flux", "flux")
    codec = load_codec(convert(tmp_path / "flux", tmp_path / "rgba"))
    assert (codec.shift, codec.scale, codec.channels, codec.alpha, codec.factor) == (0.1159, 0.3611, 16, True, 8)
    assert codec.decode(codec.encode(image)).shape == image.shape


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"_class_name": "PatchVae", "channels": 7}', encoding="utf-8")
    with pytest.raises(DataError, match="7 image channels"):
        load_codec(tmp_path)
    with pytest.raises(DataError, match=r"config\.json"):
        load_codec(tmp_path / "absent")


def test_sensitivity_is_the_change_in_pixels_for_a_unit_of_variance(image: Rgba) -> None:
    codec = load_codec(BUNDLED / "alphavae-mini")
    found = channel_sensitivity(codec, codec.encode(image), torch.Generator().manual_seed(0))
    assert found.shape == (16,)
    assert bool((found > 0).all())
    assert float(found[0]) > 3 * float(found[14])  # the first carries the mean, the fifteenth a fine detail


def test_an_autoencoder_of_another_factor_is_refused() -> None:
    codec = load_codec(BUNDLED / "alphavae-mini")
    refuse_other_factor(codec, "mini")
    with pytest.raises(DataError, match="'mini' makes a latent of 4x4 pixels"):
        refuse_other_factor(dataclasses.replace(codec, factor=4), "mini")
