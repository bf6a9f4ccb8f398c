"""Packs measured again: the right claim stands, a wrong one does not, and nothing gets out of the process."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pack_forge import SAMPLES, Ordinary, edit_record, good_png, put, relist

from alphabench.data.dataset import resolve_data
from alphabench.errors import IncompleteError, UsageError, ValidationRefused
from alphabench.leaderboard.submission import child, verify
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.sandbox import Exceeded, Limits, isolation, run_limited
from alphabench.leaderboard.submission.verify import previous_record, spread_subset
from alphabench.leaderboard.submission.verify import verify as verify_pack
from alphabench.results.aggregate import aggregate
from alphabench.results.record import load_record
from alphabench.results.rows import rows_sha256, write_parquet

SANDBOX = "from alphabench.leaderboard.submission.sandbox import restrict"
GIB = 1024**3


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the child's work be done in this process, which has no limits to keep."""

    def run(module: str, arguments: Sequence[str], **_: Any) -> None:
        values = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        task = child.Task(**{**values, "subset": tuple(values["subset"])})
        Path(task.out, child.RESULT).write_text(json.dumps(child.carried_out(task)), encoding="utf-8")

    monkeypatch.setattr(verify, "run_limited", run)


def raise_psnr(pack: Path, ground: Ground, by: float) -> None:
    """Let the pack's record claim `by` dB more for every sample, in rows and means alike."""
    record = load_record(pack / "record", protocol=ground.protocol)
    rows = [(*row[:4], row[4] + by * row[3].startswith("psnr")) for row in record.rows]
    samples = [(sample.id, sample.category) for sample in ground.data.manifest.samples]
    metrics = aggregate(ground.protocol, samples, rows, [])
    parquet = write_parquet(rows)
    (pack / "record" / "samples.parquet").write_bytes(parquet)

    def change(document: dict[str, Any]) -> None:
        document["metrics"] = metrics
        document["samples"] |= {
            "rows_sha256": rows_sha256(rows),
            "file_sha256": hashlib.sha256(parquet).hexdigest(),
            "file_bytes": len(parquet),
        }

    edit_record(pack, change)


def test_tier_1_in_a_process_of_its_own_finds_what_was_claimed(
    pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path
) -> None:
    found = verify_pack(pack_of("full"), tmp_path / "out", tier=1, on=ground, by="a tester")
    assert found.ok, found.worst
    assert found.claimed is not None
    assert max(item.difference for item in found.compared) <= 1e-9  # one machine: the same numbers
    facts = found.record.document["verification"]
    assert (facts["tier"], facts["of"], facts["by"]) == (1, found.claimed.id, "a tester")
    assert facts["pack_hash"] == found.pack_hash
    assert found.record.document["supersedes"] == found.claimed.id
    assert found.record.document["model"]["hash"] == found.claimed.document["model"]["hash"]
    assert load_record(tmp_path / "out" / "record", protocol=ground.protocol).id == found.record.id
    assert "summary by its maker: a small linear codec" in found.record.document["notes"]


@pytest.mark.usefixtures("in_process")
def test_a_claim_raised_by_a_twentieth_of_a_decibel_is_refused_and_the_right_number_is_told(
    pack_of: Callable[[str], Path], on_small_ground: Ground, run: Callable[..., Any], tmp_path: Path
) -> None:
    pack = pack_of("full")
    raise_psnr(pack, on_small_ground, 0.05)
    code, out, _ = run("leaderboard", "verify", pack, "--tier", 1, "--out", tmp_path / "out", "--summary", "s.md")
    assert code == 6
    lines = [line for line in out.splitlines() if line.startswith("E_VERIFY ")]
    assert len(lines) == 5
    claimed, right = map(float, re.search(r"claimed ([\d.]+), found ([\d.]+)", lines[0]).groups())  # type: ignore[union-attr]
    assert claimed - right == pytest.approx(0.05, abs=1e-3)
    record = load_record(tmp_path / "out" / "record", protocol=on_small_ground.protocol)
    assert any(row[4] == pytest.approx(right, abs=1e-3) for row in record.rows)
    assert "the claim does not stand" in (Path.cwd() / "s.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("in_process")
def test_tier_2_of_a_small_set_is_generated_whole(
    pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path
) -> None:
    found = verify_pack(pack_of("bare"), tmp_path / "out", on=ground)
    assert (found.tier, found.ok, found.subset) == (2, True, tuple(sorted(SAMPLES)))
    facts = found.record.document["verification"]
    assert len(facts["subset_seed"]) == 64
    assert facts["largest"]["psnr"] <= facts["tolerance"]["psnr"] == 0.02
    pack = pack_of("full")
    raise_psnr(pack, ground, 0.05)
    for path in (pack / "predictions").rglob("*.png"):
        path.unlink()
    for folder in (*(pack / "predictions").iterdir(), pack / "predictions"):
        folder.rmdir()
    relist(pack)
    found = verify_pack(pack, tmp_path / "again", on=ground)
    assert not found.ok
    assert {item.metric for item in found.worst} == {"psnr"}


@pytest.mark.usefixtures("in_process")
def test_tier_2_makes_a_subset_anew_and_finds_foreign_predictions(
    pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MOST_REGENERATED", 2)
    found = verify_pack(pack_of("full"), tmp_path / "out", on=ground)
    assert (found.tier, found.ok, len(found.subset)) == (2, True, 2)
    assert {name.partition("/")[0] for name in found.subset} == {"glass", "hair"}
    assert found.record.document["verification"]["largest"]["share-of-codes"] == 0.0


@pytest.mark.usefixtures("in_process")
def test_predictions_that_the_checkpoint_does_not_make_are_refused_and_leave_no_record(
    pack_of: Callable[[str], Path], on_small_ground: Ground, run: Callable[..., Any], tmp_path: Path
) -> None:
    pack = pack_of("full")
    put(pack, "predictions/hair/b.png", good_png(3))  # the reference itself: better than the model
    for path in (pack / "record").iterdir():
        path.unlink()
    (pack / "record").rmdir()
    relist(pack)
    code, _, err = run("leaderboard", "verify", pack, "--tier", 2, "--out", tmp_path / "out")
    assert code == 6
    assert "E_VERIFY the checkpoint does not make the pack's predictions: hair/b" in err
    assert not (tmp_path / "out" / "record").exists()


@pytest.mark.usefixtures("in_process")
def test_predictions_alone_reach_tier_1_and_a_bare_checkpoint_does_not(
    pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verify_pack(pack_of("predictions"), tmp_path / "out", on=ground)
    assert (found.tier, found.ok) == (1, True)
    assert found.record.document["model"]["kind"] == "predictions"
    with pytest.raises(UsageError, match="it has no predictions"):
        verify_pack(pack_of("bare"), tmp_path / "o2", tier=1, on=ground)
    monkeypatch.setattr(verify, "WHOLE_SET", 3)
    with pytest.raises(UsageError, match="needs its predictions beside it"):
        verify_pack(pack_of("bare"), tmp_path / "o3", on=ground)


def test_predictions_cannot_reach_tier_2(pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it has no checkpoint"):
        verify_pack(pack_of("predictions"), tmp_path / "out", tier=2, on=ground)


def test_a_refused_pack_is_not_measured(pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path) -> None:
    pack = pack_of("bare")
    (pack / "setup.py").touch()
    with pytest.raises(ValidationRefused, match=r"E_EXTRA setup[.]py"):
        verify_pack(pack, tmp_path / "out", on=ground)
    assert not (tmp_path / "out").exists()


def test_weights_that_make_inference_crawl_end_at_the_limit_with_4_and_no_record(
    pack_of: Callable[[str], Path], on_small_ground: Ground, run: Callable[..., Any], tmp_path: Path
) -> None:
    """A second is less than the process needs to begin: whatever it does then, it is ended."""
    code, _, err = run("leaderboard", "verify", pack_of("bare"), "--out", tmp_path / "out", "--time-limit", 1)
    assert code == 4
    assert "took more than" in err
    assert not (tmp_path / "out" / "record").exists()


@pytest.mark.parametrize(
    ("script", "limits", "error", "words"),
    [
        ("import time; time.sleep(60)", Limits(wall_s=0.5), Exceeded, "0.5 seconds on the clock"),
        (f"{SANDBOX}; restrict({GIB}, 1)\nwhile True: pass", Limits(cpu_s=1), Exceeded, "1 seconds of processor"),
        (f"{SANDBOX}; restrict({GIB}, 60); bytearray(2 * {GIB})", Limits(), IncompleteError, "MemoryError"),
        (f"{SANDBOX}; restrict({GIB}, 60)\nimport socket; socket.socket()", Limits(), IncompleteError, "no network"),
        (
            f"{SANDBOX}; restrict({GIB}, 60)\nimport socket; socket.getaddrinfo('localhost', 1)",
            Limits(),
            IncompleteError,
            "no network",
        ),
        ("import os; os.kill(os.getpid(), 9)", Limits(), Exceeded, "its memory"),
    ],
)
def test_a_child_has_limits_and_no_network(
    script: str, limits: Limits, error: type[IncompleteError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        run_limited("timeit", ["-n1", "-r1", script], limits=limits, folder=tmp_path, report=lambda *_: None)


@pytest.mark.skipif(isolation() == "audit hook", reason="this system gives no network namespace")
def test_a_child_in_its_own_namespace_has_no_way_out(tmp_path: Path) -> None:
    script = "import socket; s = socket.socket(); s.settimeout(5); s.connect(('192.0.2.1', 9))"
    with pytest.raises(IncompleteError, match="unreachable"):
        run_limited("timeit", ["-n1", "-r1", script], limits=Limits(), folder=tmp_path, report=lambda *_: None)


def test_a_child_gets_no_secret_and_imports_nothing_of_its_surroundings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = "import os, sys; assert 'SECRET_TOKEN' not in os.environ; assert sys.flags.isolated"
    run_limited("timeit", ["-n1", "-r1", script], limits=Limits(), folder=tmp_path, report=lambda *_: None)


def test_a_subset_is_spread_over_the_categories_and_follows_its_seed(ground: Ground) -> None:
    samples = resolve_data("alpha-mini").manifest.samples
    seeds = [f"{number:064x}" for number in range(20)]
    subsets = [spread_subset(samples, seed, 16) for seed in seeds]
    assert subsets == [spread_subset(samples[::-1], seed, 16) for seed in seeds]
    assert len(set(subsets)) > 15
    for subset in subsets:
        counts = [sum(name.startswith(f"{category}/") for name in subset) for category in ("glass", "hair", "text")]
        assert len(subset) == len(set(subset)) == 16
        assert max(counts) - min(counts) <= 1
    assert len(spread_subset(samples, seeds[0], 1000)) == len(samples)


@pytest.mark.usefixtures("in_process")
def test_the_previous_record_is_the_newest_of_the_highest_tier(
    pack_of: Callable[[str], Path], ground: Ground, tmp_path: Path
) -> None:
    found = verify_pack(pack_of("bare"), tmp_path / "out", on=ground)
    store = tmp_path / "store"
    home = store / "small@1" / "acme__tiny"
    assert previous_record(found.record, store) is None
    assert found.claimed is not None
    shutil.copytree(pack_of("bare") / "record", home / found.claimed.id)
    # Beside the records, as a run keeps it: the protocol of these tests is not a shipped one.
    shutil.copy(tmp_path / "out" / "run" / "request.json", home / "request.json")
    assert previous_record(found.record, store) == home / found.claimed.id  # tier 0, the only one
    shutil.copytree(tmp_path / "out" / "record", home / found.record.id)
    assert previous_record(found.record, store) == home / found.record.id


def test_a_run_of_which_half_is_missing_is_no_pack(ordinary: Ordinary, run: Callable[..., Any], tmp_path: Path) -> None:
    part = tmp_path / "part"
    assert run("reconstruct", "--model", "opaque", "--data", ordinary.data, "--protocol", ordinary.protocol,
               "--limit", 2, "--out", part, "--device", "cpu")[0] == 4  # fmt: skip
    code, _, err = run("leaderboard", "submit", part, "--org", "acme", "--licence", "MIT", "--kind", "predictions")
    assert code == 4
    assert "is incomplete" in err
