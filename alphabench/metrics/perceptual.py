"""Perceptual distances between composites: LPIPS, and the same arithmetic on a seeded random network.

Samples are worked on one at a time, in passes over as many of their composites as fit a bound that
depends on size and device only, so a value depends neither on the batch it came in nor on a cache. An image
that is opaque everywhere looks the same on every background: its composite is computed once and counts for
all of them.

Autocast and TF32 are switched off inside. Gradients flow to the prediction when it asks for them.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.compositing import composite, composite_over
from alphabench.image.types import Rgb, Rgba
from alphabench.metrics.alexnet import AlexFeatures, alexnet
from alphabench.metrics.check import check_image, check_pair
from alphabench.metrics.features import PerceptualNetwork, Pooled, PooledPerceptualNetwork, SetNetwork
from alphabench.metrics.random_features import RandomFeatures, random_features
from alphabench.metrics.reference_cache import Encoded, ReferenceCache
from alphabench.runtime import exact_matmul

CPU_PASS_BYTES = 8 << 20
"""Feature maps that one pass may make on a CPU, in bytes: what stays in the caches is faster."""

ACCELERATOR_PASS_BYTES = 1 << 30
"""Feature maps that one pass may make on an accelerator, in bytes: bounds the memory of large images."""

Backgrounds = Float[Tensor, "background 3"] | Float[Tensor, "background 3 height width"]
"""Solid colours, or pictures of the images' size, in [0,1]."""

Composites = Float[Tensor, "view 3 height width"]
"""One image over several backgrounds."""


class PerceptualScores(NamedTuple):
    """What one pass over the composites of both sides gives.

    Attributes:
        distance: float64 `(batch, background)`; NaN where the image is too small for the network.
        pooled_prediction: set features of the predictions' composites, `(batch, background, dim)`.
        pooled_reference: set features of the references' composites, `(batch, background, dim)`.
    """

    distance: Float64[Tensor, "batch background"]
    pooled_prediction: Float[Tensor, "batch background dim"]
    pooled_reference: Float[Tensor, "batch background dim"]


def lpips(prediction: Rgb, reference: Rgb, network: AlexFeatures | None = None) -> Float64[Tensor, " batch"]:
    """Return the LPIPS (AlexNet, version 0.1) of composites, one value per sample.

    Args:
        prediction: composites in [0,1].
        reference: composites in [0,1].
        network: AlexNet with its heads; default: the checked files of this machine.

    Returns:
        Values from 0 (identical) to about 1.5; NaN where a side is below 31 pixels. Symmetric.

    Raises:
        WeightsMissing: no network is given and a file is not on this machine.
        DataError: shapes differ, or values are not in [0,1].

    Source: Zhang et al. 2018, arXiv 1801.03924.
    """
    return _distance_of_composites(prediction, reference, network or alexnet(str(prediction.device)))


def lpips_rand(prediction: Rgb, reference: Rgb, network: RandomFeatures | None = None) -> Float64[Tensor, " batch"]:
    """Return the distance of composites in the seeded random features, one value per sample.

    Random features: comparable only within one protocol, and not LPIPS.

    Args:
        prediction: composites in [0,1].
        reference: composites in [0,1].
        network: a random network; default: the shipped one.

    Returns:
        Values in [0, 2], 0 for identical images. Symmetric; defined for any size.

    Raises:
        DataError: shapes differ, or values are not in [0,1].
    """
    return _distance_of_composites(prediction, reference, network or random_features(str(prediction.device)))


def composite_distance(
    prediction: Rgba,
    reference: Rgba,
    backgrounds: Backgrounds,
    network: PerceptualNetwork,
    *,
    cache: ReferenceCache | None = None,
    keys: Sequence[Hashable] | None = None,
) -> Float64[Tensor, "batch background"]:
    """Return the perceptual distance of two RGBA images over each background.

    Args:
        prediction: straight-alpha images in [0,1].
        reference: straight-alpha images in [0,1].
        backgrounds: `(background, 3)` or `(background, 3, height, width)` in [0,1].
        network: `alexnet()` for LPIPS, `random_features()` for `lpips-rand`.
        cache: holds encoded references between calls.
        keys: what identifies each reference in the cache, for instance its data hash and sample id;
            required with `cache`.

    Returns:
        One row per sample; NaN where the image is too small for the network.

    Raises:
        DataError: shapes differ, values are not in [0,1], or `keys` do not fit.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    if min(prediction.shape[2:]) < network.smallest_side:
        return prediction.new_full((len(prediction), len(backgrounds)), torch.nan, dtype=torch.float64)
    encode = partial(_encode_stages, network=network)
    scored = _score(prediction, reference, backgrounds, network, encode, cache=cache, keys=keys)
    return torch.stack([distance for distance, _, _ in scored])


def perceptual_and_pooled(
    prediction: Rgba,
    reference: Rgba,
    backgrounds: Backgrounds,
    network: PooledPerceptualNetwork,
    *,
    cache: ReferenceCache | None = None,
    keys: Sequence[Hashable] | None = None,
) -> PerceptualScores:
    """Return the perceptual distances and the set features of the same passes.

    Arguments and errors as for `composite_distance`; the network must also pool.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    encode = partial(_encode_stages_and_pooled, network=network)
    scored = list(_score(prediction, reference, backgrounds, network, encode, cache=cache, keys=keys))
    return PerceptualScores(*(torch.stack(column) for column in zip(*scored, strict=True)))


def composite_features(
    images: Rgba, backgrounds: Backgrounds, network: SetNetwork
) -> Float[Tensor, "batch background dim"]:
    """Return the set features of RGBA images over each background.

    Args:
        images: straight-alpha images in [0,1].
        backgrounds: `(background, 3)` or `(background, 3, height, width)` in [0,1].
        network: `inception()` for rFID and KID, `random_features()` for their random counterparts.

    Raises:
        DataError: another shape, or values that are not in [0,1].
    """
    images = check_image(images, "images", channels=4)
    rows = []
    with exact_matmul():
        for image in images.split(1):
            seen = backgrounds[:1] if _is_opaque(image) else backgrounds
            rows.append(network.pooled(_composites(image, seen)).expand(len(backgrounds), -1))
    return torch.stack(rows)


def _distance_of_composites(prediction: Rgb, reference: Rgb, network: PerceptualNetwork) -> Float64[Tensor, " batch"]:
    prediction, reference = check_pair(prediction, reference, channels=3)
    if min(prediction.shape[2:]) < network.smallest_side:
        return prediction.new_full((len(prediction),), torch.nan, dtype=torch.float64)
    with exact_matmul():
        values = [
            network.distance(network.normalise(network.features(ours)), network.normalise(network.features(theirs)))
            for ours, theirs in zip(prediction.split(1), reference.split(1), strict=True)
        ]
    return torch.cat(values)


def _score(
    prediction: Rgba,
    reference: Rgba,
    backgrounds: Backgrounds,
    network: PerceptualNetwork,
    encode: Callable[[Rgb], Encoded],
    *,
    cache: ReferenceCache | None,
    keys: Sequence[Hashable] | None,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield for each sample the distance, and the pooled features of both sides, over the backgrounds."""
    if cache is not None and (keys is None or len(keys) != len(reference)):
        raise DataError(
            f"a cache needs one key per reference: {len(reference)} references, "
            f"{0 if keys is None else len(keys)} keys",
            remedy="Pass keys=[...] that identify data set and sample, or no cache.",
        )
    views = backgrounds.to(prediction)
    bound = CPU_PASS_BYTES if views.device.type == "cpu" else ACCELERATOR_PASS_BYTES
    step = max(1, bound // network.bytes_per_image(*prediction.shape[2:]))
    for index, (ours, theirs) in enumerate(zip(prediction.split(1), reference.split(1), strict=True)):
        key = None if keys is None else (network.name, keys[index])
        sides = _Side(ours, encode), _Side(theirs, encode, cache, key)
        both_opaque = sides[0].is_opaque and sides[1].is_opaque
        parts = [_score_part(*sides, part, network) for part in views.split(len(views) if both_opaque else step)]
        distance, pooled_ours, pooled_theirs = (torch.cat(column) for column in zip(*parts, strict=True))
        yield distance, pooled_ours, pooled_theirs


class _Side:
    """One image of a pair, passed through the network at each background, or once if it is opaque."""

    def __init__(
        self,
        image: Rgba,
        encode: Callable[[Rgb], Encoded],
        cache: ReferenceCache | None = None,
        key: Hashable = None,
    ) -> None:
        self.image = image
        self.is_opaque = _is_opaque(image)
        self._encode = encode
        self._cache = cache
        self._key = key
        self._once: Encoded | None = None

    def at(self, backgrounds: Backgrounds) -> Encoded:
        """Return what the network makes of the composites: one row where they are all alike."""
        if not self.is_opaque:
            return self._pass(backgrounds)
        if self._once is None:
            self._once = self._pass(backgrounds[:1])
        return self._once

    def _pass(self, backgrounds: Backgrounds) -> Encoded:
        if self._cache is None:
            return self._encode(_composites(self.image, backgrounds))
        key = (self._key, _fingerprint(backgrounds))
        return self._cache.get(key, lambda: self._encode(_composites(self.image, backgrounds)))


def _score_part(
    prediction: _Side, reference: _Side, backgrounds: Backgrounds, network: PerceptualNetwork
) -> tuple[Tensor, Tensor, Tensor]:
    count = len(backgrounds)
    with exact_matmul():
        ours, theirs = prediction.at(backgrounds), reference.at(backgrounds)
        rows = max(len(ours.stages[0]), len(theirs.stages[0]))  # 1 where both sides are opaque
        distance = network.distance(_rows(ours.stages, rows), _rows(theirs.stages, rows))
    return distance.expand(count), _pooled(ours, count), _pooled(theirs, count)


def _encode_stages(images: Rgb, *, network: PerceptualNetwork) -> Encoded:
    return Encoded(network.normalise(network.features(images)), None)


def _encode_stages_and_pooled(images: Rgb, *, network: PooledPerceptualNetwork) -> Encoded:
    stages, pooled = network.forward_all(images)
    return Encoded(network.normalise(stages), pooled)


def _rows(stages: list[Tensor], rows: int) -> list[Tensor]:
    return [maps.expand(rows, -1, -1, -1) for maps in stages]


def _pooled(side: Encoded, rows: int) -> Pooled:
    if side.pooled is None:
        return side.stages[0].new_empty((rows, 0))
    return side.pooled.expand(rows, -1)


def _is_opaque(image: Rgba) -> bool:
    return bool((image[:, 3] == 1).all())


def _composites(image: Rgba, backgrounds: Backgrounds) -> Composites:
    views = backgrounds.to(image)
    if views.ndim == 2:
        return composite_over(image, views)[0]
    return composite(image.expand(len(views), -1, -1, -1), views)


def _fingerprint(backgrounds: Backgrounds) -> Hashable:
    """Return what identifies backgrounds, their dtype and the kind of device in the key of a cache."""
    content = hashlib.sha256(backgrounds.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
    return tuple(backgrounds.shape), content, str(backgrounds.dtype), backgrounds.device.type
