"""The folder of pages: the same bytes twice, nothing from outside, nothing of others lost."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from alphabench.errors import DataError, UsageError
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.report import report_bytes
from alphabench.leaderboard.site import build_site, folder
from alphabench.leaderboard.site.folder import KIB, SiteFolder, open_site_folder
from alphabench.leaderboard.site.index_page import index_board
from alphabench.leaderboard.site.rendering import page_json, rendered
from alphabench.version import __version__

OUTSIDE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)


class Tags(HTMLParser):
    """Collects the elements of a page, and the text of its JSON."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.documents = []
        self._json = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._json = tag == "script" and dict(attrs).get("type") == "application/json"

    def handle_data(self, data):
        if self._json:
            self.documents.append(json.loads(data))
            self._json = False


def pages(site):
    return {str(path.relative_to(site)): path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}


def test_the_same_records_give_the_same_bytes(store, site, tmp_path):
    build_site(store.settings(), tmp_path / "again")
    first = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    second = {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert first == second


def test_the_site_has_every_page_and_file(store, site):
    names = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    for record in (store.first, store.second):
        assert f"r/{record.id}.html" in names
        assert f"values/{record.id}.js" in names
        copied = (site / "records" / record.id / "record.json").read_bytes()
        assert copied == (record.path / "record.json").read_bytes()
    assert {"index.html", "compare.html", "assets/LICENSES.txt"} <= names
    index = pages(site)["index.html"]
    assert index.index("tests/first") < index.index("tests/second")  # best first


def test_nothing_is_loaded_from_outside(site):
    for name, page in pages(site).items():
        for tag, attributes in Tags(page).found:
            for key in ("src", "href", "data", "poster", "action"):
                value = attributes.get(key) or ""
                assert tag == "a" or not OUTSIDE.match(value), (name, tag, value)
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", page), name
        assert "Content-Security-Policy" in page
        assert "unsafe-eval" not in page
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", path.read_text(encoding="utf-8")), path


def test_every_local_link_leads_to_a_file(site):
    for name, page in pages(site).items():
        for _, attributes in Tags(page).found:
            for key in ("src", "href"):
                value = (attributes.get(key) or "").partition("#")[0]
                if value and not value.startswith(("data:", "https:")):
                    assert (site / name).parent.joinpath(value).is_file(), (name, value)


def test_what_a_card_says_stays_text(store, site):
    report = report_bytes(store.first, roots=(store.root,), data=(str(store.references),)).decode()
    for page in (pages(site)[f"r/{store.first.id}.html"], report):
        tags = Tags(page)
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert not [tag for tag, attributes in tags.found if "onerror" in attributes or attributes.get("src") == "x"]
        assert "<script>alert(2)" not in page
        assert [a["href"] for t, a in tags.found if t == "a" and a.get("rel")] == ["https://example.org/?a=1&b=<2>"]
        assert len(tags.documents) == 6  # four maps, one distribution, the viewer: each is JSON
    assert "<script>alert" not in "".join(path.read_text("utf-8") for path in site.rglob("values/*.js"))


def test_json_cannot_leave_its_element():
    hostile = {"text": "</script><!-- <script> & \u2028 \u2029"}
    text = str(page_json(hostile))
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile
    with pytest.raises(ValueError, match="Out of range"):
        page_json(float("nan"))


def test_pictures_are_shown_or_missed_in_words(store, site):
    first, second = (pages(site)[f"r/{record.id}.html"] for record in (store.first, store.second))
    viewer = Tags(first).documents[-1]
    assert len(viewer["samples"]) == 12
    assert all(sample["reference"] and sample["prediction"] for sample in viewer["samples"])
    assert all((site / "r" / sample["prediction"]).is_file() for sample in viewer["samples"])
    assert "neither in a gallery" in second
    assert all(sample["prediction"] is None for sample in Tags(second).documents[-1]["samples"])


def test_a_folder_of_something_else_is_refused_and_kept(store, tmp_path):
    kept = tmp_path / "mine" / "thesis.txt"
    kept.parent.mkdir()
    kept.write_text("words", encoding="utf-8")
    with pytest.raises(UsageError, match="something else"):
        build_site(store.settings(), kept.parent)
    assert kept.read_text(encoding="utf-8") == "words"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_older_site_is_replaced_whole(store, tmp_path):
    out = tmp_path / "pages"
    site = open_site_folder(out)
    site.put("old.html", b"old")
    site.finish()
    built = build_site(store.settings(images=0), out)
    assert not (out / "old.html").exists()
    assert built.shown == 0
    assert not (out / "img").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pages"]


def test_a_passed_budget_names_the_largest_files(store, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "IMAGES_BUDGET", 100)
    with pytest.raises(DataError, match=r"images would have .* the largest: img/"):
        build_site(store.settings(), tmp_path / "pages")
    assert list(tmp_path.iterdir()) == []
    site = SiteFolder(tmp_path / "a", tmp_path / "b", {"r/x.html": 301 * KIB})
    with pytest.raises(DataError, match=r"the page r/x.html"):
        site.check(records=1, shown=24)


def test_fewer_samples_are_shown_where_the_site_would_grow_too_large(store, tmp_path, monkeypatch):
    pictures = sorted(path.stat().st_size for path in (store.root / "galleries").rglob("*.webp"))
    sources = sum(pictures) + sum(path.stat().st_size for path in store.references.rglob("*.png"))
    monkeypatch.setattr(folder, "IMAGES_BUDGET", sources - 1)
    built = build_site(store.settings(), tmp_path / "pages")
    assert built.shown == 9
    assert "fewer than 24" in (tmp_path / "pages" / "r" / f"{store.first.id}.html").read_text(encoding="utf-8")


def test_the_table_page_of_two_hundred_records_keeps_its_budget(store):
    table = build_board((store.root,)).tables[0]
    rows = tuple(replace(table.rows[0], record_id=f"{number:032x}", model=f"model-{number}") for number in range(200))
    board = index_board(1, replace(table, rows=rows))
    page = rendered(
        "index.html.j2",
        here="table",
        prefix="",
        inline=None,
        has_published=True,
        boards=[board],
        broken=[],
        newest="",
        version=__version__,
    )
    assert page.count("<tr data-key") == 200
    assert len(page.encode()) <= folder.INDEX_BUDGET
