"""Runs that judge latents: rows on both views, one number of the set, and models that cannot be judged so."""

import math
from pathlib import Path

import pytest
import torch

from alphabench import evaluate
from alphabench.errors import UsageError
from alphabench.models.contract import ParentComparison
from alphabench.models.spec import ModelInfo
from alphabench.results.record import Record, load_record
from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set
from alphabench.tasks.scoring_files import ScoreRequest, score_files

RULER = "harmlessness-mini@1"
INFO = ModelInfo(name="halving", org="local", licence="unknown", kind="builtin", architecture="shifting")


class Shifting:
    """A model whose latent is the image in blocks of 8², and whose shift is `by` posterior deviations of 0.1."""

    info = INFO

    def __init__(self, by: float, *, sees: bool) -> None:
        self.by = by
        self.parent_sees_transparency = sees
        self.opened = 0
        self.seen: list[torch.Tensor] = []

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing is predicted")

    def open_parent(self) -> None:
        self.opened += 1

    def probe(self, images: torch.Tensor) -> ParentComparison:
        self.seen.append(images)
        image = images[:, :3] * images[:, 3:]
        mean = torch.nn.functional.avg_pool2d(image, 8)
        log_variance = torch.full_like(mean, 2 * math.log(0.1))
        moved = mean + 0.1 * self.by
        decodes = [torch.nn.functional.interpolate(z, scale_factor=8).clamp(0, 1) for z in (mean, moved)]
        return ParentComparison(image, mean, log_variance, moved, log_variance, decodes[0], decodes[1])


def value(record: Record, metric: str, view: str) -> float | None:
    found = next(item for item in record.document["metrics"] if item["name"] == metric)
    return next(
        (item["value"] for item in found["aggregates"] if (item["view"], item["scope"]) == (view, "macro")), None
    )


def test_both_views_are_measured_where_the_parent_sees_transparency(tmp_path: Path) -> None:
    model = Shifting(3.0, sees=True)
    record = evaluate(model, protocol=RULER, limit=6)
    assert model.opened == 1
    for view in ("opaque", "transparent"):
        assert value(record, "posterior_kl", view) == pytest.approx(4.5, rel=1e-5)
    assert value(record, "latent_kl", "set/transparent") != value(record, "latent_kl", "set/opaque")
    opaque, transparent = model.seen[0], model.seen[1]
    assert bool((opaque[:, 3] == 1).all())
    assert not bool((transparent[:, 3] == 1).all())
    hidden = (transparent[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert torch.allclose(opaque[:, :3][hidden], torch.tensor(128 / 255))


def test_models_of_the_other_kind_have_values_on_opaque_images_alone() -> None:
    record = evaluate(Shifting(0.0, sees=False), protocol=RULER, limit=4)
    assert {item["state"] for item in record.document["metrics"]} == {"ok"}
    assert value(record, "harm_psnr", "opaque") == 100.0  # infinite in the rows, capped in means
    assert value(record, "latent_kl", "set/opaque") == 0.0
    assert value(record, "harm_psnr", "transparent") is None
    assert value(record, "latent_kl", "set/transparent") is None
    counts = next(item for item in record.document["metrics"] if item["name"] == "harm_drop")["rows"]
    assert (counts["present"], counts["not_applicable"]) == (4, 4)


def test_a_record_of_latents_is_kept_read_and_checked_like_any_other(tmp_path: Path) -> None:
    evaluate(Shifting(1.0, sees=True), protocol=RULER, limit=4, out=tmp_path / "run")
    record = load_record(tmp_path / "run" / "record")
    assert record.document["protocol"]["name"] == "harmlessness-mini"
    assert not list((tmp_path / "run").rglob("*.png"))


def test_what_has_no_rgb_parent_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'identity' has none"):
        reconstruct_set(
            ReconstructionRequest(model="identity", protocol=RULER, out=tmp_path / "run", device="cpu"), lambda *_: None
        )
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="images do not show"):
        score_files(ScoreRequest(prediction=tmp_path, reference=tmp_path, protocol=RULER), lambda *_: None)
    with pytest.raises(UsageError, match="float32"):
        reconstruct_set(
            ReconstructionRequest(model="alphavae", protocol=RULER, device="cpu", dtype="bfloat16"), lambda *_: None
        )
