"""`alphabench train`: train a reference model by its recipe."""

from pathlib import Path
from typing import Any

import click

from alphabench.cli.output import emit_json, json_option
from alphabench.runtime import is_main_process


@click.command()
@click.argument("config")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder of the run  [default: runs/ROOM-RECIPE]"
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--dry-run", is_flag=True, help="Do two steps, write nothing; print time, memory and data.")
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Replace the recipe's steps.")
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Replace a key of the recipe, as in data.batch=4; may be repeated.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@json_option
def train(
    config: str,
    *,
    out: Path | None,
    resume: bool,
    dry_run: bool,
    steps: int | None,
    assignments: tuple[str, ...],
    device: str,
    as_json: bool,
) -> None:
    """Train by CONFIG: a recipe file, or the name of a bundled one such as alphavae/mini.

    A recipe file may hold only what differs from another one, which it names by extends = "alphavae/mini".

    Several processes: accelerate launch --num_processes N -m alphabench train CONFIG.
    """
    from alphabench.cli.train_shown import print_dry_run, training_shown
    from alphabench.models.recipe_file import parsed_changes
    from alphabench.models.registry import resolve
    from alphabench.models.spec import TrainRequest
    from alphabench.tasks.interrupt import interruptible
    from alphabench.tasks.training import recipe

    trainer, path = recipe(config)
    out = out or Path("runs") / f"{trainer.name}-{path.stem}"
    changes = parsed_changes(assignments)
    request = TrainRequest(out=out, resume=resume, dry_run=dry_run, steps=steps, device=device, changes=changes)
    with interruptible(out, "Repeat the command with --resume to go on."), training_shown(config) as shown:
        folder = resolve(trainer.run)(path, request, shown.report)
    if not is_main_process():
        return
    if as_json:
        document: dict[str, Any] = {
            "recipe": str(path),
            "dry_run": dry_run,
            "checkpoint": None if dry_run else str(folder),
            "facts": shown.facts,
            "messages": shown.messages,
        }
        emit_json(document)
    elif dry_run:
        print_dry_run(config, shown.facts)
        click.echo(f"Nothing was written. The run would be in {out}")
    else:
        click.echo(f"checkpoint  {folder}")
