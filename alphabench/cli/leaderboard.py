"""`alphabench leaderboard`: the records of a folder side by side."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alphabench.cli.leaderboard_add import add
from alphabench.cli.leaderboard_check import check
from alphabench.cli.leaderboard_compare import compare
from alphabench.cli.output import HEADLINE_METRICS, emit_json, format_number, heading, json_option, print_table
from alphabench.cli.roots import chosen_roots, roots_option

if TYPE_CHECKING:
    from alphabench.leaderboard.table import Table


@click.group(invoke_without_command=True)
@roots_option
@json_option
@click.pass_context
def leaderboard(context: click.Context, roots: tuple[Path, ...], *, as_json: bool) -> int:
    """Show the records under a folder, best first: one table for each protocol and data set.

    A record that is damaged or was edited is not shown but named, and the exit code is 3.
    The subcommands add records to the store, compare two of them, and check one against another.
    """
    if context.invoked_subcommand is not None:
        return 0
    from alphabench.errors import DataError
    from alphabench.leaderboard.table import latent_numbers, read_shelf

    shelf = read_shelf(chosen_roots(context, roots) or (Path("runs"),))
    code = DataError.exit_code if shelf.broken else 0
    if as_json:
        emit_json(
            {
                "tables": [
                    {
                        "protocol": table.protocol,
                        "protocol_hash": table.protocol_hash,
                        "data": table.data,
                        "data_hash": table.data_hash,
                        "records": [
                            {
                                "record_id": record.document["record_id"],
                                "path": str(record.path),
                                "org": record.document["model"]["org"],
                                "model": record.document["model"]["name"],
                                "complete": record.complete,
                                "latent_numbers_per_pixel": latent_numbers(record.document),
                                "signature": record.signature,
                                "aggregates": record.aggregates,
                            }
                            for record in table.records
                        ],
                    }
                    for table in shelf.tables
                ],
                "broken": [{"path": str(path), "reason": reason} for path, reason in shelf.broken],
            }
        )
        return code
    for table in shelf.tables:
        _print(table)
    for path, reason in shelf.broken:
        click.echo(f"not shown: {path}: {reason}", err=True)
    return code


def _print(table: "Table") -> None:
    from alphabench.leaderboard.table import latent_numbers
    from alphabench.metrics.catalog import CATALOG

    aggregates = [record.aggregates for record in table.records]
    names = [
        name for name in HEADLINE_METRICS if any(name in row and row[name]["value"] is not None for row in aggregates)
    ]
    columns = ["model", "latent/px"]
    columns += [heading(name) for name in names]
    rows = []
    for record in table.records:
        document = record.document
        latent = latent_numbers(document)
        row = [
            f"{document['model']['org']}/{document['model']['name']}",
            "-" if latent is None else f"{latent:g}",
        ]
        for name in names:
            value = record.aggregates.get(name, {}).get("value")
            row.append(format_number(value, CATALOG[name].decimals))
        row += [str(document["data"]["samples"]), document["record_id"][:8]]
        row.append("" if record.complete else "incomplete, not ranked")
        rows.append(row)
    caption = f"protocol {table.protocol_hash[:8]}  data {table.data_hash[:8]}"
    title = f"{table.protocol} on {table.data}"
    print_table(title, [*columns, "n", "record", "state"], rows, caption=caption)


for command in (add, compare, check):
    leaderboard.add_command(command)
