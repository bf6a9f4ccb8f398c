"""The averages of the AlphaVAE scripts, rounding included."""

import numpy as np
import pytest

from alphabench.protocols import load_protocol
from alphabench.results.aggregate import aggregate
from alphabench.results.paper_average import (
    category_weights,
    leaf_mean,
    paper_aggregates,
    round_numpy,
    round_python,
    weighted_category_mean,
)


@pytest.fixture(scope="module")
def paper():
    return load_protocol("alpha-paper@1")


def find(entries, view, category=None):
    (found,) = (entry["value"] for entry in entries if (entry["view"], entry.get("category")) == (view, category))
    return found


@pytest.mark.parametrize(("value", "as_numpy", "as_python"), [(0.12345, 0.1234, 0.1235), (2.67505, 2.675, 2.6751)])
def test_numpy_and_python_round_some_values_differently(value, as_numpy, as_python):
    assert round_numpy(value, 4) == as_numpy == round(np.float64(value), 4)
    assert round_python(value, 4) == as_python


def test_leaves_are_rounded_and_weigh_the_same(paper):
    leaves = {"a1": "s/a", "a2": "s/a", "a3": "s/a", "b1": "s/b"}
    values = {"a1": 30.0, "a2": 31.0, "a3": 32.00015, "b1": 20.0}
    views = dict.fromkeys(paper.metric_views("psnr_eps8"), values)
    entries = paper_aggregates(paper, "psnr_eps8", leaves, views)
    assert leaf_mean([30.0, 31.0, 32.00015], 4) == 31.0
    assert find(entries, "composite/gray", "s/a") == 31.0
    assert find(entries, "composite/gray", "s/b") == 20.0
    assert find(entries, "composite/gray", "s") == 25.5
    assert find(entries, "composite/gray") == 25.5
    assert np.mean(list(values.values())) == pytest.approx(28.2500375, abs=1e-12)


def test_colours_are_averaged_from_rounded_values_without_rounding_again(paper):
    leaves = {"x": "s/a", "y": "t/a"}
    views = {
        view: {"x": 1.00004 + index, "y": 2.0 + index} for index, view in enumerate(paper.metric_views("psnr_eps8"))
    }
    entries = paper_aggregates(paper, "psnr_eps8", leaves, views)
    assert find(entries, "composite/gray", "s") == 1.0
    assert find(entries, "composite/gray") == 1.5
    assert find(entries, "composite/mean9", "s") == pytest.approx(5.0, abs=1e-12)
    assert find(entries, "composite/mean9") == pytest.approx(5.5, abs=1e-12)
    assert find(entries, "straight-rgb-noalpha", "s") == 10.0
    views["composite/gray"]["x"] = 1.0001
    again = paper_aggregates(paper, "psnr_eps8", leaves, views)
    assert find(again, "composite/mean9", "s") == pytest.approx(5 + 0.0001 / 9, abs=1e-12)


def test_fid_is_rounded_by_pythons_rule(paper):
    views = {view: {"s/a": 2.67505, "s/b": 1.0} for view in paper.metric_views("fid")}
    entries = paper_aggregates(paper, "fid", {"s/a": 3, "s/b": 2}, views)
    assert find(entries, "set/gray", "s/a") == 2.6751
    assert find(entries, "set/gray", "s") == round(3.6751 / 2, 4)
    assert find(entries, "set/straight-rgb-noalpha", "s/a") == 2.6751
    assert {entry["n"] for entry in entries if entry["scope"] == "macro"} == {5}


def paper_rows(paper, values):
    return [
        (sample, leaf, view, "psnr_eps8", number)
        for sample, (leaf, number) in values.items()
        if number is not None
        for view in paper.metric_views("psnr_eps8")
    ]


def test_a_skipped_leaf_loses_its_weight_and_the_metric_stays_ok(paper):
    values = {"s/a/1": ("s/a", 30.0), "s/b/1": ("s/b", None), "t/c/1": ("t/c", 20.0)}
    rows = paper_rows(paper, values)
    absent = [("s/b/1", view, "psnr_eps8") for view in paper.metric_views("psnr_eps8")]
    other = {name: "not computed" for name in paper.metrics if name not in {"psnr_eps8", "fid"}}
    samples = [(sample, leaf) for sample, (leaf, _) in values.items()]
    colours = [view.removeprefix("set/") for view in paper.metric_views("fid")]
    fid = {leaf: dict.fromkeys(colours, 4.0) for leaf in ("s/a", "t/c")}
    metrics = aggregate(paper, samples, rows, absent, set_values={"fid": fid}, failed=other)
    psnr, *_, distance = metrics
    assert (psnr["state"], distance["state"]) == ("ok", "ok")
    assert find(psnr["aggregates"], "composite/mean9") == 25.0
    assert find(psnr["aggregates"], "composite/mean9", "s") == 30.0
    assert find(distance["aggregates"], "set/mean9") == 4.0
    assert not any("interval" in entry for entry in psnr["aggregates"])


def test_a_leaf_without_covariance_makes_fid_unavailable(paper):
    samples = [("s/a/1", "s/a")]
    colours = [view.removeprefix("set/") for view in paper.metric_views("fid")]
    values = {"fid": {"s/a": dict.fromkeys(colours, "one image has no covariance")}}
    metrics = aggregate(paper, samples, [], [], set_values=values)
    assert metrics[-1]["state"] == "unavailable"
    assert "covariance" in metrics[-1]["reason"]


def test_no_leaf_at_all_is_a_failure_not_a_zero(paper):
    absent = [("s/a/1", view, "psnr_eps8") for view in paper.metric_views("psnr_eps8")]
    metrics = aggregate(paper, [("s/a/1", "s/a")], [], absent)
    assert metrics[0]["state"] == "failed"
    assert "skipped" in metrics[0]["reason"]
    assert metrics[-1] | {"state": "failed", "reason": "no value was computed"} == metrics[-1]


SEVEN = ("animal", "fruit", "furniture", "plant", "portrait", "toy", "transparent")


def test_mixed_weighs_as_much_as_the_seven_other_categories() -> None:
    weights = category_weights([*SEVEN, "mixed"])
    assert weights["mixed"] == pytest.approx(0.5)
    assert weights["animal"] == pytest.approx(0.0714286, abs=1e-7)
    assert sum(weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(("categories", "expected"), [((*SEVEN, "mixed"), 15.0), (SEVEN, 20.0), (("mixed",), 10.0)])
def test_the_weighted_mean_of_categories_is_normalised_by_those_present(
    categories: tuple[str, ...], expected: float
) -> None:
    values = {category: 10.0 if category == "mixed" else 20.0 for category in categories}
    assert weighted_category_mean(values, 4) == expected
