"""The patch-stem VAE: a linear codec at step 0, local, and the same at every size."""

from pathlib import Path

import pytest
import torch
from torch import nn

from alphabench.errors import DataError
from reference_models.rgb_vae.folder import load_folder, save_folder
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig, Posterior
from reference_models.training.linear_codec import PatchStatistics, patches_of

TINY = PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)


def random_vae() -> PatchVae:
    torch.manual_seed(0)
    vae = PatchVae(TINY)
    for parameter in vae.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return vae.eval().requires_grad_(requires_grad=False)


def test_before_training_it_is_the_linear_codec_of_its_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.nn.functional.interpolate(torch.rand(4, 3, 12, 12, generator=generator), (64, 64), mode="bilinear")
    images = images * 2 - 1
    statistics = PatchStatistics(192)
    patches = patches_of(images, 8)
    statistics.add(patches[:100])
    statistics.add(patches[100:])
    mean, basis, spread = statistics.components(16)
    assert torch.allclose(mean, patches.mean(0), atol=1e-5)
    centred = (patches - patches.mean(0)).double().numpy()
    singular = torch.linalg.svdvals(torch.from_numpy(centred))[:16] / len(patches) ** 0.5
    assert torch.allclose(spread.double(), singular, rtol=1e-3)

    vae = PatchVae(TINY).eval()
    vae.set_linear_path(mean, basis, spread**0.5)
    with torch.no_grad():
        decoded = vae.decode_unclamped(vae.encode(images).mode())
    linear = mean + (patches - mean) @ basis @ basis.T
    assert torch.allclose(patches_of(decoded, 8), linear, atol=1e-4)


def test_the_posterior_sample_has_its_mean_and_spread() -> None:
    mean, log_variance = torch.full((1, 1, 200, 200), 2.0), torch.full((1, 1, 200, 200), -2.0)
    noise = torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    posterior = Posterior(mean, log_variance)
    sample = posterior.sample(noise)
    assert float(sample.mean()) == pytest.approx(2.0, abs=0.01)
    assert float(sample.std()) == pytest.approx(float(torch.exp(torch.tensor(-1.0))), rel=0.02)
    assert torch.equal(posterior.mode(), mean)


def test_a_far_pixel_changes_nothing_here() -> None:
    vae = random_vae()
    first = torch.rand(1, 3, 32, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    second = first.clone()
    second[..., 200:] = -second[..., 200:]
    results = [vae.decode_unclamped(vae.encode(images).mode()) for images in (first, second)]
    assert torch.allclose(results[0][..., :64], results[1][..., :64], atol=1e-5)
    assert not torch.allclose(results[0][..., 200:], results[1][..., 200:], atol=1e-2)


def test_a_folder_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    vae = random_vae()
    save_folder(tmp_path / "vae", vae, settings="step = 1\n", dtype=torch.float32)
    loaded = load_folder(tmp_path / "vae", channels=3)
    assert loaded.config == vae.config
    state = loaded.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in vae.state_dict().items())
    assert (tmp_path / "vae" / "alphabench.toml").read_text(encoding="utf-8") == "step = 1\n"


def test_half_precision_on_disk_is_float32_in_memory(tmp_path: Path) -> None:
    vae = random_vae()
    save_folder(tmp_path / "vae", vae, settings="")
    loaded = load_folder(tmp_path / "vae", channels=3)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    weight = vae.encoder.stem.weight
    assert torch.equal(loaded.encoder.stem.weight, weight.half().float())


def test_a_folder_of_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    save_folder(tmp_path / "vae", random_vae(), settings="")
    with pytest.raises(DataError, match="3 image channels where 4 are needed"):
        load_folder(tmp_path / "vae", channels=4)
