"""Harmlessness against closed forms, and against the functions of whole latents."""

import math

import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.harmlessness import harm_drop, harm_psnr, kl_of_moments, latent_moments
from alphabench.metrics.latents import latent_kl


def grey(value: float) -> torch.Tensor:
    return torch.full((1, 3, 8, 8), value)


def test_equal_decodes_are_infinite_and_lose_nothing() -> None:
    assert harm_psnr(grey(0.3), grey(0.3)).item() == math.inf
    assert harm_drop(grey(0.3), grey(0.3), grey(0.5)).item() == 0.0
    assert harm_drop(grey(0.5), grey(0.5), grey(0.5)).item() == 0.0


def test_the_drop_is_what_the_new_latent_costs() -> None:
    # Errors of 0.1 and 0.01: 20 dB and 40 dB.
    assert harm_psnr(grey(0.6), grey(0.5)).item() == pytest.approx(20, abs=1e-4)
    assert harm_drop(grey(0.6), grey(0.51), grey(0.5)).item() == pytest.approx(20, abs=1e-4)
    assert harm_drop(grey(0.51), grey(0.6), grey(0.5)).item() == pytest.approx(-20, abs=1e-4)
    assert harm_drop(grey(0.6), grey(0.5), grey(0.5)).isnan().item()


def test_moments_of_samples_hold_all_that_the_divergence_needs() -> None:
    torch.manual_seed(2)
    original = torch.randn(5, 3, 4, 6) * torch.tensor([1.0, 2.0, 0.5]).reshape(1, 3, 1, 1)
    shifted = original * 1.3 + 0.2
    found = kl_of_moments(latent_moments(shifted), latent_moments(original))
    assert found == pytest.approx(latent_kl(shifted, original), rel=1e-5)
    # The direction: swapping both sides is another number.
    assert kl_of_moments(latent_moments(original), latent_moments(shifted)) != pytest.approx(found, rel=0.05)
    assert kl_of_moments(latent_moments(original), latent_moments(original)) == 0.0


def test_each_position_counts_once_whatever_the_size_of_its_sample() -> None:
    torch.manual_seed(3)
    whole, shifted = torch.randn(1, 2, 4, 6), torch.randn(1, 2, 4, 6) + 0.3
    sides = [torch.cat([latent_moments(z[..., :2]), latent_moments(z[..., 2:])]) for z in (shifted, whole)]
    assert kl_of_moments(*sides) == pytest.approx(latent_kl(shifted, whole), rel=1e-5)


def test_moments_that_say_nothing_are_refused() -> None:
    flat = latent_moments(torch.ones(2, 3, 4, 4))
    with pytest.raises(DataError, match="constant"):
        kl_of_moments(flat, flat)
    with pytest.raises(DataError, match="not finite"):
        kl_of_moments(flat * math.nan, flat)
    with pytest.raises(DataError, match="shapes"):
        kl_of_moments(flat[:, :3], flat)
