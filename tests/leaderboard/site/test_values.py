"""The numbers behind a record's page."""

import math
import statistics

import numpy as np
import pytest

from alphabench.leaderboard.site.record_page import cards, difference, distribution, heat_maps
from alphabench.leaderboard.site.values import SampleValues, picks, read_values, sample_values
from alphabench.leaderboard.site.viewer import fewer


def made(values, categories=None, higher=True):
    categories = categories or dict.fromkeys(values, "all")
    return SampleValues(
        categories=dict(sorted(categories.items())),
        columns={"psnr": {"composite/mean9": values}},
        headlines={"psnr": "composite/mean9"},
        higher_is_better={"psnr": higher},
        primary="psnr",
    )


def test_a_record_is_read_with_the_means_that_it_states(store):
    record, values = read_values(store.first.path)
    assert record.id == store.first.id
    assert values.primary == "psnr"
    assert next(iter(values.columns["psnr"])) == "composite/mean9"
    for metric in values.columns:
        groups: dict[str, list[float]] = {}
        for sample, value in values.headline(metric).items():
            groups.setdefault(values.categories[sample], []).append(value)
        mean = statistics.fmean(statistics.fmean(members) for members in groups.values())
        assert mean == pytest.approx(store.first.aggregates[metric]["value"], rel=1e-9)


def test_the_worst_the_median_and_the_best_are_picked():
    values = made({f"s{index:02d}": float(index) for index in range(30)})
    chosen = picks(values, 6)
    assert [(pick.sample, pick.place) for pick in chosen] == [
        ("s00", "worst"),
        ("s01", "worst"),
        ("s14", "median"),
        ("s15", "median"),
        ("s28", "best"),
        ("s29", "best"),
    ]
    lower = picks(made({f"s{index:02d}": float(index) for index in range(30)}, higher=False), 6)
    assert [pick.sample for pick in lower][:2] == ["s29", "s28"]


def test_fewer_samples_keep_the_extremes_and_the_middle():
    chosen = picks(made({f"s{index:02d}": float(index) for index in range(48)}), 24)
    assert [pick.sample for pick in fewer(chosen, 6)] == ["s00", "s01", "s23", "s24", "s46", "s47"]
    assert len(fewer(chosen, 24)) == 24
    assert fewer(chosen, 0) == ()


def test_a_difference_is_the_paired_one_with_its_closed_form_error():
    # Two categories: gains 1, 3 and 2, 2, 5. Mean of means (2 + 3) / 2; variances 2 / 2 and 3 / 3.
    gains = {"a0": 1.0, "a1": 3.0, "b0": 2.0, "b1": 2.0, "b2": 5.0}
    categories = {name: name[0] for name in gains}
    other = made(dict.fromkeys(gains, 30.0), categories)
    found, note = difference(made({name: 30 + gain for name, gain in gains.items()}, categories), other, ["psnr"])
    assert note == ""
    half = 1.959963984540054 * math.sqrt(2 / 2 + 3 / 3) / 2
    assert found[0].gain == pytest.approx(2.5)
    assert (found[0].low, found[0].high) == pytest.approx((2.5 - half, 2.5 + half))
    assert found[0].n == 5
    swapped, _ = difference(other, made({name: 30 + gain for name, gain in gains.items()}, categories), ["psnr"])
    assert swapped[0].gain == pytest.approx(-2.5)


def test_a_difference_over_other_images_is_not_given():
    found, note = difference(made({"a": 1.0, "b": 2.0}), made({"a": 1.0, "c": 2.0}), ["psnr"])
    assert found == []
    assert "other images" in note


def test_heat_maps_show_the_means_that_the_record_states(store):
    chart = next(item for item in heat_maps(store.first) if item.name == "heat-psnr")
    stated = {
        (entry["category"], entry["view"].partition("/")[2]): entry["value"]
        for entry in next(m for m in store.first.document["metrics"] if m["name"] == "psnr")["aggregates"]
        if entry["scope"] == "category" and entry["view"].startswith("composite/")
    }
    cells = chart.document["data"]["values"]
    assert len(cells) == 6 * 13
    for cell in cells:
        assert cell["value"] == pytest.approx(stated[cell["category"], cell["background"]], rel=1e-5)
    assert len(chart.rows) == 6
    assert all(len(row) == len(chart.head) == 14 for row in chart.rows)


def test_the_distribution_has_every_image_and_the_quartiles(store):
    values = sample_values(store.first)
    chart = distribution(values)
    assert chart is not None
    assert len(chart.document["data"]["values"]) == 12
    group = [value for name, value in values.headline("psnr").items() if values.categories[name] == "glass"]
    row = next(row for row in chart.rows if row[0] == "glass")
    assert row[1] == "2"
    assert [float(cell) for cell in row[2:]] == pytest.approx(np.percentile(group, [0, 25, 50, 75, 100]), abs=6e-4)
    assert f"{statistics.median(group):.3f}" in chart.rows[0]


def test_cards_are_the_headline_means(store):
    found = {card.column.metric: card.value for card in cards(store.first, ["psnr", "sad"])}
    assert found == {name: store.first.aggregates[name]["value"] for name in ("psnr", "sad")}
