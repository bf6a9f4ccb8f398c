"""`alphabench score`: judge finished predictions, file by file."""

from pathlib import Path

import click

from alphabench.cli.output import json_option, progress
from alphabench.cli.reconstruct import batch_option, device_option, fresh_option, out_option, protocol_option
from alphabench.cli.verdict import leave_with

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--reference", type=FOLDER, required=True, help="Folder of true RGBA images.")
@click.option("--prediction", type=FOLDER, required=True, help="Folder of predictions with equal names.")
@protocol_option
@out_option
@click.option("--name", default=None, help="Model's name  [default: slug of the prediction folder]")
@click.option("--org", default="local", show_default=True, help="Who made the model.")
@click.option("--licence", default="unknown", show_default=True, help="Licence of the model.")
@batch_option
@device_option
@fresh_option
@click.option("--authors-files", is_flag=True, help="Under alpha-paper@1: also write the authors' JSON and CSV files.")
@json_option
def score(
    *,
    reference: Path,
    prediction: Path,
    protocol: str,
    out: Path | None,
    name: str | None,
    org: str,
    licence: str,
    batch_size: int,
    device: str,
    fresh: bool,
    authors_files: bool,
    as_json: bool,
) -> int:
    """Measure a folder of predictions against a folder of references.

    Files are paired by their path without extension; sizes must agree: nothing is resized. Exit codes:
    4 where predictions are missing, 3 where files are extra, duplicate, unreadable or of another size.
    """
    from alphabench.tasks.scoring_files import ScoreRequest, score_files

    request = ScoreRequest(
        reference=reference,
        prediction=prediction,
        protocol=protocol,
        out=out,
        name=name,
        org=org,
        licence=licence,
        batch_size=batch_size,
        device=device,
        fresh=fresh,
    )
    with progress(f"scoring {prediction}") as report:
        outcome = score_files(request, report)
    if authors_files:
        from alphabench.tasks.paper_export import write_authors_files

        paths = write_authors_files(
            outcome.folder, outcome.record.document, outcome.protocol, reference=reference, prediction=prediction
        )
        for path in paths:
            click.echo(f"wrote {path}", err=True)
    return leave_with(outcome, as_json=as_json)
