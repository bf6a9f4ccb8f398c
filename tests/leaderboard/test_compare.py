"""Comparisons of whole records: preconditions, statistics, verdicts of the gate."""

import json

import numpy as np
import pytest

from alphabench.errors import DataError, IncompleteError
from alphabench.leaderboard import summary
from alphabench.leaderboard.gate import shipped_gate
from alphabench.results import intervals
from alphabench.results.compare import check_complete, compare

RULES = shipped_gate().rules()


def metric(comparison, name):
    return next(item for item in comparison.metrics if item.metric == name)


@pytest.fixture
def baseline(record):
    return record("baseline")


def test_a_record_against_itself_is_ok_with_an_interval_of_one_point(baseline):
    found = compare(baseline, baseline, RULES)
    assert found.verdict == "ok"
    for item in found.metrics:
        assert (item.difference, item.low or 0.0, item.high or 0.0) == (0, 0, 0)
        assert item.verdict in {"ok", None}
        assert not item.close
    assert compare(baseline, baseline, RULES, same=True).verdict == "ok"


def test_a_loss_of_half_a_decibel_is_a_regression_and_swapped_an_improvement(baseline, record):
    worse = record("worse", model="worse", shifts={"psnr": -0.5}, noise={"psnr": 0.3})
    found = compare(baseline, worse, RULES)
    item = metric(found, "psnr")
    assert found.verdict == "regression"
    assert (item.verdict, item.view, item.n, item.gate) == ("regression", "composite/mean9", 48, True)
    assert item.difference == pytest.approx(item.candidate - item.baseline)
    assert item.p == pytest.approx(1 / 10_001)
    assert item.adjusted_p == pytest.approx(4 / 10_001)
    assert item.low < item.difference < item.high < 0
    assert compare(worse, baseline, RULES).verdict == "improvement"
    assert compare(worse, baseline, RULES, same=True).verdict == "changed"


def test_too_few_samples_are_inconclusive_and_say_how_many_would_do(record):
    few = {"images": 12, "shifts": {"psnr": -0.2}, "noise": {"psnr": 0.8}}
    found = compare(record("a", images=12), record("b", model="b", **few), RULES)
    item = metric(found, "psnr")
    assert found.verdict == item.verdict == "inconclusive"
    assert item.images_needed > 12
    assert f"about {item.images_needed} images" in summary.settling(item)


def test_means_and_differences_are_those_of_the_record(baseline, record):
    other = record("other", model="other", shifts={"psnr": 0.2, "sad": 0.7}, noise={"psnr": 0.5})
    found = compare(baseline, other, RULES)
    for name, sign in (("psnr", 1), ("sad", -1), ("rfid-rand", -1)):
        item = metric(found, name)
        assert item.baseline == pytest.approx(baseline.aggregates[name]["value"], rel=1e-12)
        assert item.candidate == pytest.approx(other.aggregates[name]["value"], rel=1e-12)
        assert item.difference == pytest.approx(sign * (item.candidate - item.baseline))
    psnr = metric(found, "psnr")
    assert psnr.difference == pytest.approx(np.mean([part.difference for part in psnr.categories]))
    assert [part.category for part in psnr.categories] == ["glass", "glow", "hair", "logo", "shadow", "smoke"]
    assert all(part.low < part.difference < part.high for part in psnr.categories)


def test_the_interval_is_that_of_the_images_means_resampled(baseline, record):
    other = record("other", model="other", noise={"psnr": 0.5})
    tables = [item.to_pandas() for item in (baseline, other)]
    nine = [f"composite/{name}" for name in baseline.protocol.backgrounds]
    images = [
        table[(table.metric == "psnr") & table["view"].isin(nine)].groupby(["sample", "category"])["value"].mean()
        for table in tables
    ]
    gains = images[1] - images[0]
    drawn = intervals.resample(list(gains.index.get_level_values("category")), gains.to_numpy()[None])
    item = metric(compare(baseline, other, RULES), "psnr")
    low, high = np.percentile(drawn.macro[0], [2.5, 97.5])
    assert (item.low, item.high) == pytest.approx((low, high), abs=1e-9)
    assert item.p == pytest.approx((1 + np.sum(drawn.macro[0] >= 0)) / 10_001, abs=2e-4)
    spread = gains.groupby("category").std() ** 2 / gains.groupby("category").size()
    assert item.standard_error == pytest.approx(np.sqrt(spread.sum()) / 6)
    largest = gains.abs().sort_values(ascending=False).index[:5].get_level_values("sample")
    changed = compare(baseline, other, RULES).most_changed
    assert [sample.sample for sample in changed] == list(largest)


def test_every_metric_over_the_same_images_shares_its_draws(baseline, record, monkeypatch):
    calls = []
    original = intervals.resample

    def spy(categories, values, **options):
        calls.append((len(values), options.get("draws", intervals.DRAWS)))
        return original(categories, values, **options)

    monkeypatch.setattr(intervals, "resample", spy)
    other = record("other", model="other", shifts={"psnr": 1.0})
    calls.clear()
    found = compare(baseline, other, RULES)
    samples = [item for item in found.metrics if item.kind == "sample"]
    assert calls == [(len(samples), 10_000)]
    assert [item.metric for item in found.metrics if item.kind == "set"] == ["rfid-rand", "kid-rand"]


@pytest.mark.parametrize(
    ("distance", "verdict", "same"),
    [(10.21, "regression", "changed"), (10.19, "ok", "ok"), (9.79, "ok", "changed")],
)
def test_the_distance_between_sets_counts_by_its_point(baseline, record, distance, verdict, same):
    other = record("other", model="other", distance=distance)
    assert compare(baseline, other, RULES).verdict == verdict
    assert compare(baseline, other, RULES, same=True).verdict == same
    item = metric(compare(baseline, other, RULES), "rfid-rand")
    assert (item.low, item.p, item.adjusted_p, item.standard_error) == (None, None, None, None)
    assert metric(compare(baseline, other, RULES), "kid-rand").verdict is None


def test_a_verdict_near_its_threshold_rests_on_ten_times_as_many_draws(baseline, record):
    noisy = {"model": "other", "noise": {"psnr": 0.3}}
    far = metric(compare(baseline, record("far", **noisy, shifts={"psnr": 1.0}), RULES), "psnr")
    assert (far.close, far.draws, far.verdict) == (False, 10_000, "improvement")
    shift = 1.0 - far.low + 0.02 * far.standard_error  # the lower bound now lies just above 0
    item = metric(compare(baseline, record("near", **noisy, shifts={"psnr": shift}), RULES), "psnr")
    assert (item.close, item.draws) == (True, 100_000)
    assert abs(item.low) < 0.2 * item.standard_error
    assert summary.verdict_words(item) in {"ok, close", "improvement, close"}


def test_a_single_image_is_inconclusive_unless_nothing_changed(record):
    one, other = record("one", images=1), record("other", images=1, model="other", shifts={"psnr": 5.0})
    item = metric(compare(one, other, RULES), "psnr")
    assert (item.verdict, item.low, item.standard_error, item.images_needed) == ("inconclusive", None, None, None)
    assert "more images" in summary.settling(item)
    assert compare(one, one, RULES).verdict == "ok"
    json.dumps(summary.document(compare(one, other, RULES)), allow_nan=False)


def test_other_data_and_other_protocols_are_refused_with_both_hashes(baseline, record):
    with pytest.raises(DataError, match=r"data tiny@1 \(bbbbbbbb\).*\(cccccccc\)"):
        compare(baseline, record("other", manifest="c"), RULES)
    names = ("lpips", "rfid", "kid")
    with pytest.raises(DataError, match=r"protocol alpha-mini@1.*alpha-exact@1"):
        compare(baseline, record("exact", protocol_id="alpha-exact@1", unavailable=names), RULES)


def test_missing_samples_are_counted_and_the_first_one_is_named(baseline, record):
    part = record("part", taken=40)
    with pytest.raises(DataError, match="lacks 8 of 48 samples in the candidate, first 'img/0040'"):
        compare(baseline, part, RULES)
    with pytest.raises(DataError, match="lacks 8 of 48 samples in the baseline, first 'img/0040'"):
        compare(part, baseline, RULES)
    with pytest.raises(IncompleteError, match="40 of 48 samples were taken"):
        check_complete(baseline, part, RULES)


def test_another_grouping_of_the_same_files_is_refused(baseline, record):
    with pytest.raises(DataError, match=r"'img/0000' is in category 'glass' of .* and in 'hair'"):
        compare(baseline, record("other", regrouped=True), RULES)


def test_a_metric_that_one_record_lacks_is_left_out_with_its_reason_and_the_gate_refuses(baseline, record):
    lacking = record("lacking", unavailable=("lpips-rand",))
    found = compare(baseline, lacking, RULES)
    assert found.verdict is None
    assert found.left_out["lpips-rand"].startswith("unavailable in the candidate")
    assert metric(found, "psnr").verdict == "ok"
    with pytest.raises(IncompleteError, match=r"lpips-rand is unavailable"):
        check_complete(baseline, lacking, RULES)
    with pytest.raises(IncompleteError, match="the baseline"):
        check_complete(lacking, baseline, RULES)


def test_the_signature_names_gate_draws_and_seed(baseline):
    found = compare(baseline, baseline, RULES)
    assert found.signature == f"{baseline.signature}|gate:1|bs:10000|seed:12345"
