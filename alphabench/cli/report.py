"""`alphabench report`: one record as one page in one file."""

from pathlib import Path

import click

from alphabench.cli.leaderboard_site import data_option
from alphabench.cli.output import emit_json, format_bytes, json_option
from alphabench.cli.roots import chosen_roots, roots_option


@click.command("report")
@click.argument("record", metavar="RECORD")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The HTML file to write.")
@click.option("--images", type=click.IntRange(min=0), default=24, show_default=True, help="Samples shown.")
@data_option
@roots_option
@json_option
@click.pass_context
def report(
    context: click.Context,
    record: str,
    out: Path,
    images: int,
    data: tuple[str, ...],
    roots: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    """Write one record as a page in one file that any browser opens, without network or server.

    RECORD is a run's folder, a record's folder or the first digits of a record id. The page has the numbers by
    category and background, the worst samples, a viewer for the images, and where every number comes from.
    """
    from alphabench.errors import UsageError
    from alphabench.leaderboard.lookup import find_record
    from alphabench.leaderboard.report import report_bytes, write_report

    if out.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"a report is an HTML file, not {out.name!r}", remedy="Name it --out FILE.html.")
    places = chosen_roots(context, roots)
    found = find_record(record, places)
    page = report_bytes(found, roots=places, data=data, images=images)
    write_report(out, page)
    if as_json:
        emit_json({"path": str(out.absolute()), "record_id": found.id, "bytes": len(page)})
    else:
        click.echo(f"report  {out}  {format_bytes(len(page))}")
