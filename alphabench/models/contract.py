"""What a model must offer to be judged: a reconstructor takes RGBA images and gives them back."""

from typing import Protocol, runtime_checkable

from alphabench.image.types import Rgba
from alphabench.models.spec import ModelInfo


@runtime_checkable
class Reconstructor(Protocol):
    """A model that takes RGBA images and returns its reconstruction of them.

    `reconstruct` gets straight-alpha float32 images in [0,1], `(batch, 4, height, width)`, any size, on
    the device it was loaded for, and returns the same shape, dtype and range. Padding, other ranges and
    other precisions stay inside the model.
    """

    @property
    def info(self) -> ModelInfo:
        """Return who the model is."""
        ...

    def reconstruct(self, images: Rgba) -> Rgba:
        """Return the reconstruction of `images`, same shape, float32 in [0,1]."""
        ...
