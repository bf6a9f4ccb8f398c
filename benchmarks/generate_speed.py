"""What `alphabench generate` costs beside sampling: the whole command against the bare loop over batches.

    python benchmarks/generate_speed.py [--model rgba-lora] [--checkpoint DIR] [--images 48] [--batch-size 8]

The bare loop samples the same prompts in the same batches and throws the latents away; the whole command decodes,
writes and scores them too. Both take turns; the ratio of their images a second within a round, its median over rounds,
is what should hold anywhere. The time for all 200 prompts is the whole command's rate, extrapolated.
"""

import statistics
import tempfile
import time
from pathlib import Path

import click
import torch

from alphabench.data.prompt_files import resolve_prompts
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from alphabench.tasks.generation import GenerationRequest, generate_set
from alphabench.tasks.generation_plan import planned_images

PROMPTS = "alpha_t2i.txt"


def rate(moments: list[float], batch_size: int) -> float:
    """Return the images a second between the first and the last of moments that lie a batch apart."""
    return batch_size * (len(moments) - 1) / (moments[-1] - moments[0])


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
    for seed in range(rounds):
        moments = []
        for first in range(0, len(planned), batch_size):
            batch = planned[first : first + batch_size]
            generator.sample([p.prompt.text for p in batch], [p.seed for p in batch], generator.defaults)
            moments.append(time.perf_counter())
        bare.append(rate(moments, batch_size))
        moments = []
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            request = GenerationRequest(
                PROMPTS,
                model=model,
                checkpoint=checkpoint,
                seed=seed,
                limit=len(planned),
                batch_size=batch_size,
                out=Path(folder) / "run",
            )
            generate_set(request, lambda done, *_: moments.append(time.perf_counter()) if done else None)  # noqa: B023
        ended = time.perf_counter()
        # A batch is reported when the next one is sampled; behind the last one there is none.
        whole.append(rate(moments[:-1], batch_size))
    loop, command = statistics.median(bare), statistics.median(whole)
    ratios = [own / other for own, other in zip(whole, bare, strict=True)]
    fixed = ended - began - len(planned) / command
    print(f"{torch.get_num_threads()} threads, {len(planned)} images in batches of {batch_size}, {generator.defaults}")
    print(f"bare sampling loop  {loop:6.2f} images/s")
    print(f"whole command       {command:6.2f} images/s")
    span = f"{min(ratios):.3f} to {max(ratios):.3f} in {rounds} rounds"
    print(f"ratio in a round    {statistics.median(ratios):6.3f} ({span})")
    print(f"loading, first calls and the end take {fixed:.0f} s besides")
    print(f"{len(prompts)} prompts take about {len(prompts) / command + fixed:.0f} s")


if __name__ == "__main__":
    main()
