"""How often the gate is wrong: simulated images with nine backgrounds each, six equal categories.

Between images the difference spreads by 0.5 dB, within an image by 0.3 dB; the margin is 0.1 dB. The draws
do not depend on the true difference, so one simulation serves every one of them.
"""

from collections import Counter

import numpy as np
import pytest

from alphabench.results.intervals import resample
from alphabench.results.verdicts import metric_verdict

BACKGROUNDS, MARGIN, DRAWS = 9, 0.1, 2_000


def simulate(images, runs, seed):
    """Return differences by image and background, `(run, image, background)`."""
    random = np.random.default_rng(seed)
    between = random.normal(0, 0.5, (runs, images, 1))
    return between + random.normal(0, 0.3, (runs, images, BACKGROUNDS))


def bounds(values):
    """Return the bounds of each run's interval; images lie in six equal categories."""
    categories = [f"c{index % 6}" for index in range(values.shape[1])]
    drawn = resample(categories, values, draws=DRAWS, each_category=False)
    return np.percentile(drawn.macro, [2.5, 97.5], axis=1)


def shares(low, high, effect):
    """Return the share of each verdict at a true difference."""
    counts = Counter(metric_verdict(a, b, MARGIN) for a, b in zip(low + effect, high + effect, strict=True))
    return Counter({verdict: count / len(low) for verdict, count in counts.items()})


@pytest.fixture(scope="module")
def forty_eight():
    return simulate(48, 1_000, seed=11)


def test_on_48_images_false_alarms_are_rare_and_a_fifth_of_a_decibel_is_found(forty_eight):
    low, high = bounds(forty_eight.mean(axis=2))
    nothing = shares(low, high, 0.0)
    assert np.mean(high < 0) <= 0.045
    assert np.mean(low > 0) <= 0.045
    assert nothing["regression"] <= 0.045
    assert nothing["improvement"] <= 0.045
    assert nothing["inconclusive"] > 0.5
    assert 0.72 <= shares(low, high, -0.2)["regression"] <= 0.82


def test_backgrounds_taken_as_replicates_cry_wolf(forty_eight):
    values = forty_eight[:400]
    pairs = values.transpose(0, 2, 1).reshape(len(values), -1)  # six divides 48, so categories stay in step
    _, high = bounds(pairs)
    assert np.mean(high < 0) >= 0.18


def test_on_402_images_a_tenth_of_a_decibel_is_found_and_nothing_is_ok():
    low, high = bounds(simulate(402, 400, seed=13).mean(axis=2))
    nothing = shares(low, high, 0.0)
    assert nothing["ok"] + nothing["improvement"] >= 0.93
    assert shares(low, high, -0.1)["regression"] >= 0.95
    assert shares(low, high, -0.2)["regression"] == 1.0
