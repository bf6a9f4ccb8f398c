"""Generators are judged by the real images of their words: a perfect one is always nearest, a mixed-up one never."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from alphabench.data.dataset import resolve_data
from alphabench.errors import DataError, UsageError
from alphabench.experiments.jobs import Judging
from alphabench.experiments.judging_generators import captioned, judge_generator
from alphabench.experiments.plan import JudgedSet
from alphabench.image.codec import read_rgba, to_float, write_png
from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import Rgba
from alphabench.models.contract import Sampling
from alphabench.models.spec import ModelInfo


class Remembering:
    """Shows the image of the words `ahead` places on in a list."""

    def __init__(self, known: Sequence[tuple[str, Path]], ahead: int = 0, spoil: float = 1.0) -> None:
        self.info = ModelInfo(name="remembering", org="tests", licence="CC0-1.0", kind="builtin")
        self.defaults = Sampling(32, 32, 1, 1.0)
        self.words = [words for words, _ in known]
        self.images = [
            resize_premultiplied(to_float(read_rgba(path, allow_opaque=True))[None], 32, 32) for _, path in known
        ]
        self.ahead, self.spoil = ahead, spoil

    def check(self, sampling: Sampling) -> None:
        assert sampling == self.defaults

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> Tensor:
        assert len(set(seeds)) == len(seeds)
        places = [(self.words.index(prompt) + self.ahead) % len(self.words) for prompt in prompts]
        return torch.cat([self.images[place] for place in places])

    def decode(self, latents: Tensor) -> Rgba:
        return latents * self.spoil


@pytest.fixture
def judged(tmp_path: Path) -> JudgedSet:
    data = resolve_data("alpha-mini")
    rows = []
    for sample in list(data)[::2]:
        write_png(tmp_path / f"{sample.id.replace('/', '-')}.png", data.read(sample))
        rows.append({"file": f"{sample.id.replace('/', '-')}.png", "name": sample.id, "split": "train"})
    rows.append({"file": "absent.png", "name": "of another split", "split": "val"})
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return JudgedSet("words", captions="t.jsonl", split="train", images=12)


def test_a_generator_that_remembers_is_nearest_and_one_that_mixes_up_is_not(judged: JudgedSet, tmp_path: Path) -> None:
    known = captioned(judged, tmp_path)
    assert len(known) == 12
    rows, numbers = judge_generator(Remembering(known), [judged], data_root=tmp_path)
    found = {(row.sample, row.measure): row.value for row in rows}
    assert all(found[words, "nearest_caption"] == 1 for words, _ in known)
    assert numbers["fid-rand"] == pytest.approx(0, abs=1e-3)
    assert numbers["kid-rand"] < 1e-3  # unbiased, hence below 0 for equal sets

    rows, mixed = judge_generator(Remembering(known, ahead=1), [judged], data_root=tmp_path)
    assert sum(row.value for row in rows if row.measure == "nearest_caption") == 0
    assert mixed["fid-rand"] == pytest.approx(numbers["fid-rand"], abs=1e-3)  # as a set it is the same

    _, faint = judge_generator(Remembering(known, spoil=0.3), [judged], data_root=tmp_path)
    assert faint["fid-rand"] > 0.1
    assert faint["kid-rand"] > numbers["kid-rand"]


def test_what_does_not_apply_to_an_image_has_no_row(judged: JudgedSet, tmp_path: Path) -> None:
    rows, _ = judge_generator(Remembering(captioned(judged, tmp_path), spoil=0.0), [judged], data_root=tmp_path)
    measures = {row.measure for row in rows}
    assert "border_cut" in measures
    assert "hole_rate" not in measures


def test_tables_and_sets_that_will_not_do_are_refused(judged: JudgedSet, tmp_path: Path) -> None:
    model = Remembering(captioned(judged, tmp_path))
    with pytest.raises(DataError, match="one set of captions"):
        judge_generator(model, [JudgedSet("mini", data="alpha-mini")], data_root=tmp_path)
    with pytest.raises(DataError, match="no row of the split 'test'"):
        captioned(JudgedSet("words", captions="t.jsonl", split="test"), tmp_path)
    (tmp_path / "bad.jsonl").write_text("no json", encoding="utf-8")
    with pytest.raises(DataError, match="no table of captions"):
        captioned(JudgedSet("words", captions="bad.jsonl"), tmp_path)
    with pytest.raises(ValueError, match="needs one of folder, data and captions"):
        JudgedSet("words", captions="t.jsonl", data="alpha-mini")
    broken = Remembering(captioned(judged, tmp_path), spoil=float("nan"))
    with pytest.raises((DataError, UsageError), match="not finite"):
        judge_generator(broken, [judged], data_root=tmp_path)


def test_addresses_of_sets_without_captions_are_those_of_before_captions() -> None:
    """The folders of finished jobs are named by them."""
    sets = (JudgedSet("fluent3d", folder="fluent3d/val", images=24), JudgedSet("alpha-mini", data="alpha-mini"))
    assert Judging("alphavae", sets, "backgrounds/val").address == "214a49bd"
