"""The caption matcher learns which disc has which colour, and orders captions by it."""

from pathlib import Path

import torch

from alphabench.image.codec import to_float
from reference_models.rgba_lora.agreement import nearest_captions, trained_matcher
from reference_models.rgba_lora.captions import read_entries
from reference_models.rgba_lora.config import CaptionConfig
from tests.reference_models.rgba_lora.conftest import COLOURS, disc


def test_a_trained_matcher_names_the_colour(captioned: Path) -> None:
    config = CaptionConfig(
        table="set/metadata.jsonl", split="train", size=32, prompt_dropout=0.0, variants=4, recolour_share=0.0
    )
    matcher = trained_matcher(read_entries(config, captioned), config, steps=60, batch=12, lr=3e-3, side=16)
    names = ["red", "green", "blue"]
    images = torch.stack([to_float(disc(COLOURS[name], side=64, radius=22)) for name in names])
    found = nearest_captions(matcher, images, [f"{name} disc" for name in names])
    assert [row[0] for row in found] == ["red disc", "green disc", "blue disc"]
    assert all(sorted(row) == sorted(f"{name} disc" for name in names) for row in found)


def test_vectors_are_unit_and_do_not_depend_on_the_batch(captioned: Path) -> None:
    config = CaptionConfig(table="set/metadata.jsonl", split="train", size=32)
    matcher = trained_matcher(read_entries(config, captioned), config, steps=1, batch=4, side=16)
    images = torch.stack([to_float(disc(COLOURS["red"])), to_float(disc(COLOURS["blue"]))])
    with torch.no_grad():
        seen = matcher.see(images)
        torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
        torch.testing.assert_close(matcher.see(images[:1]), seen[:1], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(matcher.read(["red disc"])[0], matcher.read(["blue", "red disc"])[1])
