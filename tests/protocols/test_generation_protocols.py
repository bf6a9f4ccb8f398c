"""The three protocols that judge generated images, and what no such protocol may state."""

import copy
import tomllib
from importlib.resources import files

import pytest
import torch

from alphabench.data.dataset import resolve_data
from alphabench.errors import UsageError
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.validated import VALIDATED
from alphabench.protocols import (
    format_signature,
    list_protocols,
    load_protocol,
    parse_protocol,
    parse_signature,
    signature,
)

NAMES = ("alpha-t2i-mini@1", "alpha-t2i@1", "alpha-t2i-paper@1")


def tables(name: str) -> dict:
    text = files("alphabench.protocols").joinpath("shipped", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_three_protocols_judge_generated_images():
    assert {item.id for item in list_protocols() if item.task == "generation"} == set(NAMES)
    for name in NAMES:
        load_protocol(name).require_task("generation")
        with pytest.raises(UsageError, match="is for generation, not for reconstruction"):
            load_protocol(name).require_task("reconstruction")


def test_the_default_is_complete_offline_and_names_the_embedded_set_by_its_hash():
    mini = load_protocol("alpha-t2i-mini")
    assert not any(mini.weight_files(name) or "weights" in CATALOG[name].needs for name in mini.metrics)
    assert mini.reference.manifest_hash == resolve_data(mini.reference.data).full_hash
    assert {mini.scope(name) for name in mini.set_metrics()} == {"all"}
    assert "random features against synthetic images: only comparable within this protocol" in mini.note


@pytest.mark.parametrize("name", ["alpha-t2i-mini@1", "alpha-t2i@1"])
def test_only_validated_metrics_of_one_image_are_asked_for_beside_the_alarm(name):
    asked = {metric for metric in load_protocol(name).metrics if CATALOG[metric].views == ("prediction",)}
    assert asked == {*VALIDATED, "blank"}


def test_a_metric_that_may_not_apply_to_an_image_may_lack_a_category():
    mini = load_protocol("alpha-t2i-mini")
    images = torch.zeros(4, 4, 32, 32)
    images[1] = 1.0
    images[2, 3] = torch.linspace(0, 1, 32)
    images[3, 3, 8:24, 8:24] = 1.0
    for name in mini.sample_metrics():
        silent = bool(CATALOG[name].resolve()(images).isnan().any())
        assert mini.is_partial(name, "prediction") == silent, name


def test_every_metric_of_one_image_can_be_listed():
    document = tables("alpha-t2i-mini@1")
    names = [name for name, metric in CATALOG.items() if metric.views == ("prediction",)]
    document["protocol"]["name"] = "all-of-them"
    document["metrics"] = {name: {"version": 1, "views": ["prediction"]} for name in names}
    document["reference"] = {}
    found = parse_protocol(document, name="x")
    assert found.sample_keys() == tuple(("prediction", name) for name in names)
    assert found.main_metric == names[0]


def test_learned_scores_look_at_gray_and_white_alone():
    ruler = load_protocol("alpha-t2i")
    for name in ("clipscore", "laion_aes"):
        assert ruler.metric_views(name) == ("composite/gray", "composite/white")
        assert ruler.headline(name) == "composite/mean2"
    assert len(ruler.metric_views("kid")) == len(ruler.metric_views("fid")) == 9
    assert (ruler.main_metric, ruler.headline("kid")) == ("kid", "set/mean9")
    assert {ruler.scope(name) for name in ruler.set_metrics()} == {"category"}


def test_the_authors_rule_has_all_backgrounds_and_the_view_without_alpha():
    ruler = load_protocol("alpha-t2i-paper")
    assert ruler.aggregation.mode == "paper-t2i"
    assert len(ruler.metric_views("clipscore")) == len(ruler.metric_views("fid")) == 10
    assert (ruler.headline("clipscore"), ruler.main_metric) == ("composite/mean9", "fid")
    assert len(ruler.reference.categories) == 8
    for word in ("JPEG", "mixed", "0.5", "rounded", "left out", "clipped"):
        assert word in ruler.note


def test_one_image_is_no_set_and_its_record_does_without_set_metrics():
    mini = load_protocol("alpha-t2i-mini")
    assert mini.inapplicable(1) == mini.set_metrics() == ("kid-rand", "fid-rand")
    assert mini.inapplicable(2) == ()
    assert load_protocol("alpha-t2i").inapplicable(1) == ()
    assert load_protocol("alpha-mini").inapplicable(1) == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_names_the_reference_set_and_survives_a_round_trip(name):
    line = signature(load_protocol(name), "alpha-t2i@1", "9" * 64)
    fields = parse_signature(line)
    assert format_signature(fields) == line
    assert fields["ref"] == load_protocol(name).reference.data
    assert all(len(part) <= 40 for part in line.split("|"))
    assert len(line) <= 400


def test_reference_set_and_side_are_hashed():
    document = tables("alpha-t2i-mini@1")
    first = parse_protocol(document, name="x").hash
    for key, value in (("side", 256), ("manifest_hash", "0" * 64), ("data", "alpha-mini@2")):
        other = copy.deepcopy(document)
        other["reference"][key] = value
        assert parse_protocol(other, name="x").hash != first


def _put(*places: tuple[str, object]):
    def change(document: dict) -> None:
        for path, value in places:
            *parents, last = path.split("/")
            table = document
            for part in parents:
                table = table[part]
            table[last] = value

    return change


FREE = {"version": 1, "views": ["prediction"]}
SAD = {"version": 1, "views": ["alpha"]}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("alpha-t2i-mini@1", _put(("metrics/sad", SAD)), "sad does not go with"),
        ("alpha-t2i-mini@1", _put(("metrics/fid-rand/views", ["composite"])), "no views 'composite', only set"),
        ("alpha-t2i-mini@1", _put(("reference", {})), "which .reference. data names"),
        ("alpha-t2i-mini@1", _put(("reference/size", "native")), "go together"),
        ("alpha-t2i-mini@1", _put(("reference/side", 8)), "side in .reference."),
        ("alpha-t2i-mini@1", _put(("reference/data", "alpha-mini")), "data in .reference."),
        ("alpha-t2i-mini@1", _put(("protocol/task", "reconstruction")), "does not go with"),
        ("alpha-mini@1", _put(("metrics/border_cut", FREE)), "border_cut does not go with"),
        ("alpha-mini@1", _put(("reference/data", "alpha-mini@1")), "which .reference. data names"),
        ("alpha-t2i@1", _put(("metrics/clipscore/backgrounds", ["pink"])), "the background 'pink'"),
        ("alpha-t2i@1", _put(("metrics/clipscore/backgrounds", ["gray", "gray"])), "listed twice"),
        ("alpha-t2i@1", _put(("metrics/laion_aes/views", ["composite", "reference"])), "no reference of its own"),
        ("alpha-t2i@1", _put(("metrics/fid/clip_at_zero", True)), "clips at 0"),
        ("alpha-t2i@1", _put(("metrics/fid/scope", "leaf")), "fid does not go with"),
        ("alpha-t2i@1", _put(("metrics/clipscore/backgrounds", [])), "backgrounds in"),
        ("alpha-t2i-paper@1", _put(("views/composite", "float32")), "go together"),
        ("alpha-t2i-paper@1", _put(("prediction/pairing", "sorted-position")), "go together"),
        ("alpha-t2i-paper@1", _put(("protocol/task", "reconstruction")), "is not one for reconstruction"),
        ("alpha-t2i-paper@1", _put(("aggregation/decimals", 3)), "no averaging rule"),
    ],
)
def test_what_is_not_computed_cannot_be_stated(name, change, message):
    document = tables(name)
    change(document)
    with pytest.raises(UsageError, match=message):
        parse_protocol(document, name="mine.toml")
