"""`alphabench leaderboard compare`: two records, metric by metric, with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alphabench.cli.output import emit_json, format_number, json_option, print_table
from alphabench.cli.roots import chosen_roots, roots_option, wants_json

if TYPE_CHECKING:
    from alphabench.results.compare import Comparison


@click.command("compare")
@click.argument("baseline", metavar="A")
@click.argument("candidate", metavar="B")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a forest plot: FILE.svg or FILE.png."
)
@roots_option
@json_option
@click.pass_context
def compare(
    context: click.Context, baseline: str, candidate: str, plot: Path | None, roots: tuple[Path, ...], *, as_json: bool
) -> None:
    """Compare record B with record A, image by image.

    A and B are folders of runs or records, or the first digits of record ids (six or more). Positive
    differences are gains of B. The exit code says nothing about the verdict: that is what `check` is for.
    """
    from alphabench.errors import DataError, UsageError
    from alphabench.leaderboard.forest import FORMATS, forest_plot
    from alphabench.leaderboard.gate import shipped_gate
    from alphabench.leaderboard.lookup import find_record
    from alphabench.leaderboard.summary import document
    from alphabench.results.compare import compare as compare_records

    kind = "" if plot is None else plot.suffix.lower().removeprefix(".")
    if plot is not None and kind not in FORMATS:
        raise UsageError(f"a plot cannot be written as {plot.name!r}", remedy=f"Name it .{' or .'.join(FORMATS)}.")
    places = chosen_roots(context, roots)
    records = [find_record(name, places, quick=True) for name in (baseline, candidate)]
    found = compare_records(records[0], records[1], shipped_gate().rules())
    if plot is not None:
        picture = forest_plot(found, kind=kind)
        try:
            plot.write_bytes(picture)
        except OSError as error:
            raise DataError(
                f"the plot {str(plot)!r} cannot be written: {error.strerror}", remedy="Name another file with --plot."
            ) from error
    if wants_json(context, as_json=as_json):
        emit_json(document(found))
    else:
        _print(found)
        if plot is not None:
            click.echo(f"plot           {plot}")


def _print(found: "Comparison") -> None:
    from alphabench.leaderboard.summary import COLUMNS, cells, record_name, settling
    from alphabench.metrics.catalog import CATALOG

    title = (
        f"candidate {record_name(found.candidate)} against baseline {record_name(found.baseline)}, "
        f"{found.baseline.protocol.id}"
    )
    caption = (
        f"gain: positive is better; * metric of {found.rules.name} ({found.rules.hash[:8]}), these first; "
        "detects: smallest difference found with 80 % power"
    )
    items = sorted(found.metrics, key=lambda item: not item.gate)
    print_table(title, COLUMNS, [cells(item) for item in items], caption=caption)
    main = next((item for item in found.metrics if item.metric == found.primary), None)
    if main is not None and len(main.categories) > 1:
        digits = CATALOG[main.metric].decimals
        rows = [
            (
                part.category,
                str(part.n),
                f"{part.difference:+.{digits}f}",
                "-" if part.low is None else f"[{part.low:+.{digits}f}, {part.high:+.{digits}f}]",
            )
            for part in main.categories
        ]
        print_table(f"{main.metric} by category", ("category", "n", "gain", "95 % interval"), rows)
    if main is not None:
        digits = CATALOG[main.metric].decimals
        rows = [
            (
                sample.sample,
                format_number(sample.baseline, digits),
                format_number(sample.candidate, digits),
                f"{sample.difference:+.{digits}f}",
            )
            for sample in found.most_changed
        ]
        print_table(f"most changed in {main.metric}", ("sample", "baseline", "candidate", "gain"), rows)
    gate = found.rules.gate_metrics(found.baseline.protocol.metrics)
    none = "a metric of the gate is missing" if gate else f"the gate has no metric of {found.baseline.protocol.id}"
    click.echo(f"verdict        {found.verdict or f'none: {none}'}")
    click.echo(f"signature      {found.signature}")
    for line in filter(None, map(settling, found.metrics)):
        click.echo(f"inconclusive   {line}")
    for metric, reason in found.left_out.items():
        click.echo(f"not compared: {metric}: {reason}", err=True)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
