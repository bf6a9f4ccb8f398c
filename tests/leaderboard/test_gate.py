"""The gate as data."""

from importlib.resources import files
from pathlib import Path

import pytest

from alphabench.errors import UsageError
from alphabench.leaderboard.gate import load_gate, parse_gate, shipped_gate
from alphabench.protocols import list_protocols

TEXT = files("alphabench.leaderboard").joinpath("gate.toml").read_text(encoding="utf-8")
HASHES = {"gate@1": "8a8a19adef51ee2eab04ef01d3ada7335d8e57b61eecf3907ebeb313650945b9"}


def test_a_released_gate_never_changes():
    assert shipped_gate().hash == HASHES[shipped_gate().id]


def test_margins_are_the_declared_ones():
    rules = shipped_gate().rules()
    assert [rules.margins[name].size for name in ("psnr", "ssim_rgb", "lpips", "lpips-rand")] == [0.1, 1e-3, 2e-3, 2e-3]
    assert rules.margins["sad"].of(10.0) == pytest.approx(0.2)
    assert rules.point_rules["rfid"].relative == 0.02
    assert "kid" not in rules.point_rules
    assert rules.primary == "psnr"


def test_every_shipped_reconstruction_protocol_has_its_gate():
    gates = {ruler.id: shipped_gate().rules().gate_metrics(ruler.metrics) for ruler in list_protocols()}
    assert gates["alpha-mini@1"] == ("psnr", "ssim_rgb", "lpips-rand", "sad", "rfid-rand")
    assert gates["alpha-exact@1"] == ("psnr", "ssim_rgb", "lpips", "sad", "rfid")
    assert gates["alpha-paper@1"][:2] == ("psnr_eps8", "ssim_pyiqa")
    exact = next(ruler for ruler in list_protocols() if ruler.id == "alpha-exact@1")
    assert [exact.headline(name) for name in gates["alpha-exact@1"]] == [
        "composite/mean9", "composite/mean9", "composite/mean9", "alpha", "set/mean9"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1", 'version = "1"', "gate.version"),
        ("version = 1", "version = 1\nskip = true", "skip"),
        ("psnr = { size = 0.1 }", "psnr = { size = nan }", "margins.psnr.size"),
        ("psnr = { size = 0.1 }", "psnr = { size = 0.0 }", "margins.psnr.size"),
        ("psnr = { size = 0.1 }", "", "has no margin"),
        ("psnr = { size = 0.1 }", "psnr = { size = 0.1 }\npsnrr = { size = 0.1 }", "psnrr"),
        ("psnr = { size = 0.1 }", "psnr = { size = 0.1 }\nkid = { size = 0.1 }", "kid"),
        ('primary = "psnr" ', 'primary = "mad" ', "primary"),
        ('metric = "ssim_rgb"', 'metric = "psnr"', "twice"),
        ("[gate]", "[gate", "gate"),
    ],
)
def test_a_wrong_gate_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in TEXT
    path = tmp_path / "gate.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        load_gate(path)


def test_a_changed_margin_changes_the_hash() -> None:
    changed = TEXT.replace("psnr = { size = 0.1 }", "psnr = { size = 0.2 }", 1)
    assert parse_gate(changed, name="x").hash != shipped_gate().hash
    assert parse_gate(TEXT + "\n# a remark\n", name="x").hash == shipped_gate().hash


def test_an_unreadable_gate_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_gate(tmp_path / "absent.toml")
