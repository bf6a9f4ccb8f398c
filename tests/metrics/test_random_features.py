"""The seeded random network: its file, its recipe, its values."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from alphabench.errors import DataError
from alphabench.metrics.perceptual import lpips_rand, perceptual_and_pooled
from alphabench.metrics.random_features import (
    CHANNELS,
    RULER_SEED,
    RandomFeatures,
    random_features,
    read_weights,
    seeded_weights,
    training_features,
)

# Computed once in float64 by an independent NumPy program, for the nine backgrounds in order.
DISTANCES = torch.tensor(
    [
        0.0067828089, 0.0085232360, 0.0090606860, 0.0111340350, 0.0086874619,
        0.0098092495, 0.0102824660, 0.0083199066, 0.0104131920,
    ],
    dtype=torch.float64,
)  # fmt: skip
POOLED_SUM_ON_GRAY = 41.21711930


def numpy_stages(images: np.ndarray, weights: list[np.ndarray]) -> list[np.ndarray]:
    """Return the stages by explicit loops over the kernel, in float64."""
    maps, stages = images * 2 - 1, []
    for kernel in weights:
        padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        height, width = -(-maps.shape[2] // 2), -(-maps.shape[3] // 2)
        total = np.zeros((len(maps), len(kernel), height, width))
        for row in range(3):
            for column in range(3):
                seen = padded[:, :, row : row + 2 * height : 2, column : column + 2 * width : 2]
                seen = seen[:, :, :height, :width]
                total += np.einsum("bihw,oi->bohw", seen, kernel[:, :, row, column])
        maps = total.clip(0)
        stages.append(maps)
    return stages


def test_the_shipped_file_is_what_the_recipe_makes():
    network = random_features()
    for index, tensor in enumerate(seeded_weights(RULER_SEED), start=1):
        assert torch.equal(network.get_buffer(f"stage{index}"), tensor)
    first = network.get_buffer("stage1").flatten()[:3]
    assert torch.allclose(first, torch.tensor([-0.0150594, 0.2426083, -0.1929556]), atol=1e-7)
    assert sum(tensor.numel() for tensor in network.buffers()) == 387_936


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_the_distances_on_the_fixture_are_the_published_ones(exact_f32, nine, dtype, tolerance):
    prediction, reference = (image.to(dtype) for image in exact_f32)
    scores = perceptual_and_pooled(prediction, reference, nine, random_features(dtype=dtype))
    assert torch.allclose(scores.distance[0], DISTANCES, atol=tolerance, rtol=0)
    assert scores.pooled_reference.shape == (1, 9, 960)
    pooled = scores.pooled_reference[0, 0].double().sum()
    assert float(pooled) == pytest.approx(POOLED_SUM_ON_GRAY, abs=tolerance * 1e2)


@pytest.mark.parametrize("size", [(32, 32), (37, 21), (1, 1), (2, 5)])
def test_the_network_agrees_with_an_explicit_numpy_program_at_any_size(size):
    generator = np.random.default_rng(3)
    x, y = generator.random((2, 3, 3, *size))
    weights = [tensor.double().numpy() for tensor in seeded_weights(RULER_SEED)]
    total = np.zeros(3)
    for pair in zip(numpy_stages(x, weights), numpy_stages(y, weights), strict=True):
        u, v = (maps / np.sqrt((maps**2).sum(1, keepdims=True) + 0.1) for maps in pair)
        total += ((u - v) ** 2).sum(1).mean((1, 2)) / 5
    ours = lpips_rand(torch.from_numpy(x), torch.from_numpy(y), random_features(dtype=torch.float64))
    assert np.allclose(ours.numpy(), total, atol=1e-12, rtol=1e-10)
    columns = []
    for maps in numpy_stages(x, weights):
        columns += [maps.mean((2, 3)), maps.std((2, 3))]
    pooled = random_features(dtype=torch.float64).pooled(torch.from_numpy(x))
    assert np.allclose(pooled.numpy(), np.concatenate(columns, axis=1), atol=1e-12)


def test_stronger_noise_is_strictly_farther_away():
    generator = torch.Generator().manual_seed(1)
    reference = torch.rand(1, 3, 8, 8, generator=generator)
    reference = torch.nn.functional.interpolate(reference, size=64, mode="bilinear")
    noise = torch.randn(reference.shape, generator=generator)
    values = [float(lpips_rand((reference + codes / 255 * noise).clamp(0, 1), reference)) for codes in (1, 4, 16)]
    assert 0 < values[0] < values[1] < values[2] <= 2


def test_identical_images_are_at_distance_zero_and_order_does_not_matter():
    x, y = torch.rand(2, 3, 3, 40, 24)
    assert lpips_rand(x, x).tolist() == [0.0, 0.0, 0.0]
    assert torch.equal(lpips_rand(x, y), lpips_rand(y, x))


def test_a_changed_weight_file_is_refused(tmp_path):
    weights = {f"stage{index}": tensor for index, tensor in enumerate(seeded_weights(RULER_SEED), start=1)}
    weights["stage3"][0, 0, 0, 0] += 1e-6
    changed = tmp_path / "changed.safetensors"
    save_file(weights, changed)
    with pytest.raises(DataError, match="not the shipped ones"):
        read_weights(changed)
    save_file({"stage1": weights["stage1"]}, changed)
    with pytest.raises(DataError, match="holds the tensors"):
        read_weights(changed)
    changed.write_bytes(b"no safetensors at all")
    with pytest.raises(DataError, match="cannot be read"):
        read_weights(changed)


def test_training_gets_another_network_than_the_judge():
    trained = training_features(7)
    assert trained.name != random_features().name
    assert not torch.equal(trained.get_buffer("stage1"), random_features().get_buffer("stage1"))
    with pytest.raises(DataError, match="judges"):
        training_features(RULER_SEED)


def test_a_network_first_used_while_scoring_can_still_serve_a_loss():
    random_features.cache_clear()
    with torch.inference_mode():
        random_features().features(torch.rand(1, 3, 16, 16))
    prediction = torch.rand(1, 3, 16, 16, requires_grad=True)
    lpips_rand(prediction, torch.rand(1, 3, 16, 16)).sum().backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().sum() > 0


def test_the_size_of_the_stages_is_foretold():
    network = RandomFeatures(seeded_weights(1), name="any")
    stages = network.features(torch.rand(1, 3, 37, 50))
    assert [maps.shape[1] for maps in stages] == list(CHANNELS[1:])
    assert sum(maps.numel() * 4 for maps in stages) == network.bytes_per_image(37, 50)
