"""Ranks: against hand-solved cases, scipy's tests, and Holm's method one model at a time."""

import numpy as np
import pytest
from scipy import stats

from alphabench.results.holm import holm
from alphabench.results.intervals import standard_error
from alphabench.results.ranks import proved_ranks
from alphabench.results.verdicts import LEVEL


def test_a_model_is_behind_those_alone_that_are_proved_better():
    base = np.random.default_rng(1).normal(30, 5, 48)
    noise = np.random.default_rng(2).normal(0, 0.1, (4, 48))
    values = base + noise + np.array([[3.0], [1.0], [1.001], [0.0]])
    assert proved_ranks(values, ["a", "b"] * 24).tolist() == [1, 2, 2, 4]


def test_equal_models_share_a_rank_and_a_constant_gain_is_proved():
    base = np.random.default_rng(1).normal(30, 5, 12)
    values = np.stack([base, base, base + 0.01, base + 1e-12])
    assert proved_ranks(values, ["a"] * 12).tolist() == [2, 2, 1, 2]


@pytest.mark.parametrize("values", [np.zeros((1, 5)), np.array([[1.0], [2.0]])])
def test_one_model_or_one_image_proves_nothing(values):
    assert set(proved_ranks(values, ["a"] * values.shape[1]).tolist()) == {1}


def test_two_images_prove_little():
    values = np.array([[30.0, 31.0], [28.0, 30.0]])  # differences 2 and 1: t = 3 with one degree of freedom
    assert proved_ranks(values, ["a", "a"]).tolist() == [1, 1]


def test_one_category_is_the_paired_t_test():
    generator = np.random.default_rng(5)
    for _ in range(50):
        pair = generator.normal(0, 1, (2, 9)) + np.array([[0.0], [generator.uniform(0, 2)]])
        p = stats.ttest_rel(pair[1], pair[0], alternative="greater").pvalue
        assert proved_ranks(pair, ["a"] * 9).tolist()[0] == 1 + (p < LEVEL)


def test_many_models_as_one_by_one_with_the_standard_error_of_comparisons_and_holm():
    generator = np.random.default_rng(3)
    categories = ["a"] * 5 + ["b"] * 9 + ["c"] + ["d"] * 3
    values = generator.normal(30, 4, 18) + generator.normal(0, 1, (30, 18)) + generator.normal(0, 1, (30, 1))
    names = sorted(set(categories))
    found = []
    for own in values:
        p = {}
        for index, other in enumerate(values):
            gains = (other - own)[None]
            if other is own or np.array_equal(other, own):
                continue
            mean = np.mean([np.mean(gains[0][[c == name for c in categories]]) for name in names])
            error = standard_error(categories, gains)
            groups = [["a"], ["b"], ["c", "d"]]
            variances, freedom = [], []
            for members in groups:
                chosen = [place for place, name in enumerate(categories) if name in members]
                scaled = gains[0][chosen] / [categories.count(categories[place]) for place in chosen] / len(names)
                variances.append(len(chosen) * np.var(scaled, ddof=1))
                freedom.append(len(chosen) - 1)
            assert error[0] ** 2 == pytest.approx(sum(variances))
            nu = sum(variances) ** 2 / sum(v**2 / f for v, f in zip(variances, freedom, strict=True))
            p[str(index)] = stats.t.sf(mean / error[0], nu) if mean > 0 else 1.0
        found.append(1 + sum(value < LEVEL for value in holm(p).values()))
    ranks = proved_ranks(values, categories).tolist()
    assert ranks == found
    assert len(set(ranks)) > 3


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.4])
def test_pairs_decided_without_their_p_are_decided_as_with_it(spread):
    generator = np.random.default_rng(11)
    values = generator.normal(30, 4, 8) + generator.normal(0, 0.1, (40, 8)) + generator.normal(0, spread, (40, 1))
    ranks = proved_ranks(values, ["a"] * 8)
    for place, own in enumerate(values):
        p = {
            str(other): float(stats.ttest_rel(values[other], own, alternative="greater").pvalue)
            for other in range(len(values))
            if other != place
        }
        assert ranks[place] == 1 + sum(value < LEVEL for value in holm(p).values())
    assert len(set(ranks.tolist())) > (1 if spread > 0.02 else 0)


def test_of_equal_models_few_are_ever_put_behind_another():
    generator = np.random.default_rng(4)
    wrong = 0
    for _ in range(200):
        values = generator.normal(30, 5, 48) + generator.normal(0, 0.5, (6, 48))
        wrong += int((proved_ranks(values, list("abcdef") * 8)[:1] > 1).any())
    assert wrong <= 0.05 * 200  # 2.5 % a model at most, and sampling error


def test_blocks_of_models_do_not_show(monkeypatch):
    values = np.random.default_rng(6).normal(0, 1, (23, 20)) + np.linspace(0, 5, 23)[:, None]
    whole = proved_ranks(values, ["a", "b"] * 10).tolist()
    monkeypatch.setattr("alphabench.results.ranks.BLOCK", 4)
    assert proved_ranks(values, ["a", "b"] * 10).tolist() == whole


def test_near_twins_are_told_apart_by_their_differences():
    base = np.random.default_rng(7).normal(50, 10, 40)
    step = np.random.default_rng(8).normal(2e-7, 1e-8, 40)
    values = np.stack([base, base + step, np.random.default_rng(9).normal(50, 10, 40)])
    assert proved_ranks(values, ["a"] * 40).tolist()[:2] == [2, 1]
