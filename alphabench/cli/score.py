"""`alphabench score`: judge finished predictions, file by file."""

from pathlib import Path

import click

from alphabench.cli.generate import per_prompt_option, prompts_help
from alphabench.cli.output import json_option, progress
from alphabench.cli.reconstruct import batch_option, device_option, fresh_option, out_option
from alphabench.cli.verdict import leave_with
from alphabench.errors import UsageError

FOLDER = click.Path(path_type=Path)
PAIRED, GENERATED = "alpha-mini@1", "alpha-t2i-mini@1"


@click.command()
@click.option("--reference", type=FOLDER, default=None, help="Folder of true RGBA images.")
@click.option("--prediction", type=FOLDER, required=True, help="Folder of predictions with equal names.")
@click.option("--prompts", default=None, help=f"Instead of references, for generated images. {prompts_help}")
@per_prompt_option
@click.option(
    "--protocol",
    default=None,
    help=f"Name, or a TOML file of your own  [default: {PAIRED}; with --prompts {GENERATED}]",
)
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
    reference: Path | None,
    prediction: Path,
    prompts: str | None,
    per_prompt: int,
    protocol: str | None,
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
    """Measure a folder of predictions against a folder of references, or generated images of prompts.

    Files are paired by their path without extension; sizes must agree: nothing is resized. With --prompts the
    images are named <category>/<number of the prompt, five digits>, as `alphabench generate` names them, and the
    protocol is one for generation. Exit codes: 4 where predictions are missing, 3 where files are extra,
    duplicate, unreadable or of another size.
    """
    if prompts is not None:
        if reference is not None or authors_files:
            raise UsageError(
                "generated images have no references to be paired with",
                remedy="Leave --reference and --authors-files out, or leave --prompts out.",
            )
        from alphabench.tasks.generation import ImagesRequest, score_images

        images = ImagesRequest(
            prompts=prompts,
            prediction=prediction,
            per_prompt=per_prompt,
            protocol=protocol or GENERATED,
            out=out,
            name=name,
            org=org,
            licence=licence,
            batch_size=batch_size,
            device=device,
            fresh=fresh,
        )
        with progress(f"scoring {prediction}") as report:
            judged = score_images(images, report)
        return leave_with(judged, as_json=as_json)
    if reference is None:
        raise UsageError(
            "there is nothing to measure the predictions against",
            remedy="Name the true images with --reference DIR, or for generated images their --prompts FILE.",
        )
    from alphabench.tasks.scoring_files import ScoreRequest, score_files

    request = ScoreRequest(
        reference=reference,
        prediction=prediction,
        protocol=protocol or PAIRED,
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
