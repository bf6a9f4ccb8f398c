"""The bundled generator: it says who it is, diffusers draws the same from its files, words and surroundings hold."""

import functools
import json
from pathlib import Path

import pytest
import torch

from alphabench.cli import app as command_line
from alphabench.image.codec import read_rgba, to_float
from alphabench.image.types import Rgba
from alphabench.metrics.catalog import CATALOG
from alphabench.models.contract import Sampling, Unread
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from reference_models.rgba_lora.adapter import MINI, RgbaLoraGenerator, levelled
from reference_models.rgba_lora.pipeline import pack
from reference_models.weights import BUNDLED
from tests.reference_models.rgba_lora.conftest import drawn_by_diffusers

BASE = BUNDLED / "flux-mini"
LARGEST_FILE = 16 * 2**20
COLOURED = {"red heart": 0, "green apple": 1, "blue car": 2}
"""Prompts, and the channel that their colour is strongest in."""
STEPS = 12


@functools.cache
def model() -> RgbaLoraGenerator:
    found = load_generator("rgba-lora", LoadRequest())
    assert isinstance(found, RgbaLoraGenerator)
    return found


@functools.cache
def drawn() -> Rgba:
    sampling = Sampling(128, 128, STEPS, model().defaults.guidance)
    return model().decode(model().sample(list(COLOURED), [1, 2, 3], sampling))


def test_it_says_who_it_is() -> None:
    info = model().info
    assert (info.name, info.licence, info.architecture) == ("rgba-lora-mini", "Apache-2.0", "rgba-lora")
    roles = {role for role, *_ in info.checkpoints}
    assert {"lora", "transformer", "text-encoder", "text-encoder-2", "tokenizer-tokenizer-json", "scheduler"} <= roles
    assert (model().defaults.height, model().defaults.width) == (128, 128)


@pytest.mark.parametrize("folder", [MINI, BASE], ids=["adapter", "base"])
def test_its_folders_have_a_card_and_no_file_is_too_large_to_bundle(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert "card.md" in {path.name for path in files}
    assert max(path.stat().st_size for path in files) <= LARGEST_FILE


@pytest.mark.slow
def test_diffusers_draws_the_same_latents_from_the_same_files() -> None:
    sampling = Sampling(128, 128, 4, 2.0)
    ours = model().sample(["red heart"], [3], sampling)
    tokens = drawn_by_diffusers(BASE, MINI, "red heart", 3, sampling)
    torch.testing.assert_close(tokens, pack(ours), atol=1e-4, rtol=1e-4)


def test_it_says_which_words_it_does_not_know_and_where_it_stops_reading() -> None:
    long = " ".join(["red"] * 100)
    unread = model().unread(["red heart", "a Zyzzyva, and a zyzzyva of WROUGHTNESS", long])
    assert unread == [Unread(), Unread(("Zyzzyva", "zyzzyva", "WROUGHTNESS")), Unread((), cut=True)]
    length = model().checkpoint.components.length
    fits = " ".join(["red"] * (length - 1))  # the end is a token too
    assert model().unread([fits, f"{fits} red"]) == [Unread(), Unread((), cut=True)]


def test_a_named_colour_is_the_strongest_one() -> None:
    for image, strongest in zip(drawn(), COLOURED.values(), strict=True):
        colour = (image[:3] * image[3]).sum((1, 2)) / image[3].sum()
        assert int(colour.argmax()) == strongest, colour


def test_levels_empty_what_is_nearly_empty_and_fill_what_is_nearly_full() -> None:
    alpha = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
    images = torch.full((1, 4, 1, len(alpha)), 0.7)
    images[0, 3, 0] = alpha
    made = levelled(images, (0.25, 0.75))
    assert made[0, 3, 0].tolist() == [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]
    assert bool((made[0, :3, 0, :3] == 0).all())  # what shows no more has no colour left
    assert bool((made[0, :3, 0, 3:] == images[0, :3, 0, 3:]).all())
    assert levelled(images, (0.0, 1.0)) is images


def test_surroundings_are_transparent_and_the_thing_is_not() -> None:
    images = drawn()
    codes = (images[:, 3] * 255).round()
    haze = ((codes > 0) & (codes < 26)).float().mean((1, 2))
    assert float(haze.max()) < 0.05
    assert bool(((codes == 0).float().mean((1, 2)) > 0.2).all())
    assert float(CATALOG["border_cut"].resolve()(images).max()) < 0.05
    assert bool((images[:, 3, 32:96, 32:96].mean((1, 2)) > 0.5).all())


def test_the_command_draws_with_it_and_a_batch_changes_no_code_by_more_than_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = []
    for batch in (1, 3):
        folder = tmp_path / str(batch)
        options = ["--limit", "3", "--steps", "2", "--batch-size", str(batch), "--out", str(folder), "--json"]
        assert command_line.run(["generate", "--prompts", "alpha_t2i.txt", *options]) == 4  # three of 200
        document = json.loads(capsys.readouterr().out)
        assert "rgba-lora-mini" in (folder / "record" / "record.json").read_text(encoding="utf-8")
        assert document["aggregates"]["border_cut"]["n"] == 3
        files = sorted((folder / "predictions").rglob("*.png"))
        images = torch.stack([to_float(read_rgba(file)) for file in files])
        made.append(torch.cat([images[:, :3] * images[:, 3:], images[:, 3:]], 1))
    assert made[0].shape == (3, 4, 128, 128)
    assert float((made[0] - made[1]).abs().max()) <= 1.5 / 255
