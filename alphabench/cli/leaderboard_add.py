"""`alphabench leaderboard add`: checked records into the store."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, format_bytes, json_option
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
    From a run's folder some of its predictions are kept as well, for people to look at.
    """
    from alphabench.errors import UsageError
    from alphabench.leaderboard.galleries import add_gallery
    from alphabench.leaderboard.store import add_record, load_for_store

    above: tuple[Path, ...] = context.parent.params.get("roots", ()) if context.parent else ()
    if len(targets := ([*above] if root is None else [*above, root])) > 1:
        raise UsageError(f"add copies into one store, not into {len(targets)}", remedy="Name one folder with --root.")
    store = targets[0] if targets else Path("leaderboard")
    records = [load_for_store(path) for path in paths]
    added = [add_record(record, store) for record in records]
    galleries = [add_gallery(record, item.record_id, store) for record, item in zip(records, added, strict=True)]
    if wants_json(context, as_json=as_json):
        emit_json(
            {
                "records": [
                    {
                        "record_id": item.record_id,
                        "path": str(item.path),
                        "status": "added" if item.new else "already recorded",
                        "gallery": None if gallery.path is None else str(gallery.path),
                    }
                    for item, gallery in zip(added, galleries, strict=True)
                ]
            }
        )
        return
    for item, gallery in zip(added, galleries, strict=True):
        click.echo(f"added {item.path}" if item.new else f"already recorded as {item.record_id}: {item.path}")
        if gallery.path is not None:
            click.echo(f"gallery {gallery.path}: {gallery.images} predictions, {format_bytes(gallery.bytes)}")
        else:
            click.echo(f"no gallery: {gallery.reason}", err=True)
