"""The one averaging rule, against cases solved by hand."""

import itertools
import math
import random
from dataclasses import dataclass

import numpy as np
import pytest

from alphabench.metrics.catalog import CATALOG
from alphabench.protocols import load_protocol
from alphabench.results.aggregate import aggregate, headline_aggregates

SAD = {"version": 1, "views": ["alpha"]}
UNKNOWN = {"version": 1, "views": ["alpha"], "partial": ["alpha"]}
PSNR = {"version": 1, "views": ["composite", "straight-rgb"], "partial": ["straight-rgb"]}
RAND = "a10556d04bb4be21c8725c32e1df9346d0803faf43ddc7baecadb1a7dbb3b925"


@dataclass(frozen=True)
class Lacking:
    reason: str
    remedy: str


def sad_rows(values):
    return [
        (f"{category}{index}", category, "alpha", "sad", value)
        for category, numbers in values.items()
        for index, value in enumerate(numbers)
    ]


def names(rows):
    return list({row[0]: (row[0], row[1]) for row in rows}.values())


def entry(metric, view, scope="macro", category=None):
    (found,) = (
        item
        for item in metric["aggregates"]
        if (item["view"], item["scope"], item.get("category")) == (view, scope, category)
    )
    return found


def test_the_macro_mean_weighs_categories_not_samples(small):
    rows = sad_rows({"glass": [30.0, 32.0], "hair": [40.0]})
    (metric,) = aggregate(small.protocol(sad=SAD), names(rows), rows, [])
    assert entry(metric, "alpha")["value"] == 35.5
    assert entry(metric, "alpha")["n"] == 3
    assert entry(metric, "alpha", "micro")["value"] == 34.0
    assert entry(metric, "alpha", "category", "glass") == {
        "view": "alpha",
        "scope": "category",
        "category": "glass",
        "value": 31.0,
        "n": 2,
        "interval": entry(metric, "alpha", "category", "glass")["interval"],
    }
    assert "interval" not in entry(metric, "alpha", "category", "hair")
    assert "interval" not in entry(metric, "alpha", "micro")
    assert metric["rows"] == {"expected": 3, "present": 3, "not_applicable": 0}
    assert (metric["name"], metric["unit"], metric["kind"]) == ("sad", CATALOG["sad"].unit, "sample")


def test_no_order_of_rows_or_samples_moves_a_bit(small):
    values = {name: [random.Random(name).gauss(0, 1) * 10**power for power in range(-6, 7)] for name in "abc"}
    rows = sad_rows(values)
    wanted = aggregate(small.protocol(sad=SAD), names(rows), rows, [], draws=200)
    dice = random.Random(3)
    for _ in range(5):
        shuffled, listed = list(rows), names(rows)
        dice.shuffle(shuffled)
        dice.shuffle(listed)
        assert aggregate(small.protocol(sad=SAD), listed, shuffled, [], draws=200) == wanted


def psnr_rows(values):
    """Return rows from `{sample: (category, gray, black, straight)}`; None for no value."""
    rows, absent = [], []
    for sample, (category, *numbers) in values.items():
        for view, value in zip(("composite/gray", "composite/black", "straight-rgb"), numbers, strict=True):
            if value is None:
                absent.append((sample, view, "psnr"))
            else:
                rows.append((sample, category, view, "psnr", value))
    return rows, absent


def test_a_cap_acts_in_the_mean_and_is_counted(small):
    rows, absent = psnr_rows({"a": ("c", math.inf, 30.0, math.inf), "b": ("c", 40.0, 40.0, 120.0)})
    (metric,) = aggregate(small.protocol(psnr=PSNR), names(rows), rows, absent)
    gray = entry(metric, "composite/gray", "category", "c")
    assert (gray["value"], gray["capped"]) == (70.0, 1)
    mean = entry(metric, "composite/mean2")
    assert (mean["value"], mean["capped"], mean["n"]) == ((65 + 40) / 2, 1, 2)
    assert entry(metric, "composite/black")["capped"] == 0
    assert entry(metric, "straight-rgb")["capped"] == 2
    assert entry(metric, "straight-rgb")["value"] == 100.0


def test_the_mean_over_backgrounds_needs_all_of_them(small):
    strict = {"version": 1, "views": ["composite"]}
    rows, absent = psnr_rows({"a": ("c", 20.0, None, 1.0), "b": ("c", 40.0, 60.0, 1.0)})
    rows = [row for row in rows if row[2] != "straight-rgb"]
    (metric,) = aggregate(small.protocol(psnr=strict), names(rows), rows, absent)
    assert entry(metric, "composite/gray")["value"] == 30.0
    assert entry(metric, "composite/mean2")["value"] == 50.0
    assert entry(metric, "composite/mean2")["n"] == 1


def test_an_empty_category_fails_the_metric_and_is_named(small):
    rows = sad_rows({"hair": [1.0, 2.0]})
    samples = [*names(rows), ("glass0", "glass"), ("glass1", "glass")]
    absent = [("glass0", "alpha", "sad"), ("glass1", "alpha", "sad")]
    (metric,) = aggregate(small.protocol(sad=SAD), samples, rows, absent)
    assert metric["state"] == "failed"
    assert "category 'glass' has 0 of 2 values" in metric["reason"]
    assert "aggregates" not in metric
    assert metric["rows"] == {"expected": 4, "present": 2, "not_applicable": 2}


def test_a_partial_metric_leaves_the_empty_category_out(small):
    rows = [(f"h{index}", "hair", "alpha", "sad_unknown", value) for index, value in enumerate([1.0, 2.0])]
    samples = [*names(rows), ("g", "glass")]
    (metric,) = aggregate(small.protocol(sad_unknown=UNKNOWN), samples, rows, [("g", "alpha", "sad_unknown")])
    assert metric["state"] == "ok"
    assert entry(metric, "alpha")["value"] == 1.5
    assert entry(metric, "alpha")["n"] == 2
    assert [item["scope"] for item in metric["aggregates"]] == ["macro", "micro", "category"]


def test_a_partial_view_without_any_value_is_left_out_and_the_metric_stays(small):
    rows, absent = psnr_rows({"a": ("c", 20.0, 30.0, None), "b": ("d", 40.0, 50.0, None)})
    (metric,) = aggregate(small.protocol(psnr=PSNR), names(rows), rows, absent)
    assert metric["state"] == "ok"
    assert "straight-rgb" not in {item["view"] for item in metric["aggregates"]}


def test_a_metric_that_applies_to_no_sample_is_unavailable(small):
    absent = [("a", "alpha", "sad_unknown")]
    (metric,) = aggregate(small.protocol(sad_unknown=UNKNOWN), [("a", "c")], [], absent)
    assert metric["state"] == "unavailable"
    assert "does not apply to any of the 1 samples" in metric["reason"]
    assert "sad_unknown" in metric["remedy"]


def test_missing_rows_fail_the_metric(small):
    rows = sad_rows({"c": [1.0, 2.0, 3.0]})
    (metric,) = aggregate(small.protocol(sad=SAD), names(rows), rows[1:], [])
    assert metric["state"] == "failed"
    assert metric["reason"] == "1 of 3 values are missing"


def test_states_given_from_outside_stand(small):
    protocol = small.protocol(sad=SAD, psnr=PSNR)
    metrics = aggregate(
        protocol,
        [("a", "c")],
        [],
        [],
        unavailable={"psnr": Lacking("no weights", "Run: fetch")},
        failed={"sad": "an exception"},
    )
    assert [(metric["name"], metric["state"], metric["reason"]) for metric in metrics] == [
        ("psnr", "unavailable", "no weights"),
        ("sad", "failed", "an exception"),
    ]
    assert metrics[0]["remedy"] == "Run: fetch"


def set_protocol(small, scope):
    return small.protocol(**{"rfid-rand": {"version": 1, "views": ["set"], "weights_sha256": RAND, "scope": scope}})


SAMPLES = [("a", "c"), ("b", "c"), ("e", "d")]


def test_set_metrics_are_averaged_over_backgrounds_then_categories(small):
    values = {"rfid-rand": {"c": {"gray": 1.0, "black": 3.0}, "d": {"gray": 10.0, "black": 20.0}}}
    (metric,) = aggregate(set_protocol(small, "category"), SAMPLES, [], [], set_values=values)
    assert metric["state"] == "ok"
    assert entry(metric, "set/mean2")["value"] == (2.0 + 15.0) / 2
    assert entry(metric, "set/gray")["value"] == 5.5
    assert entry(metric, "set/mean2", "category", "d")["value"] == 15.0
    assert entry(metric, "set/mean2", "category", "c")["n"] == 2
    assert all("interval" not in item for item in metric["aggregates"])
    assert "micro" not in {item["scope"] for item in metric["aggregates"]}


def test_one_set_of_all_images_has_macro_values_only(small):
    values = {"rfid-rand": {"all": {"gray": 1.0, "black": 4.0}}}
    (metric,) = aggregate(set_protocol(small, "all"), SAMPLES, [], [], set_values=values)
    assert [(item["view"], item["value"], item["n"]) for item in metric["aggregates"]] == [
        ("set/mean2", 2.5, 3),
        ("set/gray", 1.0, 3),
        ("set/black", 4.0, 3),
    ]


@pytest.mark.parametrize(
    ("values", "state", "reason"),
    [
        (None, "failed", "no value was computed for 'c' on 'gray'"),
        ({"c": {"gray": 1.0, "black": 1.0}}, "failed", "for 'd' on 'gray'"),
        (
            {"c": {"gray": 1.0, "black": 1.0}, "d": {"gray": "1 image", "black": "1 image"}},
            "unavailable",
            "'d': 1 image",
        ),
        (
            {"c": {"gray": 1.0, "black": math.nan}, "d": {"gray": 1.0, "black": 1.0}},
            "failed",
            "is not finite",
        ),
    ],
)
def test_a_group_without_value_is_never_a_smaller_mean(small, values, state, reason):
    given = None if values is None else {"rfid-rand": values}
    (metric,) = aggregate(set_protocol(small, "category"), SAMPLES, [], [], set_values=given)
    assert metric["state"] == state
    assert reason in metric["reason"]
    assert "aggregates" not in metric
    assert (state == "unavailable") == ("remedy" in metric)


def test_headlines_have_no_number_where_the_metric_has_none(small):
    protocol = small.protocol(sad=SAD, psnr=PSNR)
    rows = sad_rows({"c": [1.0, 2.0]})
    metrics = aggregate(protocol, names(rows), rows, [], unavailable={"psnr": Lacking("r", "m")})
    assert headline_aggregates({"metrics": metrics}, protocol) == {
        "psnr": {"value": None, "unit": "dB", "n": 0, "state": "unavailable"},
        "sad": {"value": 1.5, "unit": CATALOG["sad"].unit, "n": 2, "state": "ok"},
    }


def test_a_whole_protocol_is_averaged_as_numpy_does_it():
    protocol = load_protocol("alpha-mini")
    generator = np.random.default_rng(5)
    samples = [(f"s{index:02d}", "abcdef"[index // 8]) for index in range(48)]
    table = generator.uniform(10, 50, (48, len(protocol.sample_keys())))
    rows = [
        (sample, category, view, metric, float(table[row, column]))
        for row, (sample, category) in enumerate(samples)
        for column, (view, metric) in enumerate(protocol.sample_keys())
    ]
    metrics = aggregate(protocol, samples, rows, [], draws=200)
    columns = {key: table[:, place] for place, key in enumerate(protocol.sample_keys())}
    for metric in metrics:
        if metric["kind"] == "set":
            assert metric["state"] == "failed"
            continue
        for view in protocol.metric_views(metric["name"]):
            wanted = columns[view, metric["name"]].reshape(6, 8).mean(axis=1).mean()
            assert entry(metric, view)["value"] == pytest.approx(wanted, rel=1e-14)
    psnr = next(metric for metric in metrics if metric["name"] == "psnr")
    nine = np.stack([columns[f"composite/{name}", "psnr"] for name in protocol.backgrounds])
    assert entry(psnr, "composite/mean9")["value"] == pytest.approx(nine.mean(), rel=1e-14)
    assert "interval" in entry(psnr, "composite/mean9")
    assert all("interval" not in item for item in psnr["aggregates"] if item["view"] != "composite/mean9")


def test_headline_rows_follow_the_order_of_the_protocol(small):
    for order in itertools.permutations(["sad", "psnr"]):
        protocol = small.protocol(**{name: {"sad": SAD, "psnr": PSNR}[name] for name in order})
        metrics = aggregate(protocol, [("a", "c")], [], [], failed={"sad": "x", "psnr": "x"})
        assert [metric["name"] for metric in metrics] == ["psnr", "sad"]
