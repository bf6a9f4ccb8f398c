"""Finished checkpoints compared: by set, category and region, with cost, and refused with words."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from alphabench.cli.app import run
from alphabench.errors import DataError, UsageError
from alphabench.experiments import comparison as conducting
from alphabench.experiments.comparison import conduct_comparison, judge_arm
from alphabench.experiments.comparison_judging import cost_of, harmlessness_of, region_measures
from alphabench.experiments.comparison_page import winners
from alphabench.experiments.comparison_plan import Comparison, find_comparison, list_comparisons, read_comparison
from alphabench.experiments.plan import JudgedSet
from alphabench.experiments.running import Labour
from alphabench.models.contract import ParentComparison
from alphabench.models.registry import load_model
from alphabench.models.spec import LoadRequest

TOML = """
title = "Opaque or exact?"
question = "Whether keeping alpha helps."
primary_set = "few"
report = ["psnr", "mad"]

[[arms]]
name = "opaque"
label = "alpha set to 1"
model = "opaque"

[[arms]]
name = "identity"
label = "the image itself"
model = "identity"

[[arms]]
name = "mine"
label = "weights of one's own"
model = "alphavae"
weights = "given"

[[judged]]
name = "few"
data = "alpha-mini"
images = 12
side = 64

[[claims]]
text = "Keeping alpha is better."
arm = "identity"
expected = "better"
"""


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    path = tmp_path / "exact.toml"
    path.write_text(TOML, encoding="utf-8")
    return read_comparison(path)


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge in a thread: a fresh process takes seconds to import torch."""
    monkeypatch.setattr(conducting, "ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))


def test_regions_see_their_own_pixels_alone() -> None:
    """Left half opaque and wrong by 0.1 in colour, right half clear and given alpha 0.5 of black."""
    reference, prediction = torch.zeros(1, 4, 64, 64), torch.zeros(1, 4, 64, 64)
    reference[..., :32], prediction[..., :32] = 1.0, 1.0
    prediction[:, :3, :, :32] = 0.9
    prediction[:, 3, :, 32:] = 0.5
    found = region_measures(prediction, reference)
    assert set(found) == {"opaque", "edge", "transparent"}
    assert found["opaque"] == {"psnr": pytest.approx(20, abs=1e-4), "mad": 0.0}
    assert found["transparent"]["mad"] == pytest.approx(0.5)
    # Black at alpha 0.5 over white: half of it is lost, 6.02 dB; over black nothing, 100 dB at most.
    assert 6 < found["transparent"]["psnr"] < 100
    assert found["edge"]["mad"] == pytest.approx(0.25)


def test_divergences_are_not_capped_as_decibels_are() -> None:
    """Latents 30 deviations apart are 450 nats; equal decodes are 100 dB at most."""

    class Moved:
        info = load_model("identity", LoadRequest()).info
        parent_sees_transparency = False

        def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
            return images

        def open_parent(self) -> None:
            """There is nothing to open."""

        def probe(self, images: torch.Tensor) -> ParentComparison:
            assert bool((images[:, 3] == 1).all())
            image, zero = images[:, :3], torch.zeros_like(images[:, :3])
            return ParentComparison(image, image, zero, image + 30, zero, image, image)

    judged = JudgedSet("few", data="alpha-mini", images=2, side=16)
    numbers = harmlessness_of(Moved(), judged, Path(), "cpu")
    assert numbers["posterior_kl"] == pytest.approx(450, rel=1e-4)
    assert numbers["harm_psnr"] == 100.0
    assert numbers["harm_drop"] == 0.0


def test_a_reconstruction_costs_time_and_memory() -> None:
    class Hungry:
        info = load_model("identity", LoadRequest()).info

        def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
            return torch.ones(64 * 2**20 // 4)[: images.numel()].reshape(images.shape)

    numbers = cost_of(Hungry(), [torch.rand(1, 4, 16, 16)], "cpu")
    assert numbers["seconds_per_image"] > 0
    if "memory_per_image" in numbers:
        assert 60 <= numbers["memory_per_image"] < 100


@pytest.mark.usefixtures("_here")
def test_a_comparison_says_where_each_wins(comparison: Comparison, tmp_path: Path) -> None:
    result, folder = conduct_comparison(comparison, {}, tmp_path, Labour(1, 1, "cpu"), lambda *_: None)
    effect = result.effect("identity", "few", "psnr")
    assert effect is not None
    assert effect.verdict == "better"
    assert effect.value == 100.0
    assert {place for place in (e.judged for e in result.effects) if ", " in place} >= {"few, transparent", "few, edge"}
    assert any(e.judged.startswith("few: ") for e in result.effects)
    # What was opaque stays right, so that nothing is won there.
    opaque = result.effect("identity", "few, opaque", "psnr")
    assert opaque is None or opaque.verdict == "no difference shown"
    assert "identity wins on few (" in winners(result, "identity", "psnr")
    assert result.judgements[0].standing == "holds"
    assert result.failures == ("mine: no checkpoint was named",)
    page = (folder / "page.md").read_text(encoding="utf-8")
    for words in ("Where each wins", "few, transparent", "seconds_per_image", "Not compared: mine"):
        assert words in page
    assert (folder / "places.svg").is_file()
    assert json.loads((folder / "results.json").read_bytes())["setting"]["arms"]["identity"]["architecture"]


@pytest.mark.usefixtures("_here")
def test_judged_arms_are_kept(comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = conduct_comparison(comparison, {}, tmp_path, Labour(1, 1, "cpu"), lambda *_: None)

    def never(*_: object) -> None:
        raise AssertionError("judged again")

    monkeypatch.setattr(conducting, "judge_arm", never)
    again, _ = conduct_comparison(comparison, {}, tmp_path, Labour(1, 1, "cpu"), lambda *_: None)
    assert again.effects == first.effects


@pytest.mark.usefixtures("_here")
def test_wrong_weights_are_refused_with_words(comparison: Comparison, tmp_path: Path) -> None:
    labour = Labour(1, 1, "cpu")
    with pytest.raises(UsageError, match="no arm called 'other'"):
        conduct_comparison(comparison, {"other": tmp_path}, tmp_path, labour, lambda *_: None)
    with pytest.raises(DataError, match="mine: there is no checkpoint folder"):
        conduct_comparison(comparison, {"mine": tmp_path / "none"}, tmp_path / "a", labour, lambda *_: None)
    judged = judge_arm(comparison, "alphavae", tmp_path, tmp_path, "cpu", 1)
    assert judged.fault is not None
    assert judged.fault[0] is DataError


def test_installed_comparisons_are_readable_and_files_are_checked(tmp_path: Path) -> None:
    for name in list_comparisons():
        assert find_comparison(name).name == name
    with pytest.raises(UsageError, match="no comparison called"):
        find_comparison("nothing")
    path = tmp_path / "wrong.toml"
    for change, words in (
        (('name = "identity"', 'name = "opaque"'), "there twice"),
        (('primary_set = "few"', 'primary_set = "many"'), "many"),
        (('arm = "identity"', 'arm = "nobody"'), "nobody"),
        (('weights = "given"', 'wheights = "given"'), "wheights"),
    ):
        path.write_text(TOML.replace(*change), encoding="utf-8")
        with pytest.raises(UsageError, match=words):
            read_comparison(path)


def test_the_command_wants_arm_and_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "compare", "x.toml", "--out", str(tmp_path), "--checkpoint", "alphavae"]) == 2
    assert "ARM=FOLDER" in capsys.readouterr().err
