"""The recipe of the RGB VAE."""

from dataclasses import dataclass
from typing import Literal

from reference_models.rgb_vae.model import PatchVaeConfig
from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.data_config import DataConfig


@dataclass(frozen=True)
class RgbLossConfig:
    """Weights of the RGB VAE's losses; a weight of 0 means that the term is not computed.

    Attributes:
        reduction: `image_sum` sums each term over an image; `mean` divides every term by 3·height·width.
        perceptual_weight: of the random perceptual distance.
        perceptual_scale: `per_element` multiplies the distance by 3·height·width, `per_image` does not.
        kl_weight: of the divergence from the standard normal.
    """

    reduction: Literal["image_sum", "mean"] = "mean"
    perceptual_weight: float = 0.0
    perceptual_scale: Literal["per_image", "per_element"] = "per_element"
    kl_weight: float = 1e-6


@dataclass(frozen=True)
class RgbRecipe:
    """All tables of an RGB VAE's TOML file.

    Attributes:
        model: shape of the net.
        data: what it is trained on.
        loss: weights.
        optimizer: AdamW.
        run: length and habits.
        grey_probability: share of the samples that are an alpha plane shown as a grey image.
        whitening: power of their standard deviations that the initial latents are divided by: 1 gives
            every latent the same variance, 0 leaves them their own.
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    model: PatchVaeConfig
    data: DataConfig
    loss: RgbLossConfig
    optimizer: OptimizerConfig
    run: RunConfig
    grey_probability: float = 0.15
    whitening: float = 0.5
    trainer: Literal["rgb_vae"] = "rgb_vae"
