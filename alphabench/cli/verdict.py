"""How a finished run is told: a table for people, one document for programs, an exit code for scripts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from alphabench.cli.output import ARROWS, HEADLINE_METRICS, emit_json, format_number, heading, print_table, shown_unit
from alphabench.runtime import world

if TYPE_CHECKING:
    from alphabench.results.record import Record
    from alphabench.tasks.job import Outcome

INCOMPLETE = 4
RANDOM_FEATURES = "random features: only comparable within alpha-mini@1; not LPIPS, not FID"
MOST_COLUMNS = 8


def leave_with(outcome: "Outcome", *, as_json: bool) -> int:
    """Print the outcome of a run and return the exit code: 0, or 4 where the record is incomplete."""
    record = outcome.record
    if not world().is_main:
        return 0 if record.complete else INCOMPLETE
    if as_json:
        emit_json(
            {
                "record": str(record.path),
                "protocol": outcome.protocol.id,
                "protocol_hash": outcome.protocol.hash,
                "signature": record.signature,
                "complete": record.complete,
                "incomplete_reasons": record.document["incomplete_reasons"],
                "deviations": record.document.get("deviations", []),
                "aggregates": record.aggregates,
                "missing": _missing(record),
                "contact_sheet": None if outcome.sheet is None else str(outcome.sheet.resolve()),
                "more_sheets": [str(sheet.resolve()) for sheet in outcome.more_sheets],
                "predictions": None if outcome.predictions is None else str(outcome.predictions.resolve()),
                "signatures": _signatures(outcome),
                "resumed": outcome.stored,
            }
        )
    else:
        _print(outcome)
    return 0 if record.complete else INCOMPLETE


def _print(outcome: "Outcome") -> None:
    record, document = outcome.record, outcome.record.document
    model, data = document["model"], document["data"]
    title = (
        f"{model['org']}/{model['name']} on {data['name']}@{data['version']} "
        f"({data['samples']} images) under {outcome.protocol.id}"
    )
    categories = list(data["categories"])
    metrics = {metric["name"]: metric for metric in document["metrics"]}
    names = _columns(outcome, metrics)
    if len(categories) > 1 and names:
        _print_categories(title, outcome, categories, [metrics[name] for name in names])
        title = "all metrics (macro mean over categories; composites over the backgrounds)"
    rows = [_metric_row(metric, record.aggregates[metric["name"]]) for metric in document["metrics"]]
    if outcome.protocol.judges_latents:  # its headline is one of two views, and the other one is no detail
        rows += [row for metric in document["metrics"] for row in _other_views(outcome, metric)]
    caption = _caption(document, outcome.protocol.task)
    print_table(title, ("metric", "value", "unit", "n", "state"), rows, caption=caption)
    click.echo(f"protocol       {outcome.protocol.id}  {outcome.protocol.hash}")
    click.echo(f"signature      {record.signature}")
    click.echo(f"record         {record.path}")
    if outcome.predictions is not None:
        click.echo(f"predictions    {outcome.predictions}")
    for sheet in (outcome.sheet, *outcome.more_sheets):
        if sheet is not None:
            click.echo(f"contact sheet  {sheet}")
    _print_signatures(outcome)
    if outcome.stored:
        click.echo("stored result of an earlier run; --fresh measures anew")
    for reason in document["incomplete_reasons"]:
        click.echo(f"incomplete: {reason}", err=True)
    for remedy in dict.fromkeys(missing["remedy"] for missing in _missing(record) if missing["remedy"]):
        click.echo(f"mend: {remedy}", err=True)
    for deviation in document.get("deviations", []):
        click.echo(f"deviation: {deviation}", err=True)


def _columns(outcome: "Outcome", metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the metrics that have a column in the table of categories; of generated images, all that have means."""
    if outcome.protocol.task != "generation":
        return [name for name in HEADLINE_METRICS if metrics.get(name, {}).get("state") == "ok"]
    named = [name for name, metric in metrics.items() if metric["state"] == "ok" and metric["kind"] == "sample"]
    named.sort(key=lambda name: metrics[name]["higher_is_better"] is None)  # stable: those with a better side first
    return named[:MOST_COLUMNS]


def _print_signatures(outcome: "Outcome") -> None:
    """Print which failures show and where; nothing where none does."""
    from alphabench.tasks.diagnosis import shown_value

    if outcome.diagnosis is None:
        return
    for name, places in outcome.diagnosis.signatures().items():
        where = ", ".join(f"{found.category} ({shown_value(signature, found)})" for signature, found in places)
        click.echo(f"diagnosis      {name} in {where}")
        click.echo(f"               {places[0][0].meaning}")


def _signatures(outcome: "Outcome") -> list[dict[str, Any]]:
    if outcome.diagnosis is None:
        return []
    return [
        {
            "signature": name,
            "category": found.category,
            "measure": signature.measure,
            "value": getattr(found, signature.measure),
            "limit": signature.limit,
        }
        for name, places in outcome.diagnosis.signatures().items()
        for signature, found in places
    ]


def _print_categories(title: str, outcome: "Outcome", categories: list[str], metrics: list[dict[str, Any]]) -> None:
    from alphabench.metrics.catalog import CATALOG

    columns = ["category"]
    columns += [heading(m["name"]) for m in metrics]
    rows = []
    for category in [*categories, "mean"]:
        row = [category]
        for metric in metrics:
            view = outcome.protocol.headline(metric["name"])
            scope = "macro" if category == "mean" else "category"
            value = next(
                (
                    item["value"]
                    for item in metric["aggregates"]
                    if item["view"] == view
                    and item["scope"] == scope
                    and (scope == "macro" or item["category"] == category)
                ),
                None,
            )
            row.append(format_number(value, CATALOG[metric["name"]].decimals))
        rows.append(row)
    print_table(title, columns, rows)


def _metric_row(metric: dict[str, Any], headline: dict[str, Any]) -> tuple[str, str, str, str, str]:
    from alphabench.metrics.catalog import CATALOG

    name = f"{metric['name']} {ARROWS[metric['higher_is_better']]}".rstrip()
    value = format_number(headline["value"], CATALOG[metric["name"]].decimals)
    count = "-" if headline["n"] is None else str(headline["n"])
    return name, value, shown_unit(metric["unit"]), count, metric["state"]


def _other_views(outcome: "Outcome", metric: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each view beside the headline's that has a value."""
    headline = outcome.protocol.headline(metric["name"])
    found = [item for item in metric.get("aggregates", []) if item["scope"] == "macro" and item["view"] != headline]
    rows = [(_metric_row(metric, item), item["view"].removeprefix("set/")) for item in found]
    return [(f"{row[0]}  {view}", row[1], row[2], row[3], row[4]) for row, view in rows]


def _caption(document: Mapping[str, Any], task: str) -> str:
    lines = []
    config = document["model"].get("config", {})
    if (latent := config.get("latent_numbers_per_pixel")) is not None:
        lines.append(f"latent numbers per pixel: {latent:g} (an RGBA image holds 4)")
    # Of generated images the record's own notes say with what they were compared, and how far that reaches.
    if task != "generation" and any(metric["name"].endswith("-rand") for metric in document["metrics"]):
        lines.append(RANDOM_FEATURES)
    if notes := document.get("notes"):
        lines.append(notes)
    return "\n".join(lines)


def _missing(record: "Record") -> list[dict[str, Any]]:
    return [
        {
            "metric": metric["name"],
            "state": metric["state"],
            "reason": metric["reason"],
            "remedy": metric.get("remedy"),
        }
        for metric in record.document["metrics"]
        if metric["state"] != "ok"
    ]
