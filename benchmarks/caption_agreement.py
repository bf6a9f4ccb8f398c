"""Whether generated images show what they were asked for: nearest captions, for known words and for new pairs.

    ALPHABENCH_TRAIN_DATA=data python benchmarks/caption_agreement.py [--checkpoint DIR] [--count 96]

A small text-image encoder is trained on the captions of the recipe's table, turned hues included
(`reference_models/rgba_lora/agreement.py`); for each image it orders a list of captions. Known: names of training
images, among as many others. New: a colour and a thing that stand together in no name, keyword or caption, among the
thing in every colour and the colour on every thing; apart, those that no stage of the training was shown, and those
that it made itself by turning hues. The first row, real images that the judge was trained on, held against their own
names, bounds what it can tell. Intervals of 95 % by bootstrap over images.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from alphabench.experiments.judging_generators import images_of
from alphabench.image.codec import read_rgba
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.contract import Generator
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from reference_models.rgba_lora import TRAINER
from reference_models.rgba_lora.agreement import CaptionMatcher, nearest_captions, trained_matcher
from reference_models.rgba_lora.captions import Entry, read_entries
from reference_models.rgba_lora.colours import HUES
from reference_models.rgba_lora.config import GeneratorRecipe
from reference_models.rgba_lora.samples import SamplePool, fitted
from reference_models.training.sources import data_root

STAGES = ("mini-base", "mini-base-finish", "mini")
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


def report_pairs(
    label: str, matcher: CaptionMatcher, model: Generator, pairs: Sequence[tuple[str, str]], seed: int
) -> None:
    """Print how often images of colours and things are told right: as a whole, their colour, and their thing."""
    if not pairs:
        print(f"| generated from {label} | 0 | | | |")
        return
    prompts = [f"{colour} {thing}" for colour, thing in pairs]
    colours = [[f"{colour} {thing}" for colour in HUES] for _, thing in pairs]
    things = [[f"{colour} {thing}" for thing in THINGS] for colour, _ in pairs]
    both = [list(dict.fromkeys(first + second)) for first, second in zip(colours, things, strict=True)]
    images = images_of(model, prompts, seed=seed)
    report(f"generated from {label}", matcher, images, prompts, both)
    report("… their colour, of the same thing", matcher, images, prompts, colours)
    report("… their thing, in the same colour", matcher, images, prompts, things)


def words_of(entry: Entry) -> set[str]:
    """Return every word that can be said of an image."""
    return set(re.findall(r"[a-z]+", " ".join((entry.name, entry.caption, *entry.keywords)).lower()))


def said_pairs(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Return the colours and things that stand together in what is said of one image."""
    return {(colour, thing) for words in map(words_of, entries) for colour in HUES for thing in THINGS
            if {colour, thing} <= words}  # fmt: skip


def shown_pairs(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Return the colours and things that a stage of the training shows together, hues turned or as they are."""
    pairs = set()
    for stage in STAGES:
        recipe = read_toml_settings(TRAINER.configs / f"{stage}.toml", GeneratorRecipe)
        pool = SamplePool(entries, recipe.data, lambda image, _: image[..., :1, :1], recipe.run.seed)
        for index, entry in enumerate(entries):
            if things := words_of(entry).intersection(THINGS):
                pairs |= {(colour, thing) for colour in pool.colours(index) for thing in things}
    return pairs


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
    report("real images that the judge knows", matcher, real, names, [names] * count)
    report("generated from known names", matcher, images_of(model, names, seed=seed), names, [names] * count)
    told, made = said_pairs(trained), shown_pairs(trained)
    every = [(colour, thing) for thing in THINGS for colour in HUES]
    unseen = [pair for pair in every if pair not in told | made]
    turned = [pair for pair in every if pair in made - told]
    for label, pairs in (("pairs never shown", unseen), ("pairs shown by turned hues only", turned)):
        report_pairs(label, matcher, model, pairs, seed)


if __name__ == "__main__":
    main()
