"""What the README shows works: its Python examples run, its commands and files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alphabench.cli.app import app

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: ([\w-]+) -->\s*```python\n(.*?)```", TEXT, re.DOTALL))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs_from_an_empty_folder(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[name]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_examples_are_short() -> None:
    assert set(EXAMPLES) >= {"evaluate", "metrics"}
    for code in EXAMPLES.values():
        lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
        assert len(lines) <= 10


def test_every_command_and_flag_of_the_readme_exists() -> None:
    commands = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL))
    lines = [line.split("#")[0] for line in commands.splitlines() if line.startswith("alphabench ")]
    assert lines
    for line in lines:
        words = line.split()[1:]
        command = app
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not app, line
        flags = {flag for option in command.params for flag in option.opts}
        assert {word for word in words if word.startswith("--")} <= flags, line


def test_files_that_the_readme_names_exist() -> None:
    for path in ("alphabench/models/spec.py", "data_manifests", "constraints.txt", "LICENSE"):
        assert (README.parent / path).exists()
