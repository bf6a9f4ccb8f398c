"""The command that makes images from words: what it prints, how it leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphabench.models import registry

ROOMS = str(Path(__file__).parents[1] / "tasks")
Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOMS)
    import toy_generator

    monkeypatch.setattr(registry, "entry_points", toy_generator.entry_points)
    return toy_generator


@pytest.fixture
def call(toy: Any, tmp_path: Path) -> list[str]:
    """Return a command line for six prompts in two categories."""
    prompts, protocol = tmp_path / "six.csv", tmp_path / "toy.toml"
    rows = [f"{name},a {name} {thing}\n" for name in ("red", "blue") for thing in ("star", "fish", "cup")]
    prompts.write_text("category,prompt\n" + "".join(rows), encoding="utf-8")
    protocol.write_text(toy.PROTOCOL, encoding="utf-8")
    return ["generate", "--prompts", str(prompts), "--model", "toy", "--protocol", str(protocol), "--device", "cpu"]


def test_it_ends_with_a_table_by_category_the_record_and_the_sheet(run: Run, call: list[str]) -> None:
    code, out, err = run(*call, "--limit", 6)
    assert code == 0, err
    table = [line.split() for line in out.splitlines()]
    assert [row[0] for row in table if row and row[0] in {"red", "blue", "mean"}] == ["blue", "red", "mean"]
    assert "tests/toy on six@1 (6 images) under toy-t2i@1" in " ".join(out.split())
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith(("record", "predictions")))
    assert (Path(lines["record"]) / "record.json").is_file()
    assert len(list(Path(lines["predictions"]).rglob("*.png"))) == 6
    assert "contact sheet" in out
    assert "stored result" in run(*call)[1]


def test_json_is_one_document_and_a_limit_leaves_with_4(run_json: RunJson, call: list[str]) -> None:
    code, document = run_json(*call, "--limit", 5, "--per-prompt", 2)
    assert code == 4
    assert document["complete"] is False
    assert "5 of 12" in document["incomplete_reasons"][0]
    assert Path(document["contact_sheet"]).is_file()
    assert document["more_sheets"] == []
    names = sorted(path.name for path in Path(document["predictions"]).rglob("*.png"))
    assert names == ["00000-0.png", "00000-1.png", "00001-0.png", "00001-1.png", "00002-0.png"]
    assert document["aggregates"]["hole_rate"]["n"] == 5


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("--prompts", "nowhere.txt"), 2, "no prompt file"),
        (("--prompts", "blank.txt"), 3, "line 2"),
        (("--size", "tall"), 2, "no size"),
        (("--steps", 0), 2, "--steps"),
        (("--guidance", "nan"), 2, "guidance"),
        (("--per-prompt", 0), 2, "--per-prompt"),
        (("--seed", 2**53), 2, "--seed"),
        (("--model", "webp"), 2, "does reconstruction"),
        (("--model", "broken"), 3, "leaves [0,1]"),
    ],
)
def test_mistakes_leave_with_their_code_and_one_document(
    run_json: RunJson, call: list[str], change: tuple[object, ...], code: int, words: str
) -> None:
    Path("blank.txt").write_text("a cat\n\na dog\n", encoding="utf-8")
    found, document = run_json(*call, *change)
    assert found == code
    assert words in document["error"]["message"]
    assert document["error"]["remedy"]


def test_the_shipped_prompts_are_found_from_an_empty_folder(run_json: RunJson, call: list[str]) -> None:
    code, document = run_json(*call, "--prompts", "alpha_t2i.txt", "--limit", 2, "--size", 8)
    assert code == 4
    assert "2 of 200" in document["incomplete_reasons"][0]
    assert "|data:alpha-t2i@1|" in document["signature"]


def test_score_judges_the_folder_again_and_wants_either_prompts_or_references(
    run_json: RunJson, call: list[str], tmp_path: Path
) -> None:
    _, made = run_json(*call)
    prompts, protocol = call[2], call[6]
    asked = ["score", "--prediction", made["predictions"], "--protocol", protocol, "--device", "cpu"]
    code, again = run_json(*asked, "--prompts", prompts, "--out", tmp_path / "again")
    assert code == 0
    assert again["aggregates"] == made["aggregates"]
    assert again["predictions"] is None
    assert run_json(*asked)[1]["error"]["message"] == "there is nothing to measure the predictions against"
    code, both = run_json(*asked, "--prompts", prompts, "--reference", tmp_path)
    assert (code, both["error"]["code"]) == (2, "usage")
