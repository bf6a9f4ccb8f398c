"""Experiments are read from TOML, and every shipped one asks for recipes that its trainer takes."""

import tomllib
from pathlib import Path

import pytest

from alphabench.errors import UsageError
from alphabench.experiments.documents import to_toml
from alphabench.experiments.jobs import Job, job_of
from alphabench.experiments.measures import MEASURES
from alphabench.experiments.plan import Experiment, find_experiment, list_experiments, read_experiment
from alphabench.models.checkpoints import settings_from
from reference_models.alphavae.config import AlphaRecipe
from reference_models.rgba_lora.config import GeneratorRecipe

RECIPES = {"alphavae": AlphaRecipe, "rgba_lora": GeneratorRecipe}


@pytest.mark.parametrize("name", list_experiments())
def test_every_shipped_arm_is_a_recipe_that_the_trainer_takes(name: str) -> None:
    experiment = find_experiment(name)
    assert all(measure in MEASURES for measure in experiment.report)
    assert all((claim.metric or experiment.primary) in MEASURES for claim in experiment.claims)
    for scale in experiment.scales:
        jobs = [job_of(experiment, arm, 1, scale) for arm in experiment.arms]
        for job in jobs:
            written = tomllib.loads(to_toml(job.recipe))
            assert written == job.recipe
            settings_from(written, RECIPES[job.trainer], where=name)
        assert len({job.address for job in jobs}) == len(jobs)  # no arm is the base arm under another name


def test_experiments_share_the_job_of_the_base_arm() -> None:
    experiments = [find_experiment(name) for name in ("low-rank", "kl-sweep", "initialisation", "objective")]
    addresses = {job_of(e, e.arm("mini"), 1, "screening").address for e in experiments}
    assert len(addresses) == 1
    # At the confirm scale none but one experiment has the reference divergence, and its base goes without.
    jobs = [job_of(e, e.arm(e.base), 1, "confirm") for e in map(find_experiment, ("low-rank", "reference-kl"))]
    assert jobs[0].address == jobs[1].address


def test_seed_steps_and_scale_make_other_jobs(small_experiment: Experiment) -> None:
    arm = small_experiment.arm("strong")
    jobs = [
        job_of(small_experiment, arm, 1, "screening"),
        job_of(small_experiment, arm, 2, "screening"),
        job_of(small_experiment, arm, 1, "confirm"),
        job_of(small_experiment, arm, 1, "screening", steps=9),
    ]
    assert len({job.address for job in jobs}) == 4
    assert [job.recipe["run"]["steps"] for job in jobs] == [8, 8, 16, 9]


def test_an_arm_can_take_a_model_of_its_own_for_each_seed(experiment_file: Path) -> None:
    text = experiment_file.read_text(encoding="utf-8")
    named = """set = { "model.base" = "base-{seed}", "data.sources" = [{ folder = "a-{seed}", weight = 1.0 }] }"""
    experiment_file.write_text(
        text.replace('set = { "loss.kl_weight" = 0.5, "loss.perceptual_weight" = 0.25 }', named), encoding="utf-8"
    )
    experiment = read_experiment(experiment_file)
    recipes = [job_of(experiment, experiment.arm("strong"), seed, "screening").recipe for seed in (1, 12)]
    assert [recipe["model"]["base"] for recipe in recipes] == ["base-1", "base-12"]
    assert [recipe["data"]["sources"] for recipe in recipes] == [
        [{"folder": "a-1", "weight": 1.0}],
        [{"folder": "a-12", "weight": 1.0}],
    ]


def test_changes_lie_over_each_other_in_order(small_experiment: Experiment) -> None:
    screening = job_of(small_experiment, small_experiment.arm("strong"), 3, "screening").recipe
    confirm = job_of(small_experiment, small_experiment.arm("strong"), 3, "confirm").recipe
    assert (screening["loss"]["kl_weight"], confirm["loss"]["kl_weight"]) == (0.5, 0.25)
    assert (screening["data"]["size"], confirm["data"]["size"]) == (64, 128)
    assert screening["run"]["precision"] == "float32"
    assert screening["run"]["seed"] == 3


def test_a_job_survives_its_file(small_experiment: Experiment) -> None:
    job = job_of(small_experiment, small_experiment.arm("idle"), 1, "screening")
    again = Job.from_json(job.to_json())
    assert again == job
    assert (again.address, again.judging.address) == (job.address, job.judging.address)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('primary = "psnr"', 'primari = "psnr"', "primari"),
        ('name = "idle"', 'name = "strong"', "twice"),
        ("seeds = [1, 2, 3]", "seeds = [1, 1]", "twice"),
        ('arm = "idle"', 'arm = "ideal"', "ideal"),
        ('primary_set = "few"', 'primary_set = "many"', "many"),
        ("[scales.confirm]", "[scales.huge]", "huge"),
        ('data = "alpha-mini"', 'data = "alpha-mini"\nfolder = "x"', "one of folder, data and captions"),
        ('expected = "worse"', 'expected = "bad"', "bad"),
    ],
)
def test_faults_of_a_file_are_named(experiment_file: Path, old: str, new: str, said: str) -> None:
    experiment_file.write_text(experiment_file.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=said):
        read_experiment(experiment_file)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError) as refused:
        find_experiment("kl-swep")
    assert "kl-sweep" in refused.value.remedy


def test_an_unknown_arm_gets_the_nearest_one(small_experiment: Experiment) -> None:
    with pytest.raises(UsageError) as refused:
        small_experiment.arm("idel")
    assert "idle" in refused.value.remedy
