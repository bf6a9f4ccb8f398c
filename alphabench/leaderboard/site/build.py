"""The leaderboard as a folder of pages that opens from a disk, without network and without a server."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.errors import UsageError
from alphabench.leaderboard.board import build_board
from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.rows import Board, Table
from alphabench.leaderboard.selection import Selection
from alphabench.leaderboard.site import charts, folder
from alphabench.leaderboard.site.assembly import (
    PHOTO,
    RecordPage,
    Standing,
    asset_files,
    card_words,
    gathered_page,
    values_script,
)
from alphabench.leaderboard.site.index_page import compare_board, index_board
from alphabench.leaderboard.site.libraries import licence_text
from alphabench.leaderboard.site.pictures import Picture, PictureSource
from alphabench.leaderboard.site.published_page import published_sections
from alphabench.leaderboard.site.rendering import page_json, rendered
from alphabench.leaderboard.site.values import SHOWN, picks, read_values
from alphabench.leaderboard.site.viewer import Gathered, fewer, gather, viewer
from alphabench.results.document import FILE
from alphabench.results.record import ROWS_FILE, Record
from alphabench.version import __version__

LEAST_SHOWN = 6
EVERY = 10**9
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SiteSettings:
    """What a site shows.

    Attributes:
        roots: folders of records and runs.
        selection: which records.
        images: samples of each record whose images are shown; None for 24, fewer where the site would grow too
            large.
        data: names or folders of data sets whose images are the references, beside those that records name.
    """

    roots: tuple[Path, ...]
    selection: Selection = field(default_factory=Selection)
    images: int | None = None
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuiltSite:
    """A site that was written.

    Attributes:
        path: its folder.
        records: pages of records.
        files: number of files.
        bytes: of all files.
        images: bytes of the images among them.
        shown: samples shown of each record that has images.
        broken: records that could not be read, with the reason.
    """

    path: Path
    records: int
    files: int
    bytes: int
    images: int
    shown: int
    broken: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Waiting:
    """A page that waits for its images."""

    record: Record
    page: RecordPage
    gathered: Gathered


def build_site(settings: SiteSettings, out: Path, report: Report | None = None) -> BuiltSite:
    """Write the site of the records under some folders; the same records give the same bytes.

    Args:
        settings: what it shows.
        out: an empty or new folder, or an older site, which is replaced once the new one is whole.
        report: told how many records are done.

    Raises:
        UsageError: `out` holds something else.
        DataError: no record, a record or picture that cannot be read, a budget that is passed.
    """
    if settings.images is not None and settings.images < 0:
        raise UsageError(f"{settings.images} samples cannot be shown", remedy="Give --images 0 or more.")
    board = build_board(settings.roots, settings.selection)
    site = folder.open_site_folder(out)
    try:
        shown = _write(site, board, settings, report or (lambda _done, _total, _note: None))
        site.finish()
    except OSError as error:
        raise folder.writing_fault(site.out, error) from error
    finally:
        shutil.rmtree(site.work, ignore_errors=True)
    return BuiltSite(
        path=site.out,
        records=sum(name.startswith("r/") for name in site.sizes),
        files=len(site.sizes),
        bytes=sum(site.sizes.values()),
        images=sum(size for name, size in site.sizes.items() if name.startswith("img/")),
        shown=shown,
        broken=board.broken,
    )


def _write(site: folder.SiteFolder, board: Board, settings: SiteSettings, report: Report) -> int:
    for name, data in asset_files().items():
        site.put(f"assets/{name}", data)
    site.put("assets/LICENSES.txt", licence_text().encode())
    published = published_sections(settings.roots)
    common = {"inline": None, "has_published": bool(published), "version": __version__}
    total = sum(len(table.rows) for table in board.tables)
    waiting: list[_Waiting] = []
    source = PictureSource(settings.roots, settings.data)
    for number, table in enumerate(board.tables, start=1):
        means: dict[str, dict[str, dict[str, float]]] = {}
        for item in _pages(site, table, settings, source):
            means[item.record.id] = _means(item.record)
            waiting.append(item)
            report(len(waiting), total, item.page.model)
        text = page_json(means)
        site.put(f"values/table-{number}.js", f'alphabenchMeans["table-{number}"]={text};\n'.encode())
    shown = _shown([item.gathered for item in waiting], settings)
    for item in waiting:
        _write_record(site, item, shown, common)
    boards = [index_board(number, table) for number, table in enumerate(board.tables, start=1)]
    newest = max((row.created for table in board.tables for row in table.rows), default="")
    broken = [f"{Path(path).name}: {reason}" for path, reason in board.broken]
    values = {"prefix": "", "boards": boards, **common}
    index = rendered("index.html.j2", here="table", broken=broken, newest=newest, **values)
    site.put("index.html", index.encode())
    compare = rendered(
        "compare.html.j2",
        here="compare",
        gate=shipped_gate().id,
        data={"boards": [compare_board(table) for table in board.tables]},
        gain_form=charts.gain_form(),
        **values,
    )
    site.put("compare.html", compare.encode())
    if published:
        page = rendered("published.html.j2", here="published", tables=published, prefix="", **common)
        site.put("published.html", page.encode())
    site.check(records=total, shown=shown)
    return shown if any(name.startswith("img/") for name in site.sizes) else 0


def _pages(site: folder.SiteFolder, table: Table, settings: SiteSettings, source: PictureSource) -> Iterator[_Waiting]:
    """Yield the pages of a table's records but for their images; values are let go as soon as they are used."""
    heads = [read_values(Path(row.path)) for row in table.rows[:2]]
    for place, row in enumerate(table.rows):
        record, values = heads[place] if place < 2 else read_values(Path(row.path))
        other = heads[1 if place == 0 else 0] if len(heads) > 1 else None
        wanted = picks(values, SHOWN if settings.images is None else settings.images)
        gathered = gather(record, values, wanted, source)
        standing = Standing(row.rank, table.compared, other, best=place == 0)
        words = card_words(settings.roots, record)
        page = gathered_page(record, values, standing, words, picture_notes=gathered.notes)
        site.put(f"values/{record.id}.js", values_script(record, values))
        yield _Waiting(record, page, gathered)


def _write_record(site: folder.SiteFolder, item: _Waiting, shown: int, common: Mapping[str, object]) -> None:
    def put(picture: Picture) -> str:
        site.put(f"img/{picture.name}", picture.data)
        return f"../img/{picture.name}"

    record = item.record
    look = viewer(
        item.gathered,
        fewer(item.gathered.picks, shown),
        record.protocol.backgrounds,
        photo=f"../assets/{PHOTO}",
        put=put,
    )
    text = rendered("record.html.j2", page=item.page, viewer=look, prefix="../", here="record", **common)
    site.put(f"r/{record.id}.html", text.encode())
    assert record.path is not None
    for name in (FILE, ROWS_FILE):
        site.put(f"records/{record.id}/{name}", (record.path / name).read_bytes())


def _shown(gathered: Sequence[Gathered], settings: SiteSettings) -> int:
    """Return how many samples of each record are shown: 24, or as many as fit, but no less than 6."""
    if settings.images is not None:
        return settings.images
    for count in range(SHOWN, LEAST_SHOWN, -3):
        sizes: dict[str, int] = {}
        for item in gathered:
            sizes |= item.size(fewer(item.picks, count))
        if sum(sizes.values()) <= folder.IMAGES_BUDGET:
            return count
    return LEAST_SHOWN


def _means(record: Record) -> dict[str, dict[str, float]]:
    """Return each metric's means by category on its headline view."""
    found: dict[str, dict[str, float]] = {}
    for metric in record.document["metrics"]:
        view = record.protocol.headline(metric["name"])
        for entry in metric.get("aggregates", ()):
            if entry["view"] == view and entry["scope"] == "category":
                found.setdefault(metric["name"], {})[entry["category"]] = float(f"{entry['value']:.9g}")
    return found
