"""What a model must offer to be judged.

A reconstructor takes RGBA images and gives them back; a generator makes them from words. `HarmlessnessProbe` is
an offer beside the first, for models that were made from an RGB autoencoder, and `PromptReader` one beside the
second, for models that know what they do not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from alphabench.image.types import Rgb, Rgba
from alphabench.models.spec import ModelInfo

Latents = Float[Tensor, "batch latent rows columns"]


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


@dataclass(frozen=True)
class Sampling:
    """How images are drawn from a generator.

    Attributes:
        height: of the images in pixels.
        width: of the images in pixels.
        steps: steps of the sampler.
        guidance: scale of the guidance; what 1 means is the model's own affair, and its card says it.
    """

    height: int
    width: int
    steps: int
    guidance: float


@runtime_checkable
class Generator(Protocol):
    """A model that makes RGBA images from words, in two halves, so that decoding can overlap the next sampling.

    What an image shows depends on its prompt, its seed and the sampling alone: not on the images that it
    shares a batch with, nor on how many processes there are, beyond the rounding of sums.
    """

    @property
    def info(self) -> ModelInfo:
        """Return who the model is."""
        ...

    @property
    def defaults(self) -> Sampling:
        """Return the sampling that the model was made for."""
        ...

    def check(self, sampling: Sampling) -> None:
        """Refuse a sampling that the model cannot do, before the run starts.

        Raises:
            UsageError: a size that is no multiple of what the network needs, steps or guidance out of range.
        """
        ...

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> Tensor:
        """Return one latent for each prompt, `(batch, ...)`, drawn from its own seed in [0, 2^63)."""
        ...

    def decode(self, latents: Tensor) -> Rgba:
        """Return latents of `sample` as straight-alpha images, `(batch, 4, height, width)`, float32 in [0,1]."""
        ...


@dataclass(frozen=True)
class Unread:
    """What a generator does not read of a prompt.

    Attributes:
        words: those that it does not know, as they stand in the prompt.
        cut: whether the prompt is longer than what it reads.
    """

    words: tuple[str, ...] = ()
    cut: bool = False


@runtime_checkable
class PromptReader(Protocol):
    """A generator that can say what it does not read of a prompt; others simply lack the name."""

    def unread(self, prompts: Sequence[str]) -> Sequence[Unread]:
        """Return what is not read of each prompt; nothing is drawn."""
        ...


@dataclass(frozen=True)
class ParentComparison:
    """The code of one batch by a model's RGB parent, beside the code by the model itself; nothing is sampled.

    Attributes:
        image: what the parent's encoder was fed, in [0,1].
        original_mean: of the parent's posterior, unscaled.
        original_log_variance: of the parent's posterior.
        shifted_mean: of the model's own posterior: what takes the place of the parent's latent.
        shifted_log_variance: of the model's own posterior.
        original_decode: what the parent's untouched decoder makes of `original_mean`, clipped to [0,1].
        shifted_decode: what the same decoder makes of `shifted_mean`, clipped to [0,1].
    """

    image: Rgb
    original_mean: Latents
    original_log_variance: Latents
    shifted_mean: Latents
    shifted_log_variance: Latents
    original_decode: Rgb
    shifted_decode: Rgb


@runtime_checkable
class HarmlessnessProbe(Protocol):
    """A model that can show what became of the RGB autoencoder it was made from.

    A model without such a parent simply lacks these names.
    """

    @property
    def parent_sees_transparency(self) -> bool:
        """Say whether the parent is fed transparent images too, in a form of the model's choice."""
        ...

    def open_parent(self) -> None:
        """Load the RGB parent, so that a checkpoint whose parent is unknown is refused before the run.

        Raises:
            AlphabenchError: the checkpoint does not name its parent, or it is not there, or does not fit.
        """
        ...

    def probe(self, images: Rgba) -> ParentComparison:
        """Return both codes of straight-alpha images in [0,1], on the model's device.

        Args:
            images: `(batch, 4, height, width)`; opaque ones where `parent_sees_transparency` is false.
        """
        ...
