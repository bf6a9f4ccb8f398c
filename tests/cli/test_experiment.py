"""`alphabench experiment`: listing, running, and what is said of mistakes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alphabench.cli.app import run
from alphabench.experiments import conduct as conducting
from alphabench.experiments import story
from alphabench.experiments.jobs import Job, Outcome, write_outcome
from alphabench.experiments.judging import Row


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done at once: random alpha costs 1 dB."""

    def finish(jobs: list[Job], root: Path, labour: object, report: object) -> list[Job]:
        for job in jobs:
            loss = 1.0 if job.recipe["model"]["initialisation"] == "random" else 0.0
            rows = tuple(Row("fluent3d", f"s{i}", "all", "psnr", 30.0 + i - loss) for i in range(3))
            job.folder(root).mkdir(parents=True, exist_ok=True)
            write_outcome(job, root, Outcome(rows, {}))
        return []

    monkeypatch.setattr(conducting, "run_jobs", finish)
    monkeypatch.setattr(story, "forest_of", lambda result, measure, kind="svg": b"<svg/>")


def test_the_list_names_every_shipped_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "list", "--json"]) == 0
    found = {item["name"]: item for item in json.loads(capsys.readouterr().out)["experiments"]}
    assert {"reference-kl", "kl-sweep", "objective", "backgrounds", "white-subset", "data-size"} <= found.keys()
    assert "_common" not in found
    assert found["initialisation"]["arms"] == ["mini", "random-alpha"]


@pytest.mark.usefixtures("pretended")
def test_a_run_prints_the_difference_and_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "run", "initialisation", "--out", str(tmp_path), "--seeds", "1,2"]) == 0
    said = capsys.readouterr().out
    assert "-1.000" in said
    assert "worse" in said
    assert "holds: random-alpha against mini" in said
    assert "seeds 1, 2" in said
    assert "effect in psnr on fluent3d: random-alpha" in said
    assert run(["experiment", "page", str(tmp_path), "--out", str(tmp_path / "page")]) == 0
    assert "Does the opaque start help?" in (tmp_path / "page" / "summary.md").read_text()


@pytest.mark.usefixtures("pretended")
def test_a_run_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["experiment", "run", "initialisation", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["effects"][0]["verdict"] == "worse"
    assert document["setting"]["steps"] == 800


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "initialization", "--out", "x"], "Did you mean 'initialisation'"),
        (["run", "initialisation", "--out", "x", "--arms", "random"], "Did you mean 'random-alpha'"),
        (["run", "initialisation", "--out", "x", "--seeds", "1,b"], "no list of whole numbers"),
        (["run", "initialisation", "--out", "x", "--seeds", "1,1"], "name one twice"),
        (["run", "initialisation", "--out", "x", "--scale", "confirm"], "Run it with --scale screening"),
        (["run", "absent.toml", "--out", "x"], "there is no settings file absent.toml"),
        (["page", "absent", "--out", "x"], "does not exist"),
    ],
)
def test_mistakes_are_told_with_a_way_on(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["experiment", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from alphabench.cli.app import run; run(['experiment', '--help']); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"
