"""What images are made of: prompts, and sets of them."""

import functools
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import rfc8785


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of a prompt file.

    Attributes:
        id: `<category>/<number of the prompt within its category, five digits>`, as it stands in rows and records.
        category: group of the macro mean; `all` in a file without categories.
        text: what the model is told, stripped.
    """

    id: str
    category: str
    text: str


@dataclass(frozen=True)
class PromptSet:
    """A prompt file that was read.

    Attributes:
        name: slug of the set.
        version: a set whose prompts change gets a new version.
        prompts: in the order of the file.
    """

    name: str
    version: int
    prompts: tuple[Prompt, ...]

    @property
    def id(self) -> str:
        """Name and version, as in `alpha-t2i@1`."""
        return f"{self.name}@{self.version}"

    @functools.cached_property
    def categories(self) -> dict[str, int]:
        """Number of prompts by category, in the order of first appearance."""
        return dict(Counter(prompt.category for prompt in self.prompts))

    def hash(self, per_prompt: int) -> str:
        """Return the identity of what is to be made: SHA-256 over the canonical JSON of prompts and count.

        Args:
            per_prompt: images made of each prompt.
        """
        members: dict[str, Any] = {
            "images_per_prompt": per_prompt,
            "prompts": [[prompt.id, prompt.text] for prompt in self.prompts],
        }
        return hashlib.sha256(rfc8785.dumps(members)).hexdigest()
