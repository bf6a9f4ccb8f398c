"""`alphabench leaderboard add`: checked records into the store."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, json_option
from alphabench.cli.roots import wants_json


@click.command("add")
@click.argument("paths", metavar="PATH...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--root", type=click.Path(path_type=Path), help="The store  [default: ./leaderboard]")
@json_option
@click.pass_context
def add(context: click.Context, paths: tuple[Path, ...], root: Path | None, *, as_json: bool) -> None:
    """Copy finished records into the store, each with every check.

    PATH is a run's folder or a record's folder. An incomplete record is refused (exit 4), an edited one too
    (exit 3); then nothing is copied. A result that is there already is named and not copied again.
    """
    from alphabench.errors import UsageError
    from alphabench.leaderboard.store import add_record, load_for_store

    above: tuple[Path, ...] = context.parent.params.get("roots", ()) if context.parent else ()
    if len(targets := ([*above] if root is None else [*above, root])) > 1:
        raise UsageError(f"add copies into one store, not into {len(targets)}", remedy="Name one folder with --root.")
    store = targets[0] if targets else Path("leaderboard")
    records = [load_for_store(path) for path in paths]
    added = [add_record(record, store) for record in records]
    if wants_json(context, as_json=as_json):
        emit_json(
            {
                "records": [
                    {
                        "record_id": item.record_id,
                        "path": str(item.path),
                        "status": "added" if item.new else "already recorded",
                    }
                    for item in added
                ]
            }
        )
        return
    for item in added:
        click.echo(f"added {item.path}" if item.new else f"already recorded as {item.record_id}: {item.path}")
