"""Pages from results: blocks of text, tables and pictures, written as Markdown and as one HTML file."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: .875rem; margin: .5rem 0 1rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d0d7de; padding: .25rem .6rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th.text, td.text { text-align: left; white-space: normal; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
code, pre { background: #f6f8fa; border-radius: 4px; padding: .1rem .3rem; } pre { padding: .6rem; overflow-x: auto; }
img { max-width: 100%; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Command:
    """A command line."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; its caption says the setting.

    Attributes:
        caption: what it shows and under which setting.
        columns: heads.
        rows: cells.
        text: indices of the columns that hold words.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[int] = frozenset({0})


@dataclass(frozen=True)
class Picture:
    """An SVG beside the page.

    Attributes:
        file: name of the file, for the Markdown page.
        svg: its content, for the HTML page.
        words: what it shows.
    """

    file: str
    svg: bytes
    words: str


Block = Heading | Paragraph | Command | Table | Picture


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return blocks as a Markdown page."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """Return blocks as one HTML file that needs no other; every text is escaped."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return block.text
    if isinstance(block, Command):
        return f"```\n{block.text}\n```"
    if isinstance(block, Picture):
        return f"![{block.words}]({block.file})"
    rules = [":---" if index in block.text else "---:" for index in range(len(block.columns))]
    lines = [block.columns, rules, *block.rows]
    return f"{block.caption}\n\n" + "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Command):
        return f"<pre>{html.escape(block.text)}</pre>"
    if isinstance(block, Picture):
        # As an image and not inlined: two inlined SVGs would share their ids.
        data = base64.b64encode(block.svg).decode()
        return f'<p><img alt="{html.escape(block.words)}" src="data:image/svg+xml;base64,{data}"></p>'
    head = "".join(_html_cell("th", text, index in block.text) for index, text in enumerate(block.columns))
    rows = "\n".join(
        "<tr>" + "".join(_html_cell("td", text, index in block.text) for index, text in enumerate(row)) + "</tr>"
        for row in block.rows
    )
    return (
        f"<table><caption>{html.escape(block.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def _html_cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{html.escape(text)}</{tag}>"
