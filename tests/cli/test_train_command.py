"""`alphabench train` as its users see it, around a trainer that trains nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alphabench.cli.app import run
from alphabench.cli.train_shown import Shown, format_duration, format_losses, print_dry_run
from alphabench.models import registry
from alphabench.models.spec import TrainRequest

FACTS = {
    "images": 1490,
    "procedural": 4000,
    "skipped": 3,
    "parameters": 4401234.0,
    "seconds_per_step": 0.4,
    "recipe_steps": 9000.0,
    "peak_memory_bytes": 1536 * 2**20,
}
Command = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Told:
    step: int
    steps: int
    losses: Mapping[str, float] = field(default_factory=dict)
    message: str | None = None
    remaining_seconds: float | None = None
    facts: Mapping[str, float | int] = field(default_factory=dict)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, TrainRequest]]:
    """What the trainer was asked for; it reports three steps and an event."""
    requests: list[tuple[Path, TrainRequest]] = []

    def trainer(config: Path, request: TrainRequest, report: Callable[[Told], None]) -> Path:
        requests.append((config, request))
        report(Told(0, 3, message="read 5 images of [set]", facts=FACTS))
        for step in range(1, 4):
            report(Told(step, 3, {"abmse": 0.25, "loss": 0.5 / step}, remaining_seconds=60.0 * (3 - step)))
        return request.out / "model"

    monkeypatch.setattr(registry, "resolve", lambda path: trainer)
    return requests


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run(["train", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_training_tells_events_the_time_left_and_where_the_checkpoint_is(
    asked: list[tuple[Path, TrainRequest]], train: Command, tmp_path: Path
) -> None:
    code, out, err = train("alphavae/mini", "--out", tmp_path / "run", "--steps", 3)
    assert code == 0
    assert out.split() == ["checkpoint", str(tmp_path / "run" / "model")]
    lines = err.splitlines()
    assert lines[0] == "alphavae/mini: read 5 images of [set]"
    assert lines[1] == "alphavae/mini: 1/3  2 min 0 s left  loss 0.5 abmse 0.25"
    assert lines[-1].startswith("alphavae/mini: 3/3  0 s left")
    assert asked[0][1].steps == 3


def test_a_dry_run_needs_no_folder_and_ends_with_a_table(
    asked: list[tuple[Path, TrainRequest]], train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = train("alphavae/mini", "--dry-run")
    assert code == 0
    for text in ("0.4 s", "about 1 h 0 min for 9,000 steps", "1.5 GiB", "4,401,234", "1,490 files, and 4,000", "3"):
        assert text in out
    assert "Nothing was written" in out
    assert asked[0][1].dry_run
    assert asked[0][1].out == Path("runs/alphavae-mini")
    assert not list(tmp_path.iterdir())


def test_json_is_one_document(asked: list[tuple[Path, TrainRequest]], train: Command) -> None:
    code, out, _ = train("alphavae/mini", "--dry-run", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["facts"] == FACTS
    assert document["checkpoint"] is None
    assert document["messages"] == ["read 5 images of [set]"]
    assert document["recipe"].endswith("mini.toml")


def test_keys_of_the_recipe_are_replaced_by_set(asked: list[tuple[Path, TrainRequest]], train: Command) -> None:
    assert train("alphavae/mini", "--dry-run", "--set", "data.batch=4", "--set", "model.base=here")[0] == 0
    assert asked[0][1].changes == {"data": {"batch": 4}, "model": {"base": "here"}}
    code, _, err = train("alphavae/mini", "--dry-run", "--set", "batch")
    assert code == 2
    assert "run.steps=500" in err


def test_an_unknown_key_is_refused_before_anything_is_read(train: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "alphavae/mini"\n[loss]\nkl_wieght = 1.0\n', encoding="utf-8")
    code, _, err = train(recipe, "--dry-run")
    assert code == 2
    assert "mine.toml (extends mini.toml): loss: unknown key 'kl_wieght'" in err
    assert "Did you mean 'kl_weight'?" in err


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("data.size=30", "size must be a multiple of 8, not 30"),
        ("data.batch=0", "batch must be at least 1"),
        ("data.flatten_probability=2.0", "flatten_probability must lie between 0 and 1"),
        ("data.szie=64", "unknown key 'szie'"),
    ],
)
def test_impossible_values_are_refused_with_their_key(train: Command, assignment: str, message: str) -> None:
    code, _, err = train("alphavae/mini", "--dry-run", "--set", assignment)
    assert code == 2
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 0 s"), (3599.0, "59 min 59 s"), (7260.0, "2 h 1 min"), (200_000.0, "2 d 7 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_loss_is_shown_first() -> None:
    assert format_losses({"abmse": 0.012345, "loss": 1.0}) == "loss 1 abmse 0.0123"


def test_a_narrow_terminal_drops_whole_terms_and_never_the_loss() -> None:
    losses = {"abmse": 0.5, "kl": 2.0, "loss": 1.0}
    assert [format_losses(losses, room) for room in (50, 16, 15, 0)] == [
        "loss 1 abmse 0.5 kl 2",
        "loss 1 abmse 0.5",
        "loss 1",
        "loss 1",
    ]


def test_what_a_dry_run_does_not_know_has_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_dry_run("x", {"seconds_per_step": 2.0})
    out = capsys.readouterr().out
    assert "one step" in out
    assert "peak memory" not in out
    print_dry_run("x", {"peak_gpu_memory_bytes": 3.0 * 2**30})
    assert "peak memory of the GPU" in capsys.readouterr().out
    assert "whole run" not in out


def test_facts_are_kept_and_later_ones_win() -> None:
    shown = Shown("x", None)
    for count in (1, 2):
        shown.report(Told(0, 1, facts={"skipped": count, "images": 5}))
    assert shown.facts == {"skipped": 2, "images": 5}
