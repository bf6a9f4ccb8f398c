"""The torchmetrics classes: sums that add, means of the house, each sample once, over any ranks."""

import json
import os
import subprocess
import sys
from typing import get_args

import pytest
import torch
from torchmetrics import MetricCollection

from alphabench.errors import UsageError
from alphabench.image.backgrounds import canonical_tensor
from alphabench.metrics.closed_form import composite_psnr
from alphabench.metrics.modules import (
    AlphaError,
    AlphaErrorName,
    CompositeLPIPS,
    CompositeLPIPSRand,
    CompositeMetric,
    CompositePSNR,
    CompositeSSIM,
)
from alphabench.metrics.set_distance import TooFewSamples, frechet_distance
from alphabench.metrics.set_modules import FrechetDistance, KernelDistance
from alphabench.metrics.weights import WeightsMissing

CATEGORIES = ("hair", "glass")
NAMES = ["hair", "hair", "glass", "hair", "glass", "hair", "glass"]
IDS = list(range(7))
ALL = [
    CompositePSNR,
    CompositeSSIM,
    CompositeLPIPSRand,
    AlphaError,
    FrechetDistance,
    KernelDistance,
]


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(4)
    reference = torch.rand(7, 4, 24, 20, generator=generator)
    noise = torch.randn(reference.shape, generator=generator) * torch.linspace(0.02, 0.2, 7).view(7, 1, 1, 1)
    return (reference + noise).clamp(0, 1), reference


def feed(metric, images, order, size=2, repeat=0):
    """Update with the samples of `order`, `size` at a time, the last `repeat` of them twice."""
    prediction, reference = images
    order = [*order, *order[len(order) - repeat :]]
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        metric.update(
            prediction[chosen],
            reference[chosen],
            category=[NAMES[index] for index in chosen],
            sample_id=[IDS[index] for index in chosen],
        )
    return metric


@pytest.mark.parametrize("kind", ALL)
def test_shuffled_halved_and_repeated_samples_give_the_value_of_one_pass(kind, images):
    once = float(feed(kind(categories=CATEGORIES), images, IDS, size=7).compute())
    shuffled = feed(kind(categories=CATEGORIES), images, [4, 0, 6, 2, 1, 5, 3], size=3).compute()
    halves = feed(kind(categories=CATEGORIES), images, IDS[:3])
    halves.merge_state(feed(kind(categories=CATEGORIES), images, IDS[3:]))
    repeated = feed(kind(categories=CATEGORIES), images, IDS, size=4, repeat=2).compute()
    overlapping = feed(kind(categories=CATEGORIES), images, IDS[:5])
    overlapping.merge_state(feed(kind(categories=CATEGORIES), images, IDS[2:]))
    for value in (shuffled, halves.compute(), repeated, overlapping.compute()):
        assert float(value) == pytest.approx(once, rel=1e-12)


def test_the_mean_is_over_samples_then_views_then_categories(images):
    rows = composite_psnr(*images, canonical_tensor(dtype=torch.float64)).mean(dim=1)
    hair = sum(float(rows[index]) for index in (0, 1, 3, 5)) / 4
    glass = sum(float(rows[index]) for index in (2, 4, 6)) / 3
    metric = feed(CompositePSNR(categories=CATEGORIES), images, IDS)
    assert float(metric.compute()) == pytest.approx((hair + glass) / 2, rel=1e-12)
    assert metric.compute().dtype == torch.float64
    per_category = feed(CompositePSNR(categories=CATEGORIES, average="category"), images, IDS).compute()
    assert per_category.tolist() == pytest.approx([hair, glass], rel=1e-12)
    cells = feed(CompositePSNR(categories=CATEGORIES, average="none"), images, IDS).compute()
    assert cells.shape == (2, 9)


def test_the_state_is_three_float64_sums_per_category_and_view(images):
    metric = feed(CompositePSNR(categories=CATEGORIES), images, IDS)
    states = metric.metric_state
    assert len(states) == 3
    assert all(state.shape == (2, 9) and state.dtype == torch.float64 for state in states.values())
    assert metric.count.tolist() == [[4.0] * 9, [3.0] * 9]


def test_identical_images_count_the_cap_and_are_counted_as_capped(images):
    prediction, reference = images
    metric = CompositePSNR()
    metric.update(reference[:2], reference[:2])
    metric.update(prediction[:1], reference[:1])
    other = composite_psnr(prediction[:1], reference[:1], canonical_tensor(dtype=torch.float64)).mean()
    assert float(metric.compute()) == pytest.approx((200 + float(other)) / 3, rel=1e-12)
    assert metric.capped.tolist() == [[2.0] * 9]


def test_a_value_that_does_not_apply_is_left_out():
    nan = float("nan")
    values = torch.tensor([[1.0, nan], [3.0, 5.0]])
    metric = CompositeMetric("any", lambda *_: values, torch.rand(2, 3), ("a", "b"))
    metric.update(torch.rand(2, 4, 8, 8), torch.rand(2, 4, 8, 8), category=["a", "a"])
    assert metric.count.tolist() == [[2.0, 1.0], [0.0, 0.0]]
    assert float(metric.compute()) == pytest.approx((2 + 5) / 2)


@pytest.mark.parametrize("kind", [CompositePSNR, CompositeLPIPSRand, AlphaError])
def test_forward_returns_the_batch_and_accumulates_each_sample_once(kind, images):
    prediction, reference = images
    metric, plain = kind(), feed(kind(), (prediction, reference), [], 1)
    first = metric(prediction[:3], reference[:3], sample_id=[0, 1, 2])
    second = metric(prediction[2:5], reference[2:5], sample_id=[2, 3, 4])
    alone = kind()
    alone.update(prediction[3:5], reference[3:5])
    assert float(second) == pytest.approx(float(alone.compute()), rel=1e-12)
    plain.update(prediction[:5], reference[:5])
    assert float(metric.compute()) == pytest.approx(float(plain.compute()), rel=1e-12)
    assert float(first) != float(second)
    metric.reset()
    metric.update(prediction[:3], reference[:3], sample_id=[0, 1, 2])
    assert float(metric.compute()) == pytest.approx(float(first), rel=1e-12)


def test_the_value_of_a_batch_has_a_gradient(images):
    prediction = images[0][:2].clone().requires_grad_()
    CompositePSNR()(prediction, images[1][:2]).backward()
    assert prediction.grad is not None
    assert prediction.grad.abs().sum() > 0


def test_a_collection_never_shares_sums_between_metrics(images):
    prediction, reference = images
    collection = MetricCollection({"mad": AlphaError("mad"), "mse": AlphaError("mse")})
    collection.update(reference[:2], reference[:2])  # both zero
    collection.update(prediction[:2], reference[:2])
    values = collection.compute()
    assert float(values["mse"]) < float(values["mad"])


def test_categories_and_ids_must_fit(images):
    prediction, reference = images
    metric = CompositePSNR(categories=CATEGORIES)
    with pytest.raises(UsageError, match="without a category"):
        metric.update(prediction, reference)
    with pytest.raises(UsageError, match="no category 'smoke'"):
        metric.update(prediction[:1], reference[:1], category=["smoke"])
    with pytest.raises(UsageError, match="1 samples came with 2 sample ids"):
        metric.update(prediction[:1], reference[:1], category=["hair"], sample_id=[1, 2])
    with pytest.raises(UsageError, match="do not belong together"):
        FrechetDistance().update(prediction[:2], reference[:2], sample_id=[1])


def test_set_metrics_compare_each_category_on_each_background(images):
    metric = feed(FrechetDistance(categories=CATEGORIES, average="none"), images, IDS)
    cells = metric.compute()
    assert cells.shape == (2, 9)
    features = [torch.cat(side)[[2, 4, 6], 5] for side in (metric.prediction_features, metric.reference_features)]
    assert float(cells[1, 5]) == pytest.approx(float(frechet_distance(*features)), rel=1e-12)
    alone = FrechetDistance()
    alone.update(images[0][:1], images[1][:1], sample_id=[0])
    with pytest.raises(TooFewSamples):
        alone.compute()


def test_lpips_without_weights_says_how_to_get_them(images, tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match="alexnet"):
        CompositeLPIPS().update(*images)


@pytest.mark.parametrize("which", get_args(AlphaErrorName))
def test_each_alpha_error_accumulates(which, images):
    prediction, reference = images
    metric = AlphaError(which)
    metric.update(reference, reference)
    assert float(metric.compute()) == pytest.approx(0, abs=1e-12)
    metric.update(prediction, reference)
    assert float(metric.compute()) >= 0
    assert metric.count.tolist() == [[14.0]]


@pytest.mark.parametrize("kind", ALL)
def test_every_class_declares_its_direction(kind):
    metric = kind()
    assert metric.higher_is_better is (kind in {CompositePSNR, CompositeSSIM})
    assert metric.full_state_update is False
    assert isinstance(metric.is_differentiable, bool)


WORKER = """
import json, sys
import torch
from alphabench.metrics.modules import CompositePSNR, AlphaError
from alphabench.metrics.set_modules import FrechetDistance

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
prediction, reference = torch.load(f"{folder}/images.pt", weights_only=True)
mine = [[0, 2, 4, 6], [1, 3, 5, 0]][rank]          # a sampler that padded with sample 0
names = ["hair", "hair", "glass", "hair", "glass", "hair", "glass"]
values = {}
for metric in (CompositePSNR, AlphaError, FrechetDistance):
    uneven = metric(categories=("hair", "glass"))
    for index in mine:
        uneven.update(prediction[[index]], reference[[index]], category=[names[index]], sample_id=[index])
    values[metric.__name__] = [float(uneven.compute())]
    uneven._computed = None
    values[metric.__name__].append(float(uneven.compute()))
lonely = FrechetDistance()                          # only rank 0 has samples
if rank == 0:
    lonely.update(prediction, reference, sample_id=list(range(7)))
else:
    lonely._update_count = 1
values["lonely"] = [float(lonely.compute())]
if rank == 0:
    print(json.dumps(values))
torch.distributed.destroy_process_group()
"""


def test_two_ranks_with_a_padded_sampler_give_the_value_of_one(images, tmp_path):
    torch.save(list(images), tmp_path / "images.pt")
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        outputs = [rank.communicate(timeout=300) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    values = json.loads(outputs[0][0].splitlines()[-1])
    for kind in (CompositePSNR, AlphaError, FrechetDistance):
        expected = float(feed(kind(categories=CATEGORIES), images, IDS).compute())
        assert values[kind.__name__] == pytest.approx([expected, expected], rel=1e-12)
    alone = FrechetDistance()
    alone.update(*images, sample_id=IDS)
    assert values["lonely"] == pytest.approx([float(alone.compute())], rel=1e-12)
