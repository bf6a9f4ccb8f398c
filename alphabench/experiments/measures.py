"""The measures of experiments: what each means, its unit, and which direction is better."""

from collections.abc import Mapping
from dataclasses import dataclass

from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS
from alphabench.metrics.catalog import CATALOG

NOISE_CELLS = (1, 4, 16)
"""Sides in pixels of the cells of the noise backgrounds: high, middle and low spatial frequency."""

PERCEPTUAL_BACKGROUNDS = ("gray", "white")
"""Where the perceptual distance sees an image: two of the nine, for the sake of time."""

LEVEL = "1/255"


@dataclass(frozen=True)
class Measure:
    """One measure of a trained model.

    Attributes:
        name: slug.
        unit: unit of its values; empty for pure numbers.
        higher_is_better: its direction; None where neither side is better.
        decimals: digits that tables show.
        meaning: one line.
    """

    name: str
    unit: str
    higher_is_better: bool | None
    decimals: int
    meaning: str


def _of_catalog(name: str, meaning: str) -> Measure:
    facts = CATALOG[name]
    unit = "" if facts.unit == "1" else facts.unit
    return Measure(name, unit, facts.higher_is_better, facts.decimals, meaning)


_IMAGE = (
    _of_catalog("psnr", "composite PSNR, mean of the nine solid backgrounds"),
    *(Measure(f"psnr_{name}", "dB", True, 2, f"composite PSNR over {name}") for name in CANONICAL_BACKGROUNDS),
    _of_catalog("psnr_worst_solid", "composite PSNR over the worst solid colour of each image"),
    Measure("psnr_textured", "dB", True, 2, "composite PSNR, mean of the noise backgrounds"),
    *(
        Measure(f"psnr_noise{cell}", "dB", True, 2, f"composite PSNR over noise of cells of {cell} px")
        for cell in NOISE_CELLS
    ),
    Measure("psnr_photographs", "dB", True, 2, "composite PSNR, mean of the photographs"),
    _of_catalog("lpips-rand", "distance in seeded random features, over gray and white"),
    _of_catalog("mad", "mean absolute error of alpha"),
    _of_catalog("sad", "sum of the absolute errors of alpha, thousand pixels"),
    Measure("alpha_bias", LEVEL, None, 2, "mean signed error of alpha where 0 < alpha < 1: negative is shrinkage"),
    Measure("colour_bias", LEVEL, None, 2, "mean signed error over black where 0 < alpha < 1: positive is too bright"),
    Measure("colour_error", LEVEL, False, 2, "mean absolute error over black where 0 < alpha < 1"),
)
_GENERATED = (
    Measure("nearest_caption", "", True, 3, "share of images whose nearest real image is the one of their words"),
    _of_catalog("border_cut", "share of the outermost ring that is covered: objects cut by the frame"),
    _of_catalog("hole_rate", "share of holes in the filled mask"),
    _of_catalog("fringe", "colour jump between rim and core"),
    _of_catalog("colour_leak", "share of a background left in soft pixels"),
    _of_catalog("background_dependence", "mean spread of the composites where something is seen"),
    _of_catalog("alpha_bimodality", "how far alpha falls apart into two levels"),
)
_RUN = (
    _of_catalog("kid-rand", "kernel distance to the real images, over the nine backgrounds"),
    _of_catalog("fid-rand", "Fréchet distance to the real images, over the nine backgrounds"),
    Measure(
        "flow_held_out", "", None, 4, "error of the velocity on held-out images; only comparable within an autoencoder"
    ),
    Measure("psnr_held_out_families", "dB", True, 2, "composite PSNR on procedural families the training never draws"),
    Measure("latent_mean", "", None, 4, "mean of the latents of training images"),
    Measure("latent_std", "", None, 4, "standard deviation of the latents of training images"),
    Measure("training_seconds", "s", None, 1, "wall time of the training, setting up included"),
    Measure("seconds_per_image", "s", False, 3, "wall time of one reconstruction"),
    Measure("memory_per_image", "MiB", False, 0, "memory that one reconstruction takes beside the model"),
    _of_catalog("harm_psnr", "the RGB parent's decodes of the old and the new latent against each other"),
    _of_catalog("harm_drop", "PSNR that the RGB parent's decode loses by the new latent"),
    _of_catalog("latent_shift", "change of the latent in spreads of the old one"),
    _of_catalog("posterior_kl", "divergence of the new posterior from the old, per latent number"),
)

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in (*_IMAGE, *_GENERATED, *_RUN)}
"""All measures with a meaning of their own, by name."""

GENERATED_MEASURES = tuple(measure.name for measure in _GENERATED)
"""Measures of single generated images, in order."""

IMAGE_MEASURES = tuple(measure.name for measure in (*_IMAGE, *_GENERATED))


def measure_of(name: str) -> Measure:
    """Return the measure called `name`; a term of the training log has no direction and five digits."""
    return MEASURES.get(name, Measure(name, "", None, 5, f"`{name}` of the training log, mean of the last steps"))
