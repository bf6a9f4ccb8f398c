"""How far latents moved: against torch's own distributions, closed forms and invariances."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from alphabench.errors import DataError
from alphabench.metrics.latents import gaussian_kl, latent_kl, latent_shift, latent_statistics, posterior_kl


def latents(seed: int, *, channels: int = 3) -> torch.Tensor:
    spread = torch.arange(1, channels + 1).reshape(1, channels, 1, 1)
    noise = torch.randn(4, channels, 5, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise * spread + 0.3 * spread


def test_statistics_are_those_of_all_samples_and_positions_of_a_channel() -> None:
    found = latent_statistics(latents(0))
    columns = latents(0).transpose(0, 1).flatten(1)
    assert torch.allclose(found.mean, columns.mean(1))
    assert torch.allclose(found.std, columns.std(1, unbiased=False))


def test_equal_latents_have_not_moved() -> None:
    z = latents(0)
    assert latent_shift(z, z).tolist() == [0.0] * 4
    assert latent_kl(z, z) == pytest.approx(0, abs=1e-12)
    assert posterior_kl(z, z * 0, z, z * 0).tolist() == [0.0] * 4


def test_the_divergence_of_the_fits_is_that_of_torchs_normals_from_the_original() -> None:
    new, original = latents(1) * 1.3 + 0.2, latents(0)
    ours, theirs = latent_statistics(new), latent_statistics(original)
    expected = kl_divergence(Normal(ours.mean, ours.std), Normal(theirs.mean, theirs.std))
    assert torch.allclose(gaussian_kl(ours, theirs), expected)
    assert latent_kl(new, original) == pytest.approx(float(expected.mean()))
    assert latent_kl(original, new) != pytest.approx(latent_kl(new, original), rel=1e-2)


def test_doubled_latents_by_hand() -> None:
    z = latents(0) - latent_statistics(latents(0)).mean.reshape(1, -1, 1, 1)
    assert latent_kl(2 * z, z) == pytest.approx(0.5 * (math.log(1 / 4) + 4 - 1))
    shift = latent_shift(2 * z, z)
    rms, spread = z.square().flatten(1).mean(1).sqrt(), z.flatten(1).std(1, unbiased=False)
    assert torch.allclose(shift, rms / spread)


def test_the_shift_has_no_unit() -> None:
    new, original = latents(1), latents(0)
    assert torch.allclose(latent_shift(7 * new, 7 * original), latent_shift(new, original))
    assert latent_shift(new, torch.ones_like(new)).isnan().all()


def test_the_posterior_divergence_is_the_mean_of_torchs_over_the_elements_of_an_image() -> None:
    means, log_variances = (latents(1), latents(2)), (latents(3) / 4 - 1, latents(4) / 4)
    normals = [Normal(mean, (log_variance / 2).exp()) for mean, log_variance in zip(means, log_variances, strict=True)]
    expected = kl_divergence(normals[0], normals[1]).flatten(1).mean(1)
    found = posterior_kl(means[0], log_variances[0], means[1], log_variances[1])
    assert torch.allclose(found, expected)


def test_with_equal_variances_it_is_half_the_mean_square_in_standard_deviations() -> None:
    mean, reference, log_variance = latents(1), latents(0), latents(2) / 3
    expected = 0.5 * ((mean - reference).square() / log_variance.exp()).flatten(1).mean(1)
    assert torch.allclose(posterior_kl(mean, log_variance, reference, log_variance), expected)


def test_the_divergences_of_a_batch_are_those_of_its_images() -> None:
    new, original = latents(1), latents(0)
    assert torch.allclose(latent_shift(new, original)[2:3], latent_shift(new[2:3], original[2:3]))
    order = torch.tensor([2, 0, 3, 1])
    assert latent_kl(new[order], original[order]) == pytest.approx(latent_kl(new, original), rel=1e-12)


def test_latents_that_cannot_be_compared_are_refused() -> None:
    z = latents(0)
    with pytest.raises(DataError, match="shapes"):
        latent_shift(z, z[:, :2])
    with pytest.raises(DataError, match="not finite"):
        latent_kl(z * math.inf, z)
    flat = z.clone()
    flat[:, 1] = 4.0
    with pytest.raises(DataError, match="first channel 1"):
        latent_kl(z, flat)
    with pytest.raises(DataError, match="empty"):
        latent_statistics(z[:0])
