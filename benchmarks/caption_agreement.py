"""Whether generated images show what they were asked for: nearest captions, for known words and for new pairs.

    ALPHABENCH_TRAIN_DATA=data python benchmarks/caption_agreement.py [--checkpoint DIR] [--count 96]

A small text-image encoder is trained on the captions of the recipe's table, turned hues included
(`reference_models/rgba_lora/agreement.py`); for each image it orders a list of captions. Known: names of training
images, among as many others. New: a colour and a thing that no caption has together, among the thing in every
colour and the colour on every thing. The first row, real images held against their own names, says how good the
judge is. Intervals of 95 % by bootstrap over images.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from alphabench.experiments.judging_generators import images_of
from alphabench.image.codec import read_rgba
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from reference_models.rgba_lora import TRAINER
from reference_models.rgba_lora.agreement import CaptionMatcher, nearest_captions, trained_matcher
from reference_models.rgba_lora.captions import Entry, read_entries
from reference_models.rgba_lora.colours import HUES
from reference_models.rgba_lora.config import GeneratorRecipe
from reference_models.rgba_lora.samples import fitted
from reference_models.training.sources import data_root

THINGS = ("heart", "star", "apple", "car", "balloon", "fish", "cat", "house", "umbrella", "book", "key", "tree")


def report(
    label: str, matcher: CaptionMatcher, images: Tensor, own: Sequence[str], lists: Sequence[Sequence[str]]
) -> None:
    """Print how often the own caption is the nearest and among the nearest three of each image's list."""
    places = []
    for image, caption, captions in zip(images, own, lists, strict=True):
        places.append(nearest_captions(matcher, image[None], captions)[0].index(caption))
    ranks = np.array(places)
    draws = np.random.default_rng(12345).integers(0, len(ranks), (10_000, len(ranks)))
    low, high = np.percentile((ranks[draws] == 0).mean(1), [2.5, 97.5])
    chance = np.mean([1 / len(captions) for captions in lists])
    print(
        f"| {label} | {len(ranks)} | {(ranks == 0).mean():.2f} [{low:.2f}, {high:.2f}] "
        f"| {(ranks < 3).mean():.2f} | {chance:.3f} |"
    )


def spaced(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return entries evenly spaced, each name once."""
    unique = list({entry.name: entry for entry in entries}.values())
    return [unique[index * len(unique) // count] for index in range(count)]


@click.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), default=None)
@click.option("--count", default=96, show_default=True, help="Known names.")
@click.option("--steps", default=1500, show_default=True, help="Steps of the judge's training.")
@click.option("--seed", default=0, show_default=True)
def main(checkpoint: Path | None, count: int, steps: int, seed: int) -> None:
    """Print the table."""
    recipe = read_toml_settings(TRAINER.configs / "mini.toml", GeneratorRecipe)
    root = data_root(recipe.data)
    words = dataclasses.replace(recipe.data, prompt_dropout=0.0, word_dropout=0.0, weights=())
    trained = read_entries(words, root)
    matcher = trained_matcher(
        [*trained, *read_entries(dataclasses.replace(words, split="val"), root)], words, steps=steps
    )
    model = load_generator("rgba-lora", LoadRequest(checkpoint))
    print("| images | n | nearest caption is their own | among the nearest 3 | chance |")
    print("|---|---|---|---|---|")
    known = spaced(trained, count)
    names = [entry.name for entry in known]
    real = torch.cat([fitted(read_rgba(entry.path, allow_opaque=True).numpy(), words.size) for entry in known])
    report("real images of known names", matcher, real, names, [names] * count)
    report("generated from known names", matcher, images_of(model, names, seed=seed), names, [names] * count)
    said = {word for entry in trained for word in (entry.name.lower(), *entry.keywords)}
    pairs = [(colour, thing) for thing in THINGS for colour in HUES if f"{colour} {thing}" not in said]
    prompts = [f"{colour} {thing}" for colour, thing in pairs]
    choices = [
        list(dict.fromkeys([f"{c} {thing}" for c in HUES] + [f"{colour} {t}" for t in THINGS]))
        for colour, thing in pairs
    ]
    images = images_of(model, prompts, seed=seed)
    report("generated from new pairs", matcher, images, prompts, choices)
    report(
        "… their colour, of the same thing", matcher, images, prompts, [[f"{c} {t}" for c in HUES] for _, t in pairs]
    )
    report(
        "… their thing, in the same colour", matcher, images, prompts, [[f"{c} {t}" for t in THINGS] for c, _ in pairs]
    )


if __name__ == "__main__":
    main()
