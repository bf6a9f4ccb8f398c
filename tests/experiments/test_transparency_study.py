import csv
import io
import json
from importlib import resources

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from alphabench.errors import UsageError
from alphabench.experiments.page import Picture, to_markdown
from alphabench.experiments.transparency.__main__ import main, write_study
from alphabench.experiments.transparency.claims import CLAIMS, SEEN_FROM, WITHDRAWN, Claim
from alphabench.experiments.transparency.damages import DAMAGES
from alphabench.experiments.transparency.page import also_moved_by, by_rank_alone, study_blocks
from alphabench.experiments.transparency.plot import heat_map
from alphabench.experiments.transparency.report import to_csv, to_json
from alphabench.experiments.transparency.responses import Responses, measures_of, respond
from alphabench.experiments.transparency.study import rank_correlations, study
from alphabench.experiments.transparency.truths import Truth
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.validated import VALIDATED

CATEGORIES = ("hard", "soft", "hair", "glass", "smoke", "text")
STRENGTHS = 6
SETTING = {"images": 24, "motifs": 24, "side": 128, "command": "make it"}
RESULTS = resources.files("alphabench.experiments.transparency") / "results"


def responses(values, motifs=4, drawings=1, hidden=None):
    """Responses whose values `(image, strength)` are given by (metric, damage), four motifs a category."""
    places = [(place, f"{place}/{k}", d) for place in CATEGORIES for k in range(motifs) for d in range(drawings)]
    categories, names, indices = (tuple(column) for column in zip(*places, strict=True))
    metrics = frozenset(metric for metric, _ in values)
    return Responses(categories, names, indices, values, metrics if hidden is None else hidden)


def judged(values, claims, **settings):
    return study(responses(values, **settings), claims, draws=500)


def rising(generator, images=24, slope=1.0, noise=0.1):
    start = generator.normal(size=(images, 1))
    return start + slope * np.arange(STRENGTHS) + noise * generator.normal(size=(images, STRENGTHS))


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_a_metric_that_equals_the_strength_passes_and_a_constant_one_fails():
    strength, constant = np.tile(np.arange(6.0), (24, 1)), np.ones((24, STRENGTHS))
    strength[:, 0] -= np.arange(24) / 100  # undamaged images differ a little
    values = {("equal", "cut"): strength, ("equal", "spill"): constant, ("constant", "cut"): constant}
    found = judged(values, {"equal": Claim({"cut": 1}, ("spill",)), "constant": Claim({"cut": 1}, ())})
    assert found.validated == {"equal": "image"}
    assert found.reactions["equal", "cut"].rank.value == pytest.approx(1)
    assert found.reactions["constant", "cut"].rank.value == 0


def test_a_metric_that_falls_must_say_so(generator):
    values = {("falls", "cut"): -rising(generator)}
    assert judged(values, {"falls": Claim({"cut": -1}, ())}).validated == {"falls": "image"}
    assert judged(values, {"falls": Claim({"cut": 1}, ())}).validated == {}


def test_a_trend_that_only_the_mean_shows_counts_for_sets(generator):
    noisy = {("noisy", "cut"): rising(generator, slope=1.0, noise=1.5)}
    found = judged(noisy, {"noisy": Claim({"cut": 1}, ())})
    assert found.validated == {"noisy": "set"}
    assert found.reactions["noisy", "cut"].rank.low < SEEN_FROM <= found.reactions["noisy", "cut"].set_rank.low
    ordered = np.where(np.arange(24)[:, None] % 2, np.arange(6.0), 0.0) * 1e-3 + generator.normal(size=(24, 1))
    tiny = judged({("tiny", "cut"): ordered}, {"tiny": Claim({"cut": 1}, ())})
    assert tiny.reactions["tiny", "cut"].set_rank.low == pytest.approx(1)
    assert tiny.validated == {}  # the mean follows, but hardly moves


@pytest.mark.parametrize(("slope", "noise", "by"), [(0.0, 1.0, "rank"), (0.002, 0.0, "size"), (0.5, 0.1, "")])
def test_damage_is_ignored_by_rank_or_by_size_or_not(generator, slope, noise, by):
    images = 24 * 20
    values = {("metric", "cut"): rising(generator, images, slope, noise)}
    (finding,) = judged(values, {"metric": Claim({}, ("cut",))}, motifs=80).findings
    assert finding.by == by


def test_hidden_colour_and_too_few_motifs_fail_a_metric():
    values = {("equal", "cut"): np.tile(np.arange(6.0), (24, 1))}
    claims = {"equal": Claim({"cut": 1}, ())}
    assert judged(values, claims).validated == {"equal": "image"}
    assert judged(values, claims, hidden=frozenset()).validated == {}
    few = {("equal", "cut"): np.where(np.arange(24)[:, None] < 11, values["equal", "cut"], np.nan)}
    assert judged(few, claims).validated == {}
    assert judged(few, claims).reactions["equal", "cut"].rank.motifs == 11


def test_categories_with_one_motif_are_left_out():
    values = np.tile(np.arange(6.0), (24, 1))
    values[20] = -values[20]
    values[21:] = np.nan
    reaction = judged({("equal", "cut"): values}, {"equal": Claim({"cut": 1}, ())}).reactions["equal", "cut"]
    assert reaction.rank.value == pytest.approx(1)
    assert "text" not in reaction.categories


def test_more_drawings_of_a_motif_are_no_more_evidence(generator):
    once = rising(generator, noise=3.0)
    claims = {"metric": Claim({"cut": 1}, ())}
    one = judged({("metric", "cut"): once}, claims)
    twice = judged({("metric", "cut"): np.repeat(once, 2, axis=0)}, claims, drawings=2)
    assert one.reactions["metric", "cut"].rank == twice.reactions["metric", "cut"].rank


def test_rank_correlations_are_those_of_spearman(generator):
    values = generator.integers(0, 4, (30, STRENGTHS)).astype(float)
    values[::3, 2] = np.nan
    values[1] = 1.0
    values[2, 1:4] = np.nan
    found = rank_correlations(values)
    assert found[1] == 0
    assert np.isnan(found[2])
    for row, value in zip(values[3:], found[3:], strict=True):
        finite = np.isfinite(row)
        assert value == pytest.approx(spearmanr(row[finite], np.flatnonzero(finite)).statistic)


def test_responses_are_the_metrics_of_the_delivered_images():
    image = torch.zeros((1, 4, 32, 32), dtype=torch.float64)
    image[:, :, 8:24, 8:24] = 1
    truth = Truth("hard", "square", 0, 3, image)
    chosen = {name: DAMAGES[name] for name in ("veil", "fade", "spill")}
    found = respond([truth], measures_of(["border_mean", "hidden_colour_share", "background_dependence"]), chosen)
    codes = [round(255 * strength) for strength in DAMAGES["veil"].strengths]
    assert found.values["border_mean", "veil"][0].tolist() == pytest.approx([0, *(code / 255 for code in codes)])
    faded = found.values["background_dependence", "fade"][0]
    assert faded.tolist() == pytest.approx([0, *DAMAGES["fade"].strengths], abs=2e-3)
    assert (found.values["border_mean", "spill"] == 0).all()
    assert found.hidden == {"border_mean", "background_dependence"}


@pytest.fixture(scope="module")
def invented():
    """A study of the real claims from invented responses, for the page and its files."""
    generator = np.random.default_rng(1)
    values = {(metric, damage): rising(generator, noise=2.0) for metric in CLAIMS for damage in DAMAGES}
    values["border_cut", "holes"] = np.full((24, STRENGTHS), np.nan)
    return judged(values, CLAIMS)


def test_page_files_and_map_hold_every_claim(invented):
    svg = heat_map(invented)
    text = to_markdown(study_blocks(invented, SETTING, Picture("map.svg", svg, "map")))
    for name in (*CLAIMS, *DAMAGES):
        assert name in text
        assert name in svg.decode()
    rows = list(csv.DictReader(io.StringIO(to_csv(invented))))
    assert len([row for row in rows if row["place"] == "all"]) == len(CLAIMS) * len(DAMAGES)
    assert {row["rank"] for row in rows if (row["metric"], row["damage"]) == ("border_cut", "holes")} == {""}
    document = json.loads(to_json(invented, SETTING))
    found = sum(len(facts["findings"]) for facts in document["metrics"].values())
    assert found == len(invented.findings)
    assert any(move.startswith("cut +") for move in also_moved_by(invented, "fringe"))


def test_the_page_shows_the_change_of_every_metric_by_every_damage(invented):
    page = to_markdown(study_blocks(invented, SETTING, Picture("map.svg", b"<svg/>", "map")))
    table = page.split("## Every damage")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")]
    assert [name.strip() for name in rows[0]] == ["damage", *CLAIMS]
    assert [row[0].strip() for row in rows[2:]] == list(DAMAGES)
    for row in rows[2:]:
        for metric, cell in zip(CLAIMS, row[1:], strict=True):
            change = invented.reactions[metric, row[0].strip()].change
            expected = "–" if change is None else f"{change.value:+.2f} [{change.low:+.2f}, {change.high:+.2f}]"
            assert cell.strip() == expected.replace("-0.00", "+0.00")


def test_what_a_mean_is_not_shown_to_ignore_is_said(generator):
    strong, still = rising(generator, noise=1.5), rising(generator, slope=0.0)
    wide = still + generator.normal(size=(24, 1)) * 0.5 * (np.arange(STRENGTHS) == STRENGTHS - 1)
    found = judged({("m", "cut"): strong, ("m", "spill"): wide}, {"m": Claim({"cut": 1}, ("spill",))})
    change = found.reactions["m", "spill"].change
    assert found.validated == {"m": "set"}
    assert not change.within(0.2)
    assert f"m – spill {change.value:+.2f} [" in by_rank_alone(found)


def test_claims_are_about_metrics_and_damages_that_exist():
    for metric, claim in CLAIMS.items():
        assert "reference" not in CATALOG[metric].needs
        assert set(claim.sees) | set(claim.ignores) <= set(DAMAGES)
        assert not set(claim.sees) & set(claim.ignores)
        assert claim.sees
        assert "recolour" in claim.ignores
        assert not any((metric, damage) in WITHDRAWN for damage in claim.ignores)


def test_the_committed_result_is_of_these_claims_and_names_the_validated_metrics():
    document = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    grades = {metric: facts["validated"] for metric, facts in document["metrics"].items()}
    assert {metric: grade for metric, grade in grades.items() if grade is not None} == dict(VALIDATED)
    assert {name: facts["strengths"] for name, facts in document["damages"].items()} == {
        name: list(damage.strengths) for name, damage in DAMAGES.items()
    }
    for metric, facts in document["metrics"].items():
        assert facts["version"] == CATALOG[metric].version, "a metric that changed is to be studied anew"
        claimed = {(claim["damage"], claim["sign"]) for claim in facts["findings"]}
        own = CLAIMS[metric]
        assert claimed == {*own.sees.items(), *((damage, 0) for damage in own.ignores)}
        assert (facts["validated"] is not None) == all(claim["by"] for claim in facts["findings"])
    rows = list(csv.DictReader(io.StringIO((RESULTS / "reactions.csv").read_text(encoding="utf-8"))))
    whole = {(row["metric"], row["damage"]): row for row in rows if row["place"] == "all"}
    for metric, facts in document["metrics"].items():
        for claim in facts["findings"]:
            assert float(whole[metric, claim["damage"]]["rank"]) == pytest.approx(claim["rank"]["value"], abs=1e-4)
    assert (RESULTS / "map.svg").is_file()
    assert "## Verdicts" in (RESULTS / "page.md").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path, capsys):
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        write_study(taken)
    assert main(["--out", str(taken)]) == 2
    assert "--out" in capsys.readouterr().err
