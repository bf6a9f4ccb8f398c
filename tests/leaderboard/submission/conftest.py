"""Good packs of every kind, judged on four small images under a cheap protocol."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pack_forge import Ordinary, copied, write_images, write_weights

from alphabench.cli import app as command_line
from alphabench.leaderboard.submission import ground as grounds
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.pack import About, build_pack
from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set
from alphabench.tasks.scoring_files import ScoreRequest, score_files

PROTOCOL = """
[protocol]
name = "small"
version = 1
status = "draft"
task = "reconstruction"

[views]
backgrounds = [
  { name = "black", rgb = [0, 0, 0] },
  { name = "white", rgb = [255, 255, 255] },
]

[metrics.psnr]
version = 1
views = ["composite", "alpha"]
mean_cap_db = 100.0

[metrics.sad]
version = 1
views = ["alpha"]
"""
ABOUT = About(org="acme", name="tiny", licence="MIT", summary="a small linear codec", handle="someone")


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Ordinary:
    """Good packs: a checkpoint alone, one with everything, and predictions alone."""
    home = tmp_path_factory.mktemp("ordinary")
    data, protocol = home / "pictures", home / "small.toml"
    write_images(data)
    protocol.write_text(PROTOCOL, encoding="utf-8")
    weights = write_weights(home / "weights")
    ground = Ground(str(protocol), str(data))
    request = ReconstructionRequest(
        "pca", checkpoint=weights, data=str(data), protocol=str(protocol), out=home / "run", device="cpu"
    )
    reconstruct_set(request, lambda *_: None)
    delivered = home / "run" / "predictions"
    score_files(
        ScoreRequest(data, delivered, protocol=str(protocol), out=home / "scored", device="cpu"), lambda *_: None
    )
    packs = {
        "bare": build_pack(home / "run", home / "bare", ABOUT, checkpoint=weights, on=ground),
        "full": build_pack(home / "run", home / "full", ABOUT, checkpoint=weights, with_predictions=True, on=ground),
        "predictions": build_pack(home / "scored", home / "files", ABOUT, predictions=delivered, on=ground),
    }
    folders = {}
    for kind, pack in packs.items():
        assert pack.folder is not None, pack.findings
        folders[kind] = pack.folder
    return Ordinary(folders, home / "run", data, protocol, weights)


@pytest.fixture
def ground(ordinary: Ordinary) -> Ground:
    """What the packs are judged on."""
    return Ground(str(ordinary.protocol), str(ordinary.data))


@pytest.fixture
def on_small_ground(monkeypatch: pytest.MonkeyPatch, ground: Ground) -> Ground:
    """Let every card's protocol and data be the small ones, in this process."""
    monkeypatch.setattr(grounds, "ground_of", lambda card: ground)
    return ground


@pytest.fixture
def pack_of(ordinary: Ordinary, tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of copies: `pack_of(kind)` is a good pack that may be spoilt."""

    def make(kind: str) -> Path:
        return copied(ordinary.packs[kind], tmp_path / f"packs{len(list(tmp_path.glob('packs*'))) or ''}")

    return make


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run one command line in an empty folder and return exit code, stdout and stderr."""
    empty = tmp_path / "cwd"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("ALPHABENCH_DEBUG", "1")

    def execute(*arguments: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = command_line.run([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert code != 70, streams.err
        return code, streams.out, streams.err

    return execute
