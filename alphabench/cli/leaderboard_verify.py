"""`alphabench leaderboard verify`: a submission measured again, apart from everything."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alphabench.cli.output import emit_json, format_number, json_option, print_table, progress
from alphabench.cli.roots import wants_json

if TYPE_CHECKING:
    from alphabench.leaderboard.submission.comparison import Compared
    from alphabench.leaderboard.submission.verify import Verification


@click.command("verify")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--tier", type=click.IntRange(1, 2), help="1 or 2  [default: the highest that the pack can reach]")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the run and the new record.")
@click.option("--by", help="Who verifies, for the record.")
@click.option("--fetch", is_flag=True, help="First bring the files that the card names at a hub (needs network).")
@click.option("--time-limit", type=click.IntRange(min=1), default=1800, show_default=True, help="Seconds.")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="The store in which the model's previous record is looked for.",
)
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False), help="Write a short Markdown summary to FILE."
)
@json_option
@click.pass_context
def verify(
    context: click.Context,
    folder: Path,
    *,
    tier: int | None,
    out: Path,
    by: str | None,
    fetch: bool,
    time_limit: int,
    root: Path,
    summary: Path | None,
    as_json: bool,
) -> int:
    """Validate the submission in DIR, measure it again on the CPU and compare its claim with what was found.

    Measuring happens in a process of its own with limited memory (8 GiB) and time and no network. The new record
    holds the numbers found here, whatever was claimed.

    Exit codes: 0 the claim stands, 2 the pack cannot reach the tier, 3 data, 4 a limit was passed or a metric
    is missing, 6 refused, or the claim does not stand (E_VERIFY).
    """
    from alphabench.errors import DataError, ValidationRefused
    from alphabench.leaderboard.submission.sandbox import Limits
    from alphabench.leaderboard.submission.verify import previous_record
    from alphabench.leaderboard.submission.verify import verify as verify_pack

    options: dict[str, Any] = {} if by is None else {"by": by}
    limits = Limits(cpu_s=2 * time_limit, wall_s=float(time_limit))
    with progress("verify") as report:
        found = verify_pack(
            folder,
            out,
            tier=tier,
            fetch=fetch,
            limits=limits,
            report=lambda done, total: report(done, total, ""),
            **options,
        )
    code = 0 if found.ok else ValidationRefused.exit_code
    previous = previous_record(found.record, root)
    if summary is not None:
        from alphabench.leaderboard.submission.summary import markdown

        try:
            summary.write_text(markdown(found), encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"the summary {str(summary)!r} cannot be written: {error.strerror}",
                remedy="Name another file with --summary.",
            ) from error
    if wants_json(context, as_json=as_json):
        emit_json(_document(found, previous, code))
    else:
        _print(found, previous)
    return code


def _print(found: "Verification", previous: Path | None) -> None:
    model = found.record.document["model"]
    rows = [_row(item) for item in found.means]
    print_table(
        f"{model['org']}/{model['name']}, verified at tier {found.tier}",
        ("metric", "claimed", "found", "difference"),
        rows,
    )
    if found.claimed is None:
        click.echo("claimed    nothing: the pack brings no record")
    elif found.ok:
        judged = [item for item in found.compared if item.tolerance is not None]
        click.echo(f"claimed    record {found.claimed.id}: {len(judged)} numbers, all within their tolerance")
    for item in found.worst:
        click.echo(
            f"E_VERIFY {item.place}: {item.metric} claimed {item.claimed:.6g}, found {item.found:.6g}, "
            f"difference {item.difference:.3g}, tolerance {item.tolerance:.3g}"
        )
    if found.subset:
        click.echo(
            f"generated  {len(found.subset)} samples, seed {found.record.document['verification']['subset_seed']}"
        )
    for flag in found.flags:
        click.echo(f"flag: {flag}: a person should look at it")
    click.echo(f"network    kept away by {found.isolation}")
    click.echo(f"record     {found.record.path}  {found.record.id}")
    if previous is not None:
        click.echo(f"previous   {previous}")


def _row(item: "Compared") -> tuple[str, str, str, str]:
    from alphabench.metrics.catalog import CATALOG

    digits = CATALOG[item.metric].decimals + 2
    claimed = None if math.isnan(item.claimed) else item.claimed
    difference = None if math.isnan(item.difference) else item.difference
    return item.metric, format_number(claimed, digits), format_number(item.found, digits), format_number(difference, 6)


def _document(found: "Verification", previous: Path | None, code: int) -> dict[str, Any]:
    error = {}
    if found.worst:
        first = found.worst[0]
        message = f"{first.place}: {first.metric} claimed {first.claimed:.6g}, found {first.found:.6g}"
        error = {"error": {"code": "E_VERIFY", "message": message, "remedy": "Submit the record of this very pack."}}
    return {
        **error,
        "tier": found.tier,
        "accepted": found.ok,
        "record": str(found.record.path),
        "record_id": found.record.id,
        "claimed": None if found.claimed is None else found.claimed.id,
        "pack_hash": found.pack_hash,
        "means": [_compared(item) for item in found.means],
        "worst": [_compared(item) for item in found.worst],
        "judged": sum(item.tolerance is not None for item in found.compared),
        "subset": list(found.subset),
        "flags": list(found.flags),
        "network": found.isolation,
        "previous": None if previous is None else str(previous),
        "exit_code": code,
    }


def _compared(item: "Compared") -> dict[str, Any]:
    return {
        "metric": item.metric,
        "place": item.place,
        "claimed": _finite(item.claimed),
        "found": _finite(item.found),
        "difference": _finite(item.difference),
        "tolerance": item.tolerance,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
