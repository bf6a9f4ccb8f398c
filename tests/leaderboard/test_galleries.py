"""Galleries: which predictions are kept, lossless and checked; runs without them are added all the same."""

import hashlib
import json

import numpy as np
import pytest
import torch

from alphabench.cli import app as command_line
from alphabench.errors import DataError
from alphabench.image.codec import decode_rgba, encode_png
from alphabench.leaderboard import galleries
from alphabench.leaderboard.galleries import add_gallery, chosen_samples, pixels_sha256, worst_first
from alphabench.leaderboard.store import add_record, load_for_store
from alphabench.results.canonical import canonical_json
from alphabench.results.parts import FOOTER
from alphabench.results.rows import write_parquet


@pytest.fixture
def run_folder(make_record):
    """A run of thirty images with its predictions, hidden colour among them."""

    def make(side=8):
        folder = make_record("run/record", images=30, noise={"psnr": 1.0})
        generator = torch.Generator().manual_seed(1)
        scored = {}
        for index in range(30):
            codes = torch.randint(0, 256, (4, side, side), generator=generator, dtype=torch.uint8)
            codes[3, : side // 2] = 0
            data = encode_png(codes)
            path = folder.parent / "predictions" / f"img/{index:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            scored[f"img/{index:04d}"] = hashlib.sha256(data).hexdigest()
        (folder.parent / "parts").mkdir()
        footer = {FOOTER: canonical_json({"predictions": scored})}
        (folder.parent / "parts" / "x.parquet").write_bytes(write_parquet([("a", "b", "c", "d", 1.0)], footer))
        return folder

    return make


def gallery_of(folder, root):
    record = load_for_store(folder)
    return record, add_gallery(record, add_record(record, root).record_id, root)


def test_the_worst_the_median_and_the_best_are_kept():
    names = [f"{index:02d}" for index in range(48)]
    chosen = chosen_samples(names)
    assert len(chosen) == len(set(chosen)) == 24
    assert [name for name, place in chosen if place == "worst"] == names[:8]
    assert [name for name, place in chosen if place == "median"] == names[20:28]
    assert [name for name, place in chosen if place == "best"] == names[40:]
    assert [name for name, _ in chosen_samples(names[:5])] == names[:5]


def test_among_equal_values_the_categories_take_turns():
    values = dict.fromkeys(["a/0", "a/1", "a/2", "b/0", "b/1"], 0.0) | {"b/2": 0.5, "a/3": 0.1}
    categories = {name: name[0] for name in values}
    ties = ["a/0", "b/0", "a/1", "b/1", "a/2"]
    assert worst_first(values, categories, low_is_good=True) == ["b/2", "a/3", *ties]
    assert worst_first(values, categories, low_is_good=False) == [*ties, "a/3", "b/2"]


def test_a_gallery_has_the_pixels_of_the_predictions(run_folder, tmp_path):
    root = tmp_path / "store"
    record, gallery = gallery_of(run_folder(), root)
    assert gallery.path == root / "galleries" / record.id
    assert gallery.images == 24
    document = json.loads((gallery.path / "gallery.json").read_bytes())
    assert document["record_id"] == record.id
    values = {}
    for sample, _, view, metric, value in record.rows:
        if metric == "psnr" and view in record.protocol.derived_views("psnr")["composite/mean9"]:
            values.setdefault(sample, []).append(value)
    order = sorted(values, key=lambda sample: float(np.mean(values[sample])))
    assert [item["sample"] for item in document["samples"]] == order[:8] + order[11:19] + order[-8:]
    for item in document["samples"]:
        kept = decode_rgba((gallery.path / item["file"]).read_bytes(), name=item["file"], allow_opaque=True)
        scored = decode_rgba((record.path.parent / f"predictions/{item['sample']}.png").read_bytes(), name="p.png")
        assert torch.equal(kept, scored)
        assert item["sha256"] == pixels_sha256(scored)
        assert item["sha256"] == hashlib.sha256(scored.permute(1, 2, 0).numpy().tobytes()).hexdigest()
        assert (item["width"], item["height"]) == (8, 8)
    assert add_gallery(record, record.id, root) == gallery


def test_large_predictions_leave_fewer_pictures_and_never_more_bytes(run_folder, tmp_path, monkeypatch):
    folder = run_folder(side=32)
    monkeypatch.setattr(galleries, "MAX_BYTES", 16384 + 40_000)
    _, gallery = gallery_of(folder, tmp_path / "store")
    assert 6 <= gallery.images < 24
    assert gallery.images % 3 == 0
    assert gallery.bytes <= 40_000
    monkeypatch.setattr(galleries, "MAX_BYTES", 16384 + 100)
    _, gallery = gallery_of(folder, tmp_path / "other")
    assert gallery.path is None
    assert "bytes" in gallery.reason


def test_a_prediction_that_is_not_the_scored_one_is_refused(run_folder, tmp_path):
    folder = run_folder()
    path = folder.parent / "predictions/img/0003.png"
    for index in range(30):
        path = folder.parent / f"predictions/img/{index:04d}.png"
        path.write_bytes(encode_png(torch.zeros(4, 8, 8, dtype=torch.uint8)))
    with pytest.raises(DataError, match="not the file that was scored"):
        gallery_of(folder, tmp_path / "store")
    assert not (tmp_path / "store" / "galleries").exists()


def test_add_says_what_became_of_the_gallery(run_folder, make_record, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = run_folder()
    assert command_line.run(["leaderboard", "add", str(folder)]) == 0
    assert "24 predictions" in capsys.readouterr().out
    assert command_line.run(["leaderboard", "add", str(make_record("bare", model="bare", images=6))]) == 0
    assert "no gallery" in capsys.readouterr().err
