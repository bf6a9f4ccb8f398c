"""The stratified bootstrap, against closed forms, the analytic error and SciPy."""

import time

import numpy as np
import pytest
from scipy import stats

from alphabench.results import intervals
from alphabench.results.intervals import interval, resample

A = [-0.30, 0.10, 0.05, -0.20]
B = [0.40, 0.15, -0.05, 0.25, 0.00, 0.35, -0.10, 0.20]


def test_two_categories_have_the_analytic_standard_error():
    drawn = resample(["a"] * 4 + ["b"] * 8, np.array([A + B]))
    macro = (np.mean(A) + np.mean(B)) / 2
    assert macro == pytest.approx(0.03125)
    analytic = np.sqrt(np.var(A, ddof=1) / 4 + np.var(B, ddof=1) / 8) / 2
    assert analytic == pytest.approx(0.058328, abs=1e-6)
    assert drawn.macro.std() == pytest.approx(0.05825, rel=0.02)
    found = interval(macro, drawn.macro[0])
    assert found["low"] == pytest.approx(-0.0810, abs=0.009)
    assert found["high"] == pytest.approx(0.1417, abs=0.009)
    assert (found["level"], found["method"]) == (0.95, "bootstrap-percentile-image-stratified")
    assert drawn.categories["a"].std() == pytest.approx(np.std(A, ddof=1) / 2, rel=0.03)


def test_one_category_agrees_with_scipy():
    values = np.random.default_rng(1).gamma(2.0, 1.0, 402)
    drawn = resample(["c"] * 402, values[None])
    ours = interval(values.mean(), drawn.macro[0])
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2))
    error = values.std(ddof=1) / np.sqrt(402)
    assert ours["low"] == pytest.approx(theirs.confidence_interval.low, abs=0.15 * error)
    assert ours["high"] == pytest.approx(theirs.confidence_interval.high, abs=0.15 * error)


def test_a_large_table_takes_seconds():
    values = np.random.default_rng(1).normal(size=(6, 402))
    started = time.perf_counter()
    resample([f"c{index % 7}" for index in range(402)], values)
    assert time.perf_counter() - started < 10


def test_equal_values_have_an_interval_of_one_point():
    drawn = resample(["a", "a", "b", "b"], np.full((1, 4), 0.1))
    found = interval(0.1, drawn.macro[0])
    assert found["low"] == pytest.approx(0.1, abs=1e-15)
    assert found["low"] <= 0.1 <= found["high"]


def test_every_column_sees_the_same_images():
    values = np.random.default_rng(3).normal(size=20)
    categories = ["a"] * 8 + ["b"] * 12
    drawn = resample(categories, np.stack([values, 2 * values + 1]), draws=300)
    np.testing.assert_allclose(drawn.macro[1], 2 * drawn.macro[0] + 1)
    alone = resample(categories, values[None], draws=300)
    np.testing.assert_array_equal(alone.macro[0], drawn.macro[0])


def test_chunks_change_no_bit(monkeypatch):
    values = np.random.default_rng(3).normal(size=(2, 20))
    categories = ["a"] * 8 + ["b"] * 12
    whole = resample(categories, values, draws=301)
    monkeypatch.setattr(intervals, "CHUNK_BYTES", 2_000)
    np.testing.assert_array_equal(resample(categories, values, draws=301).macro, whole.macro)


def test_categories_of_one_image_are_drawn_together():
    values = np.array([1.0, 5.0, 2.0, 4.0, 9.0])
    drawn = resample(["a", "b", "c", "c", "c"], values[None], draws=4_000)
    assert set(drawn.categories) == {"c"}
    assert drawn.macro.mean() == pytest.approx((1 + 5 + 5) / 3, abs=0.1)
    pair = np.array([1.0, 5.0])
    expected = (2 * pair.var(ddof=1) + values[2:].var(ddof=1) / 3) / 9
    assert drawn.macro.var() == pytest.approx(expected, rel=0.1)


def test_a_single_category_of_one_joins_the_smallest_other():
    values = np.array([[7.0, 1.0, 3.0, 2.0, 4.0, 6.0]])
    drawn = resample(["z", "b", "b", "a", "a", "a"], values, draws=4_000)
    assert set(drawn.categories) == {"a", "b"}
    assert drawn.macro.mean() == pytest.approx((7 + 2 + 4) / 3, abs=0.1)


def test_one_image_has_no_interval():
    assert resample(["a"], np.array([[1.0]])) is None
    assert resample([], np.empty((1, 0))) is None
