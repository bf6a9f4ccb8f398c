"""The command line as a user and a script see it: tables, one JSON document, exit codes, clear errors."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphabench.cli import app as command_line
from alphabench.image.codec import read_rgba, write_png

Folder = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


def test_help_and_version_import_no_torch() -> None:
    script = (
        "import sys\n"
        "from alphabench.cli.app import run\n"
        "codes = [run(['--help']), run(['reconstruct', '--help']), run(['--version'])]\n"
        "assert codes == [0, 0, 0], codes\n"
        "heavy = {'torch', 'pandas', 'scipy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_every_command_has_help(run: Run) -> None:
    for name, command in command_line.app.commands.items():
        code, out, _ = run(name, "--help")
        assert code == 0
        assert command.help
        assert command.help.split("\n")[0].split(".")[0] in " ".join(out.split())


def test_reconstruct_prints_table_signature_record_and_sheet(
    run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    code, out, _ = run("reconstruct", "--model", "opaque", "--data", data_folder(), "--protocol", small_protocol)
    assert code == 0
    assert "small@1" in out
    assert "psnr" in out
    assert "signature" in out
    record = Path(next(line.split()[-1] for line in out.splitlines() if line.startswith("record")))
    assert (record / "record.json").is_file()
    assert (record / "samples.parquet").is_file()
    assert (record.parent / "contact_sheet.png").is_file()
    assert record.parent.parent.name == "runs"


def test_reconstruct_json_is_one_document_with_the_promised_members(
    run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, small_protocol: Path
) -> None:
    code, document = run_json("reconstruct", "--model", "webp", "--data", data_folder(), "--protocol", small_protocol)
    assert code == 0
    assert {"record", "protocol", "signature", "complete", "aggregates"} <= set(document)
    assert Path(document["record"]).is_absolute()
    assert document["protocol"] == "small@1"
    assert document["complete"] is True
    assert set(document["aggregates"]["psnr"]) == {"value", "unit", "n", "state"}
    assert document["aggregates"]["psnr"]["n"] == 4


def test_a_limit_prints_what_was_measured_and_exits_with_4(
    run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, small_protocol: Path
) -> None:
    code, document = run_json(
        "reconstruct", "--model", "opaque", "--data", data_folder(), "--protocol", small_protocol, "--limit", 1
    )
    assert code == 4
    assert document["complete"] is False
    assert "1 of 4" in document["incomplete_reasons"][0]
    assert document["aggregates"]["psnr"]["value"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("reconstruct",), 2, "--model"),
        (("reconstruct", "--model", "alphavea"), 2, "alphavae"),
        (("reconstruct", "--model", "opaque", "--protocol", "alpha-exact@9"), 2, "alpha-exact@1"),
        (("reconstruct", "--model", "opaque", "--device", "tpu"), 2, "cpu"),
        (("reconstruct", "--model", "opaque", "--nonsense"), 2, "nonsense"),
        (("reconstruct", "--model", "opaque", "--data", "no-such-set"), 2, "alpha-mini"),
        (("protocols", "show", "alpha-mni"), 2, "alpha-mini"),
        (("weights", "fetch", "alexnett"), 2, "alexnet"),
        (("leaderboard", "--root", "nowhere"), 3, "nowhere"),
        (("train", "alphavae/maxi", "--out", "x"), 2, "alphavae/mini"),
        (("train", "nowhere.toml", "--out", "x"), 2, "nowhere.toml"),
    ],
)
def test_a_mistake_says_what_and_how_to_mend_it_in_words_and_in_json(
    arguments: tuple[str, ...], code: int, words: str, run: Run
) -> None:
    found, out, err = run(*arguments)
    assert found == code
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    found, out, _ = run(*arguments, "--json")
    assert found == code
    error = json.loads(out)["error"]
    assert set(error) == {"code", "message", "remedy"}
    assert words in error["message"] + error["remedy"]


def test_an_unexpected_exception_exits_with_70_not_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("alphabench.protocols.list_protocols", explode)
    code, _, err = run("protocols", "list")
    assert code == 70
    assert "please report" in err
    assert "boom" in err


def _predictions(data: Path, folder: Path) -> Path:
    shutil.copytree(data, folder)
    return folder


def test_score_pairs_by_name_and_takes_the_folders_name(
    run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    data = data_folder()
    code, document = run_json(
        "score", "--reference", data, "--prediction", _predictions(data, tmp_path / "My Model"),
        "--protocol", small_protocol,
    )  # fmt: skip
    assert code == 0
    record = json.loads((Path(document["record"]) / "record.json").read_text(encoding="utf-8"))
    assert record["model"]["name"] == "my-model"
    assert record["model"]["org"] == "local"
    assert record["model"]["licence"] == "unknown"
    assert record["model"]["kind"] == "predictions"


def _missing(folder: Path) -> None:
    (folder / "glass" / "000.png").unlink()


def _all_missing(folder: Path) -> None:
    (folder / "glass").rename(folder / "glas")
    (folder / "animal").rename(folder / "animals")


def _extra(folder: Path) -> None:
    shutil.copy(folder / "glass" / "000.png", folder / "glass" / "extra.png")


def _twin(folder: Path) -> None:
    shutil.copy(folder / "glass" / "000.png", folder / "glass" / "000.webp")


def _duplicate(folder: Path) -> None:
    write_png(folder / "glass" / "000.PNG", read_rgba(folder / "glass" / "001.png"))


def _other_size(folder: Path) -> None:
    write_png(folder / "glass" / "001.png", read_rgba(folder / "glass" / "001.png")[:, :-1])


def _truncated(folder: Path) -> None:
    path = folder / "glass" / "001.png"
    path.write_bytes(path.read_bytes()[:-60])


def _empty_file(folder: Path) -> None:
    (folder / "glass" / "001.png").write_bytes(b"")


def _text(folder: Path) -> None:
    (folder / "glass" / "001.png").write_text("not an image", encoding="utf-8")


def _no_alpha(folder: Path) -> None:
    write_png(folder / "glass" / "001.png", read_rgba(folder / "glass" / "001.png")[:3])


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (_missing, 4, "1 of 4 references have no prediction, first 'glass/000'"),
        (_all_missing, 4, "none of the 4 references has a prediction"),
        (_extra, 3, "glass/extra"),
        (_twin, 3, "000"),
        (_duplicate, 3, "000"),
        (_other_size, 3, "32x23"),
        (_truncated, 3, "001.png"),
        (_empty_file, 3, "001.png"),
        (_text, 3, "001.png"),
        (_no_alpha, 3, "alpha"),
        (_nothing, 3, "image"),
    ],
)
def test_bad_predictions_are_named_with_the_right_exit_code(
    damage: Callable[[Path], None], code: int, words: str, run: Run, data_folder: Folder, small_protocol: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    data = data_folder()
    predictions = _predictions(data, tmp_path / "predictions")
    damage(predictions)
    found, _, err = run(
        "score", "--reference", data, "--prediction", predictions, "--protocol", small_protocol, "--out", "out"
    )
    assert found == code
    assert words in err
    assert "Traceback" not in err


def test_missing_predictions_still_give_the_numbers_of_the_others(
    run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    data = data_folder()
    predictions = _predictions(data, tmp_path / "predictions")
    _missing(predictions)
    code, document = run_json("score", "--reference", data, "--prediction", predictions, "--protocol", small_protocol)
    assert code == 4
    assert document["complete"] is False
    assert document["aggregates"]["psnr"]["n"] == 3


def test_leaderboard_orders_records_and_shows_latent_numbers(
    run: Run, run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, small_protocol: Path
) -> None:
    data = data_folder()
    for model in ("blank", "identity", "opaque"):
        run("reconstruct", "--model", model, "--data", data, "--protocol", small_protocol)
    code, document = run_json("leaderboard", "--root", "runs")
    assert code == 0
    (table,) = document["tables"]
    assert table["records"][0]["model"] == "identity"
    assert [record["latent_numbers_per_pixel"] for record in table["records"]].count(4.0) == 1
    values = [record["aggregates"]["psnr"]["value"] for record in table["records"]]
    assert values == sorted(values, reverse=True)
    code, out, _ = run("leaderboard", "--root", "runs")
    assert code == 0
    assert out.index("identity") < out.index("opaque")
    assert "latent/px" in out


def test_an_edited_record_is_not_shown_and_named(run: Run, data_folder: Folder, small_protocol: Path) -> None:
    run("reconstruct", "--model", "opaque", "--data", data_folder(), "--protocol", small_protocol, "--out", "run")
    record = Path("run/record/record.json")
    record.write_text(record.read_text(encoding="utf-8").replace('"n":4', '"n":5', 1), encoding="utf-8")
    code, out, err = run("leaderboard", "--root", "run")
    assert code == 3
    assert "opaque" not in out
    assert "not shown" in err


def test_metrics_without_their_weights_are_unavailable_with_a_remedy_and_the_rest_is_measured(
    run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path / "cache"))
    code, document = run_json(
        "reconstruct", "--model", "opaque", "--data", data_folder(height=36, width=36, count=2),
        "--protocol", "alpha-exact@1",
    )  # fmt: skip
    assert code == 4
    assert document["aggregates"]["lpips"] == {"value": None, "unit": "1", "n": 0, "state": "unavailable"}
    assert document["aggregates"]["psnr"]["value"] > 0
    remedies = {item["metric"]: item["remedy"] for item in document["missing"]}
    assert "alphabench weights fetch alexnet" in remedies["lpips"]
    assert "alphabench weights fetch inception" in remedies["rfid"]
    assert "lpips:none" in document["signature"]


@pytest.mark.parametrize("command", [("models", "list"), ("protocols", "list"), ("weights", "list"), ("doctor",)])
def test_lists_speak_table_and_json(command: tuple[str, ...], run: Run) -> None:
    code, out, _ = run(*command)
    assert code == 0
    assert out.strip()
    code, out, _ = run(*command, "--json")
    assert code == 0
    assert isinstance(json.loads(out), dict)


def test_models_list_names_size_licence_and_origin(
    run_json: Callable[..., tuple[int, dict[str, Any]]],
) -> None:
    _, document = run_json("models", "list")
    models = {model["name"]: model for model in document["models"]}
    assert {"identity", "opaque", "blank", "webp", "pca", "rgb-vae-twice", "alphavae", "layerdiffuse"} <= set(models)
    assert models["alphavae"]["bytes"] <= 16 * 2**20
    assert all(model["licence"] and model["origin"] for model in models.values())


def test_protocols_show_reads_a_signature_back(
    run: Run, run_json: Callable[..., tuple[int, dict[str, Any]]], data_folder: Folder
) -> None:
    _, document = run_json("reconstruct", "--model", "opaque", "--data", data_folder(count=2))
    code, out, _ = run("protocols", "show", document["signature"])
    assert code == 0
    assert "alpha-mini@1" in out
    assert "another version" not in out
