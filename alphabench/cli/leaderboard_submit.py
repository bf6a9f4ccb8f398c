"""`alphabench leaderboard submit`: a pack for the leaderboard from a finished run."""

import dataclasses
from pathlib import Path

import click

from alphabench.cli.findings_shown import print_findings, refusal
from alphabench.cli.output import emit_json, format_bytes, json_option
from alphabench.cli.roots import wants_json

PLACE = click.Path(path_type=Path)


@click.command("submit")
@click.argument("run", metavar="RUN", type=PLACE)
@click.option(
    "--out",
    type=PLACE,
    default=Path("leaderboard/submissions"),
    show_default=True,
    help="Folder of packs; the pack is its folder <org>__<name>.",
)
@click.option("--kind", type=click.Choice(["checkpoint", "predictions"]), help="[default: what the run judged]")
@click.option("--card", type=PLACE, help="A TOML file with tables [model] and [contact]; flags come before it.")
@click.option("--org", default="", help="Who made the model: a slug.")
@click.option("--name", default="", help="The model's name: a slug.")
@click.option("--licence", default="", help="Licence of the model, an SPDX name.")
@click.option("--summary", default="", help="One line on the model, at most 500 characters.")
@click.option("--homepage", default="", help="An https address.")
@click.option("--handle", default="", help="Whom to ask.")
@click.option("--trained-on", multiple=True, help="A training set; may be repeated.")
@click.option("--checkpoint", type=PLACE, help="The weights that the run used  [default: the bundled ones]")
@click.option("--predictions", type=PLACE, help="The predictions that the run scored  [default: those it wrote]")
@click.option("--with-predictions", is_flag=True, help="Put a checkpoint's predictions beside it.")
@json_option
@click.pass_context
def submit(
    context: click.Context,
    run: Path,
    *,
    out: Path,
    kind: str | None,
    card: Path | None,
    org: str,
    name: str,
    licence: str,
    summary: str,
    homepage: str,
    handle: str,
    trained_on: tuple[str, ...],
    checkpoint: Path | None,
    predictions: Path | None,
    with_predictions: bool,
    as_json: bool,
) -> int:
    """Build a pack from the finished run in RUN and validate it as the leaderboard will.

    Exit codes: 0 built, 2 something is not said, 3 files are missing, 4 the run is incomplete, 6 refused.
    """
    from alphabench.errors import ValidationRefused
    from alphabench.leaderboard.submission.pack import About, build_pack, read_about

    said = About(org, name, licence, summary, homepage, handle, trained_on)
    if card is not None:
        flags = {key: value for key, value in dataclasses.asdict(said).items() if value}
        said = dataclasses.replace(read_about(card), **flags)
    pack = build_pack(
        run,
        out,
        said,
        kind=kind,
        checkpoint=checkpoint,
        predictions=predictions,
        with_predictions=with_predictions,
    )
    code = 0 if pack.folder is not None else ValidationRefused.exit_code
    if wants_json(context, as_json=as_json):
        emit_json(
            {
                **refusal(pack.findings),
                "pack": None if pack.folder is None else str(pack.folder),
                "files": dict(pack.sizes),
                "pack_hash": pack.pack_hash,
                "findings": [item.document() for item in pack.findings],
                "flags": list(pack.flags),
                "exit_code": code,
            }
        )
        return code
    if pack.folder is None:
        print_findings(pack.findings)
        click.echo("refused   nothing was kept", err=True)
        return code
    shown = [path for path in pack.sizes if not path.startswith("predictions/")]
    for path in shown:
        click.echo(f"  {path:28} {format_bytes(pack.sizes[path])}")
    images = [size for path, size in pack.sizes.items() if path not in shown]
    if images:
        click.echo(f"  {f'predictions/ ({len(images)} files)':28} {format_bytes(sum(images))}")
    click.echo(f"pack       {pack.folder}  ({format_bytes(sum(pack.sizes.values()))})")
    click.echo(f"pack hash  {pack.pack_hash}")
    for flag in pack.flags:
        click.echo(f"flag: {flag}: a person will look at it")
    click.echo(
        f"next: move it to leaderboard/submissions/{pack.folder.name}/ in a branch of its own and open a pull "
        "request that changes nothing else"
    )
    return code
