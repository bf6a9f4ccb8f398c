"""From a run to a pack, and an outsider's way from a model class of their own to the table."""

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pack_forge import Ordinary, read_card
from safetensors.torch import save_file

from alphabench.leaderboard.submission import architecture
from alphabench.leaderboard.submission.pack import toml_text
from alphabench.leaderboard.submission.validation import validated
from alphabench.leaderboard.submission.verify import previous_record
from alphabench.models.registry import list_models
from alphabench.results.record import load_record

Run = Callable[..., tuple[int, str, str]]
EXAMPLE = Path(__file__).with_name("example_model")
WHO = ("--org", "acme", "--name", "tiny", "--licence", "MIT")


def test_a_run_becomes_a_pack_and_tells_what_is_next(
    run: Run, ordinary: Ordinary, on_small_ground: Any, tmp_path: Path
) -> None:
    code, out, err = run("leaderboard", "submit", ordinary.run, "--checkpoint", ordinary.weights, *WHO,
                         "--trained-on", "fluent", "--out", tmp_path / "packs", "--with-predictions")  # fmt: skip
    assert code == 0, out + err
    for words in ("model.safetensors", "predictions/ (4 files)", "pack hash  ", "pull request", "card.toml"):
        assert words in out
    pack = tmp_path / "packs" / "acme__tiny"
    card = read_card(pack)
    assert (card["kind"], card["protocol"], card["data"]) == ("checkpoint", "small@1", "pictures@1")
    assert card["model"] == {
        "org": "acme",
        "name": "tiny",
        "licence": "MIT",
        "architecture": "pca",
        "trained_on": ["fluent"],
    }
    assert tomllib.loads((pack / "config.toml").read_text(encoding="utf-8")) == {"patch": 8, "latent_channels": 48}
    document = json.loads((pack / "record" / "record.json").read_bytes())
    assert (document["model"]["org"], document["model"]["name"]) == ("acme", "tiny")
    code, _, err = run("leaderboard", "submit", ordinary.run, "--checkpoint", ordinary.weights, *WHO,
                       "--out", tmp_path / "packs")  # fmt: skip
    assert code == 3
    assert "there is a pack at" in err


def test_a_card_template_says_what_flags_do_not(
    run: Run, ordinary: Ordinary, on_small_ground: Any, tmp_path: Path
) -> None:
    template = tmp_path / "template.toml"
    template.write_text(
        '[model]\norg = "acme"\nname = "other"\nlicence = "MIT"\nsummary = "näht \\"und\\" \\u0041"\n'
        '[contact]\nhandle = "@someone"\n',
        encoding="utf-8",
    )
    code, out, _ = run("leaderboard", "submit", ordinary.run, "--checkpoint", ordinary.weights, "--card", template,
                       "--name", "tiny", "--out", tmp_path / "packs", "--json")  # fmt: skip
    assert code == 0, out
    card = read_card(Path(json.loads(out)["pack"]))
    assert (card["model"]["name"], card["model"]["summary"]) == ("tiny", 'näht "und" A')
    assert card["contact"] == {"handle": "@someone"}
    template.write_text("[model]\nscore = 1\n", encoding="utf-8")
    assert run("leaderboard", "submit", ordinary.run, "--card", template)[0] == 2


def test_what_nobody_said_is_asked_for_and_what_is_missing_is_named(
    run: Run, ordinary: Ordinary, tmp_path: Path
) -> None:
    code, _, err = run("leaderboard", "submit", ordinary.run, "--out", tmp_path)
    assert (code, "--org" in err) == (2, True)
    code, _, err = run("leaderboard", "submit", ordinary.run, *WHO, "--out", tmp_path)
    assert (code, "--checkpoint" in err) == (3, True)
    assert run("leaderboard", "submit", ordinary.run, "--org", "A b", "--licence", "MIT", "--out", tmp_path)[0] == 2
    assert run("leaderboard", "submit", tmp_path / "nowhere", *WHO)[0] == 3
    assert list(tmp_path.glob("*__*")) == []


def test_a_pack_that_would_be_refused_is_not_kept(
    run: Run, ordinary: Ordinary, on_small_ground: Any, tmp_path: Path
) -> None:
    code, out, _ = run("leaderboard", "submit", ordinary.run, "--checkpoint", ordinary.weights, *WHO,
                       "--trained-on", "pictures", "--out", tmp_path / "packs")  # fmt: skip
    assert code == 6
    assert out.startswith("E_CARD card.toml: model.trained_on names the test set 'pictures'")
    assert list((tmp_path / "packs").iterdir()) == []


@pytest.mark.parametrize("text", ['a "b" \\ c', "tab\tline\n", "\x7f\x01", "漢 é 😀", ""])
def test_written_toml_reads_as_it_was(text: str) -> None:
    tables = {"": {"text": text, "number": 1.5, "flag": True}, "files": {"a/b.png": text, "list": [text, text]}}
    found = tomllib.loads(toml_text(tables))
    assert found.pop("files") == tables["files"]
    assert found == tables[""]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example package as pip would leave it: its folder on the path, its entry points beside it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    facts = tmp_path / "site" / f"{project['name']}-{project['version']}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.toml").write_text("block = 2\n", encoding="utf-8")
    save_file({"gain": torch.tensor([1.0, 1.0, 1.0, 1.0])}, checkpoint / "model.safetensors")
    yield checkpoint
    for name in [name for name in sys.modules if name.partition(".")[0] == "halfsize"]:
        del sys.modules[name]


def test_an_outsiders_class_joins_by_entry_point_and_its_checkpoints_after_a_review(
    run: Run, example: Path, ordinary: Ordinary, on_small_ground: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_models()["halfsize"].licence == "MIT"
    code, out, err = run("reconstruct", "--model", "halfsize", "--checkpoint", example, "--data", ordinary.data,
                         "--protocol", ordinary.protocol, "--out", tmp_path / "run", "--device", "cpu")  # fmt: skip
    assert code == 0, err
    submit = ("leaderboard", "submit", tmp_path / "run", "--checkpoint", example, *WHO)
    code, _, err = run(*submit, "--out", tmp_path / "before")
    assert (code, "checkpoints of 'halfsize' are not taken" in err) == (2, True)
    # Predictions need no review of anybody's code.
    assert run(*submit, "--kind", "predictions", "--out", tmp_path / "files")[0] == 0
    reviewed = {**architecture.submittable(), "halfsize": "halfsize:ARCHITECTURE"}  # the line of submittable.toml
    monkeypatch.setattr(architecture, "submittable", lambda: reviewed)
    code, out, err = run(*submit, "--out", tmp_path / "after")
    assert code == 0, out + err
    with validated(tmp_path / "after" / "acme__tiny", on=on_small_ground) as found:
        assert found.ok, found.findings
        assert found.claim is not None
        assert found.claim.document["model"]["architecture"] == "halfsize"


@pytest.mark.slow
def test_an_outsider_walks_from_submit_to_the_table(run: Run, tmp_path: Path) -> None:
    """The README's commands on the embedded set: the linear codec as somebody's model."""
    store, pack = tmp_path / "store", tmp_path / "packs" / "acme__tiny"
    assert run("reconstruct", "--model", "pca", "--out", tmp_path / "run", "--device", "cpu")[0] == 0
    assert run("leaderboard", "submit", tmp_path / "run", *WHO, "--summary", "</script>", "--out", pack.parent)[0] == 0
    assert run("leaderboard", "validate", pack)[0] == 0
    code, out, _ = run("leaderboard", "verify", pack, "--out", tmp_path / "out", "--root", store, "--json")
    verified = json.loads(out)
    assert (code, verified["tier"], verified["accepted"], verified["previous"]) == (0, 2, True, None)
    assert run("leaderboard", "check", "--baseline", tmp_path / "run", "--candidate", verified["record"])[0] == 0
    assert run("leaderboard", "add", verified["record"], "--root", store)[0] == 0
    code, out, _ = run("leaderboard", "--root", store)
    assert (code, "acme/tiny" in out) == (0, True)
    assert run("leaderboard", "--root", store, "--json")[1].count(verified["record_id"]) >= 1
    record = load_record(Path(verified["record"]))
    found = previous_record(record, store)
    assert found is not None
    assert found.name == record.id
