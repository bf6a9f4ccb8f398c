"""What stands on a contact sheet: pictures in their places, and text below them that fits."""

import io

import numpy as np
import torch
from PIL import Image

from alphabench.image.contact_sheet import GAP, LABEL, LABEL_LINES, MARGIN, TILE, SheetRow, contact_sheet

RED = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(3, 8, 8)


def drawn(*rows: SheetRow, columns: int = 3) -> np.ndarray:
    with Image.open(io.BytesIO(contact_sheet("title", "subtitle", [""] * columns, rows))) as sheet:
        return np.array(sheet)


def labels_of(sheet: np.ndarray, column: int) -> np.ndarray:
    """Return the area below the picture in a column of the last row."""
    left = MARGIN + column * (TILE + GAP)
    end = sheet.shape[0] - MARGIN - GAP
    return sheet[end - LABEL_LINES * LABEL : end, left : left + TILE]


def lines_of(area: np.ndarray) -> int:
    inked = (area.min(axis=(1, 2)) < 128).reshape(LABEL_LINES, LABEL).any(axis=1)
    return int(inked.sum())


def test_labels_stand_below_their_own_pictures_and_only_there() -> None:
    bare, labelled = drawn(SheetRow("row", [RED] * 2)), drawn(SheetRow("row", [RED] * 2, labels=["one", ""]))
    assert labelled.shape[0] - bare.shape[0] == LABEL_LINES * LABEL
    assert lines_of(labels_of(labelled, 0)) == 1
    assert lines_of(labels_of(labelled, 1)) == lines_of(labels_of(labelled, 2)) == 0
    picture = labelled.shape[0] - MARGIN - GAP - LABEL_LINES * LABEL - TILE
    assert (labelled[picture : picture + TILE, MARGIN : MARGIN + TILE] == (255, 0, 0)).all()


def test_a_long_label_takes_three_lines_of_its_picture_and_no_more() -> None:
    words = "a rather long prompt that goes on " * 6
    sheet = drawn(SheetRow("row", [RED] * 2, labels=[words, "x" * 200]))
    assert lines_of(labels_of(sheet, 0)) == 3
    assert lines_of(labels_of(sheet, 1)) == 1
    gap = MARGIN + TILE
    assert (sheet[-MARGIN - GAP - LABEL_LINES * LABEL :, gap + 2 : gap + GAP - 1].min(axis=(0, 1)) > 200).all()


def test_letters_that_the_font_lacks_become_question_marks() -> None:
    emoji, marks = (drawn(SheetRow("row", [RED], labels=[text])) for text in ("🔥 כוכב", "? ????"))
    assert (emoji == marks).all()
