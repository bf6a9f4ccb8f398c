"""`alphabench leaderboard site`: the leaderboard as a folder of pages."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, format_bytes, json_option, progress
from alphabench.cli.roots import chosen_roots, roots_option, wants_json

data_option = click.option(
    "--data", multiple=True, help="A data set, or its folder: references of records on it; may be repeated."
)


@click.command("site")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the pages.")
@click.option("--protocol", default=None, help="Only records of this protocol.")
@click.option(
    "--images",
    default="auto",
    show_default=True,
    help="Samples shown of each record: a number, all, or auto (24, fewer where the site would grow past 60 MiB).",
)
@data_option
@roots_option
@json_option
@click.pass_context
def site(
    context: click.Context,
    out: Path,
    protocol: str | None,
    images: str,
    data: tuple[str, ...],
    roots: tuple[Path, ...],
    *,
    as_json: bool,
) -> int:
    """Write the leaderboard as static pages: open OUT/index.html in any browser.

    The pages need no server and no network. The same records give the same bytes. An older site in OUT is
    replaced; a folder with anything else in it is refused. Images come from the galleries beside the records
    and from folders of runs. A record that cannot be read is named, and the exit code is 3.
    """
    from alphabench.errors import DataError, UsageError
    from alphabench.leaderboard.selection import Selection
    from alphabench.leaderboard.site import SiteSettings, build_site
    from alphabench.leaderboard.site.build import EVERY

    words = {"auto": None, "all": EVERY}
    if images not in words and not images.isdecimal():
        raise UsageError(f"--images {images!r} is no number of samples", remedy="Give a number, all or auto.")
    settings = SiteSettings(
        roots=chosen_roots(context, roots),
        selection=Selection(protocol=protocol),
        images=words[images] if images in words else int(images),
        data=data,
    )
    with progress("pages") as report:
        built = build_site(settings, out, report)
    code = DataError.exit_code if built.broken else 0
    if wants_json(context, as_json=as_json):
        emit_json(
            {
                "path": str(built.path),
                "records": built.records,
                "files": built.files,
                "bytes": built.bytes,
                "image_bytes": built.images,
                "samples_shown": built.shown,
                "broken": [{"path": path, "reason": reason} for path, reason in built.broken],
            }
        )
        return code
    click.echo(f"site     {built.path / 'index.html'}")
    click.echo(f"records  {built.records}")
    click.echo(f"size     {format_bytes(built.bytes)} in {built.files} files, images {format_bytes(built.images)}")
    if not built.shown:
        click.echo("images   none found: name the folder of runs with --root", err=True)
    for path, reason in built.broken:
        click.echo(f"not shown: {path}: {reason}", err=True)
    return code
