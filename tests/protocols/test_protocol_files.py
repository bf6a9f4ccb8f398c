"""Shipped protocols, one's own files, and the mistakes people make in them."""

import copy
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import tomli_w

from alphabench.errors import UsageError
from alphabench.metrics.catalog import CATALOG
from alphabench.protocols import list_protocols, load_protocol, parse_protocol
from alphabench.protocols.canonical import canonical_json
from alphabench.protocols.settings import SETTINGS

FROZEN = {
    "alpha-exact@1": "d6ddd3a910d92ca7e46f5d35aedf24f12921aadc04fac447b75280d989dddcd5",
    "alpha-mini@1": "d5fb6942462efd1ba89faf72b6be2e63c6300c6c26d45142b0363cdc50d2ccdd",
    "alpha-paper@1": "60f458f9998a8ab023d88c9c04fc486ed8d00df7258e3865a02a693968074853",
    "alpha-t2i-mini@1": "5036353625a5e01e81a7d77444fa3604c1cdb61a4847dba9c1ca83f0b7428ce9",
    "harmlessness-mini@1": "7240816bc05e64ba7614b19426617f52dc9806d87e931cea663507c4b4f06ccd",
}


def document(name: str = "alpha-mini@1") -> dict:
    text = files("alphabench.protocols").joinpath("shipped", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@pytest.fixture
def mini() -> dict:
    return document()


def test_frozen_protocols_keep_their_hashes():
    assert {item.id: item.hash for item in list_protocols() if item.status != "draft"} == FROZEN


def test_every_shipped_file_is_named_after_its_protocol():
    folder = files("alphabench.protocols").joinpath("shipped")
    assert {entry.name for entry in folder.iterdir()} == {f"{item.id}.toml" for item in list_protocols()}


@pytest.mark.parametrize("name", FROZEN)
def test_the_hash_does_not_know_key_order_comments_notes_or_status(name):
    original = load_protocol(name)
    tables = document(name)
    shuffled = {section: dict(reversed(table.items())) for section, table in reversed(tables.items())}
    shuffled["metrics"] = dict(sorted(tables["metrics"].items()))
    shuffled["notes"]["text"] = "other words"
    shuffled["protocol"]["status"] = "retired"
    again = parse_protocol(tomllib.loads("# a comment\n" + tomli_w.dumps(shuffled)), name="shuffled")
    assert again.hash == original.hash
    assert again.sample_keys() == original.sample_keys()


def test_an_integer_in_a_float_field_hashes_as_the_float(mini):
    other = copy.deepcopy(mini)
    other["metrics"]["psnr"]["mean_cap_db"] = 100
    assert isinstance(mini["metrics"]["psnr"]["mean_cap_db"], float)
    assert parse_protocol(other, name="x").hash == load_protocol("alpha-mini").hash


def test_a_default_left_out_hashes_as_the_default_written_down(mini):
    del mini["metrics"]["ssim_rgb"]["sigma"], mini["aggregation"], mini["prediction"]
    assert parse_protocol(mini, name="x").hash == load_protocol("alpha-mini").hash


@pytest.mark.parametrize(
    "change",
    [
        lambda tables: tables["views"]["backgrounds"][0].update(rgb=[127, 127, 127]),
        lambda tables: tables["views"]["backgrounds"].reverse(),
        lambda tables: tables["views"]["textures"].reverse(),
        lambda tables: tables["metrics"]["psnr"].update(mean_cap_db=90.0),
        lambda tables: tables["metrics"]["rfid-rand"].update(scope="category"),
        lambda tables: tables["metrics"].pop("sad"),
        lambda tables: tables["metrics"]["sad"].update(partial=["alpha"]),
        lambda tables: tables["protocol"].update(version=2),
    ],
)
def test_every_setting_changes_the_hash(mini, change):
    change(mini)
    assert parse_protocol(mini, name="x").hash != load_protocol("alpha-mini").hash


def test_canonical_json_is_that_of_rfc_8785():
    assert canonical_json({"b": 1.0, "a": 1e-8, "c": "é"}) == '{"a":1e-8,"b":1,"c":"é"}'.encode()


def test_alpha_exact_has_the_rows_of_its_definition():
    keys = load_protocol("alpha-exact").sample_keys()
    assert len(keys) == len(set(keys)) == 70
    per_metric = {name: sum(metric == name for _, metric in keys) for _, name in keys}
    assert per_metric["psnr"] == 9 + 4 + 1 + 1
    assert per_metric["ssim_rgb"] == per_metric["lpips"] == 13
    assert per_metric["ssim_luma"] == 9
    assert {view for view, metric in keys if metric == "ssim_worst9"} == {"composite/worst-solid"}
    assert {view for view, metric in keys if metric == "psnr_adversarial"} == {"composite/adversarial"}


def test_mini_differs_from_exact_in_the_learned_features_only():
    mini, exact = load_protocol("alpha-mini"), load_protocol("alpha-exact")
    learned = {"lpips", "rfid", "kid"}
    assert {name.removesuffix("-rand") for name in mini.metrics} == set(exact.metrics)
    assert set(exact.metrics) - set(mini.metrics) == learned
    assert {mini.scope(name) for name in mini.set_metrics()} == {"all"}
    assert {exact.scope(name) for name in exact.set_metrics()} == {"category"}


def test_the_nine_backgrounds_stand_in_order_and_gray_is_128():
    wanted = ["gray", "black", "white", "red", "green", "blue", "yellow", "cyan", "magenta"]
    for protocol in list_protocols():
        if protocol.judges_latents:
            assert protocol.backgrounds == {"gray": (128, 128, 128)}
            continue
        assert list(protocol.backgrounds) == wanted
        assert protocol.backgrounds["gray"] == (128, 128, 128)
        assert protocol.backgrounds["yellow"] == (255, 255, 0)


def test_harmlessness_is_compared_on_opaque_images_and_may_lack_the_others():
    ruler = load_protocol("harmlessness-mini")
    assert ruler.judges_latents
    assert {ruler.headline(name).removeprefix("set/") for name in ruler.metrics} == {"opaque"}
    for name in ruler.metrics:
        views = ruler.metric_views(name)
        assert [ruler.is_partial(name, view) for view in views] == [False, True]


def test_latents_and_predictions_are_never_judged_by_one_protocol(mini):
    tables = document("harmlessness-mini@1")
    tables["protocol"]["name"] = "mixed"
    with pytest.raises(UsageError, match="need protocols of their own"):
        parse_protocol(tables | {"metrics": tables["metrics"] | {"sad": mini["metrics"]["sad"]}}, name="x")
    with pytest.raises(UsageError, match="exactly one background"):
        parse_protocol(tables | {"views": mini["views"]}, name="x")


def test_headlines_and_derived_views():
    exact = load_protocol("alpha-exact")
    heads = {name: exact.headline(name) for name in exact.metrics}
    assert heads["psnr"] == heads["lpips"] == "composite/mean9"
    assert heads["sad"] == heads["ssim_alpha"] == "alpha"
    assert heads["rfid"] == heads["kid"] == "set/mean9"
    assert heads["psnr_worst_solid"] == "composite/worst-solid"
    assert heads["psnr_adversarial"] == "composite/adversarial"
    derived = exact.derived_views("psnr")
    assert len(derived["composite/mean9"]) == 9
    assert len(derived["composite/mean-texture"]) == 4


def test_only_what_may_be_absent_is_partial():
    exact = load_protocol("alpha-exact")
    assert exact.is_partial("psnr", "straight-rgb")
    assert not exact.is_partial("psnr", "composite/gray")
    assert not exact.is_partial("psnr", "composite/mean9")
    partial = {name for name in exact.metrics if exact.is_partial(name, "alpha")}
    assert partial == {name for name in exact.metrics if name.endswith("_unknown")}


def test_the_paper_protocol_names_the_bugs_it_repeats():
    paper = load_protocol("alpha-paper@1")
    assert paper.aggregation.mode == "paper"
    assert paper.prediction.pairing == "sorted-position"
    for word in ("position", "JPEG", "truncated", "bfloat16", "skipped", "alpha", "rounded"):
        assert word in paper.note
    assert ("straight-rgb-noalpha", "psnr_eps8") in paper.sample_keys()
    assert "set/straight-rgb-noalpha" in paper.set_views()
    assert "composite/straight-rgb-noalpha" not in dict.fromkeys(paper.derived_views("psnr_eps8"))


def test_settings_fit_the_catalog():
    for name, settings in SETTINGS.items():
        assert name in CATALOG
        assert (CATALOG[name].kind == "set") == ("scope" in settings.model_fields)
        assert len(CATALOG[name].unit) <= 16


def test_names_find_the_newest_version_and_unknown_ones_list_what_there_is():
    assert load_protocol("alpha-mini").id == "alpha-mini@1"
    with pytest.raises(UsageError, match=r"alpha-minni.*did you mean 'alpha-mini@1'") as caught:
        load_protocol("alpha-minni")
    assert "alpha-exact@1" in caught.value.remedy


def test_a_file_of_ones_own_is_loaded_by_path(tmp_path, mini):
    mini["protocol"]["name"] = "mine"
    mini["metrics"] = {"sad": mini["metrics"]["sad"]}
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps(mini), encoding="utf-8")
    for given in (path, str(path)):
        found = load_protocol(given)
        assert found.id == "mine@1"
        assert found.sample_keys() == (("alpha", "sad"),)


def test_a_file_may_not_pose_as_a_shipped_protocol(tmp_path, mini):
    path = tmp_path / "fake.toml"
    path.write_text(tomli_w.dumps(mini), encoding="utf-8")
    assert load_protocol(path).id == "alpha-mini@1"
    mini["metrics"].pop("sad")
    path.write_text(tomli_w.dumps(mini), encoding="utf-8")
    with pytest.raises(UsageError, match="calls itself alpha-mini@1"):
        load_protocol(path)


def _set(section: str, key: str, value: object):
    def change(tables: dict) -> None:
        *path, last = (*section.split("."), key)
        for part in path:
            tables = tables[part]
        tables[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("metrics.psnr", "mean_cap", 90.0), "unknown key 'mean_cap' .*did you mean 'mean_cap_db'"),
        (_set("views", "background", []), "unknown key 'background' .*did you mean 'backgrounds'"),
        (lambda tables: tables.update(view={}), r"unknown table \[view\]; did you mean 'views'"),
        (lambda tables: tables["metrics"].update(psnrr={}), "unknown metric 'psnrr'; did you mean 'psnr'"),
        (lambda tables: tables.pop("views"), r"\[views\] is missing"),
        (lambda tables: tables.update(views=3), r"\[views\] is not a table"),
        (lambda tables: tables["views"]["backgrounds"][0].update(colour=1), "unknown key .*colour"),
        (_set("metrics.psnr", "version", "1"), "version in .* integer"),
        (_set("metrics.psnr", "version", True), "version in .* integer"),
        (_set("metrics.psnr", "version", 2), "psnr has version 2 in the file and 1"),
        (_set("metrics.psnr", "mean_cap_db", float("nan")), "metrics.psnr.mean_cap_db is nan"),
        (_set("metrics.psnr", "mean_cap_db", float("inf")), "metrics.psnr.mean_cap_db is inf"),
        (_set("metrics.ssim_rgb", "sigma", 2.0), "sigma in .*computes with 1.5 only, not with 2.0"),
        (_set("metrics.sad", "views", ["composite"]), "no views 'composite', only alpha"),
        (_set("metrics.sad", "views", ["alpha", "alpha"]), "listed twice"),
        (_set("metrics.sad", "views", []), "views in"),
        (_set("reference", "size", {"shorter": 1024}), r"size in \[reference\]"),
        (_set("notes", "date", tomllib.loads("d = 2026-01-02")["d"]), "notes.date is a date"),
        (_set("aggregation", "decimals", 4), "no averaging rule"),
        (_set("views", "composite", "truncate-u8-jpeg75-420"), "go together"),
        (_set("views", "textures", []), "asks for the views 'texture'"),
        (lambda tables: tables["views"]["backgrounds"][0].update(name="black"), "'black' is listed twice"),
        (lambda tables: tables["views"]["backgrounds"][0].update(name="mean9"), "cannot name a background"),
        (lambda tables: tables["views"]["backgrounds"][0].update(rgb=[0, 0, 0]), "two backgrounds have one"),
        (lambda tables: tables["views"]["backgrounds"][0].update(rgb=[0, 0, 256]), "backgrounds.0.rgb.2"),
        (_set("protocol", "name", "Alpha"), "name in"),
        (
            lambda tables: tables["metrics"].update(psnr_eps8={"version": 1, "views": ["composite"]}),
            "psnr_eps8 does not go with",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong(mini, change, message):
    change(mini)
    with pytest.raises(UsageError, match=message) as caught:
        parse_protocol(mini, name="mine.toml")
    assert str(caught.value).startswith("protocol file mine.toml: ")
    assert caught.value.remedy


def test_a_file_that_is_absent_or_no_toml_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_protocol(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"[protocol\n")
    with pytest.raises(UsageError, match="not TOML"):
        load_protocol(bad)
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        load_protocol(str(bad))
    bad.write_bytes(b"#" * 70_000)
    with pytest.raises(UsageError, match="more than 65536 bytes"):
        load_protocol(Path(bad))


def test_a_protocol_for_another_task_is_refused():
    load_protocol("alpha-mini").require_task("reconstruction")
    with pytest.raises(UsageError, match="is for reconstruction, not for generation"):
        load_protocol("alpha-mini").require_task("generation")


def test_weights_are_named_with_the_known_digits_of_their_hash():
    exact = load_protocol("alpha-exact")
    assert [item.file for item in exact.weight_files("lpips")] == [
        "lpips/v0.1/alex.pth",
        "alexnet-owt-7be5be79.pth",
    ]
    assert all(re.fullmatch("[0-9a-f]{8,64}", item.sha256_prefix) for item in exact.weight_files("rfid"))
    assert exact.weight_files("sad") == ()
