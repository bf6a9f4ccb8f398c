"""One record as one page in one file: it needs no other file, no network and no server."""

from collections.abc import Sequence
from pathlib import Path

from alphabench.leaderboard.site.assembly import (
    PHOTO,
    Standing,
    asset_files,
    card_words,
    data_uri,
    gathered_page,
    inline_assets,
)
from alphabench.leaderboard.site.folder import writing_fault
from alphabench.leaderboard.site.libraries import licence_text
from alphabench.leaderboard.site.pictures import Picture, PictureSource
from alphabench.leaderboard.site.rendering import rendered
from alphabench.leaderboard.site.values import SHOWN, picks, sample_values
from alphabench.leaderboard.site.viewer import gather, viewer
from alphabench.results.durable import write_durably
from alphabench.results.record import Record
from alphabench.version import __version__


def report_bytes(record: Record, *, roots: Sequence[Path] = (), data: Sequence[str] = (), images: int = SHOWN) -> bytes:
    """Return the page of a record as one file; the same record and images give the same bytes.

    Args:
        record: the record.
        roots: folders where its images may be, beside its own.
        data: names or folders of data sets whose images are the references, beside the one that it names.
        images: how many samples are shown.

    Raises:
        DataError: a picture cannot be read.
    """
    values = sample_values(record)
    gathered = gather(record, values, picks(values, images), PictureSource(tuple(roots), tuple(data)))
    page = gathered_page(
        record, values, Standing(), card_words(roots, record), picture_notes=gathered.notes, in_site=False
    )
    assets = asset_files()

    def put(picture: Picture) -> str:
        return data_uri(picture.data, picture.suffix)

    look = viewer(
        gathered,
        gathered.picks,
        record.protocol.backgrounds,
        photo=data_uri(assets[PHOTO], "webp"),
        put=put,
    )
    text = rendered(
        "record.html.j2",
        page=page,
        viewer=look,
        prefix="",
        here="report",
        inline=inline_assets(assets),
        has_published=False,
        version=__version__,
        licences=licence_text(),
    )
    return text.encode()


def write_report(path: Path, page: bytes) -> None:
    """Write a page, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, page)
    except OSError as error:
        raise writing_fault(path, error) from error
