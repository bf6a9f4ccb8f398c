import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphabench.cli.app import run

Maker = Callable[..., Path]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = run(["data", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


Command = Callable[..., tuple[int, str, str]]


def document(command: Command, *arguments: object) -> tuple[int, Any]:
    code, out, _ = command(*arguments, "--json")
    return code, json.loads(out)


def test_list_names_the_embedded_and_the_unbuilt_sets(command: Command) -> None:
    code, found = document(command, "list")
    states = {item["id"]: (item["state"], item["images"], item["expected"]) for item in found["data"]}
    assert code == 0
    assert states["alpha-mini@1"] == ("embedded", 48, 48)
    assert states["alpha-test@1"] == ("unbuilt", 0, 402)
    assert states["alpha-aim500@1"] == ("unbuilt", 0, 500)


def test_list_and_show_speak_to_people(command: Command) -> None:
    assert "alpha-mini@1" in command("list")[1]
    code, out, _ = command("show", "alpha-mini")
    assert code == 0
    assert "CC0-1.0" in out
    assert "smoke" in out


def test_show_of_an_unbuilt_set_says_how_to_build_it(command: Command) -> None:
    code, out, _ = command("show", "alpha-aim500")
    assert code == 0
    assert "--layout aim500 --rgb DIR --alpha DIR" in out


def test_show_gives_every_sample_with_its_caption(command: Command) -> None:
    code, found = document(command, "show", "alpha-mini@1")
    assert (code, len(found["samples"])) == (0, 48)
    assert all(row["caption"] for row in found["samples"])


def test_build_then_verify_then_damage(command: Command, make: Maker, tmp_path: Path) -> None:
    for name in ("cat/a", "cat/b", "dog/c"):
        make(f"pets/{name}.png", seed=ord(name[-1]))
    target = tmp_path / "pets.toml"
    code, built = document(
        command, "manifest", "build", tmp_path / "pets", "--layout", "category", "--out", target, "--licence", "CC0-1.0"
    )
    assert (code, built["images"], built["licence"]) == (0, 3, "CC0-1.0")
    assert document(command, "verify", target)[1]["ok"] is True
    (tmp_path / "pets/cat/a.png").unlink()
    make("pets/dog/c.png", seed=1)
    make("pets/dog/d.png", seed=2)
    code, report = document(command, "verify", target, "--root", tmp_path / "pets")
    assert code == 3
    assert (report["missing"], report["changed"], report["extra"]) == (["cat/a.png"], ["dog/c.png"], ["dog/d.png"])
    assert report["error"]["code"] == "data"
    code, out, err = command("verify", target)
    assert (code, out) == (3, "")
    assert "1 missing (first 'cat/a.png'), 1 changed (first 'dog/c.png'), 1 extra (first 'dog/d.png')" in err


def test_verify_of_the_embedded_set_needs_nothing(command: Command) -> None:
    code, out, _ = command("verify", "alpha-mini")
    assert code == 0
    assert "all 48 files are right" in out


def test_warnings_go_beside_the_result(command: Command, make: Maker, tmp_path: Path) -> None:
    make("copy/AIM/animal/a.png")
    out = tmp_path / "alpha-test.toml"
    code, _, err = command("manifest", "build", tmp_path / "copy", "--layout", "alphatest", "--out", out)
    assert code == 0
    assert "expected 402" in err
    assert out.is_file()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("show", "alpha-minni"), 2, "usage"),
        (("verify", "alpha-test"), 3, "data"),
        (("manifest", "build", ".", "--layout", "aim500", "--out", "x.toml"), 2, "usage"),
        (("manifest", "build", "--layout", "nonsense", "--out", "x.toml"), 2, "usage"),
    ],
)
def test_mistakes_are_one_document_with_a_remedy(
    command: Command, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    found_code, found = document(command, *arguments)
    assert (found_code, found["error"]["code"]) == (exit_code, code)
    assert found["error"]["remedy"]


def test_a_manifest_that_cannot_be_written_is_a_plain_error(command: Command, make: Maker, tmp_path: Path) -> None:
    make("pets/a.png")
    (tmp_path / "file").write_text("x")
    code, _, err = command(
        "manifest", "build", tmp_path / "pets", "--layout", "flat", "--out", tmp_path / "file" / "pets.toml"
    )
    assert code == 3
    assert "cannot be written" in err
