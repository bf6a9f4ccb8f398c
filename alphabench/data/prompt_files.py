"""Prompt files: text with one prompt a line, CSV, or JSON lines; a shipped one is found by its name anywhere.

In text, a line `[category]` opens a category and every other line is a prompt. There are no comments and no
blank lines, so that no line can be lost by accident. CSV has the column `prompt`, JSON lines the key `prompt`;
both may have `category`. Ids are made here, never read: a file's own ids could not all be names of files.
"""

import csv
import difflib
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.data.manifest import manifest_folder
from alphabench.data.naming import DEVICE_STEMS, JUNK, SLUG, slug_of
from alphabench.data.prompts import Prompt, PromptSet
from alphabench.errors import DataError, UsageError
from alphabench.runtime import expanded

MAX_BYTES = 2**20
MAX_PROMPTS = 100_000
MAX_CATEGORIES = 1000  # as many as a record holds
MAX_LENGTH = 2000
SUFFIXES = (".txt", ".csv", ".jsonl")
COLUMNS = ("prompt", "category")
ONLY = "all"
VERSION = 1

_HEADING = re.compile(r"\[(.*)\]")
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, half characters, separators of lines
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # make text look like another
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})  # nothing is drawn for them alone


@dataclass(frozen=True)
class _Line:
    """What a line of a file says: a prompt, and its category where one is named."""

    number: int
    text: str
    category: str | None


def shipped_prompts() -> dict[str, Path]:
    """Return the shipped prompt files by file name."""
    return {path.name: path for path in sorted(manifest_folder().glob("*.txt"))}


def resolve_prompts(name: str | Path) -> PromptSet:
    """Return the prompts called `name`: a shipped set by its bare name, or any file.

    A shipped set is known as `alpha_t2i.txt`, `alpha_t2i`, `alpha-t2i` and `alpha-t2i@1`, from any folder.

    Raises:
        UsageError: there is no such file, or it is a folder, or a file of one's own has a shipped set's name.
        DataError: its content is refused, see `read_prompts`.
    """
    text = str(name)
    for file, path in shipped_prompts().items():
        slug = _slug(path)
        if text not in {file, path.stem, slug, f"{slug}@{VERSION}"}:
            continue
        if text == file and Path(text).is_file() and _content(Path(text)) != path.read_bytes():
            raise UsageError(
                f"{text!r} is a file of this folder and, with other prompts, the name of a set of alphabench",
                remedy=f"Write ./{text} for the file of this folder, or {slug}@{VERSION} for the shipped set.",
            )
        return read_prompts(path)
    return read_prompts(expanded(text, noun="prompt file"))


def read_prompts(path: Path) -> PromptSet:
    """Return the prompts of a file, numbered within their categories.

    Raises:
        UsageError: there is no such file, it is a folder, or its name ends otherwise than a prompt file's.
        DataError: the file is too large, empty, or no UTF-8 text; a line is blank, a prompt is too long, occurs
            twice in its category or has control characters; a category's name is no slug. The message names
            the line.
    """
    text = _decoded(path, _content(path))
    read = {".txt": _text_lines, ".csv": _csv_lines, ".jsonl": _json_lines}[path.suffix.lower()]
    lines = list(read(path, text))
    if not lines:
        raise DataError(f"{path} holds no prompt", remedy="Write one prompt a line.")
    if len(lines) > MAX_PROMPTS:
        raise DataError(
            f"{path} holds {len(lines):,} prompts, more than {MAX_PROMPTS:,}", remedy="Split it into several files."
        )
    return PromptSet(_slug(path), VERSION, _numbered(path, lines))


def _slug(path: Path) -> str:
    return slug_of(path.stem.replace("_", "-"), fallback="prompts")


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UsageError(
                f"{str(path)!r} is a folder, not a file of prompts",
                remedy=f"Name a file that ends in {', '.join(SUFFIXES)}.",
            )
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"{str(path)!r} is no prompt file by its name",
                remedy=f"Use one of the endings {', '.join(SUFFIXES)}: they say how the lines are read.",
            )
        if not path.is_file():
            raise UsageError(f"{str(path)!r} is no ordinary file", remedy="Write the prompts into a file.")
        if size > MAX_BYTES:
            raise DataError(
                f"{path} has {size:,} bytes, more than {MAX_BYTES:,}",
                remedy="Split it into several files, or check that it is the right one.",
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"there is no prompt file {str(path)!r}", remedy=_near(path)) from error
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error.strerror}", remedy="Check the path and your right to read it."
        ) from error


def _near(path: Path) -> str:
    """Return which file may be meant: one beside it, or a shipped one."""
    beside = {found.name: str(found) for found in path.parent.glob("*") if found.suffix.lower() in SUFFIXES}
    known = {name: name for name in shipped_prompts()} | beside
    if close := difflib.get_close_matches(path.name, known, n=2, cutoff=0.7):
        return f"Did you mean {' or '.join(repr(known[name]) for name in close)}?"
    return f"Check the path; shipped with alphabench: {', '.join(shipped_prompts())}."


def _decoded(path: Path, data: bytes) -> str:
    remedy = "Save the file as UTF-8 text."
    if data.startswith(_WIDE):
        raise DataError(f"{path} is UTF-16, not UTF-8", remedy=remedy)
    if (place := data.find(b"\0")) >= 0:
        raise DataError(f"{path} is no text: byte {place} is NUL", remedy="Check that this is the file of prompts.")
    body = data.removeprefix(_BOM)
    try:
        return body.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = error.start + len(data) - len(body)
        raise DataError(f"{path} is not UTF-8: byte {place} is {data[place]:#04x}", remedy=remedy) from error


def _fault(path: Path, line: int, what: str, remedy: str) -> DataError:
    return DataError(f"{path}, line {line}: {what}", remedy=remedy)


def _rows(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number; the file's last line may end with a line feed or not."""
    for number, row in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        if not row.strip():
            raise _fault(path, number, "the line is blank", "Remove it: every line is one prompt.")
        yield number, row.strip()


def _text_lines(path: Path, text: str) -> Iterator[_Line]:
    category: str | None = None
    opened, filled, first = 0, True, 0
    for number, row in _rows(path, text):
        if heading := _HEADING.fullmatch(row):
            if not filled:
                raise _fault(path, opened, f"the category {category!r} has no prompt", "Fill it or remove it.")
            if first and category is None:
                raise _fault(
                    path, first, "a prompt stands before the first category", "Put it below a line [category]."
                )
            category, opened, filled = heading[1].strip(), number, False
            _check_category(path, number, category)
            continue
        filled, first = True, first or number
        yield _Line(number, row, category)
    if not filled:
        raise _fault(path, opened, f"the category {category!r} has no prompt", "Fill it or remove it.")


def _csv_lines(path: Path, text: str) -> Iterator[_Line]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            if columns is None:
                columns = [cell.strip() for cell in cells]
                _check_names(path, reader.line_num, columns, required="the column 'prompt'")
                continue
            if not any(cell.strip() for cell in cells):
                raise _fault(path, reader.line_num, "the line is blank", "Remove it: every line is one prompt.")
            if len(cells) != len(columns):
                raise _fault(
                    path,
                    reader.line_num,
                    f"{len(cells)} cells in {len(columns)} columns",
                    "Put a prompt that holds commas between double quotes.",
                )
            row = dict(zip(columns, cells, strict=True))
            yield _Line(reader.line_num, row["prompt"].strip(), row["category"].strip() if "category" in row else None)
    except csv.Error as error:
        raise _fault(path, reader.line_num, f"it is no valid CSV: {error}", "Mend that line.") from error


def _json_lines(path: Path, text: str) -> Iterator[_Line]:
    for number, row in _rows(path, text):
        try:
            pairs = json.loads(row, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise _fault(path, number, f"it is no JSON: {error}", 'Write {"prompt": "..."}.') from error
        if not isinstance(pairs, _Pairs):
            raise _fault(path, number, "it is no JSON object", 'Write {"prompt": "..."}.')
        _check_names(path, number, [name for name, _ in pairs], required="the key 'prompt'")
        values = dict(pairs)
        for name, value in values.items():
            if not isinstance(value, str):
                raise _fault(path, number, f"{name!r} is no text", "Put it between double quotes.")
        yield _Line(number, values["prompt"].strip(), values["category"].strip() if "category" in values else None)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, twins among them."""


def _check_names(path: Path, line: int, names: list[str], *, required: str) -> None:
    known = f"Known are {' and '.join(map(repr, COLUMNS))}."
    if "prompt" not in names:
        raise _fault(path, line, f"{required} is missing", known)
    if twins := [name for name, count in Counter(names).items() if count > 1]:
        raise _fault(path, line, f"{_short(twins[0])} stands there twice", "Keep one of them.")
    if foreign := [name for name in names if name not in COLUMNS]:
        raise _fault(
            path, line, f"{_short(foreign[0])} is unknown", f"{known} Ids are made of category and number, never read."
        )


def _check_category(path: Path, line: int, category: str) -> None:
    if SLUG.fullmatch(category) and category.partition(".")[0] not in DEVICE_STEMS and category not in JUNK:
        return
    raise _fault(
        path,
        line,
        f"{_short(category)} cannot name a category: it names a folder (a-z, 0-9, '.', '_', '-', at most 63)",
        f"Call it {slug_of(category, fallback='category')!r}.",
    )


def _numbered(path: Path, lines: list[_Line]) -> tuple[Prompt, ...]:
    """Return the prompts with their ids, after every check of a single line and of lines among each other."""
    named = lines[0].category is not None
    counts: Counter[str] = Counter()
    seen: dict[tuple[str, str], int] = {}
    prompts = []
    for line in lines:
        if (line.category is not None) != named:
            raise _fault(path, line.number, "some prompts have a category, others none", "Give every prompt one.")
        category = ONLY if line.category is None else line.category
        if category not in counts:
            _check_category(path, line.number, category)
        _check_text(path, line)
        # Composed and decomposed letters look alike, so they are one prompt.
        twin = seen.setdefault((category, unicodedata.normalize("NFC", line.text)), line.number)
        if twin != line.number:
            raise _fault(
                path,
                line.number,
                f"the prompt {_short(line.text)} of category {category!r} stands in line {twin} already",
                "Remove one of them; --per-prompt N makes several images of each prompt.",
            )
        prompts.append(Prompt(f"{category}/{counts[category]:05}", category, line.text))
        counts[category] += 1
    if len(counts) > MAX_CATEGORIES:
        raise DataError(
            f"{path} has {len(counts)} categories, a record holds {MAX_CATEGORIES}", remedy="Use fewer categories."
        )
    return tuple(prompts)


def _check_text(path: Path, line: _Line) -> None:
    if not line.text:
        raise _fault(path, line.number, "the prompt is empty", "Write one, or remove the line.")
    if len(line.text) > MAX_LENGTH:
        raise _fault(
            path,
            line.number,
            f"the prompt has {len(line.text):,} characters, more than {MAX_LENGTH:,}",
            "Shorten it: text encoders read far less.",
        )
    if all(unicodedata.category(letter) in _INVISIBLE for letter in line.text):
        raise _fault(path, line.number, "the prompt has no visible character", "Write words, or remove the line.")
    for place, letter in enumerate(line.text):
        if letter in _REORDERING or unicodedata.category(letter) in _UNPRINTABLE:
            raise _fault(
                path,
                line.number,
                f"character {place + 1} of the prompt is the control character U+{ord(letter):04X}",
                "Remove it: a prompt is one line of plain text.",
            )


def _short(text: str) -> str:
    """Return `text` between quotes, cut to what fits into a message."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
