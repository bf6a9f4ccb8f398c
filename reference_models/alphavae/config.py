"""The recipe of AlphaVAE."""

from dataclasses import dataclass
from typing import Literal

from reference_models.alphavae.ranges import Colour
from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.data_config import DataConfig

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class BaseConfig:
    """What is widened.

    Attributes:
        base: name of a bundled RGB VAE, or a folder (relative to the recipe) of either layout.
        colour: how colour enters and leaves the network.
    """

    base: str
    colour: Colour = "straight"


@dataclass(frozen=True)
class LossConfig:
    """Weights of AlphaVAE's losses; a weight of 0 means that the term is not computed.

    Attributes:
        reconstruction: `abmse`, or `mse` over the four raw channels.
        background_mean: E[b] per channel in [-1,1].
        background_second_moment: E[b²] per channel.
        reduction: `image_sum` sums each term over an image; `mean` divides every term by 3·height·width.
        perceptual_weight: of the random perceptual distance, averaged over its backgrounds.
        perceptual_scale: `per_element` multiplies the distance by 3·height·width, `per_image` does not.
        perceptual_backgrounds: grey levels in [-1,1] that the perceptual distance sees the image over.
        kl_weight: of the divergence from the standard normal.
        reference_kl_weight: of the divergence from the frozen, widened base on opaque images.
        reference_kl_images: images of each batch that the reference term is computed on; 0 takes all.
    """

    reconstruction: Literal["abmse", "mse"] = "abmse"
    background_mean: Triple = (-0.0357, -0.0811, -0.1797)
    background_second_moment: Triple = (0.3163, 0.3060, 0.3634)
    reduction: Literal["image_sum", "mean"] = "image_sum"
    perceptual_weight: float = 0.5
    perceptual_scale: Literal["per_image", "per_element"] = "per_image"
    perceptual_backgrounds: tuple[float, ...] = (0.0, 1.0)
    kl_weight: float = 1e-6
    reference_kl_weight: float = 1e-16
    reference_kl_images: int = 0


@dataclass(frozen=True)
class AlphaRecipe:
    """All tables of an AlphaVAE's TOML file.

    Attributes:
        model: what is widened.
        data: what it is trained on.
        loss: weights.
        optimizer: AdamW.
        run: length and habits.
        hidden_colour: what lies under alpha 0 of the training images: 0, or whatever the files hold.
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    model: BaseConfig
    data: DataConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    run: RunConfig
    hidden_colour: Literal["zero", "keep"] = "zero"
    trainer: Literal["alphavae"] = "alphavae"
