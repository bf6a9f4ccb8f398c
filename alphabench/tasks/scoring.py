"""From pairs of images to values: every view and metric that a protocol asks for, each computed once."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from alphabench.image.backgrounds import texture
from alphabench.image.codec import to_float
from alphabench.image.compositing import composite
from alphabench.image.regions import unknown_region
from alphabench.image.types import AnyCodes, Mask, Rgba
from alphabench.metrics.alexnet import alexnet
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.inception import inception
from alphabench.metrics.perceptual import composite_distance, composite_features, perceptual_and_pooled
from alphabench.metrics.pixel import psnr, psnr_alpha, psnr_straight_rgb
from alphabench.metrics.random_features import random_features
from alphabench.metrics.similarity import ssim_direct
from alphabench.metrics.structural import composite_all
from alphabench.protocols import Protocol
from alphabench.tasks.availability import unavailable_metrics

SOLID = frozenset({"psnr", "ssim_rgb", "ssim_luma", "ssim_worst9"})
RANDOM_SETS = frozenset({"rfid-rand", "kid-rand", "fid-rand"})
INCEPTION_SETS = frozenset({"rfid", "kid", "fid"})

Values = dict[tuple[str, str], Float64[Tensor, " batch"]]
"""One value a sample for each (view, metric); NaN where the metric does not apply to the sample."""

Features = Mapping[str, Float32[Tensor, "batch side background dim"]]
"""Pooled features of each network over each background: of the prediction, then of the reference if there is one."""


@dataclass(frozen=True)
class Scores:
    """What scoring one batch gives."""

    values: Values
    features: Features = field(default_factory=dict)


def joined(parts: Sequence[Scores]) -> Scores:
    """Return the scores of a batch from those of its parts, in order; every part has the same metrics."""
    first = parts[0]
    return Scores(
        {key: torch.cat([part.values[key] for part in parts]) for key in first.values},
        {name: torch.cat([part.features[name] for part in parts]) for name in first.features},
    )


class ExactScorer:
    """Scores float32 composites that never see a file, for protocols such as `alpha-exact@1`.

    Args:
        protocol: which views and metrics.
        device: where to compute.
    """

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        self.protocol = protocol
        self.device = device
        self.unavailable = unavailable_metrics(protocol)
        self._asked = [name for name in protocol.metrics if name not in self.unavailable]

    def score(self, predictions: Sequence[AnyCodes], references: Sequence[AnyCodes]) -> Scores:
        """Return the scores of each pair; images of one size are scored together."""
        by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, reference in enumerate(references):
            by_size[tuple(reference.shape)].append(index)
        groups = []
        for indices in by_size.values():
            pair = [
                to_float(torch.stack([images[index] for index in indices]).to(self.device))
                for images in (predictions, references)
            ]
            groups.append((indices, self.score_images(*pair)))
        return _in_order(groups)

    def score_images(self, prediction: Rgba, reference: Rgba) -> Scores:
        """Return the scores of one batch of images of equal size, straight alpha in [0,1]."""
        values: Values = {}
        for family in (self._solids, self._textures, self._pairs, self._alphas):
            values.update(family(prediction, reference))
        perceptual, features = self._perceptual(prediction, reference)
        values.update(perceptual)
        return Scores({key: value.cpu() for key, value in values.items()}, features)

    @cached_property
    def _colours(self) -> Tensor:
        codes = torch.tensor(list(self.protocol.backgrounds.values()), dtype=torch.float64)
        return (codes / 255).to(self.device, torch.float32)

    def _asks(self, metric: str, group: str) -> bool:
        return metric in self._asked and group in self.protocol.metrics[metric].views

    def _views(self, group: str) -> tuple[str, ...]:
        return self.protocol.group_views(group)  # type: ignore[arg-type]

    def _solids(self, prediction: Rgba, reference: Rgba) -> Values:
        if not SOLID & set(self._asked):
            return {}
        scores = composite_all(prediction, reference, self._colours)
        by_metric = {"psnr": scores.psnr, "ssim_rgb": scores.ssim_rgb, "ssim_luma": scores.ssim_luma}
        values = {
            (view, metric): table[:, column]
            for metric, table in by_metric.items()
            if self._asks(metric, "composite")
            for column, view in enumerate(self._views("composite"))
        }
        if "ssim_worst9" in self._asked:
            values[(self._views("worst-solid")[0], "ssim_worst9")] = scores.ssim_rgb.amin(1)
        return values

    def _textures(self, prediction: Rgba, reference: Rgba) -> Values:
        values: Values = {}
        for view, background in zip(self._views("texture"), self._pictures(prediction), strict=True):
            pair = composite(prediction, background), composite(reference, background)
            if self._asks("psnr", "texture"):
                values[(view, "psnr")] = psnr(*pair)
            if self._asks("ssim_rgb", "texture"):
                values[(view, "ssim_rgb")] = ssim_direct(*pair)
        return values

    def _pictures(self, images: Rgba) -> Iterator[Tensor]:
        for name in self.protocol.textures:
            yield texture(name, images.shape[-2], images.shape[-1]).to(images)

    def _pairs(self, prediction: Rgba, reference: Rgba) -> Values:
        """Compute the metrics that look at the pair as it is, over the worst background or at straight colour."""
        values: Values = {}
        for metric in ("psnr_worst_solid", "psnr_adversarial"):
            if metric in self._asked:
                values[(self.protocol.metric_views(metric)[0], metric)] = self._call(metric, prediction, reference)
        if self._asks("psnr", "straight-rgb"):
            values[("straight-rgb", "psnr")] = psnr_straight_rgb(prediction, reference)
        return values

    def _alphas(self, prediction: Rgba, reference: Rgba) -> Values:
        values: Values = {}
        pair = prediction[:, 3:], reference[:, 3:]
        unknown: Mask | None = None
        for metric in self._asked:
            if not self._asks(metric, "alpha"):
                continue
            if metric == "psnr":
                values[("alpha", metric)] = psnr_alpha(*pair)
            elif "trimap" in CATALOG[metric].needs:
                unknown = unknown_region(pair[1]) if unknown is None else unknown
                values[("alpha", metric)] = self._call(metric, *pair, region=unknown)
            else:
                values[("alpha", metric)] = self._call(metric, *pair)
        return values

    def _call(self, metric: str, *images: Tensor, **options: Tensor) -> Float64[Tensor, " batch"]:
        value: Tensor = CATALOG[metric].resolve()(*images, **options)
        return value

    def _perceptual(self, prediction: Rgba, reference: Rgba) -> tuple[Values, Features]:
        values: Values = {}
        features: dict[str, Tensor] = {}
        if {"lpips-rand", *RANDOM_SETS} & set(self._asked):
            network = random_features(str(self.device))
            scores = perceptual_and_pooled(prediction, reference, self._colours, network)
            values.update(self._columns("lpips-rand", "composite", scores.distance))
            if RANDOM_SETS & set(self._asked):
                sides = (scores.pooled_prediction, scores.pooled_reference)
                features["random-features"] = torch.stack(sides, dim=1).float().cpu()
        if INCEPTION_SETS & set(self._asked):
            deep = inception(str(self.device))
            pooled = [composite_features(images, self._colours, deep) for images in (prediction, reference)]
            features["inception"] = torch.stack(pooled, dim=1).float().cpu()
        if self._asks("lpips", "composite"):
            distance = composite_distance(prediction, reference, self._colours, alexnet(str(self.device)))
            values.update(self._columns("lpips", "composite", distance))
        pictures = torch.stack(list(self._pictures(prediction))) if self.protocol.textures else None
        for metric, make in (("lpips-rand", random_features), ("lpips", alexnet)):
            if pictures is not None and self._asks(metric, "texture"):
                distance = composite_distance(prediction, reference, pictures, make(str(self.device)))
                values.update(self._columns(metric, "texture", distance))
        return values, features

    def _columns(self, metric: str, group: str, table: Float64[Tensor, "batch view"]) -> Values:
        if not self._asks(metric, group):
            return {}
        return {(view, metric): table[:, column] for column, view in enumerate(self._views(group))}


def _in_order(groups: Sequence[tuple[list[int], Scores]]) -> Scores:
    """Return the groups' scores as one batch, each sample at its own index."""
    order = torch.tensor([index for indices, _ in groups for index in indices]).argsort()
    first = groups[0][1]
    return Scores(
        {key: torch.cat([scores.values[key] for _, scores in groups])[order] for key in first.values},
        {network: torch.cat([scores.features[network] for _, scores in groups])[order] for network in first.features},
    )
