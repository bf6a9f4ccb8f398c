"""A tiny generator without weights, and a tiny protocol: a colour from the words, noise from the seed.

Import it by name (`TOY_PATH` on `sys.path`) and call `install`: the registry then knows the model `toy`.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

import torch
from torch import Tensor

from alphabench.errors import UsageError
from alphabench.image.types import Rgba
from alphabench.models import registry
from alphabench.models.contract import Sampling
from alphabench.models.spec import LoadRequest, ModelInfo, ModelSpec

TOY_PATH = Path(__file__).parent

PROMPTS = """[warm]
red heart
a "fire" 🔥 in ../../a box
sun
[cold]
blue star
כוכב כחול
"""

PROTOCOL = """
[protocol]
name = "toy-t2i"
version = 1
task = "generation"

[views]
backgrounds = [
  { name = "black", rgb = [0, 0, 0] },
  { name = "white", rgb = [255, 255, 255] },
]

[metrics.hole_rate]
version = 1
views = ["prediction"]

[metrics.border_cut]
version = 1
views = ["prediction"]
"""


@dataclass
class Toy:
    """Makes a disc whose colour comes from the prompt and whose noise comes from the seed.

    Attributes:
        pause: seconds that each batch takes.
        asked: every prompt it was given, with its seed, in batches.
    """

    pause: float = 0.0
    asked: list[list[tuple[str, int]]] = field(default_factory=list)

    info = ModelInfo(
        name="toy", org="tests", licence="MIT", kind="builtin", architecture="toy", config={"width": 8, "rank": 2}
    )
    defaults = Sampling(height=24, width=32, steps=3, guidance=1.5)

    def check(self, sampling: Sampling) -> None:
        if sampling.height % 8 or sampling.width % 8:
            raise UsageError(f"{sampling.height} is no multiple of 8", remedy="Use one.")

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> Tensor:
        self.asked.append(list(zip(prompts, seeds, strict=True)))
        time.sleep(self.pause)
        return torch.stack([self.one(*pair, sampling) for pair in zip(prompts, seeds, strict=True)])

    def one(self, prompt: str, seed: int, sampling: Sampling) -> Tensor:
        """Return the latent of one image: its pixels before they are squeezed into [0,1]."""
        noise = torch.randn((4, sampling.height, sampling.width), generator=torch.Generator().manual_seed(seed))
        colour = torch.tensor(list(hashlib.sha256(prompt.encode()).digest()[:3]), dtype=torch.float32) / 64 - 2
        rows, columns = (torch.linspace(-1, 1, side) for side in (sampling.height, sampling.width))
        disc = 4 * (0.7 - (rows[:, None] ** 2 + columns[None, :] ** 2)).expand(1, -1, -1)
        still = torch.cat((colour[:, None, None].expand(-1, sampling.height, sampling.width), disc))
        return sampling.guidance * still + noise / sampling.steps

    def decode(self, latents: Tensor) -> Rgba:
        return latents.sigmoid()


class Broken(Toy):
    """Answers images outside [0,1]."""

    def decode(self, latents: Tensor) -> Rgba:
        return latents


def load_toy(request: LoadRequest) -> Toy:
    return Toy()


def load_slow(request: LoadRequest) -> Toy:
    return Toy(pause=0.05)


def load_broken(request: LoadRequest) -> Toy:
    return Broken()


def load_nothing(request: LoadRequest) -> object:
    return object()


def _spec(name: str, load: str) -> ModelSpec:
    return ModelSpec(name, "generation", "for tests", "MIT", "tests", f"toy_generator:{load}")


TOY = _spec("toy", "load_toy")
SLOW = _spec("slow", "load_slow")
BROKEN = _spec("broken", "load_broken")
NOTHING = _spec("nothing", "load_nothing")


def entry_points(group: str) -> list[EntryPoint]:
    """Return what an installed package with these models would announce."""
    names = ("TOY", "SLOW", "BROKEN", "NOTHING")
    added = [EntryPoint(name.lower(), f"toy_generator:{name}", group) for name in names]
    return [*_real(group=group), *(added if group == registry.MODELS else [])]


_real = registry.entry_points


def install() -> None:
    """Let the registry of this process know the models, as if their package were installed."""
    registry.entry_points = entry_points


def files_of(run: Path) -> dict[str, bytes]:
    """Return the images of a run by name, and its rows."""
    images = {str(path.relative_to(run)): path.read_bytes() for path in sorted((run / "predictions").rglob("*.png"))}
    return images | {"rows": (run / "record" / "samples.parquet").read_bytes()}
