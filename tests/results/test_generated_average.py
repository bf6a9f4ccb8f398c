"""The authors' means of generated images, and which metrics a record of few or odd images does without."""

import pytest

from alphabench.protocols import load_protocol
from alphabench.results.aggregate import aggregate
from alphabench.results.paper_average import OTHERS, generated_aggregates, paper_aggregates, round_python


@pytest.fixture(scope="module")
def paper():
    return load_protocol("alpha-t2i-paper@1")


def find(entries, view, category=None):
    (found,) = (entry for entry in entries if (entry["view"], entry.get("category")) == (view, category))
    return found["value"]


def test_mixed_weighs_as_much_as_all_others_together(paper):
    """Eight categories, `mixed` 10 and the others 20: 0.5 · 10 + 7 · (0.5 / 7) · 20 = 15."""
    values = {category: 10.0 if category == "mixed" else 20.0 for category in paper.reference.categories}
    views = dict.fromkeys(paper.metric_views("fid"), values)
    entries = paper_aggregates(paper, "fid", dict.fromkeys(values, 3), views)
    for view in ("set/gray", "set/mean9", "set/straight-rgb-noalpha"):
        assert find(entries, view) == 15.0
        assert find(entries, view, "mixed") == 10.0
        assert find(entries, view, OTHERS) == 20.0
    macro = next(entry for entry in entries if (entry["view"], entry["scope"]) == ("set/mean9", "macro"))
    assert macro["n"] == 24


def test_categories_are_rounded_by_pythons_rule_and_weigh_whatever_their_size(paper):
    """Gray by hand: animal (1 + 2.00009) / 2 = 1.500045 → 1.5, toy 0.12345 → 0.1235, mixed 3.

    Weighted 0.5 · 3 + 0.25 · 1.5 + 0.25 · 0.1235 = 1.905875 → 1.9059; the others 0.81175 → 0.8117 or 0.8118.
    """
    groups = {"a1": "animal", "a2": "animal", "t": "toy", "m": "mixed"}
    values = {"a1": 1.0, "a2": 2.00009, "t": 0.12345, "m": 3.0}
    entries = generated_aggregates(paper, "clipscore", groups, dict.fromkeys(paper.metric_views("clipscore"), values))
    assert find(entries, "composite/gray", "animal") == 1.5
    assert find(entries, "composite/gray", "toy") == 0.1235
    assert find(entries, "composite/gray") == 1.9059
    assert find(entries, "composite/gray", OTHERS) == round_python((1.5 + 0.1235) / 2, 4)


def test_colours_weigh_the_same_are_not_rounded_again_and_leave_the_view_without_alpha_out(paper):
    groups = {"a": "animal", "m": "mixed"}
    views = {view: {"a": 1.0, "m": 1.0} for view in paper.metric_views("clipscore")}
    views["composite/gray"] = {"a": 1.0002, "m": 1.0}
    views["straight-rgb-noalpha"] = {"a": 50.0, "m": 70.0}
    entries = generated_aggregates(paper, "clipscore", groups, views)
    assert find(entries, "composite/gray") == 1.0001
    assert find(entries, "composite/mean9") == pytest.approx(1 + 0.0001 / 9, abs=1e-15)
    assert find(entries, "composite/mean9", OTHERS) == pytest.approx(1 + 0.0002 / 9, abs=1e-15)
    assert find(entries, "straight-rgb-noalpha") == 60.0


@pytest.mark.parametrize(("there", "value"), [(("animal", "toy"), 20.0), (("mixed",), 10.0)])
def test_without_mixed_or_without_others_the_weights_still_sum_to_one(paper, there, value):
    groups = dict(zip(there, there, strict=True))
    values = {name: 10.0 if name == "mixed" else 20.0 for name in there}
    entries = generated_aggregates(paper, "clipscore", groups, dict.fromkeys(paper.metric_views("clipscore"), values))
    assert find(entries, "composite/mean9") == value
    assert {entry.get("category") for entry in entries} >= set(there)
    assert any(entry.get("category") == OTHERS for entry in entries) == ("mixed" not in there)


def test_a_category_that_the_authors_skip_is_no_fault(paper):
    samples = [("animal/0", "animal"), ("smoke/0", "smoke"), ("mixed/0", "mixed")]
    rows, absent = [], []
    for view, metric in paper.sample_keys():
        rows += [(name, category, view, metric, 2.0) for name, category in samples if category != "smoke"]
        absent.append(("smoke/0", view, metric))
    values = {group: {view.removeprefix("set/"): 4.0 for view in paper.set_views()} for group in ("animal", "mixed")}
    found = {item["name"]: item for item in aggregate(paper, samples, rows, absent, set_values={"fid": values})}
    assert {item["state"] for item in found.values()} == {"ok"}
    assert find(found["fid"]["aggregates"], "set/mean9") == 4.0
    assert find(found["clipscore"]["aggregates"], "composite/mean9") == 2.0
    names = {entry.get("category") for entry in found["fid"]["aggregates"]}
    assert names == {None, "animal", "mixed", OTHERS}


def test_where_every_category_is_skipped_the_metric_fails(paper):
    absent = [("x", view, metric) for view, metric in paper.sample_keys()]
    found = aggregate(paper, [("x", "smoke")], [], absent, set_values={"fid": {}})
    assert {item["state"] for item in found} == {"failed"}


def mini_metrics(samples, value_of, **options):
    ruler = load_protocol("alpha-t2i-mini@1")
    rows, absent = [], []
    for view, metric in ruler.sample_keys():
        for name, category in samples:
            value = value_of(name, metric)
            if value is None:
                absent.append((name, view, metric))
            else:
                rows.append((name, category, view, metric, value))
    return {item["name"]: item for item in aggregate(ruler, samples, rows, absent, **options)}


SET = {"kid-rand": 1.0, "fid-rand": 2.0}


def sets(samples):
    names = load_protocol("alpha-t2i-mini@1").backgrounds
    return {metric: {"all": dict.fromkeys(names, value)} for metric, value in SET.items()}


def test_one_image_has_a_whole_record_without_set_metrics():
    samples = [("all/00001", "all")]
    found = mini_metrics(samples, lambda *_: 0.25, set_values={name: {"all": {"gray": "too few"}} for name in SET})
    assert not SET.keys() & found.keys()
    assert {item["state"] for item in found.values()} == {"ok"}


def test_all_images_are_one_set_and_n_is_their_number():
    samples = [(f"all/{index:05}", "ab"[index % 2]) for index in range(5)]
    found = mini_metrics(samples, lambda *_: 0.25, set_values=sets(samples))
    (macro,) = (entry for entry in found["kid-rand"]["aggregates"] if entry["view"] == "set/mean9")
    assert macro == {"view": "set/mean9", "scope": "macro", "value": 1.0, "n": 5}


def test_what_applies_to_no_image_is_left_out_and_what_applies_to_some_is_not():
    samples = [("a/1", "a"), ("b/1", "b")]
    silent = mini_metrics(samples, lambda _, metric: None if metric == "fringe" else 0.5, set_values=sets(samples))
    assert "fringe" not in silent
    assert {item["state"] for item in silent.values()} == {"ok"}
    some = mini_metrics(
        samples, lambda name, metric: None if (metric, name) == ("fringe", "a/1") else 0.5, set_values=sets(samples)
    )
    assert some["fringe"]["state"] == "ok"
    assert some["fringe"]["rows"] == {"expected": 2, "present": 1, "not_applicable": 1}
    must = mini_metrics(samples, lambda _, metric: None if metric == "border_cut" else 0.5, set_values=sets(samples))
    assert must["border_cut"]["state"] == "failed"


def test_missing_rows_are_missing_and_never_called_inapplicable():
    ruler, samples = load_protocol("alpha-t2i-mini@1"), [("a/1", "a"), ("b/1", "b")]
    found = {item["name"]: item for item in aggregate(ruler, samples, [], [("a/1", "prediction", "fringe")])}
    assert found["fringe"]["state"] == "failed"


def test_a_category_without_references_makes_a_set_metric_unavailable_with_the_reason():
    ruler = load_protocol("alpha-t2i@1")
    samples = [("animal/1", "animal"), ("smoke/1", "smoke")]
    values = {
        "animal": dict.fromkeys(ruler.backgrounds, 1.0),
        "smoke": dict.fromkeys(ruler.backgrounds, "the reference set has no category 'smoke'"),
    }
    found = {item["name"]: item for item in aggregate(ruler, samples, [], [], set_values={"kid": values})}
    assert found["kid"]["state"] == "unavailable"
    assert "no category 'smoke'" in found["kid"]["reason"]
    assert "aggregates" not in found["kid"]
