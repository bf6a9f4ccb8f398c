"""`alphabench leaderboard`: the records of a folder side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alphabench.cli.leaderboard_add import add
from alphabench.cli.leaderboard_check import check
from alphabench.cli.leaderboard_compare import compare
from alphabench.cli.leaderboard_site import site
from alphabench.cli.leaderboard_submit import submit
from alphabench.cli.leaderboard_validate import validate
from alphabench.cli.leaderboard_verify import verify
from alphabench.cli.output import HEADLINE_METRICS, emit_json, json_option
from alphabench.cli.roots import chosen_roots, roots_option

if TYPE_CHECKING:
    from alphabench.leaderboard.published import PublishedTable
    from alphabench.leaderboard.rows import Board, Row, Table

GENERATED = ("fid-rand", "clipscore", "border_cut", "hole_rate", "speckle_rate", "fringe", "colour_leak", "blank")
"""The columns of tables of generated images behind the distance that sorts them."""
SHOWN = (*HEADLINE_METRICS, "fid", "laion_aes", *GENERATED)
FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

MOST_INDENTED = 200
"""Rows up to which the JSON document is indented for a reader."""


@click.group(invoke_without_command=True)
@click.option("--protocol", metavar="P", help="Only this protocol: name, name@version or first digits of its hash.")
@click.option("--data", metavar="D", help="Only this data set, alike.")
@click.option("--org", metavar="O", help="Only models of this organisation (* and ? as in file names).")
@click.option("--model", metavar="G", help="Only these models, alike; ranks stay those among all.")
@click.option("--category", metavar="C", help="Values and ranks of one category.")
@click.option("--background", metavar="B", help="Values and ranks on one background, such as white or checker8.")
@click.option("--metric", "metrics", metavar="M", multiple=True, help="Show this metric; may be repeated.")
@click.option("--sort", metavar="M", help="The metric that ranks  [default: psnr or what stands in for it; kid]")
@click.option("--tier", type=click.IntRange(0, 2), default=0, help="Only records verified as far as this.")
@click.option("--all", "every", is_flag=True, help="Also older, superseded, withdrawn and incomplete records, grey.")
@click.option("--csv", "csv_file", type=FILE, help="Write the table as CSV, at full precision, to FILE or -.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write the tables as Markdown to FILE or -.")
@click.option("--latex", "latex_file", type=FILE, help="Write the tables as LaTeX (booktabs, xcolor) to FILE or -.")
@roots_option
@json_option
@click.pass_context
def leaderboard(
    context: click.Context,
    /,
    roots: tuple[Path, ...],
    metrics: tuple[str, ...],
    csv_file: Path | None,
    markdown_file: Path | None,
    latex_file: Path | None,
    *,
    as_json: bool,
    **asked: Any,
) -> int:
    """Show records side by side: one table for each protocol and data set, one row for each model.

    A model is behind another only where a paired test over the images proves it; others share a rank. Of a
    model's records the one verified furthest stands for it, among equals the newest. A record that is damaged
    or was edited is not shown but named, and the exit code is 3. The subcommands add records to the store,
    compare two of them, and check one against another.
    """
    if context.invoked_subcommand is not None:
        return 0
    from alphabench.errors import DataError
    from alphabench.leaderboard.board_cache import cached_board
    from alphabench.leaderboard.selection import Selection

    files = {"--csv": csv_file, "--markdown": markdown_file, "--latex": latex_file}
    _check_outputs(files, as_json=as_json)
    if asked["sort"] is None and metrics:
        asked["sort"] = metrics[0]
    board = cached_board(chosen_roots(context, roots) or (Path("leaderboard"),), Selection(**asked))
    _check_metrics(board, metrics)
    code = DataError.exit_code if board.broken else 0
    spoken = _write(board, metrics, files)
    if as_json:
        emit_json(_document(board), compact=sum(len(table.rows) for table in board.tables) > MOST_INDENTED)
        return code
    if not spoken:
        _print(board, metrics)
    for path, reason in board.broken:
        click.echo(f"not shown: {path}: {reason}", err=True)
    return code


def _print(board: "Board", metrics: tuple[str, ...]) -> None:
    from alphabench.cli.leaderboard_table import print_published, print_table

    for number, table in enumerate(board.tables):
        if number:
            click.echo()
        print_table(table, metrics or SHOWN)
    names = [table.protocol for table in board.tables]
    for name in sorted({name for name in names if names.count(name) > 1}):
        if len(hashes := {table.protocol_hash[:8] for table in board.tables if table.protocol == name}) > 1:
            others = ", ".join(sorted(hashes))
            click.echo(f"note: {len(hashes)} different protocols are called {name}: {others}", err=True)
    for number, printed in enumerate(board.published):
        if number or board.tables:
            click.echo()
        print_published(printed)


def _check_outputs(files: dict[str, Path | None], *, as_json: bool) -> None:
    from alphabench.errors import UsageError

    speaking = [flag for flag, path in files.items() if path is not None and str(path) == "-"]
    speaking += ["--json"] if as_json else []
    if len(speaking) > 1:
        raise UsageError(f"{' and '.join(speaking)} cannot share the output", remedy="Write all but one to files.")


def _check_metrics(board: "Board", metrics: tuple[str, ...]) -> None:
    from alphabench.errors import UsageError

    known = {column.metric for table in board.tables for column in table.columns}
    known |= {name for table in board.published for name, *_ in table.metrics}
    known |= {name for table in board.tables if table.published for name, *_ in table.published.metrics}
    for name in metrics:
        if name not in known:
            raise UsageError(f"no table has the metric {name!r}", remedy=f"Use one of: {', '.join(sorted(known))}.")


def _write(board: "Board", metrics: tuple[str, ...], files: dict[str, Path | None]) -> bool:
    """Write what was asked for and say whether it went to the standard output."""
    from alphabench.errors import DataError, UsageError

    spoken = False
    for flag, path in files.items():
        if path is None:
            continue
        from alphabench.leaderboard.export import csv_text, latex_text, markdown_text

        if not board.tables or (flag == "--csv" and len(board.tables) > 1):
            there = [f"{table.protocol} ({table.protocol_hash[:8]}) on {table.data}" for table in board.tables]
            raise UsageError(
                f"{flag} writes one table, there are {len(there)}" + (f": {'; '.join(there)}" if there else ""),
                remedy="Choose one with --protocol and --data.",
            )
        if flag == "--csv":
            every = [column.metric for column in board.tables[0].columns]
            text = csv_text(board.tables[0], metrics or every)
        else:
            text = (markdown_text if flag == "--markdown" else latex_text)(board.tables, metrics or SHOWN)
        if str(path) == "-":
            click.echo(text, nl=False)
            spoken = True
            continue
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise DataError(
                f"the table {str(path)!r} cannot be written: {error.strerror}", remedy=f"Name another file with {flag}."
            ) from error
        click.echo(f"written: {path}", err=True)
    return spoken


def _document(board: "Board") -> dict[str, Any]:
    return {
        "tables": [_table_document(table) for table in board.tables],
        "published": [_published_document(table) for table in board.published],
        "broken": [{"path": path, "reason": reason} for path, reason in board.broken],
    }


def _table_document(table: "Table") -> dict[str, Any]:
    return {
        "protocol": table.protocol,
        "protocol_hash": table.protocol_hash,
        "data": table.data,
        "data_hash": table.data_hash,
        "task": table.task,
        "category": table.category,
        "background": table.background,
        "sort": table.sort,
        "compared": table.compared,
        "hidden": dict(table.hidden),
        "records": [_row_document(row, table) for row in table.rows],
        "published": None if table.published is None else _published_document(table.published),
    }


def _row_document(row: "Row", table: "Table") -> dict[str, Any]:
    facts = {column.metric: column for column in table.columns}
    aggregates = {}
    for metric, state in row.states.items():
        item = row.values.get(metric)
        aggregates[metric] = {
            "value": None if item is None else item.value,
            "unit": facts[metric].unit if metric in facts else None,
            "n": 0 if item is None else item.n,
            "state": state,
            "low": None if item is None else item.low,
            "high": None if item is None else item.high,
        }
    return {
        "rank": row.rank,
        "record_id": row.record_id,
        "path": row.path,
        "org": row.org,
        "model": row.model,
        "licence": row.licence,
        "tier": row.tier,
        "created": row.created,
        "complete": row.complete,
        "state": row.state,
        "reason": row.reason,
        "samples": row.samples,
        "latent_numbers_per_pixel": row.latent,
        "signature": row.signature,
        "aggregates": aggregates,
    }


def _published_document(table: "PublishedTable") -> dict[str, Any]:
    return {
        "protocol": table.protocol,
        "data": table.data,
        "task": table.task,
        "category": table.category,
        "background": table.background,
        "metrics": [{"metric": name, "unit": unit, "higher_is_better": up} for name, unit, up in table.metrics],
        "rows": [
            {
                "rank": None,
                "method": row.method,
                "paper": row.paper,
                "title": row.title,
                "table": row.table,
                "values": dict(row.values),
                "note": row.note,
            }
            for row in table.rows
        ],
    }


for command in (add, compare, check, submit, validate, verify, site):
    leaderboard.add_command(command)
