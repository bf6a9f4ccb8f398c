"""The latents of opaque images by an RGBA encoder, beside those of the RGB encoder it came from."""

from types import ModuleType

import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.latents import latent_kl, latent_shift, posterior_kl
from reference_models.alphavae.latent_statistics import LatentReport, latent_report
from reference_models.alphavae.model import AlphaVae
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen
from reference_models.training.toml import settings_to_toml


def images(count: int = 3, height: int = 32, width: int = 40) -> torch.Tensor:
    return torch.rand(count, 4, height, width, generator=torch.Generator().manual_seed(4))


def patch_vae() -> PatchVae:
    torch.manual_seed(0)
    vae = PatchVae(PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1))
    for parameter in vae.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return vae.eval()


def moved(vae: AlphaVae, by: float) -> AlphaVae:
    """Shift the mean of every latent channel by changing the bias of the encoder's last convolution."""
    channels = vae.latent_channels
    with torch.no_grad():
        vae.network.encoder.conv_out.bias[:channels] += by
    return vae


def report_of(vae: AlphaVae, rgb: torch.nn.Module, *batches: torch.Tensor) -> LatentReport:
    return latent_report(vae, rgb, batches)


@pytest.mark.parametrize("layout", ["flux", "sdxl", "patch"])
def test_a_widened_encoder_has_the_latents_of_its_rgb_encoder_on_opaque_images(
    layout: str, layouts: ModuleType
) -> None:
    rgb = patch_vae() if layout == "patch" else layouts.network_of(layout)
    colour = "premultiplied" if layout == "patch" else "straight"
    found = report_of(AlphaVae(widen(rgb), colour), rgb, images())
    assert found.images == 3
    assert torch.allclose(found.rgba.mean, found.rgb.mean, atol=1e-6)
    assert torch.allclose(found.rgba.std, found.rgb.std, atol=1e-6)
    assert max(found.latent_kl, found.latent_shift, found.posterior_kl) < 1e-6


def test_a_moved_encoder_is_reported_by_the_closed_forms(layouts: ModuleType) -> None:
    rgb = layouts.network_of("flux")
    found = report_of(moved(AlphaVae(widen(rgb)), 0.25), rgb, images())
    assert torch.allclose(found.rgba.mean, found.rgb.mean + 0.25, atol=1e-5)
    # Equal spreads: ½(0.25/std)² for each channel.
    assert torch.allclose(found.channel_kl, 0.5 * (0.25 / found.rgb.std).square(), rtol=1e-3)
    assert found.latent_kl == pytest.approx(float(found.channel_kl.mean()))


def test_the_numbers_are_those_of_the_metrics_on_all_positions(layouts: ModuleType) -> None:
    rgb, other = layouts.network_of("flux", seed=0), layouts.network_of("flux", seed=1)
    batch = images()
    found = report_of(AlphaVae(widen(other)), rgb, batch)
    with torch.no_grad():
        new, old = (network.encode(batch[:, :3] * 2 - 1).latent_dist for network in (other, rgb))
    assert found.latent_kl == pytest.approx(latent_kl(new.mean, old.mean), rel=1e-4)
    assert found.latent_shift == pytest.approx(float(latent_shift(new.mean, old.mean).mean()), rel=1e-4)
    gaps = posterior_kl(new.mean, new.logvar, old.mean, old.logvar)
    assert found.posterior_kl == pytest.approx(float(gaps.mean()), rel=1e-4)


def test_how_images_are_cut_into_batches_changes_nothing(layouts: ModuleType) -> None:
    rgb, other = layouts.network_of("flux", seed=0), layouts.network_of("flux", seed=1)
    vae, batch = AlphaVae(widen(other)), images()
    whole, cut = report_of(vae, rgb, batch), report_of(vae, rgb, batch[:1], batch[1:])
    assert cut.latent_kl == pytest.approx(whole.latent_kl, rel=1e-4)
    assert cut.posterior_kl == pytest.approx(whole.posterior_kl, rel=1e-4)
    assert cut.numbers().keys() == {"latent_mean", "latent_std", "latent_kl", "latent_shift", "posterior_kl"}


def test_alpha_and_size_do_not_matter(layouts: ModuleType) -> None:
    rgb, other = layouts.network_of("sdxl", seed=0), layouts.network_of("sdxl", seed=1)
    vae, batch = AlphaVae(widen(other)), images(height=30, width=37)
    other_alpha = torch.cat([batch[:, :3], 1 - batch[:, 3:]], 1)
    assert report_of(vae, rgb, batch).numbers() == report_of(vae, rgb, other_alpha).numbers()


def test_the_report_fits_into_a_toml_table_and_needs_images(layouts: ModuleType) -> None:
    rgb = layouts.network_of("sdxl")
    vae = AlphaVae(widen(rgb))
    text = settings_to_toml({"latents": report_of(vae, rgb, images()).settings()})
    assert "[latents]\nopaque_images = 3" in text
    with pytest.raises(DataError, match="no opaque images"):
        latent_report(vae, rgb, [])
