"""Scoring of generated images, which have prompts and no references of their own.

Three families: metrics of one image without reference; CLIPScore and the aesthetic score of its composites;
and distances between all images, or those of a category, and a reference set that the protocol names.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from alphabench.data.prompts import Prompt
from alphabench.errors import DataError
from alphabench.image.types import AnyCodes
from alphabench.metrics.aesthetic import laion_aes
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.clipscore import clipscore
from alphabench.metrics.set_distance import TooFewSamples, frechet_distance, kernel_distance
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable, unavailable_metrics
from alphabench.tasks.generated_references import ReferenceFeatures, References, find_references
from alphabench.tasks.generated_views import INCEPTION, RANDOM, Image, Viewed
from alphabench.tasks.paper_fid import paper_fid
from alphabench.tasks.scoring import Scores, Values

NETWORK_OF = {"fid": INCEPTION, "kid": INCEPTION, "fid-rand": RANDOM, "kid-rand": RANDOM}
DIMENSIONS = {INCEPTION: 2048, RANDOM: 960}
COMPARABLE = "random features against synthetic images: only comparable within this protocol"
"""What is printed beside `fid-rand` and `kid-rand`."""

Features = Mapping[str, tuple[tuple[str, ...], NDArray[np.float32]]]
"""For each network the sample ids and their features, `(sample, 1, background, dim)`."""


class GenerationScorer:
    """Scores generated images under a protocol for generation, such as `alpha-t2i-mini@1`.

    Args:
        protocol: which metrics, and which reference set.
        device: where to compute.

    Attributes:
        unavailable: the metrics of the protocol that cannot be computed here, each with reason and remedy.

    Raises:
        UsageError: the protocol is for another task.
    """

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        protocol.require_task("generation")
        self.protocol = protocol
        self.device = device
        self._viewed = Viewed(protocol, device)
        self._references = find_references(protocol)
        lacking = unavailable_metrics(protocol)
        if isinstance(self._references, Unavailable):
            lacking = dict.fromkeys(protocol.set_metrics(), self._references) | lacking
        self.unavailable: Mapping[str, Unavailable] = lacking
        self._keys = [key for key in protocol.sample_keys() if key[1] not in lacking]

    @property
    def networks(self) -> tuple[str, ...]:
        """Return the networks whose features every sample keeps."""
        wanted = (NETWORK_OF[name] for name in self.protocol.set_metrics() if name not in self.unavailable)
        return tuple(dict.fromkeys(wanted))

    @cached_property
    def libraries(self) -> dict[str, str]:
        """Return the identity of the reference set, where one was used, as entries of a record's environment."""
        if not isinstance(self._references, References) or not self.networks:
            return {}
        return {f"reference:{self._references.id}": self._references.hash}

    def score(self, prompts: Sequence[Prompt], images: Sequence[AnyCodes]) -> Scores:
        """Return the scores of each image, `(4, height, width)` 8-bit codes; sizes may differ.

        The features of each network are those of the images alone, `(batch, 1, background, dim)`, one
        background for each of `protocol.set_views()`. What does not apply to an image is NaN, and so is
        everything of a prompt whose category the protocol's rule leaves out.

        Raises:
            DataError: another number of images than of prompts, or an image without alpha.
        """
        if len(prompts) != len(images):
            raise DataError(
                f"{len(images)} images came of {len(prompts)} prompts", remedy="Give each image its own prompt."
            )
        if odd := [image.shape[0] for image in images if image.shape[0] != 4]:
            raise DataError(f"an image has {odd[0]} channels instead of 4", remedy="Generate RGBA images.")
        scored = [self._one(prompt, image) for prompt, image in zip(prompts, images, strict=True)]
        values: Values = {
            key: torch.tensor([own.get(key, math.nan) for own, _ in scored], dtype=torch.float64) for key in self._keys
        }
        return Scores(
            values, {network: torch.stack([features[network] for _, features in scored]) for network in self.networks}
        )

    def set_values(self, features: Features, groups: Mapping[str, str]) -> dict[str, dict[str, dict[str, float | str]]]:
        """Return each set metric by group and background: a number, or the reason why there is none.

        A category without references has a reason; under the authors' rule it is absent instead.

        Args:
            features: what scoring kept.
            groups: the category of each sample.

        Raises:
            DataError: a reference was removed or changed since the scorer was made.
        """
        values: dict[str, dict[str, dict[str, float | str]]] = {}
        for metric in self.protocol.set_metrics():
            if metric in self.unavailable:
                continue
            names, array = _present(*features[NETWORK_OF[metric]])
            references = self._reference_features[NETWORK_OF[metric]]
            everything = self.protocol.scope(metric) == "all"
            values[metric] = {
                group: self._distances(metric, array[places, 0], references.of(None if everything else group), group)
                for group, places in _members(names, groups, everything=everything).items()
                if not self._is_left_out(group)
            }
        return values

    def deviations(
        self, groups: Mapping[str, str], metrics: Sequence[Mapping[str, Any]] | None = None
    ) -> tuple[str, ...]:
        """Return sentences on metrics that do not apply to these samples, and on categories that are left out.

        Args:
            groups: the category of each sample.
            metrics: what `aggregate` made of the run: what it left out applies to none of the samples.
        """
        too_few = self.protocol.inapplicable(len(groups))
        found = [
            f"{metric} is not applicable: a distance between sets needs two images, there is {len(groups)}"
            for metric in too_few
        ]
        if metrics is not None:
            there = {metric["name"] for metric in metrics}
            found += [
                f"{metric} is not applicable: none of the {len(groups)} images is of the kind that it judges"
                for metric in self.protocol.metrics
                if metric not in there and metric not in too_few
            ]
        rule = self._rule_categories
        if rule is not None:
            counts = Counter(groups.values())
            found += [
                f"category {name!r} is not one of the reference set: its {count} images are left out, "
                "as the authors' scripts do"
                for name, count in sorted(counts.items())
                if name not in rule
            ]
            found += [
                f"category {name!r} has no image and is left out, as the authors' scripts do"
                for name in sorted(rule - set(counts))
            ]
        return tuple(found)

    def notes(self, groups: Mapping[str, str]) -> str:
        """Return how many images were compared with how many references, for a record's notes; empty for none.

        Args:
            groups: the category of each sample.
        """
        if not isinstance(self._references, References) or not self.networks:
            return ""
        left_out = {*self.unavailable, *self.protocol.inapplicable(len(groups))}
        metrics = [name for name in self.protocol.set_metrics() if name not in left_out]
        if not metrics:
            return ""
        counts, there = Counter(groups.values()), self._references.counts
        if {self.protocol.scope(name) for name in metrics} == {"all"}:
            sizes = f"{len(groups)} generated images against {sum(there.values())} references"
        else:
            each = [f"{name} {n} against {there[name]}" for name, n in sorted(counts.items()) if name in there]
            sizes = f"generated images against references by category: {', '.join(each)}"
        words = f"{', '.join(metrics)}: {sizes} of {self._references.id} ({self._references.hash[:8]})"
        return f"{words}; {COMPARABLE}" if RANDOM in self.networks else words

    def _one(self, prompt: Prompt, codes: Image) -> tuple[dict[tuple[str, str], float], dict[str, Tensor]]:
        """Return the values of one image, and its features by network, `(1, background, dim)`."""
        shape = (1, len(self.protocol.set_views()))
        if self._is_left_out(prompt.category):
            return {}, {name: torch.full((*shape, DIMENSIONS[name]), torch.nan) for name in self.networks}
        pictures: dict[str, Tensor] = {}
        values = {}
        for view, metric in self._keys:
            if view == "prediction":
                values[view, metric] = float(CATALOG[metric].resolve()(self._viewed.rgba(codes)))
                continue
            name = view.rpartition("/")[2]
            if name not in pictures:
                pictures[name] = self._viewed.picture(codes, name)
            score = clipscore(pictures[name], [prompt.text]) if metric == "clipscore" else laion_aes(pictures[name])
            values[view, metric] = float(score)
        return values, {name: self._viewed.features(codes, name)[None] for name in self.networks}

    @cached_property
    def _rule_categories(self) -> frozenset[str] | None:
        """Return the categories beside which the protocol's rule leaves prompts out; None where it keeps all."""
        if self.protocol.aggregation.mode != "paper-t2i":
            return None
        named = self.protocol.reference.categories
        there = self._references.counts if isinstance(self._references, References) else named
        if there is None:
            return None
        return frozenset(there) if named is None else frozenset(there) & frozenset(named)

    def _is_left_out(self, category: str) -> bool:
        return self._rule_categories is not None and category not in self._rule_categories

    @cached_property
    def _reference_features(self) -> dict[str, ReferenceFeatures]:
        assert isinstance(self._references, References)
        return {network: self._references.features(self._viewed, network) for network in self.networks}

    def _distances(
        self,
        metric: str,
        images: NDArray[np.float32],
        references: Float32[Tensor, "reference background dim"] | None,
        group: str,
    ) -> dict[str, float | str]:
        found: dict[str, float | str] = {}
        for view in self.protocol.metric_views(metric):
            name = view.removeprefix("set/")
            if references is None:
                found[name] = f"the reference set {self.protocol.reference.data} has no category {group!r}"
                continue
            place = self.protocol.set_views().index(view)
            try:
                found[name] = float(self._function(metric)(torch.from_numpy(images)[:, place], references[:, place]))
            except TooFewSamples as error:
                found[name] = error.message
        return found

    def _function(self, metric: str) -> Callable[..., Any]:
        if metric.startswith("kid"):
            return kernel_distance
        return paper_fid if getattr(self.protocol.metrics[metric], "recipe", "exact") == "pyiqa" else frechet_distance


def _present(names: Sequence[str], array: NDArray[np.float32]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Leave out the samples of skipped categories, whose features are NaN."""
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(array.reshape(len(names), -1)).all(axis=1))
    return tuple(name for name, there in zip(names, finite, strict=True) if there), array[finite]


def _members(names: Sequence[str], groups: Mapping[str, str], *, everything: bool) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        members.setdefault("all" if everything else groups[name], []).append(place)
    return members
