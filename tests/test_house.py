"""Habits of the house that a tool cannot see."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob("alphabench/**/*.py"), *ROOT.glob("reference_models/**/*.py")])


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {name: length for name, length in lengths.items() if length > 400}


def test_nothing_is_left_unfinished() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert not [path.name for path in SOURCES if words.search(path.read_text(encoding="utf-8"))]


def test_no_module_is_called_after_nothing() -> None:
    assert not {path.stem for path in SOURCES} & {"utils", "helpers", "common", "misc"}


def test_no_file_of_the_repository_is_larger_than_sixteen_mebibytes() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.fail("the tests run in a git checkout")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    assert names
    assert not [name for name in names if (ROOT / name).stat().st_size > 16 * 2**20]
