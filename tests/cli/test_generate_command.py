"""The command that makes images from words: what it prints, how it leaves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

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


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x")], ids=["lost", "damaged"])
def test_a_finished_run_makes_again_what_was_lost(
    run: Run, run_json: RunJson, call: list[str], damage: Callable[[Path], None]
) -> None:
    first = run_json(*call)[1]
    image = Path(first["predictions"]) / "red" / "00001.png"
    record = Path(first["predictions"]).parent / "record" / "record.json"
    before = [path.read_bytes() for path in (image, record)]
    damage(image)
    code, again = run_json(*call)
    assert (code, again["aggregates"]) == (0, first["aggregates"])
    assert [path.read_bytes() for path in (image, record)] == before
    assert "stored result" in run(*call)[1]


def test_a_damaged_record_of_ones_own_run_is_made_again_from_what_is_stored(run: Run, call: list[str]) -> None:
    assert run(*call, "--out", "here")[0] == 0
    Path("here/record/record.json").write_text("{")
    code, _, err = run(*call, "--out", "here")
    assert code == 3
    assert "Remove" in err
    assert "here/record" in "".join(err.split())
    shutil.rmtree("here/record")
    code, out, err = run(*call, "--out", "here")
    assert (code, "stored result" in out) == (0, False), err


def test_a_work_folder_in_the_place_of_its_images_is_told_apart(run: Run, call: list[str]) -> None:
    assert run(*call, "--out", "here")[0] == 0
    prompts, protocol = call[2], call[6]
    code, _, err = run("score", "--prompts", prompts, "--prediction", "here", "--protocol", protocol)
    assert code == 2
    assert "here/predictions" in "".join(err.split())
    code, _, err = run("score", "--reference", "here", "--prediction", "here/predictions")
    assert code == 2
    assert "'here' is the work folder of a run" in err


def test_a_home_of_nobody_is_no_folder(run: Run, call: list[str]) -> None:
    code, _, err = run("score", "--prompts", call[2], "--prediction", "~nobody-of-this-name/images")
    assert code == 2
    assert "no file or folder '~nobody-of-this-name/images'" in err


def test_too_little_memory_is_told_with_what_helps(
    toy: Any, run: Run, call: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = toy.Toy.sample

    def full(self: object, prompts: list[str], *others: object) -> object:
        if "a blue star" in prompts:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return sample(self, prompts, *others)

    monkeypatch.setattr(toy.Toy, "sample", full)
    code, _, err = run(*call, "--batch-size", 2)
    assert code == 3
    assert "the memory is too small for 2 images at a time" in err
    assert "--batch-size" in err
    monkeypatch.undo()


@pytest.mark.parametrize("category", ["thumbs.db", "desktop.ini"])
def test_a_category_that_reads_like_litter_is_refused(run: Run, call: list[str], category: str) -> None:
    Path("litter.txt").write_text(f"[{category}]\na red star\n", encoding="utf-8")
    code, _, err = run("generate", "--prompts", "litter.txt", *call[3:])
    assert code == 3
    assert f"Call it 'category-{category}'" in err


def test_a_terminal_that_lacks_letters_gets_them_escaped(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "COLUMNS": "200"}
    program = [sys.executable, "-m", "alphabench"]
    table = subprocess.run([*program, "leaderboard"], env=environment, capture_output=True, check=False)
    assert table.returncode == 0, table.stderr
    assert rb"psnr\u2191" in table.stdout
    (tmp_path / "twice.txt").write_text("🐱\n🐱\n", encoding="utf-8")
    twice = subprocess.run(
        [*program, "generate", "--prompts", str(tmp_path / "twice.txt"), "--json"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert twice.returncode == 3, twice.stderr
    assert "🐱" in json.loads(twice.stdout)["error"]["message"]
