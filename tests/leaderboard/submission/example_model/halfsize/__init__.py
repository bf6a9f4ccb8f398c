"""An outsider's model class: it codes an image at a fraction of its size. Importing this loads no torch."""

from pathlib import Path

from alphabench.models.architecture import Architecture
from alphabench.models.spec import ModelSpec

MODEL = ModelSpec(
    name="halfsize",
    task="reconstruction",
    summary="keeps the mean of each block of premultiplied pixels, times a learned gain",
    licence="MIT",
    origin="the worked example of an outsider's model class",
    load="halfsize.model:load",
    weights=Path(__file__).parent / "weights",  # where a package keeps bundled ones; this one has none
)
"""The line of the registry: the entry point `alphabench.models` names it, and `--model halfsize` finds it."""

ARCHITECTURE = Architecture(
    name="halfsize",
    settings="halfsize.model:Settings",
    build="halfsize.model:BlockMean",
    describe="halfsize.model:describe",
    reconstructor="halfsize.model:HalfSize",
    ranges={"block": (1, 64)},
)
"""How checkpoints of this class are rebuilt; a line of `submittable.toml` names it after a review."""
