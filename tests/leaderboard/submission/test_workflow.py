"""The workflow that strangers' pull requests start: it can only read, and runs nothing that they bring."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / ".github" / "workflows" / "submission.yml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
STEPS: list[dict[str, Any]] = [step for job in JOBS.values() for step in job["steps"]]
SHELL = [step["run"] for step in STEPS if "run" in step]


def test_only_pull_requests_that_touch_submissions_start_it() -> None:
    assert WORKFLOW[True] == {"pull_request": {"paths": ["leaderboard/submissions/**"]}}  # YAML reads `on` as true


def test_it_can_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in JOBS.values())
    assert "secrets." not in TEXT
    assert "GITHUB_TOKEN" not in TEXT
    assert "github.token" not in TEXT


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert len(used) >= 4
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in used)


def test_every_checkout_leaves_no_credentials_and_fetches_no_submodule_or_large_file() -> None:
    checkouts = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert [options["path"] for options in checkouts] == ["base", "pr"]
    for options in checkouts:
        assert (options["persist-credentials"], options["submodules"], options["lfs"]) == (False, False, False)


def test_only_the_base_is_installed_and_run_and_from_elsewhere() -> None:
    (install,) = [text for text in SHELL if "pip install" in text]
    assert install.split("pip install")[1].split() == ["--no-input", "-c", "base/constraints.txt", "./base"]
    for text in SHELL:
        for line in re.findall(r"^\s*(?:exec )?python[^\n]*", text, re.MULTILINE):
            assert line.split()[1] == "-I", line
        if "alphabench leaderboard" in text:
            assert text.startswith('cd "$RUNNER_TEMP/work"\n')
        assert "cd pr" not in text


def test_no_text_of_the_event_reaches_a_shell_but_through_a_variable() -> None:
    assert not [text for text in SHELL if "${{" in text]


def test_the_output_of_tools_cannot_give_commands() -> None:
    for text in SHELL:
        if "alphabench leaderboard" in text:
            assert text.index("::stop-commands::$token") < text.index("alphabench leaderboard")
            assert text.rindex('echo "::$token::"') > text.rindex("alphabench leaderboard")
            assert "openssl rand" in text


def test_it_validates_verifies_and_checks_in_this_order() -> None:
    order = [word for text in SHELL for word in re.findall(r"alphabench leaderboard (\w+)", text)]
    assert order == ["validate", "verify", "check"]
    assert "--base-diff" in TEXT


def test_an_inconclusive_check_does_not_block_and_a_regression_does() -> None:
    (check,) = [text for text in SHELL if "leaderboard check" in text]
    assert re.search(r'"\$code" = 5 \]; then\n.*inconclusive.*\n\s*exit 0', check)
    assert check.rstrip().endswith('exit "$code"')


def test_one_run_per_pull_request_of_limited_length_on_a_throwaway_machine() -> None:
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is True
    assert "pull_request.number" in WORKFLOW["concurrency"]["group"]
    for job in JOBS.values():
        assert job["timeout-minutes"] <= 45
        assert job["runs-on"].startswith("ubuntu-")
    assert not [step for step in STEPS if "cache" in step.get("uses", "") or "cache" in step.get("with", {})]


@pytest.mark.parametrize("folder", [".github", "alphabench"])
def test_a_review_guards_what_runs(folder: str) -> None:
    owners = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8")
    assert re.search(rf"^/{re.escape(folder)}/\s+@\S+", owners, re.MULTILINE)
