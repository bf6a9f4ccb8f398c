"""`alphabench models convert` and the diagnosis of a run, as a user sees them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from alphabench.image.codec import read_rgba

Folder = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]
RunJson = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def rgb(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
    )
    network.save_pretrained(tmp_path / "rgb")
    return tmp_path / "rgb"


def test_convert_is_named_in_the_help(run: Run) -> None:
    code, out, _ = run("models", "--help")
    assert code == 0
    assert "convert" in out
    assert "SRC" in run("models", "convert", "--help")[1]


def test_a_converted_folder_is_judged_and_loads_in_diffusers(
    rgb: Path, tmp_path: Path, run_json: RunJson, run: Run, data_folder: Folder, small_protocol: Path
) -> None:
    code, document = run_json("models", "convert", rgb, tmp_path / "rgba")
    assert code == 0
    assert document == {"model": "alphavae", "source": str(rgb), "checkpoint": str(tmp_path / "rgba")}
    assert AutoencoderKL.from_pretrained(tmp_path / "rgba", local_files_only=True).config.in_channels == 4
    data = data_folder()
    code, out, _ = run(
        "reconstruct", "--model", "alphavae", "--checkpoint", tmp_path / "rgba", "--data", data,
        "--protocol", small_protocol, "--out", "run",
    )  # fmt: skip
    assert code == 0
    assert "diagnosis      alpha growth in animal" in out  # it starts opaque
    assert int(read_rgba(Path("run/predictions/animal/000.png"))[3].min()) == 255


def test_what_cannot_be_converted_says_why(rgb: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "there").mkdir()
    cases = [
        ((rgb, tmp_path / "there"), 3, "exists already"),
        ((tmp_path / "absent", tmp_path / "new"), 3, "not a checkpoint folder"),
        ((rgb, tmp_path / "new", "--model", "pca"), 2, "alphavae"),
        ((rgb, tmp_path / "new", "--model", "alphavea"), 2, "alphavae"),
        ((rgb,), 2, "DST"),
    ]
    for arguments, expected, words in cases:
        code, out, err = run("models", "convert", *arguments)
        assert (code, out) == (expected, "")
        assert words in err
        assert "Traceback" not in err
    assert not (tmp_path / "new").exists()


def test_signatures_are_listed_for_programs_and_absent_for_a_perfect_model(
    data_folder: Folder, small_protocol: Path, run_json: RunJson, run: Run
) -> None:
    data = data_folder()
    _, document = run_json("reconstruct", "--model", "opaque", "--data", data, "--protocol", small_protocol)
    first = document["signatures"][0]
    assert set(first) == {"signature", "category", "measure", "value", "limit"}
    assert first["signature"] == "alpha growth"
    assert first["value"] > first["limit"] > 0
    _, document = run_json("reconstruct", "--model", "identity", "--data", data, "--protocol", small_protocol)
    assert document["signatures"] == []
    _, out, _ = run("reconstruct", "--model", "identity", "--data", data, "--protocol", small_protocol)
    assert "diagnosis" not in out
