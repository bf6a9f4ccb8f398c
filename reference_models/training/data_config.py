"""The table of a recipe that says what is trained on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceConfig:
    """One folder of images.

    Attributes:
        folder: path relative to the data root.
        weight: share of the samples drawn from it, relative to the other weights.
        opaque: the files are photographs without alpha.
    """

    folder: str
    weight: float
    opaque: bool = False


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        root: folder that the sources are relative to; `ALPHABENCH_TRAIN_DATA` overrides it.
        sources: folders of images.
        validation: folder of images that are only looked at.
        validation_images: how many of them, evenly spaced in name order.
        size: side of the training crops in pixels, a multiple of 8.
        batch: images of one step, over all processes.
        procedural_images: number of procedural images drawn before training.
        procedural_size: their side in pixels.
        procedural_seed: their seed.
        procedural_weight: share of the samples that are procedural, relative to the sources' weights.
        half_scale_probability: share of the crops that are taken at half the resolution.
        flatten_probability: share of the samples composited over one colour and made opaque.
        fade_probability: share of the samples whose alpha is multiplied by one number.
        repaint_probability: share of the samples whose colour is replaced by that of an opaque source.
    """

    sources: tuple[SourceConfig, ...]
    root: str = "data"
    validation: str = ""
    validation_images: int = 48
    size: int = 128
    batch: int = 8
    procedural_images: int = 0
    procedural_size: int = 192
    procedural_seed: int = 7
    procedural_weight: float = 0.0
    half_scale_probability: float = 0.15
    flatten_probability: float = 0.0
    fade_probability: float = 0.1
    repaint_probability: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 8 or self.size % 8:
            raise ValueError(f"size must be a multiple of 8, not {self.size}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, not {self.batch}")
        if self.repaint_probability > 0 and not any(source.opaque for source in self.sources):
            raise ValueError("repaint_probability needs a source with opaque = true")
        if not self.sources and not self.procedural_images:
            raise ValueError("there are neither sources nor procedural images")
