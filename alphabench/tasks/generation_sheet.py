"""The contact sheets of generated images: every image over a checkerboard, its prompt below it."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from alphabench.image.codec import to_float
from alphabench.image.contact_sheet import SheetRow, contact_sheet, on_checkerboard
from alphabench.image.types import AnyCodes
from alphabench.tasks.generation_plan import PlannedImage
from alphabench.tasks.sheet import small

COLUMNS = 10
ROWS = 12
NARROWEST = 4
MAX_SHEETS = 10
FIRST = "contact_sheet.png"
FURTHER = "contact_sheet-{:02}.png"


def image_sheets(
    title: str, protocol: str, images: Sequence[PlannedImage], read: Callable[[PlannedImage], AnyCodes]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the PNG file of each sheet: rows of `COLUMNS` images of one category, `ROWS` a sheet.

    After `MAX_SHEETS` sheets the remaining images are left out, and the last line of the head says so.

    Args:
        title: the sheets' first line.
        protocol: id of the protocol, for the second line.
        images: what was made, in order.
        read: returns an image's 8-bit codes.
    """
    rows = [
        members[first : first + COLUMNS]
        for _, group in itertools.groupby(images, key=lambda image: image.prompt.category)
        for members in [list(group)]
        for first in range(0, len(members), COLUMNS)
    ]
    sheets = [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)]
    shown = sheets[:MAX_SHEETS]
    count = sum(len(row) for sheet in shown for row in sheet)
    columns = [""] * max(NARROWEST, *(len(row) for row in rows))
    for number, sheet in enumerate(shown, start=1):
        words = [protocol, f"sheet {number} of {len(shown)}", f"{count} of {len(images)} images"]
        yield (
            FIRST if number == 1 else FURTHER.format(number),
            contact_sheet(title, "; ".join(words), columns, [_row(row, read) for row in sheet]),
        )


def sheet_paths(folder: Path) -> list[Path]:
    """Return the sheets of a work folder, the first one first."""
    first = folder / FIRST
    return [path for path in (first, *sorted(folder.glob(FURTHER.replace("{:02}", "*")))) if path.is_file()]


def _row(images: Sequence[PlannedImage], read: Callable[[PlannedImage], AnyCodes]) -> SheetRow:
    last = f" to {images[-1].id}" if len(images) > 1 else ""
    return SheetRow(
        f"{images[0].id}{last}",
        [on_checkerboard(to_float(small(read(image)))) for image in images],
        labels=[image.prompt.text for image in images],
    )
