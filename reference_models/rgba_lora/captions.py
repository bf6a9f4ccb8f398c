"""Images and their words: the table of a caption set, and what is said of an image each time it is shown."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alphabench.errors import DataError
from reference_models.rgba_lora.colours import WORDS
from reference_models.rgba_lora.config import CaptionConfig

NO_CAPTION = "RGBA"
"""What is said of an image without a caption, as published."""

RARE = 12
"""Most images that may share a keyword which is to stand for one of them."""

NAME, KEYWORD = 0.65, 0.25
"""Shares of the phrases that are a name and a keyword; the others are captions."""

COLOURED = 0.35
"""Share of the names and keywords that are told the colour where nothing was turned."""


@dataclass(frozen=True)
class Entry:
    """One row of a caption table.

    Attributes:
        path: the image file.
        caption: a sentence, or empty.
        name: what it shows in few words, or empty.
        keywords: rare enough to stand for it.
        category: group that a recipe may weigh.
    """

    path: Path
    caption: str
    name: str = ""
    keywords: tuple[str, ...] = ()
    category: str = ""


def read_entries(config: CaptionConfig, root: Path) -> list[Entry]:
    """Return the rows of the recipe's caption table in its order.

    Raises:
        DataError: the table is absent, cannot be read, or names no image of the split.
    """
    table = root / config.table
    if not table.is_file():
        raise DataError(
            f"there is no caption table {table}",
            remedy="Set ALPHABENCH_TRAIN_DATA to the folder that data.table is relative to.",
        )
    try:
        rows = _csv(table) if table.suffix.lower() == ".csv" else _json_lines(table, config.split)
    except (UnicodeDecodeError, csv.Error, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{table} is no caption table: {error}",
            remedy="Write CSV with the columns image and caption, or JSON lines with file and caption.",
        ) from error
    if not rows:
        of = f" of the split {config.split!r}" if config.split else ""
        raise DataError(f"{table} names no image{of}", remedy="Check data.table and data.split.")
    return _with_rare_keywords(rows)


def phrase(entry: Entry, config: CaptionConfig, rng: np.random.Generator, *, colour: str, turned: bool) -> str:
    """Return what is said of an image this time.

    Args:
        entry: the image.
        config: how words are chosen.
        rng: chooses.
        colour: word for its colour, or empty.
        turned: the colour was turned, so that it has to be said.
    """
    if config.words == "caption":
        return entry.caption.strip() or NO_CAPTION
    kind = rng.random()
    spoken, colour_too = entry.name or entry.caption, turned or rng.random() < COLOURED
    if NAME <= kind < NAME + KEYWORD and entry.keywords:
        spoken = entry.keywords[int(rng.integers(len(entry.keywords)))]
    elif kind >= NAME + KEYWORD and entry.caption and not turned:
        return entry.caption
    return coloured(spoken, colour) if colour and colour_too else spoken


def coloured(words: str, colour: str) -> str:
    """Return words with their first colour replaced by `colour`, or with `colour` before them."""
    parts = words.split()
    for index, part in enumerate(parts):
        if part.lower() in WORDS:
            return " ".join([*parts[:index], colour, *parts[index + 1 :]])
    return f"{colour} {words}"


def _csv(table: Path) -> list[Entry]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Entry(table.parent / row["image"], row["caption"] or "") for row in rows]


def _json_lines(table: Path, split: str) -> list[Entry]:
    return [_entry(table.parent, row) for row in _objects(table) if not split or row.get("split") == split]


def _objects(table: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _entry(folder: Path, row: dict[str, Any]) -> Entry:
    return Entry(
        path=folder / row["file"],
        caption=str(row.get("caption", "")),
        name=str(row.get("name", "")),
        keywords=tuple(str(word) for word in row.get("keywords", ())),
        category=str(row.get("category", "")),
    )


def _with_rare_keywords(entries: Sequence[Entry]) -> list[Entry]:
    counts = Counter(word for entry in entries for word in entry.keywords)
    return [
        Entry(
            entry.path,
            entry.caption,
            entry.name,
            tuple(word for word in entry.keywords if counts[word] <= RARE),
            entry.category,
        )
        for entry in entries
    ]
