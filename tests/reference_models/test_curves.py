"""The curves of a run, drawn from its log."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from alphabench.image.codec import read_rgba
from reference_models.training.curves import panels_of, read_log, running_mean, write_curves


def write(path: Path, steps: int) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for step in range(1, steps + 1):
        line = {"step": step, "seconds": 0.1, "kl": 5.0, "loss": float(np.exp(-step / 50) + rng.random() * 0.01)}
        if step % 100 == 0:
            line |= {"psnr": 20 + step / 100, "psnr_held_out_families": 18.0}
        lines.append(json.dumps(line | {"lr": 1e-3}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_both_files_show_every_value_of_the_log(tmp_path: Path) -> None:
    files = write_curves(write(tmp_path / "train.jsonl", 400), tmp_path / "out")
    assert files == [tmp_path / "out" / "curves.png", tmp_path / "out" / "curves.svg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curves.png", "curves.svg"]
    codes = read_rgba(files[0], allow_opaque=True)
    assert codes.shape[2] > 1000
    assert len(codes[:3].flatten(1).unique(dim=1).T) > 10
    words = " ".join("".join(text.itertext()) for text in ET.parse(files[1]).iter("{http://www.w3.org/2000/svg}text"))
    for title in ("loss", "KL", "learning rate", "seconds a step", "validation PSNR in dB", "PSNR held out families"):
        assert title in words


def test_the_same_log_gives_the_same_files(tmp_path: Path) -> None:
    log = write(tmp_path / "train.jsonl", 60)
    first, second = (write_curves(log, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_loss_comes_first_and_validations_share_a_panel(tmp_path: Path) -> None:
    panels = panels_of(read_log(write(tmp_path / "train.jsonl", 200)))
    assert [panel.title for panel in panels] == [
        "loss",
        "KL",
        "validation PSNR in dB",
        "learning rate",
        "seconds a step",
    ]
    steps, values = panels[2].lines["PSNR"]
    assert steps.tolist() == [100, 200]
    assert values.tolist() == [21, 22]


@pytest.mark.parametrize("text", ["", '{"step": 3', "[]\n", '{"loss": 1}\n', '{"step": null}\n'])
def test_a_log_without_a_whole_line_draws_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    assert write_curves(tmp_path / "train.jsonl", tmp_path / "out") == []
    assert write_curves(tmp_path / "absent.jsonl", tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


def test_broken_lines_repeated_steps_and_nan_are_passed_over(tmp_path: Path) -> None:
    text = '{"step": 2, "loss": 1.0}\n{"step": 1, "loss": 3.0}\n{"step": 2, "loss": NaN, "kl": 2.0}\n{"step": 3, "lo'
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    assert read_log(tmp_path / "train.jsonl") == [{"step": 1.0, "loss": 3.0}, {"step": 2.0, "kl": 2.0}]
    assert len(write_curves(tmp_path / "train.jsonl", tmp_path)) == 2


def test_one_step_is_enough(tmp_path: Path) -> None:
    assert len(write_curves(write(tmp_path / "train.jsonl", 1), tmp_path)) == 2


def test_the_running_mean_keeps_lines_and_flattens_noise() -> None:
    line = np.linspace(0, 1, 501)
    assert np.allclose(running_mean(line)[10:-10], line[10:-10])
    noise = np.random.default_rng(0).standard_normal(5000)
    assert running_mean(noise).std() < 0.2
