"""A table for other programs: CSV with full precision, Markdown and LaTeX with rounded cells."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from alphabench.leaderboard.cells import (
    metric_heading,
    rank_text,
    ranking_words,
    state_text,
    table_metrics,
    table_title,
    value_text,
)
from alphabench.leaderboard.published import PublishedRow
from alphabench.leaderboard.rows import Row, Table

FORMULA = ("=", "+", "-", "@", "\t", "\r")
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
    "±": r"$\pm$",
}
PUBLISHED = "published, not ranked"
Mark = Callable[[str], str]


def csv_text(table: Table, metrics: Sequence[str]) -> str:
    """Return a table as CSV: every value at full precision, the signature in each row.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers are left alone.
    """
    names = table_metrics(table, metrics)
    bounded = {name for name in names for row in table.rows if (item := row.values.get(name)) and item.low is not None}
    head = ["rank", "org", "model", "state", "tier", "created", "record_id", "n"]
    head += [text for name in names for text in ([name, f"{name}_low", f"{name}_high"] if name in bounded else [name])]
    tail = ["latent_numbers_per_pixel", "licence", "category", "background", "protocol", "protocol_hash", "data"]
    tail += ["data_hash", "signature", "source"]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*head, *tail])
    place = [table.category or "", table.background or "", table.protocol, table.protocol_hash, table.data]
    place.append(table.data_hash)
    for row in table.rows:
        cells = [_number(row.rank), _text(row.org), _text(row.model), _text(state_text(row)), str(row.tier)]
        cells += [row.created, row.record_id, _number(_count(row, table.sort))]
        for name in names:
            item = row.values.get(name)
            cells.append("" if item is None else repr(item.value))
            if name in bounded:
                cells += ["", ""] if item is None else [_number(item.low), _number(item.high)]
        cells += [_number(row.latent), _text(row.licence), *map(_text, place), _text(row.signature), ""]
        writer.writerow(cells)
    for printed in () if table.published is None else table.published.rows:
        cells = ["", "", _text(printed.method), PUBLISHED, "", "", "", ""]
        for name in names:
            cells += [printed.values.get(name, ""), *(["", ""] if name in bounded else [])]
        source = f"arXiv {printed.paper}, {printed.table}"
        writer.writerow([*cells, "", "", *map(_text, place[:3]), "", _text(place[4]), "", "", _text(source)])
    return sink.getvalue()


def markdown_text(tables: Sequence[Table], metrics: Sequence[str]) -> str:
    """Return tables as Markdown, the best values bold, published rows in italics and named so."""
    parts = []
    for table in tables:
        head, rows = _cells(table, metrics, mark=lambda text: f"**{text}**", plain=_markdown)
        lines = [f"### {_markdown(table_title(table))}", "", _markdown_row(head)]
        lines.append(_markdown_row(["---", "---", *["---:"] * (len(head) - 2)]))
        lines += [_markdown_row(row) for row in rows]
        for printed in () if table.published is None else table.published.rows:
            values = [_markdown(printed.values.get(name, "-")) for name in table_metrics(table, metrics)]
            name = f"*{_markdown(printed.method)}* ({PUBLISHED}: arXiv {_markdown(printed.paper)})"
            lines.append(_markdown_row(["-", name, *values, "-", "-", "-", "-"]))
        lines += ["", f"{_markdown(ranking_words(table))}.", "", *(f"`{line}`" for line in table.signatures)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def latex_text(tables: Sequence[Table], metrics: Sequence[str]) -> str:
    """Return tables as LaTeX with booktabs, the best values bold, published rows in gray (package xcolor)."""
    parts = []
    for table in tables:
        head, rows = _cells(table, metrics, mark=lambda text: rf"\textbf{{{text}}}", plain=_latex)
        lines = [f"% {table_title(table)}", *(f"% {line}" for line in table.signatures)]
        lines += [rf"\begin{{tabular}}{{rl{'r' * (len(head) - 2)}}}", r"\toprule", _latex_row(head), r"\midrule"]
        lines += [_latex_row(row) for row in rows]
        printed_rows: Sequence[PublishedRow] = () if table.published is None else table.published.rows
        lines += [r"\midrule"] if printed_rows else []
        for printed in printed_rows:
            values = [_latex(printed.values.get(name, "-")) for name in table_metrics(table, metrics)]
            cells = ["-", f"{_latex(printed.method)} ({PUBLISHED})", *values, "-", "-", "-", "-"]
            lines.append(_latex_row([rf"\textcolor{{gray}}{{{cell}}}" for cell in cells]))
        lines += [r"\bottomrule", r"\end{tabular}"]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cells(table: Table, metrics: Sequence[str], *, mark: Mark, plain: Mark) -> tuple[list[str], list[list[str]]]:
    names = table_metrics(table, metrics)
    facts = {column.metric: (column.unit, column.higher_is_better) for column in table.columns}
    facts |= {name: (unit, better) for name, unit, better in (table.published.metrics if table.published else ())}
    best = table.best()
    head = [plain("#"), "model", *(plain(metric_heading(name, *facts[name])) for name in names)]
    head += ["n", "tier", "date", "record"]
    rows = []
    for row in table.rows:
        label = f"{row.org}/{row.model}" + (f" ({state_text(row)})" if row.state != "current" else "")
        values = []
        for name in names:
            item = row.values.get(name)
            text = plain(value_text(name, item))
            first = row.state == "current" and item is not None and item.value == best.get(name)
            values.append(mark(text) if first else text)
        count = _count(row, table.sort)
        tail = ["-" if count is None else str(count), str(row.tier), row.created[:10], row.record_id[:8]]
        rows.append([rank_text(row), plain(label), *values, *tail])
    return head, rows


def _count(row: Row, sort: str) -> int | None:
    item = row.values.get(sort)
    return None if item is None else item.n


def _number(value: float | int | None) -> str:
    return "" if value is None else repr(value)


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def _markdown(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no link."""
    escaped = re.sub(r"([\\`*_{}\[\]()#!|~])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _latex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
