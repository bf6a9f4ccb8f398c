"""The table of a recipe that says what is trained on."""

from dataclasses import dataclass, fields
from typing import Literal

from reference_models.training.procedural import FAMILIES

HiddenColour = Literal["zero", "keep", "bleed"]
Small = Literal["refuse", "skip", "pad", "resize"]

SMALLEST_DRAWN = 32
"""Pixels a side that the procedural families need."""


@dataclass(frozen=True)
class SourceConfig:
    """One set of images: a folder, or a manifest.

    Attributes:
        folder: path relative to the data root; everything below it belongs to it.
        weight: share of the samples drawn from it, relative to the other weights.
        opaque: the files are photographs without alpha; JPEG files are read as well.
        manifest: instead of a folder, a set's name such as `alpha-mini@1`, or a manifest's TOML file
            relative to the data root; only files with the manifest's SHA-256 are used.
    """

    folder: str = ""
    weight: float = 1.0
    opaque: bool = False
    manifest: str = ""

    def __post_init__(self) -> None:
        if bool(self.folder) == bool(self.manifest):
            raise ValueError("a source needs either folder or manifest")
        if self.weight < 0:
            raise ValueError(f"weight must not be negative, not {self.weight}")

    @property
    def label(self) -> str:
        """What messages call the source."""
        return self.folder or self.manifest


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        root: folder that the sources are relative to; `ALPHABENCH_TRAIN_DATA` overrides it.
        sources: folders or manifests of images.
        validation: folder of images that are only looked at.
        validation_images: how many of them, evenly spaced in name order.
        hold_out: last files of each source in path order that are never trained on; without a validation
            folder they are the validation images.
        limit: most images of each source; a smaller limit takes a subset. 0 takes all.
        size: side of the training crops in pixels, a multiple of 8.
        batch: images of one batch, over all processes; a step takes `optimizer.accumulate` batches.
        resize: `none` crops the images as they are; `shortest_side` first resizes each to the shortest side
            `size`, bilinearly with antialias and premultiplied (the released recipe).
        small: what happens to images smaller than a crop: `refuse` the run, `skip` them, `pad` them with
            transparency, or `resize` them as `shortest_side` does.
        cache_mib: memory for decoded images in MiB, of each process; what does not fit is read when needed.
        workers: threads that prepare the samples of the next step; 0 prepares them when they are asked for.
        procedural_images: number of procedural images.
        procedural_size: their side in pixels, at least 32; a smaller one than `size` is padded.
        procedural_seed: their seed.
        procedural_families: the families they are drawn from, as in `training/procedural`; empty takes all.
        procedural_weight: share of the samples that are procedural, relative to the sources' weights.
        flips: mirror and turn the crops, eight ways.
        recolour: exchange the colour channels of every other crop, invert the colours of every tenth.
        visible_share: a crop of which less than this share is visible is drawn anew, at most twice.
        half_scale_probability: share of the crops that are taken at half the resolution.
        flatten_probability: share of the samples composited over one of 27 colours and made opaque.
        flatten_levels: `rounded` to codes, so that the middle level is 128, or `truncated` to 127 as in the
            released training code.
        fade_probability: share of the samples whose alpha is multiplied by one number.
        repaint_probability: share of the samples whose colour is replaced by that of an opaque source.
        white: what befalls `white_share` of the images: `flattened` makes them opaque on white,
            `contaminated` replaces their straight colour by the composite on white and leaves the alpha.
        white_share: share of the images; a smaller share is a subset.
    """

    sources: tuple[SourceConfig, ...] = ()
    root: str = "data"
    validation: str = ""
    validation_images: int = 48
    hold_out: int = 0
    limit: int = 0
    size: int = 128
    batch: int = 8
    resize: Literal["none", "shortest_side"] = "none"
    small: Small = "refuse"
    cache_mib: int = 2048
    workers: int = 2
    procedural_images: int = 0
    procedural_size: int = 192
    procedural_seed: int = 7
    procedural_families: tuple[str, ...] = ()
    procedural_weight: float = 0.0
    flips: bool = True
    recolour: bool = True
    visible_share: float = 0.04
    half_scale_probability: float = 0.15
    flatten_probability: float = 0.0
    flatten_levels: Literal["rounded", "truncated"] = "rounded"
    fade_probability: float = 0.1
    repaint_probability: float = 0.0
    white: Literal["none", "flattened", "contaminated"] = "none"
    white_share: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 8 or self.size % 8:
            raise ValueError(f"size must be a multiple of 8, not {self.size}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, not {self.batch}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("_probability", "_share")) and not 0 <= value <= 1:
                raise ValueError(f"{field.name} must lie between 0 and 1, not {value}")
            if field.type is int and value < 0:
                raise ValueError(f"{field.name} must not be negative, not {value}")
        if self.repaint_probability > 0 and not any(source.opaque for source in self.sources):
            raise ValueError("repaint_probability needs a source with opaque = true")
        if self.procedural_images and not self.procedural_weight:
            raise ValueError(
                f"the {self.procedural_images} procedural images would never be drawn: set procedural_weight, or "
                "procedural_images = 0"
            )
        if not self.sources and not self.procedural_images:
            raise ValueError("there are neither sources nor procedural images")
        weights = [source.weight for source in self.sources]
        if sum(weights) + (self.procedural_weight if self.procedural_images else 0) <= 0:
            raise ValueError("the weights of all sources are 0")
        if self.procedural_weight < 0:
            raise ValueError(f"procedural_weight must not be negative, not {self.procedural_weight}")
        if self.procedural_images and self.procedural_size < SMALLEST_DRAWN:
            raise ValueError(f"procedural_size must be at least {SMALLEST_DRAWN}, not {self.procedural_size}")
        if self.procedural_images and self.procedural_size < self.size and self.small == "refuse":
            raise ValueError(
                f"procedural_size {self.procedural_size} is smaller than size {self.size}: "
                'raise it, or set small = "pad"'
            )
        if unknown := [name for name in self.procedural_families if name not in FAMILIES]:
            raise ValueError(f"procedural_families: there is no {unknown[0]!r}, only {', '.join(FAMILIES)}")
        if (self.white == "none") != (self.white_share == 0):
            raise ValueError("white and white_share go together: give both or neither")
