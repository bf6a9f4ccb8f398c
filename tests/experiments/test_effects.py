"""Paired differences, their intervals over seeds and samples, and what they are called."""

import numpy as np
import pytest
from scipy import stats

from alphabench.errors import DataError
from alphabench.experiments.effects import (
    effects_of,
    interval_over,
    interval_over_seeds,
    two_level_draws,
    verdict_of,
)
from alphabench.experiments.jobs import Outcome
from alphabench.experiments.judging import Row


def _outcome(measure: str, values: list[float], **numbers: float) -> Outcome:
    return Outcome(tuple(Row("set", f"s{i}", "all", measure, value) for i, value in enumerate(values)), numbers)


def test_the_variance_of_the_draws_is_that_of_an_additive_table() -> None:
    """For d = a_seed + b_sample the mean's unbiased variance is var(a)/S + var(b)/N."""
    rng = np.random.default_rng(1)
    seeds, samples = rng.normal(0, 0.7, 5), rng.normal(0, 2.0, 40)
    drawn = two_level_draws(seeds[:, None] + samples[None], draws=20_000)
    wanted = seeds.var(ddof=1) / 5 + samples.var(ddof=1) / 40
    assert drawn.var() == pytest.approx(wanted, rel=0.05)
    assert drawn.mean() == pytest.approx(seeds.mean() + samples.mean(), abs=0.02)


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    bounds = interval_over(np.full((3, 10), 0.25))
    assert bounds == pytest.approx((0.25, 0.25))


def test_one_seed_leaves_the_samples_alone_and_one_of_each_leaves_nothing() -> None:
    values = np.random.default_rng(0).normal(1, 1, (1, 30))
    bounds = interval_over(values)
    assert bounds is not None
    assert bounds[0] < 1 < bounds[1]
    assert interval_over(np.ones((1, 1))) is None
    assert interval_over_seeds(np.ones(1)) is None


def test_the_interval_over_seeds_is_students() -> None:
    means = np.array([0.1, 0.4, 0.2])
    low, high = interval_over_seeds(means) or (0.0, 0.0)
    wanted = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((wanted.low, wanted.high))


def test_about_nineteen_intervals_of_twenty_hold_the_truth_with_five_seeds() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(150):
        table = rng.normal(0, 0.3, (5, 1)) + rng.normal(0, 1.0, (1, 24)) + rng.normal(0, 0.5, (5, 24))
        low, high = np.percentile(two_level_draws(table, draws=1000, seed=trial), [2.5, 97.5])
        hits += low <= 0 <= high
    assert 0.85 < hits / 150 < 0.995


@pytest.mark.parametrize(
    ("measure", "bounds", "verdict"),
    [
        ("psnr", (0.1, 0.3), "better"),
        ("psnr", (-0.3, -0.1), "worse"),
        ("mad", (0.1, 0.3), "worse"),
        ("mad", (-0.3, -0.1), "better"),
        ("colour_bias", (0.1, 0.3), "higher"),
        ("alpha_bias", (-0.3, -0.1), "lower"),
        ("psnr", (-0.1, 0.3), "no difference shown"),
        ("psnr", None, "no difference shown"),
    ],
)
def test_verdicts_follow_the_direction(measure: str, bounds: tuple[float, float] | None, verdict: str) -> None:
    assert verdict_of(measure, bounds) == verdict


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        (((0.1, 0.3), (0.05, 0.35)), "better"),
        (((0.1, 0.3), (-0.2, 0.6)), "no difference shown"),  # the seeds alone do not show it
        (((-0.1, 0.5), (0.1, 0.3)), "no difference shown"),  # nor do the images
        (((0.1, 0.3), (-0.3, -0.1)), "no difference shown"),
        (((-0.3, -0.1), None), "worse"),  # one seed
        ((None, (-0.3, -0.1)), "worse"),  # a number of the whole run
        ((None, None), "no difference shown"),
    ],
)
def test_a_difference_is_shown_where_every_interval_excludes_zero(
    intervals: tuple[tuple[float, float] | None, ...], verdict: str
) -> None:
    assert verdict_of("psnr", *intervals) == verdict


def test_three_seeds_that_disagree_show_nothing_however_many_images_there_are() -> None:
    """Each seed moves all its images alike: the images add no knowledge of the seeds."""
    base = {seed: _outcome("psnr", [30.0] * 40) for seed in (1, 2, 3)}
    arm = {seed: _outcome("psnr", [30.0 + change] * 40) for seed, change in ((1, 0.1), (2, 0.5), (3, 0.9))}
    (effect,) = effects_of("arm", "base", arm, base)
    assert effect.low is not None
    assert effect.low > 0
    assert effect.seed_low is not None
    assert effect.seed_low < 0
    assert effect.verdict == "no difference shown"


def test_verdicts_of_nothing_are_rarely_given_with_three_seeds() -> None:
    """The bootstrap alone errs in more than one of twenty; both intervals together do not."""
    rng = np.random.default_rng(4)
    shown, alone = 0, 0
    for _ in range(200):
        table = rng.normal(0, 0.3, (3, 1)) + rng.normal(0, 1.0, (1, 24)) + rng.normal(0, 0.5, (3, 24))
        bounds = interval_over(table)
        shown += verdict_of("psnr", bounds, interval_over_seeds(table.mean(1))) != "no difference shown"
        alone += verdict_of("psnr", bounds) != "no difference shown"
    assert shown <= alone
    assert shown / 200 < 0.05


def test_pairs_are_of_equal_seed_and_sample() -> None:
    """Samples differ by 20 dB, arms by 1: unpaired, the interval would hold 0."""
    base = {seed: _outcome("psnr", [20.0, 30.0, 40.0]) for seed in (1, 2)}
    arm = {seed: _outcome("psnr", [21.0, 31.0, 41.0]) for seed in (1, 2)}
    (effect,) = effects_of("arm", "base", arm, base)
    assert (effect.value, effect.reference, effect.difference) == (31.0, 30.0, 1.0)
    assert (effect.low, effect.high, effect.verdict) == (pytest.approx(1.0), pytest.approx(1.0), "better")
    assert (effect.seeds, effect.samples, effect.seed_spread) == ((1, 2), 3, 0.0)


def test_seeds_that_only_one_arm_has_are_left_out() -> None:
    base = {1: _outcome("psnr", [1.0, 2.0]), 2: _outcome("psnr", [9.0, 9.0])}
    (effect,) = effects_of("arm", "base", {1: _outcome("psnr", [2.0, 3.0])}, base)
    assert effect.seeds == (1,)
    assert effect.difference == 1.0
    with pytest.raises(DataError, match="no seed in common"):
        effects_of("arm", "base", {3: base[1]}, base)


def test_numbers_of_a_run_are_judged_over_seeds() -> None:
    base = {seed: _outcome("psnr", [1.0, 2.0], latent_std=1.0 + seed / 100) for seed in (1, 2, 3)}
    arm = {seed: _outcome("psnr", [1.0, 2.0], latent_std=2.0 + seed / 100) for seed in (1, 2, 3)}
    effect = effects_of("arm", "base", arm, base)[-1]
    assert (effect.judged, effect.measure, effect.samples) == ("run", "latent_std", 0)
    assert effect.low is None
    assert effect.verdict == "higher"
