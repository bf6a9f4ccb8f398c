import subprocess
import sys

import pytest
import torch

import alphabench.metrics
from alphabench.errors import UsageError
from alphabench.image.compositing import composite
from alphabench.image.regions import unknown_region
from alphabench.metrics.catalog import CATALOG, Metric, get
from alphabench.metrics.weights import WEIGHT_FILES

GRAY = torch.tensor([128 / 255] * 3, dtype=torch.float64)
APART = {"weights", "text", "parent"}
"""What cannot be had from a pair of images."""
SAMPLE = [metric for metric in CATALOG.values() if metric.kind == "sample" and not metric.needs & APART]
PAIRED = [metric for metric in SAMPLE if "reference" in metric.needs]
FROM_SETS = [metric for metric in CATALOG.values() if metric.kind == "set" and not metric.needs & APART - {"weights"}]


def by_name(metrics):
    return pytest.mark.parametrize("metric", metrics, ids=lambda metric: metric.name)


def arguments(metric: Metric, prediction: torch.Tensor, reference: torch.Tensor):
    """What the metric is called with for a pair of RGBA images."""
    images = []
    for image in (prediction, reference):
        if metric.takes == "alpha":
            images.append(image[:, 3:])
        elif metric.takes == "rgba":
            images.append(image)
        else:
            seen = composite(image, GRAY.to(image))
            images.append(seen.mul(255).round().byte() if metric.takes == "rgb8" else seen)
    if not metric.needs & {"reference", "reconstructor"}:
        return images[:1]
    return [*images, unknown_region(reference[:, 3:], 2)] if "trimap" in metric.needs else images


def score(metric: Metric, prediction: torch.Tensor, reference: torch.Tensor):
    return metric.resolve()(*arguments(metric, prediction, reference))


def eight_bit(images):
    return tuple(image.mul(255).round().div(255) for image in images)


@pytest.fixture
def matted(random_pair):
    """Pairs as 8-bit files hold them: with opaque, soft and transparent parts, some hidden colour."""

    def make(batch=1, dtype=torch.float32, noise=0.03, size=(40, 48), seed=0):
        prediction, reference = random_pair(batch=batch, height=size[0], width=size[1], noise=noise, seed=seed)
        for image, edge in ((prediction, 5), (reference, 8)):
            image[:, 3, :, :edge] = 0
            image[:, 3, 10:20, 20:30] = 1
        return tuple(image.to(dtype) for image in eight_bit((prediction, reference)))

    return make


@by_name(CATALOG.values())
def test_every_entry_declares_its_facts_and_resolves(metric):
    assert callable(metric.resolve())
    assert metric.name == metric.name.lower()
    assert metric.unit
    assert len(metric.unit) <= 16
    assert metric.range[0] < metric.range[1]
    assert metric.version >= 1
    assert metric.summary.endswith(".")
    assert metric.views
    assert (metric.kind == "set") == ("set" in metric.needs)
    assert (metric.kind == "set") == metric.views.__contains__("set")


def test_metrics_that_need_weights_are_those_the_files_name():
    needing = {name for name, metric in CATALOG.items() if "weights" in metric.needs}
    named = {name for file in WEIGHT_FILES.values() for name in file.needed_by}
    assert needing == named & set(CATALOG)
    assert needing


def test_an_unknown_name_is_answered_with_the_nearest_ones():
    with pytest.raises(UsageError) as caught:
        get("ssim_rbg")
    assert "ssim_rgb" in caught.value.remedy
    assert get("psnr").unit == "dB"
    with pytest.raises(UsageError, match="qqqqqqqq"):
        get("qqqqqqqq")


def test_reading_the_catalog_imports_no_torch():
    code = "import sys, alphabench.metrics.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_can_be_imported():
    for name in dir(alphabench.metrics):
        assert getattr(alphabench.metrics, name) is not None or name.startswith("__")
    with pytest.raises(AttributeError, match="no_such_metric"):
        _ = alphabench.metrics.no_such_metric


@by_name(SAMPLE)
def test_one_float64_value_per_sample_within_the_declared_range(metric, matted):
    values = score(metric, *matted(batch=3))
    assert values.dtype == torch.float64
    assert values.shape == (3,)
    low, high = metric.range
    assert ((values >= low) & (values <= high)).all()


@by_name(PAIRED)
def test_identical_images_get_the_best_value(metric, matted):
    _, reference = matted(batch=2)
    values = score(metric, reference, reference)
    if metric.name == "psnr_eps8":
        assert values.tolist() == pytest.approx([80, 80], abs=1e-5)
    else:
        best = metric.range[1] if metric.higher_is_better else metric.range[0]
        assert values.tolist() == pytest.approx([best, best], abs=1e-12)


@by_name([metric for metric in PAIRED if metric.symmetric])
def test_swapped_arguments_give_the_same_value(metric, matted):
    prediction, reference = matted()
    given = arguments(metric, prediction, reference)
    swapped = [given[1], given[0], *given[2:]]
    torch.testing.assert_close(metric.resolve()(*swapped), metric.resolve()(*given), rtol=1e-12, atol=1e-12)


@by_name([metric for metric in SAMPLE if metric.name != "hidden_colour_share"])
def test_hidden_colour_changes_no_metric(metric, matted):
    prediction, reference = matted(batch=2)
    before = score(metric, prediction, reference)
    generator = torch.Generator().manual_seed(9)
    for image in (prediction, reference):
        painted = torch.randint(0, 256, image[:, :3].shape, generator=generator) / 255
        image[:, :3] = torch.where(image[:, 3:] == 0, painted, image[:, :3])
    after = score(metric, prediction, reference)
    assert torch.equal(before, after)


def test_only_the_share_of_hidden_colour_sees_hidden_colour(matted):
    prediction, reference = matted()
    before = score(CATALOG["hidden_colour_share"], prediction, reference)
    prediction[:, :3] *= prediction[:, 3:] > 0
    assert score(CATALOG["hidden_colour_share"], prediction, reference) == 0
    assert before > 0.9


@by_name(SAMPLE)
def test_a_sample_alone_scores_as_in_a_batch_of_seven(metric, matted):
    prediction, reference = matted(batch=7)
    together = score(metric, prediction, reference)
    alone = torch.cat([score(metric, prediction[i : i + 1], reference[i : i + 1]) for i in range(7)])
    torch.testing.assert_close(alone, together, rtol=1e-6, atol=1e-9, equal_nan=True)


@by_name([metric for metric in SAMPLE if metric.takes != "rgb8"])
def test_float32_agrees_with_float64(metric, matted):
    prediction, reference = matted(dtype=torch.float64)
    double = score(metric, prediction, reference)
    single = score(metric, prediction.float(), reference.float())
    tolerance = 1e-4 if metric.unit == "dB" else 1e-5
    torch.testing.assert_close(single, double, rtol=1e-5, atol=tolerance)


TURNED = {"psnr", "ssim_rgb", "ssim_luma", "ssim_alpha", "sad", "grad_rhemann", "grad_aim", "conn_rhemann", "conn_aim"}


@by_name([CATALOG[name] for name in sorted(TURNED)])
def test_a_transposed_pair_scores_the_same(metric, matted):
    pair = matted(dtype=torch.float64)
    turned = [image.transpose(2, 3).contiguous() for image in pair]
    torch.testing.assert_close(score(metric, *turned), score(metric, *pair), rtol=1e-6, atol=1e-9)


WORSENING = [
    metric for metric in PAIRED if metric.takes in {"alpha", "rgba", "rgb", "image"} and "conn" not in metric.name
]


@by_name(WORSENING)
def test_more_alpha_noise_is_worse(metric, matted):
    _, reference = matted(size=(64, 64))
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 2, reference[:, 3:].shape, generator=generator) * 2.0 - 1
    values = []
    for codes in (1, 4, 16, 64):
        prediction = reference.clone()
        prediction[:, 3:] = (reference[:, 3:] + noise * codes / 255).clamp(0, 1)
        values.append(score(metric, prediction, reference).item())
    steps = torch.tensor(values).diff()
    if metric.name in {"hard_iou", "boundary_f"}:  # they see only what crosses the threshold
        assert (steps <= 0).all()
        assert values[-1] < values[0]
    else:
        assert (steps < 0).all() if metric.higher_is_better else (steps > 0).all()


@by_name([CATALOG[name] for name in ("conn_rhemann", "conn_aim")])
def test_connectivity_rises_as_a_part_is_cut_off(metric):
    reference = torch.zeros(1, 1, 20, 40)
    reference[..., 5:15, 5:35] = 1
    values = []
    for gap in (20, 16, 12):
        prediction = reference.clone()
        prediction[..., gap] = 0
        values.append(metric.resolve()(prediction, reference).item())
    assert values == sorted(values)


@by_name(FROM_SETS)
def test_set_distances_are_symmetric_and_do_not_see_the_order(metric):
    generator = torch.Generator().manual_seed(0)
    one = torch.rand((9, 5), generator=generator, dtype=torch.float64)
    other = torch.rand((11, 5), generator=generator, dtype=torch.float64) + 0.3
    function = metric.resolve()
    value = function(one, other)
    torch.testing.assert_close(function(other, one), value, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(function(one.flip(0), other), value, rtol=1e-9, atol=1e-12)
    assert value > function(one, one)


@pytest.mark.gpu
@by_name(SAMPLE)
def test_the_gpu_agrees_with_the_cpu(metric, matted):
    prediction, reference = matted(batch=2, size=(64, 80))
    there = score(metric, prediction.cuda(), reference.cuda()).cpu()
    torch.testing.assert_close(there, score(metric, prediction, reference), rtol=1e-4, atol=1e-6, equal_nan=True)
