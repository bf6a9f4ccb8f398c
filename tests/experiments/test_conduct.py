"""An experiment from its jobs to its files: which arms run, what is found, what the page says."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alphabench.errors import DataError, IncompleteError, UsageError
from alphabench.experiments import conduct as conducting
from alphabench.experiments import story
from alphabench.experiments.conduct import Wish, conduct, jobs_of
from alphabench.experiments.effects import Effect
from alphabench.experiments.gathering import gathered, write_summary
from alphabench.experiments.jobs import Job, Outcome, read_outcome, write_outcome
from alphabench.experiments.plan import Claim, Experiment
from alphabench.experiments.plot import forest_of
from alphabench.experiments.report import Result, read_result, standing_of, write_result
from alphabench.experiments.running import Labour

Pretend = Callable[[Job, Path], None]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, pretend: Pretend) -> list[Job]:
    """Jobs are pretended to be done; those that were asked for are kept."""
    asked: list[Job] = []

    def run(jobs: list[Job], root: Path, labour: Labour, report: object) -> list[Job]:
        for job in jobs:
            asked.append(job)
            if not job.failure_file(root).exists():
                pretend(job, root)
        return []

    monkeypatch.setattr(conducting, "run_jobs", run)
    monkeypatch.setattr(story, "forest_of", lambda result, measure, kind="svg": b"<svg/>")  # seconds each
    return asked


def _run(experiment: Experiment, root: Path, **wish: object) -> tuple[Result, Path]:
    return conduct(experiment, Wish(**wish), root, Labour(), lambda *_: None)  # type: ignore[arg-type]


def test_an_experiment_finds_the_effect_and_writes_it(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path)
    assert len(done) == 9
    assert result.showed_an_effect() == ["strong"]
    effect = result.effect("strong", "few", "psnr")
    assert effect is not None
    assert (effect.difference, effect.verdict) == (pytest.approx(-5.0), "worse")
    assert [item.standing for item in result.judgements] == ["holds", "holds"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "forest.png",
        "forest.svg",
        "page.html",
        "page.md",
        "results.csv",
        "results.json",
    ]
    assert read_result(folder / "results.json") == result
    lines = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    line = next(line for line in lines if (line["arm"], line["measure"]) == ("strong", "psnr"))
    assert (float(line["difference"]), line["unit"], line["seeds"]) == (-5.0, "dB", "1 2 3")


def test_every_table_of_a_page_states_its_setting(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    _, folder = _run(small_experiment, tmp_path)
    page = (folder / "page.md").read_text()
    captions = [block for block in page.split("\n\n") if block.endswith(")") and "scale: crops of 64²" in block]
    tables = page.count("\n| :---")
    assert len(captions) == tables - 1  # all but the list of arms
    assert "screening scale: crops of 64², batch 8, 8 steps, seeds 1, 2, 3" in page
    assert "alphabench experiment run matter --scale screening --out DIR" in page
    assert str(tmp_path) not in page


def test_texts_are_escaped_in_html(tmp_path: Path, experiment_file: Path, done: list[Job]) -> None:
    from alphabench.experiments.plan import read_experiment

    experiment_file.write_text(experiment_file.read_text().replace("Does it matter?", "<script>alert(1)</script>"))
    _, folder = _run(read_experiment(experiment_file), tmp_path)
    page = (folder / "page.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_equal_results_give_equal_files(tmp_path: Path, small_experiment: Experiment, done: list[Job]) -> None:
    first, second = (_run(small_experiment, tmp_path / name) for name in ("a", "b"))
    for path in first[1].iterdir():
        assert path.read_bytes() == (second[1] / path.name).read_bytes(), path.name
    plots = [forest_of(result, "psnr") for result, _ in (first, second)]
    assert plots[0] == plots[1]
    assert b"strong: a large change" in plots[0]
    assert b"crops of 64" in plots[0]


@pytest.mark.parametrize("changes", [{"title": None}, {"setting": None}, {"labels": []}, {"primary": 1}, {"format": 0}])
def test_a_damaged_result_is_refused(
    tmp_path: Path, small_experiment: Experiment, done: list[Job], changes: dict[str, object]
) -> None:
    _, folder = _run(small_experiment, tmp_path)
    file = folder / "results.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(DataError, match=r"results\.json is no result of an experiment: "):
        read_result(file)


def test_an_arm_that_reaches_far_beyond_the_others_does_not_hide_them(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, _ = _run(small_experiment, tmp_path)
    assert b"logarithmic beyond" not in forest_of(result, "psnr")

    def scaled(effect: Effect, size: float) -> Effect:
        ends = {"difference": size, "low": size - 0.2, "high": size + 0.2, "seed_low": None, "seed_high": None}
        return replace(effect, **ends)

    sizes = dict(zip([arm for arm in result.labels if arm != result.base], (0.5, -23.0), strict=True))
    far = replace(result, effects=tuple(scaled(effect, sizes[effect.arm]) for effect in result.effects))
    plot = forest_of(far, "psnr").decode()
    assert "logarithmic beyond ±23" not in plot
    assert "logarithmic beyond ±0.7" in plot


def test_the_confirm_scale_takes_the_arms_that_showed_an_effect(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    with pytest.raises(UsageError, match="is not known"):
        _run(small_experiment, tmp_path, scale="confirm")
    _run(small_experiment, tmp_path)
    result, _ = _run(small_experiment, tmp_path, scale="confirm")
    assert list(result.labels) == ["base", "strong"]
    assert [item.standing for item in result.judgements] == ["holds", "not run"]
    listed, _ = _run(small_experiment, tmp_path, scale="confirm", arms=("idle",))
    assert list(listed.labels) == ["base", "idle"]


def test_the_command_of_a_confirmation_names_its_arms(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    _run(small_experiment, tmp_path)
    result, _ = _run(small_experiment, tmp_path, scale="confirm")
    assert result.command == "alphabench experiment run matter --scale confirm --arms strong --out DIR"


def test_a_confirmation_brings_what_its_claims_compare_with(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    claim = Claim("A large change is worse than a small one.", "strong", "worse", against="idle")
    experiment = replace(small_experiment, claims=(claim,))
    _run(experiment, tmp_path)
    result, _ = _run(experiment, tmp_path, scale="confirm")
    assert list(result.labels) == ["base", "strong", "idle"]
    assert [item.standing for item in result.judgements] == ["holds"]


def test_an_arm_that_a_claim_finds_guilty_elsewhere_is_confirmed_too(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    """The primary metric is quiet, the one of the claim is not."""
    experiment = replace(small_experiment, primary="mad", confirm_from=0.001)
    _run(experiment, tmp_path)
    with pytest.raises(UsageError, match="no arm of matter showed an effect"):
        _run(experiment, tmp_path, scale="confirm")
    claim = Claim("A large change costs PSNR.", "strong", "worse", metric="psnr")
    claimed = replace(experiment, claims=(claim,))
    _run(claimed, tmp_path)
    result, _ = _run(claimed, tmp_path, scale="confirm")
    assert list(result.labels) == ["base", "strong"]


def test_a_page_names_every_key_of_an_arm_and_what_all_arms_share(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path, scale="confirm", arms=("strong",))
    assert result.changes == {"base": {}, "strong": {"loss": {"kl_weight": 0.25, "perceptual_weight": 0.25}}}
    page = (folder / "page.md").read_text()
    assert "loss.kl_weight = 0.25, loss.perceptual_weight = 0.25" in page
    assert "every arm that does not say otherwise: run.precision = float32, run.steps = 16, data.size = 128." in page
    _, trial = _run(small_experiment, tmp_path, scale="confirm", arms=("strong",), steps=3)
    assert "run.steps = 3, data.size = 128." in (trial / "page.md").read_text()


def test_numbers_that_only_one_arm_has_are_told(
    tmp_path: Path, small_experiment: Experiment, monkeypatch: pytest.MonkeyPatch, done: list[Job], pretend: Pretend
) -> None:
    for (arm, seed), job in jobs_of(small_experiment, Wish()).items():
        pretend(job, tmp_path)
        if arm == "strong":
            write_outcome(job, tmp_path, Outcome(read_outcome(job, tmp_path).rows, {"discriminator": 1.0 + seed / 10}))
    monkeypatch.setattr(conducting, "run_jobs", lambda *_: [])
    result, folder = _run(small_experiment, tmp_path)
    assert result.numbers["strong"] == {"discriminator": pytest.approx(1.2)}
    assert "| discriminator | - | 1.20000 | - |" in (folder / "page.md").read_text()
    assert read_result(folder / "results.json") == result


def test_a_claim_is_not_asked_of_trainings_that_cannot_answer_it(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    claims = (*small_experiment.claims, Claim("Longer is better.", "strong", "better", scales=("confirm",)))
    experiment = replace(small_experiment, claims=claims)
    first, _ = _run(experiment, tmp_path)
    second, folder = _run(experiment, tmp_path, scale="confirm")
    assert [result.judgements[-1].standing for result in (first, second)] == ["not asked", "contradicted"]
    asked = replace(experiment, claims=claims[-1:], confirm_from=9.0)
    _run(asked, tmp_path / "asked")
    alone, _ = _run(asked, tmp_path / "asked", scale="confirm")  # no arm moved, and all the same it has to be asked
    assert list(alone.labels) == ["base", "strong"]
    assert read_result(folder / "results.json") == second
    text = write_summary([first, second], tmp_path)[0].read_text()
    assert "| matter | Longer is better. | not asked | contradicted |" in text
    assert "not asked: trainings of this scale cannot answer it" in text


def test_the_summary_brings_the_notes_without_which_it_would_mislead(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, _ = _run(replace(small_experiment, note="The judge is blind."), tmp_path)
    assert "The judge is blind." in write_summary([result], tmp_path)[0].read_text()


def test_comparisons_of_finished_checkpoints_come_last_in_a_summary(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path / "a")
    compared = replace(result, experiment="aaa", scale="comparison", setting={"line": "finished checkpoints"})
    write_result(compared, tmp_path / "b")
    results = gathered([tmp_path / "b", folder])
    assert [found.scale for found in results] == ["screening", "comparison"]
    text = write_summary(results, tmp_path / "page")[0].read_text()
    assert "| experiment | claim | screening | comparison |" in text
    assert "| matter | A large change is worse. | holds | not run |" in text
    assert "| aaa | A large change is worse. | not run | holds |" in text


def test_a_stored_result_is_judged_by_todays_rules(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path)
    document = json.loads((folder / "results.json").read_text())
    for effect in (*document["effects"], *(item["effect"] for item in document["judgements"])):
        effect |= {"seed_low": -9.0, "seed_high": 9.0, "verdict": "worse"}
    (folder / "results.json").write_text(json.dumps(document))
    read = read_result(folder / "results.json")
    assert {effect.verdict for effect in read.effects} == {"no difference shown"}
    assert [item.standing for item in read.judgements] == ["not shown", "not shown"]
    assert (result.moved(), read.moved(), read.showed_an_effect()) == (["strong"], [], [])


def test_columns_of_runs_are_of_the_seeds_that_all_arms_have(
    tmp_path: Path, small_experiment: Experiment, monkeypatch: pytest.MonkeyPatch, pretend: Pretend
) -> None:
    for (arm, seed), job in jobs_of(small_experiment, Wish()).items():
        if (arm, seed) != ("strong", 3):
            pretend(job, tmp_path)
            write_outcome(job, tmp_path, Outcome(read_outcome(job, tmp_path).rows, {"loss": float(seed)}))
    monkeypatch.setattr(conducting, "run_jobs", lambda *_: [])
    monkeypatch.setattr(story, "forest_of", lambda result, measure, kind="svg": b"<svg/>")
    result, _ = _run(small_experiment, tmp_path)
    assert [result.numbers[arm]["loss"] for arm in ("base", "strong", "idle")] == [1.5, 1.5, 1.5]


def test_small_effects_are_not_confirmed(tmp_path: Path, small_experiment: Experiment, done: list[Job]) -> None:
    _run(small_experiment, tmp_path)
    kept, _ = _run(replace(small_experiment, confirm_from=4.9), tmp_path, scale="confirm")
    assert list(kept.labels) == ["base", "strong"]  # -5 dB
    with pytest.raises(UsageError, match="no arm of matter showed an effect at screening that is to be confirmed"):
        _run(replace(small_experiment, confirm_from=5.1), tmp_path, scale="confirm")


def test_jobs_come_seed_by_seed(small_experiment: Experiment) -> None:
    names = list(jobs_of(small_experiment, Wish(seeds=(4, 5))))
    assert names == [(arm, seed) for seed in (4, 5) for arm in ("base", "strong", "idle")]


def test_a_trial_with_other_steps_has_a_folder_of_its_own(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path, steps=2, arms=("strong",), seeds=(1,))
    assert folder.name == "matter-screening-2-steps"
    assert result.command == (
        "alphabench experiment run matter --scale screening --arms strong --seeds 1 --steps 2 --out DIR"
    )
    assert result.effects[0].seed_low is None


def test_missing_jobs_are_told_and_left_out(tmp_path: Path, small_experiment: Experiment, done: list[Job]) -> None:
    jobs = jobs_of(small_experiment, Wish())
    lost = jobs["strong", 2]
    lost.folder(tmp_path).mkdir(parents=True)
    lost.failure_file(tmp_path).write_text(json.dumps({"message": "the loss is not finite"}))
    result, folder = _run(small_experiment, tmp_path)
    assert result.failures == ("strong, seed 2: the loss is not finite",)
    effect = result.effect("strong", "few", "psnr")
    assert effect is not None
    assert effect.seeds == (1, 3)
    assert "the loss is not finite" in (folder / "page.md").read_text()


def test_nothing_is_said_without_the_base_arm(tmp_path: Path, small_experiment: Experiment, done: list[Job]) -> None:
    for (arm, _), job in jobs_of(small_experiment, Wish()).items():
        if arm == "base":
            job.folder(tmp_path).mkdir(parents=True)
            job.failure_file(tmp_path).write_text(json.dumps({"message": "no data"}))
    with pytest.raises(IncompleteError, match="no data"):
        _run(small_experiment, tmp_path)


def test_the_base_arm_alone_is_a_page_without_effects(
    tmp_path: Path, small_experiment: Experiment, done: list[Job]
) -> None:
    result, folder = _run(small_experiment, tmp_path, arms=())
    assert result.effects == ()
    assert (folder / "page.html").is_file()


def _effect(low: float, high: float, verdict: str) -> Effect:
    middle = (low + high) / 2
    return Effect("a", "b", "s", "psnr", 1.0, 1.0, middle, low, high, low, high, 0.1, (1, 2, 3), 4, verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "low", "high", "verdict", "standing"),
    [
        ("worse", -2.0, -1.0, "worse", "holds"),
        ("worse", 1.0, 2.0, "better", "contradicted"),
        ("worse", -1.0, 2.0, "no difference shown", "not shown"),
        ("equal", -0.05, 0.09, "no difference shown", "holds"),
        ("equal", -0.05, 0.2, "no difference shown", "not shown"),  # not shown to differ is not shown to be equal
        ("equal", 0.02, 0.08, "better", "holds"),  # real, but smaller than matters
        ("equal", 0.2, 0.3, "better", "contradicted"),
    ],
)
def test_claims_are_judged_by_intervals(expected: str, low: float, high: float, verdict: str, standing: str) -> None:
    claim = Claim("text", "a", expected, margin=0.1)  # type: ignore[arg-type]
    assert standing_of(claim, _effect(low, high, verdict)) == standing


@pytest.mark.parametrize(
    ("seeds", "standing"), [((-0.05, 0.05), "holds"), ((-0.3, 0.3), "not shown"), ((0.15, 0.3), "not shown")]
)
def test_equality_needs_the_seeds_too(seeds: tuple[float, float], standing: str) -> None:
    claim = Claim("text", "a", "equal", margin=0.1)
    effect = replace(_effect(-0.05, 0.09, "no difference shown"), seed_low=seeds[0], seed_high=seeds[1])
    assert standing_of(claim, effect) == standing


def test_one_summary_tells_of_both_scales(tmp_path: Path, small_experiment: Experiment, done: list[Job]) -> None:
    _run(small_experiment, tmp_path / "out")
    _run(small_experiment, tmp_path / "out", scale="confirm")
    results = gathered([tmp_path / "out"])
    assert [result.scale for result in results] == ["screening", "confirm"]
    written = write_summary(results, tmp_path / "page")
    text = written[0].read_text()
    assert "crops of 64²" in text
    assert "crops of 128²" in text
    assert text.count("A large change is worse.") == 3
    assert "| experiment | claim | screening | confirm |" in text
    standings = [{item.claim.text: item.standing for item in result.judgements} for result in results]
    for claim in standings[0]:
        assert f"| matter | {claim} | {standings[0][claim]} | {standings[1][claim]} |" in text
    _run(small_experiment, tmp_path / "out", steps=2)
    beside = write_summary(gathered([tmp_path / "out"]), tmp_path / "page")[0].read_text()
    assert "holds, holds" not in beside  # a trial is no second witness


def test_folders_without_results_and_damaged_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        gathered([tmp_path / "absent"])
    with pytest.raises(DataError, match=r"no results\.json"):
        gathered([tmp_path])
    (tmp_path / "results.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="no result of an experiment"):
        gathered([tmp_path])
