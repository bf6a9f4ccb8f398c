"""Whether an image shows what its prompt says: a small text-image encoder, trained on captions, names the nearest.

It is an independent judge of the generator in its weights only: it learns from the same captions and the same turned
hues, and knows no other style. What it says is comparable between models of one caption set and nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import Rgba
from reference_models.rgba_lora.captions import Entry
from reference_models.rgba_lora.config import CaptionConfig
from reference_models.rgba_lora.samples import SamplePool
from reference_models.rgba_lora.text import word_tokenizer

SIDE = 64
"""Pixels of a side that the encoder sees, unless told otherwise."""

WIDTHS = (32, 64, 128, 192)
MEANING = 128
LENGTH = 16
COLDEST = 100.0
"""Largest factor on the cosine similarities."""

Meanings = Float[Tensor, "batch meaning"]


class CaptionMatcher(nn.Module):
    """Images and captions as unit vectors of one space.

    Args:
        tokenizer: splits captions into known words.
        side: pixels of a side that images are brought to, a multiple of 16.
    """

    def __init__(self, tokenizer: Any, side: int = SIDE) -> None:
        super().__init__()
        self.tokenizer, self.side = tokenizer, side
        layers: list[nn.Module] = []
        for read, written in zip((4, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(read, written, 3, stride=2, padding=1), nn.GroupNorm(8, written), nn.SiLU()]
            layers += [nn.Conv2d(written, written, 3, padding=1), nn.GroupNorm(8, written), nn.SiLU()]
        self.image = nn.Sequential(*layers)
        self.place = nn.Parameter(torch.zeros(1, WIDTHS[-1], side // 16, side // 16))
        self.head = nn.Linear(2 * WIDTHS[-1], MEANING)
        self.words = nn.EmbeddingBag(len(tokenizer), MEANING, mode="mean", padding_idx=tokenizer.pad_token_id)
        self.phrase = nn.Sequential(nn.Linear(MEANING, MEANING), nn.SiLU(), nn.Linear(MEANING, MEANING))
        self.warmth = nn.Parameter(torch.tensor(10.0).log())

    def see(self, images: Rgba) -> Meanings:
        """Return the unit vectors of straight RGBA images in [0,1] of any size."""
        small = resize_premultiplied(images, self.side, self.side)
        seen = self.image(torch.cat([small[:, :3] * small[:, 3:], small[:, 3:]], 1) * 2 - 1)
        where = (seen * self.place.softmax(0)).flatten(2).mean(2)
        return functional.normalize(self.head(torch.cat([seen.mean((2, 3)), where + seen.amax((2, 3))], 1)), dim=1)

    def read(self, captions: Sequence[str]) -> Meanings:
        """Return the unit vectors of captions."""
        numbers = self.tokenizer(
            list(captions), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        ).input_ids
        meant = self.words(numbers)
        return functional.normalize(meant + self.phrase(meant), dim=1)

    def forward(self, images: Rgba, captions: Sequence[str]) -> Float[Tensor, "batch caption"]:
        """Return the similarity of each image to each caption, times the learned warmth."""
        return self.see(images) @ self.read(captions).T * self.warmth.exp().clamp(max=COLDEST)


def trained_matcher(
    entries: Sequence[Entry],
    config: CaptionConfig,
    *,
    steps: int,
    batch: int = 96,
    seed: int = 0,
    lr: float = 2e-3,
    side: int = SIDE,
) -> CaptionMatcher:
    """Return an encoder that tells the captions of a table apart.

    Args:
        entries: images and words.
        config: how images are varied and what is said of them, as for the generator.
        steps: of AdamW, one cycle.
        batch: pairs that are told apart.
        seed: of weights and samples.
        lr: highest learning rate.
        side: pixels of a side that it sees.
    """
    torch.manual_seed(seed)
    matcher = CaptionMatcher(word_tokenizer(entries, LENGTH), side)
    pool = SamplePool(entries, config, lambda image, _: resize_premultiplied(image, side, side), seed)
    optimizer = torch.optim.AdamW(matcher.parameters(), lr=lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for step in range(steps):
        shown = [pool.sample(number) for number in range(step * batch, (step + 1) * batch)]
        words = [sample.words for sample in shown]
        likeness = matcher(torch.stack([sample.content for sample in shown]), words)
        # Several images of a batch may be told the same: all of them are right.
        same = torch.tensor(np.equal.outer(np.array(words), np.array(words)), dtype=torch.float32)
        loss = -sum(
            (functional.log_softmax(logits, 1) * same / same.sum(1, keepdim=True)).sum(1).mean()
            for logits in (likeness, likeness.T)
        )
        optimizer.zero_grad()
        torch.as_tensor(loss).backward()
        optimizer.step()
        schedule.step()
    return matcher.eval()


@torch.no_grad()
def nearest_captions(matcher: CaptionMatcher, images: Rgba, captions: Sequence[str]) -> list[list[str]]:
    """Return for each image the captions in order of likeness, the likeliest first."""
    order = matcher(images, captions).argsort(1, descending=True)
    return [[captions[index] for index in row] for row in order.tolist()]
