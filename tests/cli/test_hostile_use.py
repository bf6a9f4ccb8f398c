"""The command line under clumsy and hostile use: nothing is lost, nothing is skipped, one process speaks."""

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import alphabench
from alphabench.cli.output import print_table
from alphabench.errors import DataError, UsageError
from alphabench.image.codec import read_rgba, write_png
from alphabench.image.contact_sheet import SheetRow, contact_sheet
from alphabench.results import durable
from alphabench.results.document import document_bytes, record_id
from alphabench.runtime import resolve_device

Folder = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., tuple[int, dict[str, Any]]]
CALL = "import sys\nfrom alphabench.cli.app import main\nsys.argv[0] = 'alphabench'\nmain()\n"


def test_a_pipe_named_like_an_image_is_refused_not_skipped(run: Run, data_folder: Folder, tmp_path: Path) -> None:
    data = data_folder()
    predictions = shutil.copytree(data, tmp_path / "predictions")
    os.mkfifo(predictions / "glass" / "pipe.png")
    code, _, err = run("score", "--reference", data, "--prediction", predictions)
    assert code == 3
    assert "pipe.png" in err


@pytest.mark.parametrize("value", ["", "CC, BY", "x" * 65])
def test_a_licence_that_no_record_can_hold_is_refused_before_the_work(
    value: str, run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    data = data_folder()
    code, _, err = run(
        "score", "--reference", data, "--prediction", data, "--protocol", small_protocol, "--licence", value
    )
    assert code == 2
    assert "licence" in err
    assert not Path("runs").exists()


def test_equal_predictions_under_another_name_are_not_answered_with_the_first_name(
    run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    data = data_folder()
    call = ("score", "--reference", data, "--prediction", data, "--protocol", small_protocol)
    assert run(*call, "--name", "first")[0] == 0
    code, _, err = run(*call, "--name", "second")
    assert code == 3
    assert "'first' there, 'second' here" in err
    assert run(*call, "--name", "second", "--out", "other")[0] == 0


def test_a_work_folder_inside_the_images_is_refused_because_its_pictures_would_become_samples(
    run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    data = data_folder()
    code, _, err = run(
        "reconstruct", "--model", "opaque", "--data", data, "--protocol", small_protocol, "--out", data / "run"
    )
    assert code == 3
    assert "--out" in err
    assert not (data / "run").exists()


def test_starting_over_never_removes_the_predictions_that_are_judged(
    run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    data = data_folder()
    run("reconstruct", "--model", "opaque", "--data", data, "--protocol", small_protocol, "--out", "run")
    code, _, _ = run(
        "score", "--reference", data, "--prediction", "run/predictions", "--protocol", small_protocol,
        "--out", "run", "--fresh",
    )  # fmt: skip
    assert code == 3
    assert len(list(Path("run/predictions").rglob("*.png"))) == 4


def test_a_disk_that_is_full_at_the_contact_sheet_exits_with_4_and_the_rerun_finishes(
    run: Run, run_json: RunJson, data_folder: Folder, small_protocol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("reconstruct", "--model", "opaque", "--data", data_folder(), "--protocol", small_protocol, "--out", "run")
    real = durable.os.replace

    def full(source: str, target: Path) -> None:
        if Path(target).name == "contact_sheet.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(durable.os, "replace", full)
        code, _, err = run(*call)
        assert code == 4
        assert "4 of 4 samples are safe" in err
    assert not list(Path("run").glob("tmp-*"))
    code, document = run_json(*call)
    assert code == 0
    assert document["complete"]
    assert Path("run/contact_sheet.png").is_file()


def test_a_file_where_a_folder_of_images_belongs_is_called_a_file(run: Run, data_folder: Folder) -> None:
    file = data_folder() / "glass" / "000.png"
    code, _, err = run("reconstruct", "--model", "opaque", "--data", file)
    assert code == 2
    assert "is a file" in err
    assert run("reconstruct", "--model", "opaque", "--data", "")[0] == 2


@pytest.mark.parametrize("name", ["cpu:3", "cuda:99", "meta", "", "nonsense"])
def test_a_device_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="device"):
        resolve_device(name)


def test_a_weights_file_in_place_of_its_folder_is_called_a_file(run: Run, data_folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"")
    code, _, err = run("reconstruct", "--model", "pca", "--data", data_folder(), "--checkpoint", file)
    assert code == 3
    assert "is a file" in err


def test_images_too_small_for_a_metric_fail_that_metric_with_a_remedy_and_keep_the_rest(
    run_json: RunJson, data_folder: Folder
) -> None:
    code, document = run_json("reconstruct", "--model", "opaque", "--data", data_folder(height=5, width=5))
    assert code == 4
    assert document["aggregates"]["psnr"]["value"] > 0
    failed = {item["metric"]: item for item in document["missing"]}
    assert failed["ssim_rgb"]["state"] == "failed"
    assert "without ssim_rgb" in failed["ssim_rgb"]["remedy"]


def test_a_batch_of_no_images_is_refused(data_folder: Folder) -> None:
    with pytest.raises(UsageError, match="batch"):
        alphabench.evaluate(lambda images: images, data=data_folder(), batch_size=0)


def test_a_reader_that_leaves_early_is_no_regression() -> None:
    for command in (["models", "list"], ["protocols", "list"], ["protocols", "show", "alpha-exact@1", "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-c", CALL, *command], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(writing)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_output_that_is_full_exits_with_4_and_no_traceback(options: list[str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", CALL, "protocols", "list", *options],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert "disk full" in done.stderr
    assert "Traceback" not in done.stderr


def test_tables_print_brackets_and_colons_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("psnr ↑ [dB]", ("set [a]", "value"), [("[red]:smile:.png", "[1, 2]")], caption="crops [of] 64²")
    told = capsys.readouterr().out
    for words in ("psnr ↑ [dB]", "set [a]", "[red]:smile:.png", "[1, 2]", "crops [of] 64²"):
        assert words in told


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_breaks_no_number(width: int) -> None:
    columns = ("model", "psnr↑ dB", "ssim_rgb↑", "lpips-rand↓", "sad↓ kilo-pixel", "psnr_worst_solid↑ dB", "n")
    row = ("org/a-model-with-a-name-that-is-longer-than-a-terminal-likes", "123.456", "0.98765", "0.12345", "9876.5",
           "23.4567", "402")  # fmt: skip
    text = _on_a_terminal(width, columns, row)
    assert all(len(line) <= width for line in text.splitlines())
    assert all(cell in text for cell in row[1:])


def _on_a_terminal(width: int, columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    attributes = termios.tcgetattr(side)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(side, termios.TCSANOW, attributes)
    stdout = sys.stdout
    with os.fdopen(side, "w", encoding="utf-8") as terminal:
        sys.stdout = terminal
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setenv("TERM", "xterm")
                patched.setenv("COLUMNS", str(width))
                print_table("a table", columns, [row])
        finally:
            sys.stdout = stdout
    # What was written arrives in pieces, and after the last one an error: nobody has the other end open.
    read = b""
    with contextlib.suppress(OSError):
        while piece := os.read(main, 100_000):
            read += piece
    os.close(main)
    return re.sub(r"\x1b\[[0-9;]*m", "", read.decode())


def _launch(arguments: list[str], folder: Path, extra: Mapping[str, str]) -> list[tuple[int, str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", **extra}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALL, *arguments],
            cwd=folder,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *answer) for process, answer in zip(processes, answers, strict=True)]


def test_two_processes_measure_what_one_measures_and_rank_0_alone_speaks(
    run_json: RunJson, data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    call = ["reconstruct", "--model", "webp", "--data", str(data_folder()), "--protocol", str(small_protocol)]
    call += ["--batch-size", "1", "--json", "--device", "cpu", "--out"]
    run_json(*call[:-1], "--out", tmp_path / "one")
    (main, out, _), (second, silent, _) = _launch([*call, str(tmp_path / "two")], tmp_path, {})
    assert (main, second) == (0, 0)
    assert json.loads(out)["complete"]
    assert silent == ""
    one, two = ((tmp_path / name / "record" / "samples.parquet").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_fault_on_one_process_is_told_once_as_json_and_ends_both(
    data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    data = data_folder()
    predictions = shutil.copytree(data, tmp_path / "predictions")
    wrong = predictions / "animal" / "001.png"  # the second sample: with batches of one it is rank 1's
    write_png(wrong, read_rgba(wrong)[:, :-1])
    call = ["score", "--reference", str(data), "--prediction", str(predictions), "--protocol", str(small_protocol)]
    call += ["--batch-size", "1", "--device", "cpu", "--json", "--out", str(tmp_path / "run")]
    (main, out, _), (second, silent, err) = _launch(call, tmp_path, {})
    assert (main, second) == (3, 3)
    assert "animal/001" in json.loads(out)["error"]["message"]
    assert silent == ""
    assert "animal/001" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_run_that_says_how_to_go_on_and_goes_on(
    number: signal.Signals, run_json: RunJson, data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    data = data_folder(count=40)
    call = ["reconstruct", "--model", "webp", "--data", str(data), "--protocol", str(small_protocol)]
    call += ["--batch-size", "1", "--device", "cpu", "--json", "--out"]
    process = subprocess.Popen(
        [sys.executable, "-c", CALL, *call, str(tmp_path / "run")],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    parts = tmp_path / "run" / "parts"
    while process.poll() is None and not (parts.is_dir() and any(parts.iterdir())):
        pass
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Repeat the same command" in json.loads(out)["error"]["remedy"]
    code, document = run_json(*call, tmp_path / "run")
    assert code == 0
    assert document["complete"]
    run_json(*call, tmp_path / "whole")
    stopped, whole = ((tmp_path / name / "record" / "samples.parquet").read_bytes() for name in ("run", "whole"))
    assert stopped == whole


def _forged(record: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads((record / "record.json").read_text(encoding="utf-8"))
    change(document)
    document["record_id"] = record_id(document)
    (record / "record.json").write_bytes(document_bytes(document))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document["protocol"].update(name="alpha-exact"), "alpha-exact@1"),
        (lambda document: document["metrics"][0]["aggregates"][0].update(value=99.0), "psnr"),
        (lambda document: document["metrics"].pop(), "kid-rand"),
        (lambda document: document["data"].update(name="alpha-test"), "signature"),
        (lambda document: document["samples"].update(rows=1), "rows"),
    ],
)
def test_a_record_forged_with_a_fitting_id_is_refused_with_exit_code_3(
    change: Callable[[dict[str, Any]], None], words: str, run: Run, data_folder: Folder
) -> None:
    run("reconstruct", "--model", "opaque", "--data", data_folder(count=1), "--out", "run")
    _forged(Path("run/record"), change)
    code, out, err = run("leaderboard", "--root", "run")
    assert code == 3
    assert "opaque" not in out
    assert words in err
    with pytest.raises(DataError):
        alphabench.load_record("run/record")


def test_a_record_with_a_number_beyond_json_is_refused_by_its_path(run: Run, data_folder: Folder) -> None:
    run("reconstruct", "--model", "opaque", "--data", data_folder(count=1), "--out", "run")
    record = Path("run/record/record.json")
    record.write_text(record.read_text(encoding="utf-8").replace('"n":2', '"n":133818314045993745', 1), "utf-8")
    with pytest.raises(DataError, match=r"record\.json"):
        alphabench.load_record("run/record")


def test_a_contact_sheet_draws_captions_in_any_script() -> None:
    tile = torch.zeros(3, 4, 4)
    sheets = {name: contact_sheet("title", "", ["tile"], [SheetRow(name, [tile])]) for name in ("häir", "hair")}
    assert sheets["häir"] == sheets["hair"]
    assert contact_sheet("title", "", ["tile"], [SheetRow("玻璃 🙂", [tile])]).startswith(b"\x89PNG")
