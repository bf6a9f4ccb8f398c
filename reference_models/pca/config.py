"""The recipe of the linear yardstick."""

from dataclasses import dataclass
from typing import Literal

from reference_models.pca.model import PatchTransformConfig
from reference_models.training.data_config import DataConfig


@dataclass(frozen=True)
class PcaRecipe:
    """All tables of its TOML file.

    Attributes:
        model: patch and code size.
        data: what it is fitted on.
        batches: batches of crops that the covariance is gathered from.
        seed: of the crops.
        trainer: the room, so that a recipe file says by itself what it trains.
    """

    model: PatchTransformConfig
    data: DataConfig
    batches: int = 600
    seed: int = 0
    trainer: Literal["pca"] = "pca"
