"""Samples: a pure function of seed and number, and none the worse for a file that cannot be read."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from alphabench.errors import DataError
from reference_models.rgba_lora.captions import read_entries
from reference_models.rgba_lora.colours import HUES
from reference_models.rgba_lora.config import CaptionConfig, CategoryWeight
from reference_models.rgba_lora.latents import LatentCodec, encoder_of, load_codec
from reference_models.rgba_lora.samples import SamplePool, fitted, random_crop, varied
from reference_models.weights import BUNDLED
from tests.reference_models.rgba_lora.conftest import COLOURS, disc

CONFIG = CaptionConfig(
    table="set/metadata.jsonl", split="train", size=32, batch=4, variants=3, recolour_share=0.5, word_dropout=0.2
)


@pytest.fixture(scope="module")
def codec() -> LatentCodec:
    return load_codec(BUNDLED / "alphavae-mini")


def pool(codec: LatentCodec, root: Path, **changes: object) -> SamplePool:
    config = dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]
    return SamplePool(read_entries(config, root), config, encoder_of(codec, draws=False), seed=3)


@pytest.mark.parametrize("variants", [0, 3])
def test_a_sample_is_a_pure_function_of_its_number(codec: LatentCodec, captioned: Path, variants: int) -> None:
    forwards = pool(codec, captioned, variants=variants)
    backwards = pool(codec, captioned, variants=variants)
    first = [forwards.sample(number) for number in range(8)]
    second = [backwards.sample(number) for number in reversed(range(8))][::-1]
    for one, other in zip(first, second, strict=True):
        assert one.words == other.words
        assert torch.equal(one.content, other.content)
    shared = [*forwards.batch(1, first=0, count=2), *forwards.batch(1, first=2, count=2)]
    assert all(torch.equal(a.content, b.content) for a, b in zip(shared, first[4:], strict=True))


def test_no_more_versions_are_made_than_asked_for(codec: LatentCodec, captioned: Path) -> None:
    some = pool(codec, captioned, prompt_dropout=0.0)
    found = {some.sample(number).content.numpy().tobytes() for number in range(200)}
    assert 3 < len(found) <= 9  # three images in three versions, some of which may look alike
    assert len({pool(codec, captioned, variants=0).sample(n).content.numpy().tobytes() for n in range(20)}) > 10


def test_words_tell_the_colour_that_was_turned_and_some_are_withheld(codec: LatentCodec, captioned: Path) -> None:
    some = pool(codec, captioned, word_dropout=0.0)
    words = [some.sample(number).words for number in range(400)]
    assert 0.05 < words.count("") / 400 < 0.16
    assert {"red disc", "green disc", "blue disc"} & set(words)
    assert any(word not in {"", *(f"{c} disc" for c in COLOURS)} for word in words)
    dropped = pool(codec, captioned, word_dropout=1.0, prompt_dropout=0.0)
    assert set(dropped.sample(0).words.split()) == {"\N{REPLACEMENT CHARACTER}"}


def test_weights_rule_categories_out(codec: LatentCodec, captioned: Path) -> None:
    with pytest.raises(DataError, match="'Beasts', which no image has"):
        pool(codec, captioned, weights=(CategoryWeight("Beasts", 1.0),))
    with pytest.raises(DataError, match="weight 0"):
        pool(codec, captioned, weights=(CategoryWeight("Shapes", 0.0),))


def test_a_damaged_file_is_counted_and_the_others_are_used(codec: LatentCodec, captioned: Path) -> None:
    (captioned / "set" / "train" / "red.png").write_bytes(b"no image")
    some = pool(codec, captioned)
    assert len([some.sample(number) for number in range(30)]) == 30
    assert [path.name for path in some.skipped] == ["red.png"]
    for name in ("green", "blue"):
        (captioned / "set" / "train" / f"{name}.png").unlink()
    with pytest.raises(DataError, match="10 images drawn one after the other cannot be read"):
        pool(codec, captioned).sample(0)


def test_icons_stay_whole_and_crops_are_full() -> None:
    codes = disc((255, 0, 0), side=50, radius=24.0).numpy()
    whole = fitted(codes, 32)
    assert whole.shape == (1, 4, 32, 32)
    area = float(whole[0, 3].sum())
    for seed in range(20):
        made = varied(np.random.default_rng(seed), codes, 32)
        assert 0.6 * area < float(made[0, 3].sum()) < 1.02 * area
        ring = torch.cat([made[0, 3, 0], made[0, 3, -1], made[0, 3, :, 0], made[0, 3, :, -1]])
        assert float(ring.max()) < 0.5
    tall = np.concatenate([codes, codes], 1)
    crop = random_crop(np.random.default_rng(0), tall, 32)
    assert crop.shape == (1, 4, 32, 32)


def test_the_colours_of_an_image_are_those_it_is_shown_with(codec: LatentCodec, captioned: Path) -> None:
    some = pool(codec, captioned, word_dropout=0.0, prompt_dropout=0.0, variants=8)
    said = {words.split()[0] for n in range(400) if (words := some.sample(n).words).startswith(tuple(HUES))}
    shown = set().union(*(some.colours(index) for index in range(3)))
    assert shown - {"red", "green", "blue"}  # at least one was turned
    assert shown <= said <= shown | {"red", "green", "blue"}
