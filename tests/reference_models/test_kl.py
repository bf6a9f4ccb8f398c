"""A8 of the AlphaVAE acceptance tests."""

import copy

import pytest
import torch
from torch import Tensor, distributions, nn

from reference_models.losses.kl import kl_between, kl_to_standard
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen


def of(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def test_divergences_computed_by_hand() -> None:
    half, quarter = of(0.5), of(0.25).log()
    assert float(kl_to_standard(half, quarter)) == pytest.approx(0.443147, abs=1e-6)
    assert float(kl_between(half, quarter, of(0.0), of(0.5).log())) == pytest.approx(0.346574, abs=1e-6)


def test_divergences_agree_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(3, 4, 2, 2, generator=generator, dtype=torch.float64) for _ in range(4)]
    left = distributions.Normal(ours[0], (0.5 * ours[1]).exp())
    right = distributions.Normal(ours[2], (0.5 * ours[3]).exp())
    expected = distributions.kl_divergence(left, right).flatten(1).sum(1)
    assert torch.allclose(kl_between(*ours), expected)


def opaque(generator: torch.Generator) -> Tensor:
    colours = torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1
    return torch.cat([colours, torch.ones(2, 1, 32, 32)], 1)


def reference_pair() -> tuple[PatchVae, PatchVae]:
    torch.manual_seed(0)
    rgb = PatchVae(PatchVaeConfig(fine_channels=8, coarse_channels=16, initial_log_variance=0.0))
    for parameter in rgb.parameters():
        nn.init.normal_(parameter, 0, 0.05)
    wide = widen(rgb)
    return wide, copy.deepcopy(wide)


def test_after_surgery_the_reference_divergence_is_exactly_zero() -> None:
    trained, reference = reference_pair()
    images = opaque(torch.Generator().manual_seed(1))
    ours, theirs = trained.encode(images), reference.encode(images)
    value = kl_between(ours.mean, ours.log_variance, theirs.mean, theirs.log_variance)
    assert value.tolist() == [0.0, 0.0]


def test_the_released_reference_weight_does_nothing_and_a_large_one_does() -> None:
    trained, reference = reference_pair()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trained.encoder.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.05 * parameter.abs().mean() * noise)
    images = opaque(generator)

    def gradient(weight: float) -> Tensor:
        ours, theirs = trained.encode(images), reference.encode(images)
        decoded = trained.decode_unclamped(ours.mean)
        divergence = kl_between(ours.mean, ours.log_variance, theirs.mean, theirs.log_variance).sum()
        loss = (decoded - images).square().sum() + weight * divergence
        found = torch.autograd.grad(loss, list(trained.encoder.parameters()), allow_unused=True)
        return torch.cat([g.flatten() for g in found if g is not None])

    plain = gradient(0.0)
    assert float((gradient(1e-16) - plain).norm() / plain.norm()) < 1e-9
    assert float((gradient(1e-2) - plain).norm() / plain.norm()) > 1e-5
