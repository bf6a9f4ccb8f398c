"""Perceptual distances over many backgrounds: sharing, caching and batching change no value."""

import pytest
import torch

from alphabench.errors import DataError
from alphabench.image.compositing import composite
from alphabench.metrics import perceptual
from alphabench.metrics.perceptual import (
    composite_distance,
    composite_features,
    lpips_rand,
    perceptual_and_pooled,
)
from alphabench.metrics.random_features import RandomFeatures, random_features
from alphabench.metrics.reference_cache import ReferenceCache

COLOURS = torch.tensor([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])


def pair(batch: int = 3, size: tuple[int, int] = (40, 33), seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(batch, 4, *size, generator=generator)
    noise = 0.1 * torch.randn(reference.shape, generator=generator)
    return (reference + noise).clamp(0, 1), reference


class CountingFeatures(RandomFeatures):
    """Counts the images that pass the network."""

    seen = 0

    def features(self, images):
        self.seen += len(images)
        return super().features(images)


@pytest.fixture
def counting() -> CountingFeatures:
    return CountingFeatures(list(random_features().buffers()), name="counting")


def test_each_background_has_the_distance_of_its_composites():
    prediction, reference = pair()
    rows = composite_distance(prediction, reference, COLOURS, random_features())
    assert rows.dtype == torch.float64
    for index, colour in enumerate(COLOURS):
        expected = lpips_rand(composite(prediction, colour), composite(reference, colour))
        assert torch.allclose(rows[:, index], expected, atol=1e-7)


def test_pictures_serve_as_backgrounds():
    prediction, reference = pair()
    pictures = torch.rand(2, 3, 40, 33)
    rows = composite_distance(prediction, reference, pictures, random_features())
    for index, picture in enumerate(pictures):
        expected = lpips_rand(composite(prediction, picture), composite(reference, picture))
        assert torch.allclose(rows[:, index], expected, atol=1e-7)


def test_distances_and_set_features_come_from_one_pass(counting):
    prediction, reference = pair()
    scores = perceptual_and_pooled(prediction, reference, COLOURS, counting)
    assert counting.seen == 2 * 3 * 4
    assert torch.equal(scores.distance, composite_distance(prediction, reference, COLOURS, random_features()))
    for side, images in ((scores.pooled_prediction, prediction), (scores.pooled_reference, reference)):
        assert torch.equal(side, composite_features(images, COLOURS, random_features()))
        assert side.shape == (3, 4, 960)


def test_a_value_does_not_depend_on_the_batch_it_came_in():
    prediction, reference = pair(batch=7)
    together = perceptual_and_pooled(prediction, reference, COLOURS, random_features())
    for index in range(7):
        alone = perceptual_and_pooled(
            prediction[index : index + 1], reference[index : index + 1], COLOURS, random_features()
        )
        for ours, theirs in zip(together, alone, strict=True):
            assert torch.equal(ours[index], theirs[0])
    x, y = prediction[:, :3], reference[:, :3]
    assert torch.equal(lpips_rand(x, y)[3:4], lpips_rand(x[3:4], y[3:4]))


def test_hidden_colour_changes_no_bit():
    prediction, reference = pair()
    for image in (prediction, reference):
        image[:, 3, :9] = 0
    before = perceptual_and_pooled(prediction, reference, COLOURS, random_features())
    for image in (prediction, reference):
        image[:, :3, :9] = torch.rand(3, 3, 9, 33)
    after = perceptual_and_pooled(prediction, reference, COLOURS, random_features())
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(before, after, strict=True))


def test_a_cache_saves_the_passes_of_the_reference_and_changes_no_bit(counting):
    prediction, reference = pair()
    other, _ = pair(seed=5)
    plain = [perceptual_and_pooled(image, reference, COLOURS, counting) for image in (prediction, other)]
    assert counting.seen == 2 * 24
    cache, keys = ReferenceCache(), ["a", "b", "c"]
    cached = [
        perceptual_and_pooled(image, reference, COLOURS, counting, cache=cache, keys=keys)
        for image in (prediction, other)
    ]
    assert counting.seen == 2 * 24 + 24 + 12
    for ours, theirs in zip(plain, cached, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


def test_other_backgrounds_or_keys_are_other_entries_of_the_cache():
    prediction, reference = pair(batch=1)
    cache = ReferenceCache()
    for colours, key in ((COLOURS, "a"), (COLOURS.flip(0), "a"), (COLOURS, "b"), (COLOURS, "a")):
        rows = composite_distance(prediction, reference, colours, random_features(), cache=cache, keys=[key])
        assert torch.equal(rows, composite_distance(prediction, reference, colours, random_features()))
    assert len(cache) == 3


def test_a_full_cache_computes_again(counting):
    prediction, reference = pair(batch=2)
    cache = ReferenceCache(max_bytes=10)
    for _ in range(2):
        rows = composite_distance(prediction, reference, COLOURS, counting, cache=cache, keys=["a", "b"])
        assert torch.equal(rows, composite_distance(prediction, reference, COLOURS, random_features()))
    assert (len(cache), cache.used_bytes) == (0, 0)
    assert counting.seen == 2 * 2 * 8


def test_a_cache_without_keys_is_refused():
    prediction, reference = pair()
    with pytest.raises(DataError, match="3 references, 0 keys"):
        composite_distance(prediction, reference, COLOURS, random_features(), cache=ReferenceCache())


def test_an_opaque_pair_is_computed_once_and_counts_for_every_background(counting):
    prediction, reference = pair(batch=1)
    prediction[:, 3], reference[:, 3] = 1, 1
    scores = perceptual_and_pooled(prediction, reference, COLOURS, counting)
    assert counting.seen == 2
    assert torch.equal(scores.distance[0], lpips_rand(prediction[:, :3], reference[:, :3]).expand(4))
    assert scores.pooled_reference.shape == (1, 4, 960)


def test_an_opaque_reference_meets_each_composite_of_the_prediction(counting):
    prediction, reference = pair(batch=1)
    reference[:, 3] = 1
    rows = composite_distance(prediction, reference, COLOURS, counting)
    assert counting.seen == 1 + 4
    for index, colour in enumerate(COLOURS):
        expected = lpips_rand(composite(prediction, colour), reference[:, :3])
        assert torch.allclose(rows[:, index], expected, atol=1e-7)


def test_large_images_are_worked_on_in_several_passes(monkeypatch):
    prediction, reference = pair(batch=2)
    whole = perceptual_and_pooled(prediction, reference, COLOURS, random_features())
    monkeypatch.setattr(perceptual, "CPU_PASS_BYTES", 2 * random_features().bytes_per_image(40, 33))
    parted = perceptual_and_pooled(prediction, reference, COLOURS, random_features())
    for ours, theirs in zip(whole, parted, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_autocast_around_a_metric_changes_no_bit():
    prediction, reference = pair(batch=1)
    plain = composite_distance(prediction, reference, COLOURS, random_features())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = composite_distance(prediction, reference, COLOURS, random_features())
        features = composite_features(prediction, COLOURS, random_features())
    assert torch.equal(plain, inside)
    assert features.dtype == torch.float32
