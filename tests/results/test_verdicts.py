"""Verdicts, Holm and the point rule against cases solved by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphabench.results.holm import holm
from alphabench.results.intervals import interval, resample, standard_error
from alphabench.results.margins import Margin, PointRule
from alphabench.results.verdicts import (
    GateEntry,
    detectable_effect,
    gate_verdict,
    images_needed,
    is_close,
    metric_verdict,
    point_verdict,
)

A = [-0.30, 0.10, 0.05, -0.20]
B = [0.40, 0.15, -0.05, 0.25, 0.00, 0.35, -0.10, 0.20]
FID = PointRule(relative=0.02, absolute=1e-3, tiny=1e-6)


def judged(categories, gains, margin, **options):
    means = [np.mean([g for g, c in zip(gains, categories, strict=True) if c == name]) for name in set(categories)]
    found = interval(float(np.mean(means)), resample(categories, np.array([gains])).macro[0])
    return metric_verdict(found["low"], found["high"], margin, **options)


def test_two_unequal_categories_are_ok_at_a_tenth_and_inconclusive_at_half_of_it():
    categories = ["a"] * 4 + ["b"] * 8
    assert standard_error(categories, np.array([A + B]))[0] == pytest.approx(0.058328, abs=1e-6)
    assert judged(categories, A + B, 0.1) == "ok"
    assert judged(categories, A + B, 0.05) == "inconclusive"


@pytest.mark.parametrize(
    ("gain", "verdict", "swapped"),
    [(0.0, "ok", "ok"), (-0.2, "regression", "improvement"), (-0.05, "ok", "improvement"), (0.01, "improvement", "ok")],
)
def test_a_constant_difference_is_judged_by_its_size_alone(gain, verdict, swapped):
    categories = ["a"] * 5 + ["b"] * 7
    assert judged(categories, [gain] * 12, 0.1) == verdict
    assert judged(categories, [-gain] * 12, 0.1) == swapped


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=12), st.floats(0.01, 0.5))
def test_swapping_turns_regressions_into_improvements_and_improvements_into_losses_or_ok(gains, margin):
    low, high = min(gains), max(gains)
    verdict, swapped = metric_verdict(low, high, margin), metric_verdict(-high, -low, margin)
    if verdict == "regression":
        assert swapped == "improvement"
    if verdict == "improvement":
        assert swapped in {"regression", "ok"}


def test_not_significant_is_not_ok():
    assert metric_verdict(-0.3, 0.3, 0.1) == "inconclusive"
    assert metric_verdict(-0.09, 0.3, 0.1) == "ok"
    assert metric_verdict(-0.09, -0.01, 0.1) == "ok"


def test_a_reproduction_fails_in_both_directions():
    assert metric_verdict(-0.05, 0.05, 0.1, same=True) == "ok"
    assert metric_verdict(0.11, 0.2, 0.1, same=True) == "changed"
    assert metric_verdict(-0.2, -0.11, 0.1, same=True) == "changed"
    assert metric_verdict(-0.2, 0.2, 0.1, same=True) == "inconclusive"
    assert metric_verdict(0.01, 0.02, 0.1, same=True) == "ok"


def test_a_bound_near_its_threshold_is_close():
    assert is_close(-0.101, 0.1, 0.1, error=0.05)
    assert is_close(0.001, 0.2, 0.1, error=0.05)
    assert is_close(-0.2, -0.001, 0.1, error=0.05)
    assert not is_close(-0.2, 0.1, 0.1, error=0.05)
    assert not is_close(-0.1, -0.1, 0.1, error=0.0)


def test_holm_is_the_running_maximum_of_the_scaled_p_values():
    adjusted = holm({"d": 0.6, "b": 0.02, "a": 0.005, "c": 0.03})
    assert list(adjusted) == ["d", "b", "a", "c"]
    assert adjusted == pytest.approx({"a": 0.02, "b": 0.06, "c": 0.06, "d": 0.6})
    assert [name for name, p in adjusted.items() if p < 0.025] == ["a"]
    assert holm({}) == {}
    assert holm({"a": 0.7, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_one_open_metric_leaves_the_gate_open_and_one_proved_loss_closes_it():
    ok = [GateEntry(name, "ok", 1.0) for name in ("psnr", "ssim_rgb", "sad")]
    assert gate_verdict([*ok, GateEntry("lpips", "ok", 1.0)], primary="psnr") == "ok"
    assert gate_verdict([*ok, GateEntry("lpips", "inconclusive", 0.4)], primary="psnr") == "inconclusive"
    assert gate_verdict([*ok, GateEntry("lpips", "regression", 0.001)], primary="psnr") == "regression"
    assert gate_verdict([*ok, GateEntry("lpips", "regression", 0.04)], primary="psnr") == "inconclusive"
    assert gate_verdict([*ok, GateEntry("rfid", "regression", None)], primary="psnr") == "regression"
    assert gate_verdict([*ok[1:], GateEntry("psnr", "improvement", 1.0)], primary="psnr") == "improvement"
    assert gate_verdict([*ok, GateEntry("lpips", "improvement", 1.0)], primary="psnr") == "ok"


@pytest.mark.parametrize(
    ("candidate", "verdict", "same"),
    [(10.21, "regression", "changed"), (10.19, "ok", "ok"), (9.81, "ok", "ok"), (9.79, "improvement", "changed")],
)
def test_a_distance_between_sets_is_judged_by_its_point(candidate, verdict, same):
    assert point_verdict(10.0, candidate, FID) == verdict
    assert point_verdict(10.0, candidate, FID, same=True) == same


def test_a_distance_of_almost_nothing_is_judged_absolutely():
    assert point_verdict(0.0, 0.0009, FID) == "ok"
    assert point_verdict(1e-9, 0.0011, FID) == "regression"
    assert point_verdict(-1e-7, -2e-7, FID) == "ok"


def test_the_smallest_detectable_effect_and_the_images_needed_are_those_of_the_worked_example():
    assert detectable_effect(0.0736) == pytest.approx(0.206, abs=5e-4)
    assert images_needed(48, 0.0736, 0.1) == 205
    assert detectable_effect(0.0254) == pytest.approx(0.071, abs=5e-4)


def test_a_relative_margin_has_a_floor():
    assert Margin(0.02, relative=True, floor=1e-3).of(5.0) == pytest.approx(0.1)
    assert Margin(0.02, relative=True, floor=1e-3).of(0.0) == 1e-3
    assert Margin(0.1).of(30.0) == 0.1


def test_the_standard_error_is_the_spread_of_the_draws_with_categories_of_one_image():
    random = np.random.default_rng(5)
    categories = ["a", "b", *["c"] * 9, *["d"] * 4]
    values = random.normal(size=(2, 15))
    drawn = resample(categories, values, draws=20_000, each_category=False)
    np.testing.assert_allclose(standard_error(categories, values), drawn.macro.std(axis=1), rtol=0.02)
    assert drawn.categories == {}
    assert standard_error(["a"], np.array([[1.0]])) is None
