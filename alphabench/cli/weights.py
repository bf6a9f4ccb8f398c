"""`alphabench weights`: the perceptual networks that some metrics need."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, format_bytes, json_option, print_table


@click.group()
def weights() -> None:
    """See, fetch and check the learned weights that perceptual metrics need."""


@weights.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List each file of weights: whether it is here, and which metrics need it."""
    from alphabench.metrics.weights import status

    states = status()
    if as_json:
        emit_json(
            {
                "weights": [
                    {
                        "name": item.file.name,
                        "state": item.state,
                        "sha256": item.sha256,
                        "sha256_prefix": item.file.sha256_prefix,
                        "url": item.file.url or None,
                        "needed_by": list(item.file.needed_by),
                        "reason": item.reason or None,
                        "remedy": item.remedy or None,
                    }
                    for item in states
                ]
            }
        )
        return
    rows = [
        (
            item.file.name,
            item.state,
            format_bytes(item.file.size) if item.file.size else "-",
            ", ".join(item.file.needed_by),
            item.file.purpose,
        )
        for item in states
    ]
    print_table("weights", ("name", "state", "size", "needed by", "what it is"), rows, right=99)
    for item in states:
        if item.state == "wrong":
            click.echo(f"{item.reason}\n  {item.remedy}", err=True)


@weights.command("fetch")
@click.argument("name")
@json_option
def fetch(name: str, *, as_json: bool) -> None:
    """Download the weights NAME once, check their SHA-256, and keep them in the cache folder."""
    from alphabench.data.fetch import fetch_weights
    from alphabench.metrics.weights import sha256_of, weight_file

    file = weight_file(name)
    path: Path = file.path if file.package else fetch_weights(file)
    if as_json:
        emit_json({"name": name, "path": str(path), "sha256": sha256_of(path)})
    else:
        click.echo(f"{name} is at {path}")
