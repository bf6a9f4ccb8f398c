"""One record as one file, and the commands that write pages."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from alphabench.cli import app as command_line
from alphabench.data.dataset import resolve_data
from alphabench.errors import DataError
from alphabench.image.codec import decode_rgba, encode_png, quantise, to_float
from alphabench.image.resizing import resize_premultiplied
from alphabench.leaderboard.report import report_bytes
from alphabench.leaderboard.site.beside_references import beside_references
from alphabench.leaderboard.site.pictures import LONG_SIDE, PictureSource, picture
from alphabench.leaderboard.site.values import read_values
from alphabench.results.record import load_record


class Loaded(HTMLParser):
    """Collects what a page loads, and where its links lead."""

    def __init__(self):
        super().__init__()
        self.addresses, self.links = [], []

    def handle_starttag(self, tag, attrs):
        for key in ("src", "href"):
            if value := dict(attrs).get(key):
                (self.links if tag == "a" else self.addresses).append(value)


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHABENCH_DEBUG", "1")

    def execute(*arguments):
        capsys.readouterr()
        code = command_line.run([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert code != 70, streams.err
        return code, streams.out, streams.err

    return execute


def test_a_report_needs_no_other_file(store):
    page = report_bytes(store.first, roots=(store.root,), data=(str(store.references),)).decode()
    loaded = Loaded()
    loaded.feed(page)
    assert len(loaded.addresses) == 13  # twelve thumbnails and the icon
    assert all(address.startswith("data:") for address in loaded.addresses)
    assert all(address.startswith(("#", "https://example.org/")) for address in loaded.links)
    assert page == report_bytes(store.first, roots=(store.root,), data=(str(store.references),)).decode()
    assert store.first.id in page
    assert store.first.signature in page
    assert f"{store.first.aggregates['psnr']['value']:.3f}" in page


def test_the_command_writes_a_report(run, store, tmp_path):
    out = tmp_path / "new" / "page.html"
    code, text, _ = run("report", store.first.path, "--out", out, "--root", store.root, "--json")
    assert code == 0
    assert json.loads(text) == {"path": str(out), "record_id": store.first.id, "bytes": out.stat().st_size}
    code, _, error = run("report", store.first.path, "--out", tmp_path / "page.pdf")
    assert code == 2
    assert "HTML" in error
    code, _, error = run("report", "ffffffff", "--out", out, "--root", store.root)
    assert code == 3


def test_the_command_writes_a_site_and_says_what(run, store, tmp_path):
    arguments = ("leaderboard", "site", "--root", store.root, "--data", store.references, "--out", tmp_path / "pages")
    code, text, error = run(*arguments, "--json")
    assert code == 0, error
    told = json.loads(text)
    files = [path for path in (tmp_path / "pages").rglob("*") if path.is_file()]
    assert told["records"] == 2
    assert told["files"] == len(files)
    assert told["bytes"] == sum(path.stat().st_size for path in files)
    code, _, error = run(*arguments, "--images", "few")
    assert code == 2
    assert "--images" in error


def test_a_large_picture_is_made_smaller_and_said_to_be(store):
    codes = torch.full((4, 300, 1024), 200, dtype=torch.uint8)
    made = picture(encode_png(codes), name="large")
    assert (made.width, made.height, made.reduced) == (LONG_SIDE, 150, True)
    smaller = decode_rgba(made.data, name="smaller")
    assert smaller.shape == (4, 150, 512)
    assert (smaller == 200).all()
    small = encode_png(codes[:, :, :LONG_SIDE])
    assert picture(small, name="small").data is small
    with pytest.raises(DataError, match="neither PNG nor lossless WebP"):
        picture(b"GIF89a" + bytes(40), name="animated")


def test_references_that_are_other_files_are_not_shown(store, tmp_path):
    sample = "img/0003"
    source = PictureSource((store.root,), (str(store.references),))
    found, note = source.references(store.first, [sample])
    assert found[sample] == (store.references / f"{sample}.png").read_bytes()
    assert note == ""
    found, note = PictureSource((store.root,)).references(store.first, [sample])
    assert found == {}
    assert "--data" in note


def test_a_gallery_cannot_name_files_outside_of_it(store, tmp_path):
    place = tmp_path / "galleries" / store.second.id
    place.mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(encode_png(torch.zeros(4, 4, 4, dtype=torch.uint8)))
    listing = {"samples": [{"sample": "img/0001", "file": "../../secret.png"}]}
    (place / "gallery.json").write_text(json.dumps(listing), encoding="utf-8")
    found, note = PictureSource((tmp_path,)).predictions(store.second, ["img/0001"])
    assert found == {}
    assert "gallery" in note


def test_generated_images_stand_beside_the_references_of_their_protocol(make_record):
    folder = make_record("made", images=12, protocol_id="alpha-t2i-mini@1")
    record, values = read_values(folder)
    table = beside_references(record.protocol, values)
    assert (table.reference, table.count) == ("alpha-mini@1", 48)
    assert {"in glass", "in hair", "in smoke"} <= set(table.head)
    rows = {row[0]: dict(zip(table.head[1:], row[1:], strict=True)) for row in table.rows}
    assert "semi_share" in rows
    assert not any("kid-rand" in name for name in rows)  # a distance of sets has no value of an image
    data = resolve_data("alpha-mini@1")
    shares = []
    for sample in data:
        small = resize_premultiplied(to_float(data.read(sample))[None], 128, 128)
        alpha = quantise(small)[0, 3]
        shares.append(float(((alpha > 0) & (alpha < 255)).double().mean()))
    own = list(values.headline("semi_share").values())
    row = rows["semi_share"]
    assert float(row["mean of the references"]) == pytest.approx(np.mean(shares), abs=1e-5)
    assert float(row["mean of the images"]) == pytest.approx(np.mean(own), abs=1e-5)
    assert float(row["distance"]) == pytest.approx(_area_between(own, shares), abs=1e-5)
    assert "Beside real images" in report_bytes(load_record(folder)).decode()


def _area_between(first, second):
    """Wasserstein-1 as the area between the two distribution functions."""
    places = np.sort(np.concatenate([first, second]))
    steps = [np.searchsorted(np.sort(side), places[:-1], side="right") / len(side) for side in (first, second)]
    return float(np.sum(np.abs(steps[0] - steps[1]) * np.diff(places)))
