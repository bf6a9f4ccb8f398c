"""`alphabench reconstruct`: judge a model on a set of images."""

from pathlib import Path

import click

from alphabench.cli.output import json_option, progress
from alphabench.cli.verdict import leave_with

protocol_option = click.option(
    "--protocol", default="alpha-mini@1", show_default=True, help="Name, or a TOML file of your own."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Work folder  [default: runs/<run hash>]"
)
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
batch_option = click.option("--batch-size", type=click.IntRange(min=1), default=4, show_default=True)
fresh_option = click.option("--fresh", is_flag=True, help="Start over instead of resuming.")


@click.command()
@click.option("--model", required=True, help="A model of `alphabench models list`.")
@click.option("--checkpoint", type=click.Path(path_type=Path), default=None, help="Other weights for it.")
@click.option("--data", default="alpha-mini", show_default=True, help="A data set's name, or any folder.")
@protocol_option
@out_option
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Only the first N images (incomplete).")
@batch_option
@device_option
@click.option("--dtype", default="float32", show_default=True, help="Precision inside the model.")
@fresh_option
@json_option
def reconstruct(
    model: str,
    *,
    checkpoint: Path | None,
    data: str,
    protocol: str,
    out: Path | None,
    limit: int | None,
    batch_size: int,
    device: str,
    dtype: str,
    fresh: bool,
    as_json: bool,
) -> int:
    """Let a model reconstruct every image of a set, and measure what came back.

    Ends with a table, a record (record.json and samples.parquet) and a contact sheet. The same command
    again goes on where it stopped, or prints the stored result.

    Exit codes: 0 complete, 2 usage, 3 data, 4 incomplete, 130 interrupted.
    """
    from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set

    request = ReconstructionRequest(
        model=model,
        checkpoint=checkpoint,
        data=data,
        protocol=protocol,
        out=out,
        limit=limit,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        fresh=fresh,
    )
    with progress(f"{model} on {data}") as report:
        outcome = reconstruct_set(request, report)
    return leave_with(outcome, as_json=as_json)
