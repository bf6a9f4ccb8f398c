"""`torchmetrics.Metric` classes of the per-sample metrics, for training loops and ranks.

Images are straight-alpha RGBA `(batch, 4, height, width)` in [0,1]; the order is prediction, reference. Each
class accumulates as `SampleMeans` says: pass `category` for macro means, and `sample_id` so that repeated
samples count once.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.types import Rgba
from alphabench.metrics.alexnet import alexnet
from alphabench.metrics.alpha_errors import mad, mse, sad, sad_per_mpx
from alphabench.metrics.closed_form import composite_psnr
from alphabench.metrics.connectivity import conn_aim, conn_rhemann
from alphabench.metrics.features import PerceptualNetwork
from alphabench.metrics.gradient import grad_aim, grad_rhemann
from alphabench.metrics.perceptual import composite_distance
from alphabench.metrics.random_features import random_features
from alphabench.metrics.sample_means import Average, SampleMeans
from alphabench.metrics.structural import composite_ssim

PSNR_CAP = 100.0
"""What one PSNR counts at most in a mean, in dB: that of identical images is infinite."""

AlphaErrorName = Literal["mad", "mse", "sad", "sad_per_mpx", "grad_rhemann", "grad_aim", "conn_rhemann", "conn_aim"]
"""The errors of the alpha channel that `AlphaError` accumulates."""

_ALPHA_ERRORS: Mapping[AlphaErrorName, Callable[[Tensor, Tensor], Tensor]] = {
    "mad": mad,
    "mse": mse,
    "sad": sad,
    "sad_per_mpx": sad_per_mpx,
    "grad_rhemann": grad_rhemann,
    "grad_aim": grad_aim,
    "conn_rhemann": conn_rhemann,
    "conn_aim": conn_aim,
}

OnBackgrounds = Callable[[Rgba, Rgba, Tensor], Tensor]
"""A metric function of prediction, reference and backgrounds, giving `(batch, background)`."""


class CompositeMetric(SampleMeans):
    """The mean of a metric over solid backgrounds.

    Args:
        name: of the metric.
        function: of prediction, reference and backgrounds, giving `(batch, background)`.
        backgrounds: `(background, 3)` in [0,1]; default: the nine canonical colours.
        categories: names of the categories.
        cap: what one value counts at most.
        average: what `compute` returns.
        kwargs: of `torchmetrics.Metric`.
    """

    def __init__(
        self,
        name: str,
        function: OnBackgrounds,
        backgrounds: Float[Tensor, "background 3"] | None,
        categories: Sequence[str],
        *,
        cap: float = float("inf"),
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        colours = canonical_tensor(dtype=torch.float64) if backgrounds is None else backgrounds
        super().__init__(name, len(colours), categories, cap=cap, average=average, **kwargs)
        self.backgrounds = colours
        self.function = function

    def update(
        self,
        prediction: Rgba,
        reference: Rgba,
        category: Sequence[str] | None = None,
        sample_id: Sequence[Hashable] | None = None,
    ) -> None:
        """Add a batch of pairs.

        Args:
            prediction: straight-alpha images in [0,1].
            reference: straight-alpha images in [0,1].
            category: the category of each sample; needed with more than one category.
            sample_id: what identifies each sample; a repeated one is dropped.

        Raises:
            DataError: the images do not fit each other, or hold values outside [0,1].
            UsageError: categories or ids do not fit the batch.
        """
        self.add(self.function(prediction, reference, self.backgrounds), category, sample_id)


class CompositePSNR(CompositeMetric):
    """Mean PSNR over solid backgrounds, in dB; one value counts 100 dB at most."""

    higher_is_better = True
    is_differentiable = True

    def __init__(
        self,
        backgrounds: Float[Tensor, "background 3"] | None = None,
        categories: Sequence[str] = ("all",),
        *,
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__("psnr", composite_psnr, backgrounds, categories, cap=PSNR_CAP, average=average, **kwargs)


class CompositeSSIM(CompositeMetric):
    """Mean RGB SSIM over solid backgrounds, in [−1, 1]."""

    higher_is_better = True
    is_differentiable = True

    def __init__(
        self,
        backgrounds: Float[Tensor, "background 3"] | None = None,
        categories: Sequence[str] = ("all",),
        *,
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__("ssim_rgb", composite_ssim, backgrounds, categories, average=average, **kwargs)


class CompositeFeatureDistance(CompositeMetric):
    """Mean distance of a network's features over solid backgrounds: what `CompositeLPIPS` and its like share.

    Args:
        network: whose features; default: the class's own.
        backgrounds: as for `CompositeMetric`.
        categories: as for `CompositeMetric`.
        average: as for `CompositeMetric`.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = False
    is_differentiable = True
    metric: ClassVar[str]
    default_network: ClassVar[Callable[[str], PerceptualNetwork]]

    def __init__(
        self,
        network: PerceptualNetwork | None = None,
        backgrounds: Float[Tensor, "background 3"] | None = None,
        categories: Sequence[str] = ("all",),
        *,
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(self.metric, self._values, backgrounds, categories, average=average, **kwargs)
        self.network = network

    def _values(self, prediction: Rgba, reference: Rgba, backgrounds: Tensor) -> Tensor:
        network = self.network or type(self).default_network(str(prediction.device))
        return composite_distance(prediction, reference, backgrounds, network)


class CompositeLPIPS(CompositeFeatureDistance):
    """Mean LPIPS (AlexNet, version 0.1) over solid backgrounds.

    The default network is the checked files of this machine, read at the first update.
    """

    metric = "lpips"
    default_network = staticmethod(alexnet)


class CompositeLPIPSRand(CompositeFeatureDistance):
    """Mean distance over solid backgrounds in the seeded random features; it is not LPIPS.

    The default network is the shipped one.
    """

    metric = "lpips_rand"
    default_network = staticmethod(random_features)


class AlphaError(SampleMeans):
    """Mean of one error of the alpha channel, over the whole image.

    Args:
        which: the catalog's name of the error.
        categories: names of the categories.
        average: what `compute` returns.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = False
    is_differentiable = False

    def __init__(
        self,
        which: AlphaErrorName = "mad",
        categories: Sequence[str] = ("all",),
        *,
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(which, 1, categories, average=average, **kwargs)
        self.function = _ALPHA_ERRORS[which]

    def update(
        self,
        prediction: Rgba,
        reference: Rgba,
        category: Sequence[str] | None = None,
        sample_id: Sequence[Hashable] | None = None,
    ) -> None:
        """Add a batch of pairs; arguments and errors as for `CompositeMetric.update`."""
        values = self.function(prediction[:, 3:], reference[:, 3:])
        self.add(values.unsqueeze(1), category, sample_id)
