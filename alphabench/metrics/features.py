"""What a metric asks of a feature network, and the arithmetic that all perceptual networks share.

A network takes composites in [0,1] and knows no file, no background and no model under test. Two uses:
*stages* (spatial maps of several depths) for a perceptual distance, and one *pooled* vector per image for a
distance between sets.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.image.types import Rgb

Stage = Float[Tensor, "batch channel stage_height stage_width"]
"""Feature maps of one depth."""

Pooled = Float[Tensor, "batch dim"]
"""One vector per image."""


@runtime_checkable
class FeatureNetwork(Protocol):
    """A frozen network that turns images in [0,1] into feature maps, shallow to deep."""

    @property
    def name(self) -> str:
        """Return what identifies the network and its weights, for records and caches."""
        ...

    def features(self, images: Rgb) -> list[Tensor]:
        """Return the feature maps of each stage, `(batch, channel, stage_height, stage_width)`."""
        ...


@runtime_checkable
class PerceptualNetwork(FeatureNetwork, Protocol):
    """A feature network that also says how far apart two images are."""

    @property
    def smallest_side(self) -> int:
        """Return the least height and width for which every stage exists; below, no distance."""
        ...

    def normalise(self, stages: list[Tensor]) -> list[Tensor]:
        """Return the stages with their channel vectors brought to unit length, as the distance wants."""
        ...

    def distance(self, prediction: list[Tensor], reference: list[Tensor]) -> Float64[Tensor, " batch"]:
        """Return the distance between two lists of normalised stages, one value per image."""
        ...

    def bytes_per_image(self, height: int, width: int) -> int:
        """Return about how many bytes the stages of one image take."""
        ...


@runtime_checkable
class SetNetwork(Protocol):
    """A network that gives one vector per image, for distances between sets of images."""

    @property
    def name(self) -> str:
        """Return what identifies the network and its weights."""
        ...

    def pooled(self, images: Rgb) -> Pooled:
        """Return one feature vector per image, `(batch, dim)`."""
        ...


@runtime_checkable
class PooledPerceptualNetwork(PerceptualNetwork, SetNetwork, Protocol):
    """A network whose single pass serves both uses."""

    def forward_all(self, images: Rgb) -> tuple[list[Tensor], Pooled]:
        """Return the stages and the pooled vectors of one pass."""
        ...


def spatial_mean_of_squares(
    prediction: Stage, reference: Stage, weights: Float[Tensor, " channel"] | None = None
) -> Float64[Tensor, " batch"]:
    """Return the spatial mean of `Σ_c w_c (u_c − v_c)²`, one float64 value per image.

    Args:
        prediction: normalised maps u.
        reference: normalised maps v.
        weights: w, one per channel; None means 1.
    """
    squares = (prediction - reference).square()
    if weights is not None:
        squares = squares * weights.view(1, -1, 1, 1)
    return squares.sum(dim=1).mean(dim=(1, 2), dtype=torch.float64)
