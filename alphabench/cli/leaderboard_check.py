"""`alphabench leaderboard check`: the gate, as an exit code."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alphabench.cli.output import emit_json, json_option
from alphabench.cli.roots import chosen_roots, roots_option, wants_json

if TYPE_CHECKING:
    from alphabench.results.compare import Comparison


@click.command("check")
@click.option("--baseline", required=True, metavar="A", help="The record to compare with: a folder or an id.")
@click.option("--candidate", required=True, metavar="B", help="The record that is judged: a folder or an id.")
@click.option("--same", is_flag=True, help="The two should be equal: a gain beyond the margin fails too.")
@click.option("--allow-inconclusive", is_flag=True, help="Leave with 0 where the images are too few to tell.")
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False), help="Write a short Markdown summary to FILE."
)
@roots_option
@json_option
@click.pass_context
def check(
    context: click.Context,
    baseline: str,
    candidate: str,
    summary: Path | None,
    roots: tuple[Path, ...],
    *,
    same: bool,
    allow_inconclusive: bool,
    as_json: bool,
) -> int:
    """Say whether record B is worse than record A.

    Exit codes: 0 ok or improvement, 1 regression, 3 not comparable or edited, 4 incomplete, 5 inconclusive:
    neither a loss nor its absence is proved, more images are needed.
    """
    from alphabench.errors import DataError, IncompleteError
    from alphabench.leaderboard.gate import shipped_gate
    from alphabench.leaderboard.lookup import find_record
    from alphabench.leaderboard.summary import EXIT_CODES, document, markdown
    from alphabench.results.compare import check_complete, compare

    places = chosen_roots(context, roots)
    rules = shipped_gate().rules()
    first, second = find_record(baseline, places), find_record(candidate, places)
    check_complete(first, second, rules)
    found = compare(first, second, rules, same=same)
    if found.verdict is None:
        metric, reason = next(iter(found.left_out.items()))
        raise IncompleteError(
            f"a metric of {rules.name} cannot be compared: {metric} {reason}", remedy="Repeat both runs."
        )
    code = EXIT_CODES[found.verdict]
    if code == EXIT_CODES["inconclusive"] and allow_inconclusive:
        code = 0
    if summary is not None:
        try:
            summary.write_text(markdown(found, allow_inconclusive=allow_inconclusive), encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"the summary {str(summary)!r} cannot be written: {error.strerror}",
                remedy="Name another file with --summary.",
            ) from error
    if wants_json(context, as_json=as_json):
        emit_json({**document(found), "allow_inconclusive": allow_inconclusive, "exit_code": code})
    else:
        _print(found, allow_inconclusive=allow_inconclusive)
    return code


def _print(found: "Comparison", *, allow_inconclusive: bool) -> None:
    from alphabench.leaderboard.summary import cells, record_name, settling

    click.echo(f"candidate {record_name(found.candidate)} against baseline {record_name(found.baseline)}")
    gate = [item for item in found.metrics if item.gate]
    rows = [cells(item) for item in gate]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        metric, before, after, gain, bounds, _, _, _, verdict, _ = (
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        click.echo(f"  {metric.replace(' *', '')}  {before} -> {after}  {gain}  {bounds}  {verdict}".rstrip())
    allowed = " (allowed)" if allow_inconclusive and found.verdict == "inconclusive" else ""
    click.echo(f"verdict    {found.verdict}{allowed}")
    for line in filter(None, map(settling, gate)):
        click.echo(f"  {line}")
    click.echo(f"gate       {found.rules.name} ({found.rules.hash[:8]})")
    click.echo(f"signature  {found.signature}")
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
