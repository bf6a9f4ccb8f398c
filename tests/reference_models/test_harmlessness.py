"""Both families offer the same probe, and one function scores both."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from alphabench.errors import DataError, UsageError
from alphabench.models.contract import HarmlessnessProbe
from alphabench.models.spec import LoadRequest, ModelInfo
from alphabench.tasks.harmlessness import measured
from reference_models.alphavae.adapter import AlphaVaeReconstructor
from reference_models.alphavae.adapter import load as load_alphavae
from reference_models.alphavae.folder import save_network
from reference_models.alphavae.model import AlphaVae
from reference_models.layerdiffuse.adapter import LayerDiffuseReconstructor
from reference_models.layerdiffuse.base import FrozenBase
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.model import LayerDiffuse
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen

INFO = ModelInfo(name="test", org="local", licence="unknown", kind="checkpoint")
SMALL = PatchVaeConfig(latent_channels=4, fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)
CPU = {"device": torch.device("cpu"), "dtype": torch.float32}


class Constant(nn.Module):
    """Stands for the transparent encoder: one number everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, planes: Tensor) -> Tensor:
        batch, _, height, width = planes.shape
        return torch.full((batch, 4, height // 8, width // 8), self.value)


def layerdiffuse() -> LayerDiffuseReconstructor:
    torch.manual_seed(1)
    config = LayerDiffuseConfig(
        base="vae", base_sha256="", channel_order="ARGB", offset_gain=300.0, encoder_widths=(4, 4, 8, 8),
        decoder_widths=(8, 8, 8, 16, 16), decoder_layers=1,
    )  # fmt: skip
    base = PatchVae(SMALL)
    nn.init.normal_(base.encoder.out.weight, std=0.1)
    return LayerDiffuseReconstructor(LayerDiffuse(TransparencyNetworks(config), FrozenBase(base)), INFO, **CPU)


def pictures(*, opaque: bool) -> Tensor:
    torch.manual_seed(4)
    made = torch.rand(1, 4, 32, 40)
    made[:, 3] = 1.0 if opaque else (made[:, 3] * 3 - 1).clamp(0, 1)
    return made


@pytest.mark.parametrize("opaque", [True, False])
def test_an_untrained_layerdiffuse_is_perfectly_harmless(*, opaque: bool) -> None:
    model = layerdiffuse()
    found = model.probe(pictures(opaque=opaque))
    values = {name: value.item() for name, value in measured(found).items()}
    assert values == {"harm_psnr": math.inf, "harm_drop": 0.0, "latent_shift": 0.0, "posterior_kl": 0.0}
    assert torch.equal(found.shifted_mean, found.original_mean)
    assert found.image.shape == found.shifted_decode.shape == (1, 3, 32, 40)


def test_an_offset_of_three_deviations_is_four_and_a_half_nats() -> None:
    model = layerdiffuse()
    model.model.networks.encoder = Constant(0.01)  # type: ignore[assignment]
    values = measured(model.probe(pictures(opaque=False)))
    assert values["posterior_kl"].item() == pytest.approx(4.5, abs=1e-6)
    assert values["harm_psnr"].item() < 100
    assert values["latent_shift"].item() > 0


def widened(tmp_path: Path) -> tuple[AlphaVaeReconstructor, PatchVae]:
    """An AlphaVAE in a folder that names its parent beside it, nudged so that its latents moved."""
    torch.manual_seed(5)
    base = PatchVae(SMALL)
    nn.init.normal_(base.encoder.out.weight, std=0.1)
    save_network(tmp_path / "base", base, settings="", dtype=torch.float32)
    vae = widen(base)
    save_network(tmp_path / "made", vae, settings=f"[model]\nbase = '{tmp_path / 'base'}'\n", dtype=torch.float32)
    loaded = load_alphavae(LoadRequest(checkpoint=tmp_path / "made"))
    return loaded, base


def test_a_widened_autoencoder_is_harmless_on_opaque_images_until_it_is_trained(tmp_path: Path) -> None:
    model, _ = widened(tmp_path)
    model.open_parent()
    values = measured(model.probe(pictures(opaque=True)))
    assert values["harm_psnr"].item() > 90
    assert values["posterior_kl"].item() < 1e-6
    with torch.no_grad():
        model.vae.network.encoder.linear.bias += 0.1
    moved = measured(model.probe(pictures(opaque=True)))
    assert moved["harm_psnr"].item() < values["harm_psnr"].item()
    assert moved["latent_shift"].item() > 0.01


def test_the_parents_own_decoder_is_used_and_not_the_new_one(tmp_path: Path) -> None:
    model, base = widened(tmp_path)
    with torch.no_grad():
        model.vae.network.decoder.linear.bias += 1.0
        model.vae.network.encoder.linear.bias += 0.3
    image = pictures(opaque=True)
    found = model.probe(image)
    assert not torch.equal(found.shifted_decode, found.original_decode)
    torch.testing.assert_close(found.original_mean.float(), base.encode(image[:, :3] * 2 - 1).mean)
    for mean, decode in ((found.shifted_mean, found.shifted_decode), (found.original_mean, found.original_decode)):
        expected = (base.decode_unclamped(mean.float()) / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(decode, expected)


def test_one_function_scores_both_families_and_knows_the_direction(tmp_path: Path) -> None:
    alphavae, _ = widened(tmp_path)
    with torch.no_grad():
        alphavae.vae.network.encoder.out.bias += 0.2  # means and log-variances
    ours = layerdiffuse()
    ours.model.networks.encoder = Constant(0.02)  # type: ignore[assignment]
    for model in (alphavae, ours):
        assert isinstance(model, HarmlessnessProbe)
        found = model.probe(pictures(opaque=True))
        swapped = dataclasses.replace(
            found,
            original_mean=found.shifted_mean,
            original_log_variance=found.shifted_log_variance,
            original_decode=found.shifted_decode,
            shifted_mean=found.original_mean,
            shifted_log_variance=found.original_log_variance,
            shifted_decode=found.original_decode,
        )
        one, other = measured(found), measured(swapped)
        assert one["harm_psnr"].item() == other["harm_psnr"].item()
        assert one["harm_drop"].item() == pytest.approx(-other["harm_drop"].item())


def test_a_checkpoint_that_does_not_name_its_parent_is_refused_with_words(tmp_path: Path) -> None:
    model, _ = widened(tmp_path)
    settings = tmp_path / "made" / "alphabench.toml"
    for text, words in (("step = 1\n", "does not say which"), ("[model]\nbase = 'nowhere'\n", "nowhere")):
        settings.write_text(text, encoding="utf-8")
        with pytest.raises((DataError, UsageError), match=words):
            model.open_parent()
    settings.write_text(f"base_sha256 = 'abc'\n[model]\nbase = '{tmp_path / 'base'}'\n", encoding="utf-8")
    with pytest.raises(DataError, match="abc"):
        model.open_parent()
    with pytest.raises(DataError, match="not loaded from a folder"):
        AlphaVaeReconstructor(AlphaVae(PatchVae(SMALL)), INFO, **CPU).open_parent()
