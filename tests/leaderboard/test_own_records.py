"""The records that the repository itself keeps: intact, and one of them measured again."""

from pathlib import Path

import pytest

from alphabench.results.record import Record, load_record
from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set

STORE = Path(__file__).resolve().parents[2] / "leaderboard"
FOLDERS = sorted(path.parent for path in STORE.glob("*@*/*/*/record.json"))


def record_of(model: str) -> Record:
    """The newest record of a model under the default protocol."""
    folders = STORE.glob(f"alpha-mini@1/alphabench__{model}/*/record.json")
    return max((load_record(path.parent) for path in folders), key=lambda record: record.document["created"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_record_of_the_repository_passes_every_check(folder: Path) -> None:
    record = load_record(folder)
    assert record.complete
    assert record.document["code"]["dirty"] is False


def test_every_bundled_model_and_yardstick_has_its_record() -> None:
    models = {folder.parent.name.removeprefix("alphabench__") for folder in FOLDERS}
    bundled = {"alphavae-mini", "layerdiffuse-mini", "pca-mini", "rgb-vae-twice-mini", "rgba-lora-mini"}
    assert models == bundled | {"blank", "identity", "opaque", "webp"}


def test_measuring_one_of_them_again_gives_its_numbers(tmp_path: Path) -> None:
    stored = record_of("opaque")
    request = ReconstructionRequest("opaque", out=tmp_path / "again", device="cpu")
    again = reconstruct_set(request, lambda *_: None).record
    assert [row[:4] for row in again.rows] == [row[:4] for row in stored.rows]
    assert [row[4] for row in again.rows] == pytest.approx([row[4] for row in stored.rows], rel=1e-5, abs=1e-6)
    assert again.document["model"]["hash"] == stored.document["model"]["hash"]


def test_alphavae_is_ahead_of_the_linear_codec_and_of_nothing_in_every_category() -> None:
    def by_category(model: str) -> dict[str, float]:
        document = record_of(model).document
        (psnr,) = (metric for metric in document["metrics"] if metric["name"] == "psnr")
        return {
            item["category"]: item["value"]
            for item in psnr["aggregates"]
            if item["view"] == "composite/mean9" and item["scope"] == "category"
        }

    ours = by_category("alphavae-mini")
    assert len(ours) == 6
    for other in ("pca-mini", "opaque", "blank"):
        theirs = by_category(other)
        assert all(ours[category] > theirs[category] for category in ours)
        lead = {category: ours[category] - theirs[category] for category in ours}
        assert min(lead.values()) > 3
        assert min(value for category, value in lead.items() if category != "hair") > 5
