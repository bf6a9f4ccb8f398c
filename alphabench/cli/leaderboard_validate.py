"""`alphabench leaderboard validate`: a submission's pack, checked without running anything of it."""

from pathlib import Path

import click

from alphabench.cli.findings_shown import print_findings, refusal
from alphabench.cli.output import emit_json, json_option
from alphabench.cli.roots import wants_json


@click.command("validate")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--fetch", is_flag=True, help="Bring the files that the card names at a hub (needs network).")
@click.option(
    "--base-diff",
    type=click.Path(path_type=Path),
    help="Output of `git diff --raw -z BASE...HEAD`: refuse changes outside the pack.",
)
@json_option
@click.pass_context
def validate(context: click.Context, folder: Path, base_diff: Path | None, *, fetch: bool, as_json: bool) -> int:
    """Check the submission in DIR, stage by stage; nothing of it is run, and without --fetch no network is used.

    Each finding is one line: code, path, fact, remedy. Exit codes: 0 accepted, 3 no such folder, 6 refused.
    """
    from alphabench.errors import DataError, ValidationRefused
    from alphabench.leaderboard.submission.validation import validated

    changes = None
    if base_diff is not None:
        try:
            changes = base_diff.read_bytes()
        except OSError as error:
            raise DataError(
                f"the diff {str(base_diff)!r} cannot be read: {error.strerror}", remedy="Check --base-diff."
            ) from error
    with validated(folder, base_diff=changes, fetch=fetch) as found:
        code = 0 if found.ok else ValidationRefused.exit_code
        if wants_json(context, as_json=as_json):
            emit_json(
                {
                    **refusal(found.findings),
                    "pack": ascii(found.name)[1:-1],
                    "accepted": found.ok,
                    "kind": found.card.kind if found.card else None,
                    "pack_hash": found.pack_hash if found.held else None,
                    "stages": [{"name": stage.name, "summary": stage.summary} for stage in found.stages],
                    "findings": [item.document() for item in found.findings],
                    "flags": list(found.flags),
                    "exit_code": code,
                }
            )
            return code
        for stage in found.stages:
            click.echo(f"ok  {stage.name:8} {stage.summary}")
        print_findings(found.findings)
        for flag in found.flags:
            click.echo(f"flag: {flag}: a person should look at it")
        if found.ok:
            click.echo(f"accepted  pack {found.pack_hash}")
        else:
            click.echo(f"refused   {len(found.findings)} findings in this stage", err=True)
    return code
