"""`alphabench generate`: make transparent images from words, and measure them."""

from pathlib import Path

import click

from alphabench.cli.output import json_option, progress
from alphabench.cli.reconstruct import device_option, fresh_option, out_option
from alphabench.cli.verdict import leave_with

prompts_help = "A file of prompts (.txt, .csv, .jsonl), or a shipped one by its name, such as alpha_t2i.txt."
per_prompt_option = click.option(
    "--per-prompt", type=click.IntRange(1, 1000), default=1, show_default=True, help="Images of each prompt."
)


@click.command()
@click.option("--prompts", required=True, help=prompts_help)
@click.option("--model", default="rgba-lora", show_default=True, help="A model of `alphabench models list`.")
@click.option("--checkpoint", type=click.Path(path_type=Path), default=None, help="Other weights for it.")
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), default=0, show_default=True, help="Seed of all images.")
@per_prompt_option
@click.option("--steps", type=click.IntRange(min=1), default=None, help="Steps of the sampler  [default: the model's]")
@click.option("--guidance", type=click.FloatRange(min=0), default=None, help="Guidance scale  [default: the model's]")
@click.option("--size", default=None, help="Pixels: N, or HEIGHTxWIDTH  [default: the model's]")
@click.option("--protocol", default="alpha-t2i-mini@1", show_default=True, help="Name, or a TOML file of your own.")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Only the first N images (incomplete).")
@device_option
@click.option("--dtype", default="float32", show_default=True, help="Precision inside the model.")
@out_option
@fresh_option
@json_option
def generate(
    prompts: str,
    *,
    model: str,
    checkpoint: Path | None,
    seed: int,
    per_prompt: int,
    steps: int | None,
    guidance: float | None,
    size: str | None,
    protocol: str,
    batch_size: int,
    limit: int | None,
    device: str,
    dtype: str,
    out: Path | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """Make an image of every prompt with true transparency, and measure what came of it.

    Prompts as text: one a line; a line `[category]` opens a category; no blank lines, no comments. CSV has the
    column `prompt`, JSON lines the key `prompt`; both may have `category`.

    Ends with the images (predictions/<category>/<number>.png, prompt and seed inside), a table, a record and
    contact sheets. An image depends on its prompt, its place in the file, the seed and the sampling; batch size
    and number of processes move nothing but the rounding of sums, a level of colour here and there. The same command
    again goes on where it stopped, or prints the stored result.

    Exit codes: 0 complete, 2 usage, 3 data, 4 incomplete, 130 interrupted.
    """
    from alphabench.tasks.generation import GenerationRequest, generate_set

    request = GenerationRequest(
        prompts=prompts,
        model=model,
        checkpoint=checkpoint,
        seed=seed,
        per_prompt=per_prompt,
        steps=steps,
        guidance=guidance,
        size=size,
        protocol=protocol,
        out=out,
        limit=limit,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        fresh=fresh,
    )
    with progress(f"{model} on {prompts}") as report:
        outcome = generate_set(request, report)
    return leave_with(outcome, as_json=as_json)
