"""CLIPScore: tokens, arithmetic and honesty about absent weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.clipscore import CONTEXT, ClipScorer, clip_scorer, clipscore
from alphabench.metrics.weights import WeightsMissing

pytest.importorskip("pyiqa", reason="the extra `paper` is not installed", exc_type=ImportError)


def _constant(vector: list[float]) -> torch.Tensor:
    return torch.tensor([vector])


def scorer(image: list[float], text: list[float]) -> ClipScorer:
    return ClipScorer(lambda seen: _constant(image), lambda tokens: _constant(text), side=16)


def test_tokens_are_those_of_the_released_vocabulary() -> None:
    from alphabench.metrics.clipscore import tokenise

    tokens = tokenise("a photo of a cat")[0].tolist()
    assert tokens[:7] == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokens[7:] == [0] * (CONTEXT - 7)


def test_long_texts_are_cut_and_keep_their_end_mark() -> None:
    from alphabench.metrics.clipscore import tokenise

    tokens = tokenise("cat " * 200)[0].tolist()
    assert len(tokens) == CONTEXT
    assert tokens[0] == 49406
    assert tokens[-1] == 49407


@pytest.mark.parametrize(
    ("image", "text", "expected"),
    [([3.0, 4.0], [3.0, 4.0], 2.5), ([1.0, 0.0], [1.0, 1.0], 2.5 / 2**0.5), ([1.0, 0.0], [-1.0, 0.5], 0.0)],
)
def test_the_score_is_two_and_a_half_times_the_positive_cosine(
    image: list[float], text: list[float], expected: float
) -> None:
    scores = scorer(image, text)(torch.rand(2, 3, 20, 30), ["one", "two"])
    assert scores.tolist() == pytest.approx([expected, expected], abs=1e-6)


def test_it_is_the_score_of_pyiqa(
    pyiqa_room: Any, released_clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = pyiqa_room("pyiqa.archs.clipscore_arch").CLIPScore
    metric = theirs.__new__(theirs)
    torch.nn.Module.__init__(metric)
    metric.clip_model = released_clip(tmp_path / "clip.pt", width=96, words=49408)
    metric.prefix, metric.w = "A photo depicts", 2.5
    texts = ["a glass of water", "smoke", "a very long text " * 40]
    seen = torch.rand(3, 3, 45, 60)
    with torch.no_grad():
        expected = metric(seen, texts)
    monkeypatch.setattr("alphabench.metrics.clipscore.locate", lambda name: tmp_path / "clip.pt")
    clip_scorer.cache_clear()
    found = clipscore(seen, texts)
    clip_scorer.cache_clear()
    assert float(expected.max()) > 0
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_each_image_needs_a_text() -> None:
    with pytest.raises(DataError, match="2 images have 1 texts"):
        scorer([1.0], [1.0])(torch.rand(2, 3, 20, 20), ["one"])


def test_absent_weights_are_missing_and_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    clip_scorer.cache_clear()
    with pytest.raises(WeightsMissing, match="clip-vit-b32"):
        clipscore(torch.rand(1, 3, 20, 20), ["a cat"])
