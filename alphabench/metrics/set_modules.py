"""`torchmetrics.Metric` classes of the distances between sets, on composites.

The state is the features themselves, one row per sample under its index; rows are sorted and repeated ones
dropped before use, so the value depends neither on the order of the samples nor on that of the ranks.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from alphabench.errors import UsageError
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.types import Rgba
from alphabench.metrics.features import SetNetwork
from alphabench.metrics.perceptual import composite_features
from alphabench.metrics.random_features import random_features
from alphabench.metrics.sample_means import category_places
from alphabench.metrics.set_distance import frechet_distance, kernel_distance


class SetDistance(Metric):  # type: ignore[misc]
    """A distance between the composites of all predictions and of all references of a category.

    The mean is over backgrounds, then over categories. A category without samples is left out.

    Args:
        function: of two sets of features, giving one number.
        network: gives one vector per composite; default: the shipped random network, which makes the value
            `rfid-rand` or `kid-rand`. Take `metrics.inception.inception()` for rFID and KID.
        backgrounds: `(background, 3)` in [0,1]; default: the nine canonical colours.
        categories: names of the categories; one alone compares all samples as one set.
        average: `macro`: one number; `category`: one per category; `none`: per category and background.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    prediction_features: list[Tensor]
    reference_features: list[Tensor]
    samples: list[Tensor]

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        network: SetNetwork | None,
        backgrounds: Float[Tensor, "background 3"] | None,
        categories: Sequence[str],
        *,
        average: Literal["macro", "category", "none"] = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.network = network
        self.backgrounds = canonical_tensor(dtype=torch.float64) if backgrounds is None else backgrounds
        self.categories = tuple(categories)
        self.average = average
        for state in ("prediction_features", "reference_features", "samples"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(
        self,
        prediction: Rgba,
        reference: Rgba,
        sample_id: Sequence[int],
        category: Sequence[str] | None = None,
    ) -> None:
        """Add a batch of pairs.

        Args:
            prediction: straight-alpha images in [0,1].
            reference: straight-alpha images in [0,1].
            sample_id: the index of each sample in its set; a repeated one is dropped.
            category: the category of each sample; needed with more than one category.

        Raises:
            DataError: values outside [0,1], or another shape.
            UsageError: categories or ids do not fit the batch.
        """
        if not len(prediction) == len(reference) == len(sample_id):
            raise UsageError(
                f"{len(prediction)} predictions, {len(reference)} references and {len(sample_id)} sample ids "
                "do not belong together",
                remedy="Pass one reference and one id per prediction.",
            )
        places = category_places(category, self.categories, len(sample_id))
        self.prediction_features.append(self._features(prediction))
        self.reference_features.append(self._features(reference))
        rows = list(zip(sample_id, places, strict=True))
        self.samples.append(torch.tensor(rows, dtype=torch.long, device=prediction.device))

    def compute(self) -> Float64[Tensor, "..."]:
        """Return the distance, by default one number; NaN where nothing was added.

        Raises:
            TooFewSamples: a category has one sample only.
        """
        cells = torch.full((len(self.categories), len(self.backgrounds)), torch.nan, dtype=torch.float64)
        if len(self.samples):
            samples = dim_zero_cat(self.samples)
            order = _first_of_each(samples[:, 0])
            places = samples[order, 1]
            sides = [dim_zero_cat(side)[order] for side in (self.prediction_features, self.reference_features)]
            for place in places.unique().tolist():
                prediction, reference = (side[places == place].unbind(dim=1) for side in sides)
                for view, (x, y) in enumerate(zip(prediction, reference, strict=True)):
                    cells[place, view] = self.function(x, y)
        if self.average == "none":
            return cells
        categories = cells.mean(dim=1)
        return categories if self.average == "category" else categories.nanmean()

    def _features(self, images: Rgba) -> Float[Tensor, "batch background dim"]:
        network = self.network or random_features(str(images.device))
        return composite_features(images, self.backgrounds, network)

    def _sync_dist(self, dist_sync_fn: Any = gather_all_tensors, process_group: Any = None) -> None:
        """Join the rows of all ranks; a rank without a sample brings none, in the right shape."""
        if not self.samples:
            none = self._features(torch.zeros(1, 4, 32, 32, device=self.device))[:0]
            self.prediction_features, self.reference_features = [none], [none]
            self.samples = [torch.zeros(0, 2, dtype=torch.long, device=self.device)]
        super()._sync_dist(dist_sync_fn, process_group)


class FrechetDistance(SetDistance):
    """Fréchet distance between predictions and references; rFID with the FID Inception."""

    def __init__(
        self,
        network: SetNetwork | None = None,
        backgrounds: Float[Tensor, "background 3"] | None = None,
        categories: Sequence[str] = ("all",),
        *,
        average: Literal["macro", "category", "none"] = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(frechet_distance, network, backgrounds, categories, average=average, **kwargs)


class KernelDistance(SetDistance):
    """Unbiased kernel distance between predictions and references; KID with the FID Inception."""

    def __init__(
        self,
        network: SetNetwork | None = None,
        backgrounds: Float[Tensor, "background 3"] | None = None,
        categories: Sequence[str] = ("all",),
        *,
        average: Literal["macro", "category", "none"] = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_distance, network, backgrounds, categories, average=average, **kwargs)


def _first_of_each(samples: Tensor) -> Tensor:
    """Return the positions of the first row of each sample, in the order of the samples' indices."""
    ordered, positions = samples.sort(stable=True)
    fresh = torch.ones_like(ordered, dtype=torch.bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return positions[fresh]
