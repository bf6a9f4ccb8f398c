"""The store of this repository: only ever added to, and shipped with the package."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from alphabench.leaderboard.places import shipped_store, withdrawn_records

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "refuse_changed_records.py"


@pytest.fixture
def repository(tmp_path):
    """A repository with one record, one golden record and one withdrawal, and a way to commit changes."""

    def git(*arguments):
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    def commit(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True) if text is None else path.write_text(text, encoding="utf-8")
        git("add", "-A")
        git("commit", "-qm", "change")
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "main")
    base = commit(
        {
            "leaderboard/p@1/o__m/id/record.json": "1",
            "leaderboard/golden/v1/complete/record.json": "1",
            "leaderboard/withdrawn.csv": "record_id,date,reason\na,b,c\n",
            "leaderboard/published/x.csv": "1",
            "README.md": "1",
        }
    )

    def refused(files):
        head = commit(files)
        done = subprocess.run(
            [sys.executable, SCRIPT, base, head], cwd=tmp_path, check=False, capture_output=True, text=True
        )
        git("reset", "-q", "--hard", base)
        return done.returncode, done.stdout

    return refused


def test_new_records_and_other_files_pass(repository):
    files = {
        "leaderboard/p@1/o__m/id2/record.json": "2",
        "leaderboard/withdrawn.csv": "record_id,date,reason\na,b,c\nd,e,f\n",
        "leaderboard/published/x.csv": "2",
        "README.md": None,
    }
    assert repository(files) == (0, "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("leaderboard/p@1/o__m/id/record.json", "2", "changed"),
        ("leaderboard/p@1/o__m/id/record.json", None, "deleted"),
        ("leaderboard/golden/v1/complete/record.json", None, "deleted"),
        ("leaderboard/withdrawn.csv", "record_id,date,reason\n", "'a,b,c' is gone"),
        ("leaderboard/withdrawn.csv", None, "is gone"),
    ],
)
def test_a_changed_or_deleted_record_is_refused(repository, name, text, words):
    code, out = repository({name: text})
    assert code == 1
    assert name in out
    assert words in out


def test_moving_a_record_is_deleting_it(repository):
    code, out = repository({"leaderboard/p@1/o__m/id/record.json": None, "leaderboard/p@1/o__n/id/record.json": "1"})
    assert (code, "o__m" in out) == (1, True)


def test_the_workflow_runs_the_check_on_pull_requests():
    text = (ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8")
    assert "python .ci/refuse_changed_records.py" in text
    assert "fetch-depth: 0" in text
    assert runpy.run_path(str(SCRIPT))["main"]([]) == 2


def test_the_package_ships_the_records_and_the_published_numbers():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = included["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    store = ROOT / "leaderboard"
    wanted = [path.name for path in store.iterdir() if "@" in path.name] + ["published", "withdrawn.csv"]
    for name in wanted:
        assert included[f"leaderboard/{name}"] == f"alphabench/leaderboard/records/{name}"
    size = sum(path.stat().st_size for name in wanted for path in [store / name, *(store / name).rglob("*")])
    assert size < 8 * 2**20


def test_the_shipped_store_is_found_in_a_package_and_in_a_checkout(tmp_path, monkeypatch):
    assert shipped_store() == ROOT / "leaderboard"
    inside = tmp_path / "site-packages" / "alphabench" / "leaderboard"
    (inside / "records").mkdir(parents=True)
    monkeypatch.setattr("alphabench.leaderboard.places.__file__", str(inside / "places.py"))
    assert shipped_store() == inside / "records"


def test_withdrawals_of_the_repository_can_be_read():
    assert withdrawn_records([ROOT / "leaderboard"]) == {}
