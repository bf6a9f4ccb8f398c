"""What `alphabench generate` costs beside sampling: the whole command against the bare loop over batches.

    python benchmarks/generate_speed.py [--model rgba-lora] [--checkpoint DIR] [--images 48] [--batch-size 8]

The bare loop samples the same prompts in the same batches and throws the latents away; the whole command decodes,
writes and scores them too, while the next batch is sampled. Both take turns; the ratio of their images a second is
what should hold anywhere. The time for all 200 prompts is the whole command's rate, extrapolated.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch

from alphabench.data.prompt_files import resolve_prompts
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from alphabench.tasks.generation import GenerationRequest, generate_set
from alphabench.tasks.generation_plan import planned_images

PROMPTS = "alpha_t2i.txt"


@contextlib.contextmanager
def taken(seconds: list[float]) -> Iterator[None]:
    """Append the seconds that the body takes."""
    began = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - began)


@click.command()
@click.option("--model", default="rgba-lora", show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), default=None)
@click.option("--images", default=48, show_default=True)
@click.option("--batch-size", default=8, show_default=True)
@click.option("--rounds", default=2, show_default=True)
def main(model: str, checkpoint: Path | None, images: int, batch_size: int, rounds: int) -> None:
    """Print both rates and their ratio."""
    prompts = resolve_prompts(PROMPTS).prompts
    planned = planned_images(prompts, seed=0, per_prompt=1)[:images]
    generator = load_generator(model, LoadRequest(checkpoint))
    bare: list[float] = []
    whole: list[float] = []
    generator.sample([planned[0].prompt.text], [0], generator.defaults)  # what is made ready once
    for seed in range(rounds):
        with taken(bare):
            for first in range(0, len(planned), batch_size):
                batch = planned[first : first + batch_size]
                generator.sample([p.prompt.text for p in batch], [p.seed for p in batch], generator.defaults)
        with tempfile.TemporaryDirectory() as folder, taken(whole):
            request = GenerationRequest(
                PROMPTS,
                model=model,
                checkpoint=checkpoint,
                seed=seed,
                limit=len(planned),
                batch_size=batch_size,
                out=Path(folder) / "run",
            )
            generate_set(request, lambda *_: None)
    loop, command = (len(planned) / statistics.median(seconds) for seconds in (bare, whole))
    print(f"{torch.get_num_threads()} threads, {len(planned)} images in batches of {batch_size}, {generator.defaults}")
    print(f"bare sampling loop  {loop:6.2f} images/s")
    print(f"whole command       {command:6.2f} images/s, {command / loop:.3f} of the loop, loading included")
    print(f"{len(prompts)} prompts take about {len(prompts) / command:.0f} s")


if __name__ == "__main__":
    main()
