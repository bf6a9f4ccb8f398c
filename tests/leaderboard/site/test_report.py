"""One record as one file, and the commands that write pages."""

import json
from html.parser import HTMLParser

import pytest
import torch

from alphabench.cli import app as command_line
from alphabench.errors import DataError
from alphabench.image.codec import decode_rgba, encode_png
from alphabench.leaderboard.report import report_bytes
from alphabench.leaderboard.site.pictures import LONG_SIDE, PictureSource, picture


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
