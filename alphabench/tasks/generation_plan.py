"""Which images a prompt set asks for, each with its name and its seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from alphabench.data.prompts import Prompt
from alphabench.errors import UsageError

SCHEME = "alphabench.generation/1"
MOST = 1_000_000
"""Images of one run."""


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image that is to be made.

    Attributes:
        id: name of the image in rows and records, and path of its file without extension.
        prompt: what it shows.
        number: which of the prompt's images it is, from 0.
        seed: what it alone is drawn from, in [0, 2^63).
    """

    id: str
    prompt: Prompt
    number: int
    seed: int


def planned_images(prompts: Sequence[Prompt], *, seed: int, per_prompt: int) -> list[PlannedImage]:
    """Return the images that are to be made, in the order of the prompts.

    With one image a prompt, its id is the prompt's; with several, `-0`, `-1`, … is added.

    Raises:
        UsageError: they are more than a run can hold.
    """
    if len(prompts) * per_prompt > MOST:
        raise UsageError(
            f"{len(prompts):,} prompts with {per_prompt:,} images each are more than {MOST:,} images",
            remedy="Ask for fewer of each, or split the prompts into several runs.",
        )
    return [
        PlannedImage(
            id=prompt.id if per_prompt == 1 else f"{prompt.id}-{number}",
            prompt=prompt,
            number=number,
            seed=image_seed(seed, prompt.id, number),
        )
        for prompt in prompts
        for number in range(per_prompt)
    ]


def image_seed(seed: int, prompt: str, number: int) -> int:
    """Return the seed of one image, in [0, 2^63): the same whatever the batch, the process, or the other prompts.

    It hangs on the prompt's id and not on its words, so that two wordings at one place of two files, or one
    sentence in two languages, start from the same noise and can be compared. torch's generator on CPU reads the low
    32 bits only: of a million images about a hundred pairs start from the same noise.

    Args:
        seed: of the run.
        prompt: id of the prompt, category and number.
        number: which of the prompt's images.
    """
    digest = hashlib.sha256(f"{SCHEME}\n{seed}\n{prompt}\n{number}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
