"""Run command lines in an empty folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphabench.cli import app as command_line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command line in an empty folder and return exit code, stdout and stderr."""
    empty = tmp_path / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)

    monkeypatch.setenv("ALPHABENCH_DEBUG", "1")

    def execute(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = command_line.run([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert code != 70 or "boom" in streams.err, streams.err
        return code, streams.out, streams.err

    return execute


@pytest.fixture
def run_json(run: Run) -> Callable[..., tuple[int, dict[str, Any]]]:
    def execute(*arguments: object) -> tuple[int, dict[str, Any]]:
        code, out, _ = run(*arguments, "--json")
        return code, json.loads(out)

    return execute
