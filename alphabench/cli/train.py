"""`alphabench train`: train a reference model by its recipe."""

from pathlib import Path

import click

from alphabench.cli.output import emit_json, json_option, progress
from alphabench.runtime import is_main_process


@click.command()
@click.argument("config")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the training run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--dry-run", is_flag=True, help="Do two steps; report time and memory.")
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Replace the recipe's steps.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@json_option
def train(
    config: str, *, out: Path, resume: bool, dry_run: bool, steps: int | None, device: str, as_json: bool
) -> None:
    """Train by CONFIG: a recipe file, or the name of a bundled one such as alphavae/mini.

    Several processes: torchrun --nproc-per-node N -m alphabench train CONFIG --out DIR.
    """
    from alphabench.models.registry import resolve
    from alphabench.models.spec import TrainRequest
    from alphabench.tasks.interrupt import interruptible
    from alphabench.tasks.training import recipe

    trainer, path = recipe(config)
    request = TrainRequest(out=out, resume=resume, dry_run=dry_run, steps=steps, device=device)
    with interruptible(out, "Repeat the command with --resume to go on."), progress(config) as report:

        def show(state: object) -> None:
            losses = getattr(state, "losses", {})
            note = " ".join(f"{name} {value:.4g}" for name, value in losses.items())
            report(getattr(state, "step", 0), getattr(state, "steps", 0), getattr(state, "message", None) or note)

        folder = resolve(trainer.run)(path, request, show)
    if not is_main_process():
        return
    if as_json:
        emit_json({"recipe": str(path), "checkpoint": str(folder), "dry_run": dry_run})
    else:
        click.echo(f"checkpoint  {folder}")
