"""A sheet of pictures with captions, for people: rows of equal tiles under column titles."""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from alphabench.image.compositing import composite

TILE = 168
GAP = 10
MARGIN = 20
CAPTION = 20
LABEL = 15
LABEL_LINES = 3
FONT_SIZE = 13
TITLE_SIZE = 19
LIGHT, DARK = 0.93, 0.76
INK, PALE, PAPER, ALARM = (28, 28, 32), (112, 112, 120), (250, 250, 252), (176, 32, 24)

Tile = Float[Tensor, "3 height width"]
"""One opaque picture in [0,1]."""


@dataclass(frozen=True)
class Note:
    """A line of text below a row.

    Attributes:
        text: what it says.
        alarm: whether it is drawn to be noticed.
    """

    text: str
    alarm: bool = False


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet.

    Attributes:
        caption: text above the row.
        tiles: opaque pictures, `(3, height, width)` in [0,1], any size.
        notes: lines below the row.
        labels: text below each picture, broken into at most `LABEL_LINES` lines; none, or one for each.
    """

    caption: str
    tiles: Sequence[Tile]
    notes: Sequence[Note] = ()
    labels: Sequence[str] = ()

    @property
    def height(self) -> int:
        """Return its pixels on the sheet, with the gap below it."""
        notes = len(self.notes) * CAPTION + GAP if self.notes else 0
        return CAPTION + TILE + GAP + self.label_height + notes

    @property
    def label_height(self) -> int:
        """Return the pixels that the labels take below the pictures."""
        return LABEL_LINES * LABEL if self.labels else 0


def contact_sheet(title: str, subtitle: str, columns: Sequence[str], rows: Sequence[SheetRow]) -> bytes:
    """Return a PNG file with one caption a row, its notes below it, and one title a column.

    Each picture is scaled to fit a tile of `TILE` pixels, its sides in proportion. A row may have fewer pictures
    than there are columns.
    """
    width = 2 * MARGIN + len(columns) * TILE + (len(columns) - 1) * GAP
    top = MARGIN + TITLE_SIZE + 2 * CAPTION + GAP
    height = top + sum(row.height for row in rows) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(FONT_SIZE), ImageFont.load_default(TITLE_SIZE)
    draw.text((MARGIN, MARGIN), title, INK, font=large)
    draw.text((MARGIN, MARGIN + TITLE_SIZE + 8), subtitle, PALE, font=small)
    lefts = [MARGIN + index * (TILE + GAP) for index in range(len(columns))]
    for left, column in zip(lefts, columns, strict=True):
        draw.text((left, top - CAPTION), column, INK, font=small)
    upper = top
    for row in rows:
        caption = _fitted(draw, _drawable(row.caption), width - 2 * MARGIN, small)
        draw.text((MARGIN, upper + 2), caption, PALE, font=small)
        for left, tile in zip(lefts, row.tiles, strict=False):
            picture = _picture(tile)
            offset = ((TILE - picture.width) // 2, (TILE - picture.height) // 2)
            sheet.paste(picture, (left + offset[0], upper + CAPTION + offset[1]))
        for left, label in zip(lefts, row.labels, strict=False):
            for index, line in enumerate(_broken(draw, _drawable(label), small)):
                place = (left, upper + CAPTION + TILE + 2 + index * LABEL)
                draw.text(place, line, INK, font=small)
        for index, note in enumerate(row.notes):
            text = _fitted(draw, _drawable(note.text), width - 2 * MARGIN, small)
            below = upper + CAPTION + TILE + row.label_height + GAP // 2
            place = (MARGIN, below + index * CAPTION)
            draw.text(place, text, ALARM if note.alarm else INK, font=small)
        upper += row.height
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()


def on_checkerboard(rgba: Float[Tensor, "4 height width"]) -> Tile:
    """Return the image over the grey squares by which people know transparency."""
    rows, columns = (torch.arange(size) // max(4, rgba.shape[-1] // 24) for size in rgba.shape[-2:])
    squares = (rows[:, None] + columns[None, :]) % 2
    background = (LIGHT + (DARK - LIGHT) * squares).to(rgba).expand(3, -1, -1)
    return composite(rgba[None], background)[0]


def on_colour(rgba: Float[Tensor, "4 height width"], colour: tuple[float, float, float]) -> Tile:
    """Return the image over one colour."""
    return composite(rgba[None], torch.tensor(colour))[0]


def alpha_as_grey(rgba: Float[Tensor, "4 height width"]) -> Tile:
    """Return alpha as a grey picture: white is opaque."""
    return rgba[3:].expand(3, -1, -1)


def heat(error: Float[Tensor, "height width"]) -> Tile:
    """Return an error map as colours from black over red and yellow to white; 1 and above is white."""
    level = error.clamp(0, 1) * 3
    return torch.stack([(level - channel).clamp(0, 1) for channel in range(3)])


def _picture(tile: Tile) -> Image.Image:
    codes = (tile.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(codes)
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return picture.resize(size, method)


def _drawable(text: str) -> str:
    """Return `text` in the letters that the built-in font has: marks are dropped, others become `?`."""
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode()


def _broken(draw: ImageDraw.ImageDraw, text: str, font: Any) -> list[str]:
    """Return `text` as at most `LABEL_LINES` lines of a tile's width, broken at spaces; the rest is left out."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=font) <= TILE:
            lines[-1] = longer
        else:
            lines.append(word)
    kept = lines[:LABEL_LINES]
    if len(lines) > LABEL_LINES:
        kept[-1] = " ".join(lines[LABEL_LINES - 1 :])
    return [_fitted(draw, line, TILE, font) for line in kept]


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, font: Any) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"
