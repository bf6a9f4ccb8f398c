"""Whether a stranger recognises what was generated: a sheet of 20 plain prompts, numbers instead of words.

    python benchmarks/plain_prompts.py --out DIR [--checkpoint DIR] [--seed N]
    python benchmarks/plain_prompts.py --out DIR --guesses "1 red heart, 2 fire, …"

The first writes `sheet.png`, to be shown to someone who knows nothing else, and `questions.md`: five names for each
image, its own among four of the other nineteen. The second counts the right ones. Chance is 4 of 20. With
`--alike` the other four names are of things of the same colour, so that the colour alone does not tell. It also prints
how clean the surroundings are.
"""

import dataclasses
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from alphabench.experiments.judging_generators import images_of
from alphabench.image.contact_sheet import SheetRow, contact_sheet, on_checkerboard
from alphabench.image.types import Rgba
from alphabench.metrics.catalog import CATALOG
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest

PROMPTS = (
    "red heart", "blue star", "fire", "green apple", "white cloud", "yellow car", "pizza", "cat", "tree", "sun",
    "purple umbrella", "rocket", "house", "fish", "key", "red balloon", "orange flower", "book", "moon", "snowflake",
)  # fmt: skip
"""What a sheet asks for: things and colours, no more."""

ALIKE = ("heart", "star", "apple", "car", "umbrella", "balloon", "flower", "cloud", "book", "fish", "key", "hat")
COLOURS = ("red", "blue", "green", "white", "yellow", "purple", "orange")
GUESS = re.compile(r"(\d+)[.):]?\s+([^,;\d]+)")
HAZE = 25
"""Alpha codes up to here, 0 excluded, are a haze."""

COLUMNS = 5
CHOICES = 5


def asked(*, alike: bool) -> dict[str, list[str]]:
    """Return the names to choose from for each prompt, its own among them."""
    rng = np.random.default_rng(20)
    questions = {}
    for prompt in PROMPTS:
        colour, _, thing = prompt.rpartition(" ")
        others = [other for other in PROMPTS if other != prompt]
        if alike and colour:
            others = [f"{colour} {other}" for other in ALIKE if other != thing]
        elif alike:
            others = [other for other in others if other.split()[0] not in COLOURS]
        names = [*rng.choice(others, CHOICES - 1, replace=False).tolist(), prompt]
        rng.shuffle(names)
        questions[prompt] = names
    return questions


def count_right(guesses: str) -> None:
    """Print how many of `1 name, 2 name, …` are right, and which are not."""
    given = dict(GUESS.findall(guesses))
    order = shown()
    wrong = {number: given.get(str(number), "nothing") for number in range(1, len(order) + 1)}
    wrong = {number: name for number, name in wrong.items() if name.strip() != order[number - 1]}
    print(f"{len(order) - len(wrong)} of {len(order)} recognised")
    for number, name in wrong.items():
        print(f"{number}: {name}, was {order[number - 1]}")


def shown() -> list[str]:
    """Return the prompts in the sheet's order."""
    return [PROMPTS[place] for place in np.random.default_rng(7).permutation(len(PROMPTS))]


def print_surroundings(images: Rgba, order: Sequence[str]) -> None:
    """Print how much of the images is nearly but not quite empty, and how much alpha reaches the border."""
    codes = (images[:, 3] * 255).round()
    haze = ((codes > 0) & (codes <= HAZE)).double().mean((1, 2)).tolist()
    border = CATALOG["border_mean"].resolve()(images).tolist()
    for name, values in ((f"alpha codes 1 to {HAZE}, share of the pixels", haze), ("mean alpha of the border", border)):
        worst = sorted(zip(values, order, strict=True), reverse=True)[:3]
        most = ", ".join(f"{prompt} {value:.3f}" for value, prompt in worst)
        print(f"{name}: mean {statistics.fmean(values):.4f}, most {most}")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), default=None)
@click.option("--seed", default=0, show_default=True)
@click.option("--guidance", type=float, default=None)
@click.option("--alike", is_flag=True, help="Choose among things of one colour.")
@click.option("--guesses", default="", help="Count these instead: numbers and names.")
def main(out: Path, checkpoint: Path | None, seed: int, guidance: float | None, *, alike: bool, guesses: str) -> None:
    """Draw the sheet and the questions, or count the right answers."""
    if guesses:
        count_right(guesses)
        return
    order = shown()
    model = load_generator("rgba-lora", LoadRequest(checkpoint))
    sampling = model.defaults if guidance is None else dataclasses.replace(model.defaults, guidance=guidance)
    images = images_of(model, order, seed=seed, sampling=sampling)
    rows = [
        SheetRow(
            "",
            [on_checkerboard(image) for image in images[first : first + COLUMNS]],
            labels=[str(number + 1) for number in range(first, first + COLUMNS)],
        )
        for first in range(0, len(order), COLUMNS)
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / "sheet.png").write_bytes(contact_sheet("Which name fits?", "", [""] * COLUMNS, rows))
    questions = asked(alike=alike)
    lines = [f"{number}. {', '.join(questions[prompt])}" for number, prompt in enumerate(order, start=1)]
    (out / "questions.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out / 'sheet.png'} and {out / 'questions.md'}")
    print_surroundings(images, order)


if __name__ == "__main__":
    main()
