"""Encoding, decoding and the adapter around them: what reaches which network, orders, sizes, rounding."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alphabench.image.codec import quantise
from alphabench.metrics.harmlessness import harm_psnr
from alphabench.metrics.latents import latent_shift, posterior_kl
from alphabench.models.contract import HarmlessnessProbe, ParentComparison, Reconstructor
from alphabench.models.spec import ModelInfo
from reference_models.layerdiffuse.adapter import LayerDiffuseReconstructor
from reference_models.layerdiffuse.base import FrozenBase
from reference_models.layerdiffuse.config import LayerDiffuseConfig
from reference_models.layerdiffuse.model import LayerDiffuse
from reference_models.layerdiffuse.networks import TransparencyNetworks
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig

INFO = ModelInfo(name="test", org="local", licence="unknown", kind="checkpoint")
SMALL = PatchVaeConfig(latent_channels=4, fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1)


class Constant(nn.Module):
    """Stands for a network: records what it is given and answers with constants."""

    def __init__(self, values: list[float], *, shrink: int = 1) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(1, 1, 1)  # the decoder's dtype is asked of it
        self.values, self.shrink = torch.tensor(values).reshape(1, -1, 1, 1), shrink
        self.seen: list[tuple[Tensor, ...]] = []

    def forward(self, *inputs: Tensor) -> Tensor:
        self.seen.append(tuple(x.clone() for x in inputs))
        batch, _, height, width = inputs[0].shape
        return self.values.expand(batch, -1, height // self.shrink, width // self.shrink)


def model(vae: PatchVaeConfig = SMALL, **changes: Any) -> LayerDiffuse:
    """A tiny model that hears its latent; sides are multiples of 16."""
    torch.manual_seed(1)
    settings: dict[str, Any] = {
        "base": "vae",
        "base_sha256": "",
        "channel_order": "ARGB",
        "offset_gain": 300.0,
        "encoder_widths": (4, 4, 8, 8),
        "decoder_widths": (8, 8, 8, 16, 16),
        "decoder_layers": 1,
    }
    config = LayerDiffuseConfig(**settings | changes)
    networks = TransparencyNetworks(config)
    base = PatchVae(vae)
    for parameter in base.decoder.out.parameters():
        nn.init.normal_(parameter, std=0.1)
    made = LayerDiffuse(networks, FrozenBase(base))
    nn.init.normal_(networks.decoder.latent_conv_in.weight)
    return made.eval().requires_grad_(requires_grad=False)


def adapter(inner: LayerDiffuse) -> LayerDiffuseReconstructor:
    return LayerDiffuseReconstructor(inner, INFO, device=torch.device("cpu"), dtype=torch.float32)


def images(height: int = 32, width: int = 32) -> Tensor:
    made = torch.rand(1, 4, height, width)
    made[:, 3] = (made[:, 3] * 3 - 1).clamp(0, 1)
    return made


def test_a_fresh_model_leaves_the_latent_as_it_is_and_does_no_harm() -> None:
    found = adapter(model()).probe(images(20, 36))
    assert torch.equal(found.shifted_mean, found.original_mean)
    assert torch.equal(found.shifted_decode, found.original_decode)
    assert found.image.shape == found.original_decode.shape == (1, 3, 20, 36)
    assert float(harm_psnr(found.shifted_decode, found.original_decode)) == float("inf")
    assert float(latent_shift(found.shifted_mean, found.original_mean)) == 0
    assert divergence(found) == 0


def divergence(found: ParentComparison) -> float:
    return float(
        posterior_kl(found.shifted_mean, found.shifted_log_variance, found.original_mean, found.original_log_variance)
    )


def test_the_shift_is_counted_in_posterior_standard_deviations() -> None:
    inner = model(dataclasses.replace(SMALL, initial_log_variance=-1.0))
    inner.networks.encoder = Constant([0.01] * 4, shrink=8)  # type: ignore[assignment]
    encoding = inner.encode(images())
    torch.testing.assert_close(encoding.shift / encoding.std, torch.full_like(encoding.std, 3.0))
    # ½ mean((z - mu)² / sd²): the divergence of two Gaussians of equal spread, three deviations apart.
    assert divergence(adapter(inner).probe(images())) == pytest.approx(4.5, abs=1e-5)


def test_the_shift_can_be_counted_in_shares_of_the_latents_spread() -> None:
    inner = model(offset_unit="latent_std", latent_std=(1.0, 2.0, 3.0, 4.0))
    inner.networks.encoder = Constant([0.5] * 4, shrink=8)  # type: ignore[assignment]
    shift = inner.encode(images()).shift
    torch.testing.assert_close(shift[0, :, 0, 0], 0.05 * torch.tensor([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize(("order", "alpha", "colour"), [("ARGB", 0.1, (0.2, 0.3, 0.4)), ("RGBA", 0.4, (0.1, 0.2, 0.3))])
def test_the_channel_order_governs_what_the_decoder_says(
    order: str, alpha: float, colour: tuple[float, float, float]
) -> None:
    inner = model(channel_order=order)
    inner.networks.decoder = Constant([0.1, 0.2, 0.3, 0.4])  # type: ignore[assignment]
    made = adapter(inner).reconstruct(images(20, 20))
    torch.testing.assert_close(made[0, :, 7, 7], torch.tensor([*colour, alpha]))


@pytest.mark.parametrize(("order", "index"), [("ARGB", 0), ("RGBA", 3)])
def test_the_channel_order_governs_what_the_encoder_reads(order: str, index: int) -> None:
    inner = model(channel_order=order)
    stub = Constant([0.0] * 4, shrink=8)
    inner.networks.encoder = stub  # type: ignore[assignment]
    given = images()
    inner.encode(given)
    assert torch.equal(stub.seen[0][0][:, index], given[:, 3])
    assert float(stub.seen[0][0].min()) >= 0


@pytest.mark.parametrize(("colour", "alpha", "fed"), [(1.0, 0.5, 0.5), (0.7, 0.0, 0.0), (0.3, 1.0, -0.4)])
def test_the_frozen_encoder_is_fed_the_grey_composite(colour: float, alpha: float, fed: float) -> None:
    inner = model()
    seen: list[Tensor] = []
    inner.base.network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    inner.encode(torch.cat([torch.full((1, 3, 16, 16), colour), torch.full((1, 1, 16, 16), alpha)], 1))
    torch.testing.assert_close(seen[0], torch.full((1, 3, 16, 16), fed), atol=1e-6, rtol=0)
    inner.encode(images())
    assert float(seen[1].abs().max()) <= 1


def test_both_decoders_see_one_unscaled_latent_and_the_scaling_factor_changes_nothing() -> None:
    made = []
    for factor in (1.0, 0.13025):
        inner = model(dataclasses.replace(SMALL, scaling_factor=factor, shift_factor=0.1), ensemble=1)
        seen: list[Tensor] = []
        inner.base.network.decoder.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        inner.networks.decoder.latent_conv_in.register_forward_pre_hook(lambda _, i, seen=seen: seen.append(i[0]))
        encoding = inner.encode(images().clamp(0.2, 0.8))
        made.append(inner.decode(encoding.latents))
        assert torch.equal(seen[0], encoding.latents)
        assert torch.equal(seen[1], encoding.latents)
    torch.manual_seed(0)
    one, other = (
        adapter(model(dataclasses.replace(SMALL, scaling_factor=factor))).reconstruct(torch.full((1, 4, 24, 24), 0.3))
        for factor in (1.0, 0.13025)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("size", [(72, 100), (1, 1), (65, 64)])
@pytest.mark.parametrize("stages", [5, 7])
def test_any_size_comes_back_and_the_networks_see_multiples(size: tuple[int, int], stages: int) -> None:
    inner = model(decoder_widths=(8,) * stages, ensemble=1)
    seen: list[Tensor] = []
    inner.networks.decoder.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made = adapter(inner).reconstruct(images(*size))
    assert made.shape == (1, 4, *size)
    assert bool(torch.isfinite(made).all())
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    multiple = {5: 16, 7: 64}[stages]
    assert [side % multiple for side in seen[0].shape[2:]] == [0, 0]
    assert all(side - given < multiple for side, given in zip(seen[0].shape[2:], size, strict=True))


def test_a_fitting_size_is_passed_on_as_it_is() -> None:
    inner, given = model(), images(32, 48)
    given[:, :3] *= (given[:, 3:] > 0).float()
    made = adapter(inner).reconstruct(given)
    with torch.no_grad():
        assert torch.equal(made, inner.decode(inner.encode(given).latents))


def test_images_of_a_batch_do_not_see_each_other() -> None:
    ours = adapter(model())
    pair = torch.cat([images(20, 36), images(20, 36)])
    both = ours.reconstruct(pair)
    assert torch.equal(both[1:], ours.reconstruct(pair[1:]))


def test_hidden_colour_changes_no_bit() -> None:
    inner = model()
    nn.init.normal_(inner.networks.encoder.blocks[-1].weight, std=1e-3)  # type: ignore[arg-type]
    given = images(40, 24)
    hidden = (given[:, 3:] == 0).expand(-1, 3, -1, -1)
    other = given.clone()
    other[:, :3][hidden] = torch.rand(int(hidden.sum()))
    assert torch.equal(adapter(inner).reconstruct(given), adapter(inner).reconstruct(other))


@pytest.mark.parametrize(("compat", "code"), [("cli", 127), ("none", 128)])
def test_the_released_code_truncates_and_the_benchmark_rounds(compat: str, code: int) -> None:
    inner = model(compat=compat)
    inner.networks.decoder = Constant([0.5] * 4)  # type: ignore[assignment]
    assert set(quantise(adapter(inner).reconstruct(images(16, 16))).flatten().tolist()) == {code}


def test_every_code_survives_truncation() -> None:
    inner = model(compat="cli", ensemble=1)
    for value in (0, 1, 77, 254, 255):
        inner.networks.decoder = Constant([(value + 0.25) / 255 if value < 255 else 1.0] * 4)  # type: ignore[assignment]
        assert set(quantise(adapter(inner).reconstruct(images(16, 16))).flatten().tolist()) == {value}


def test_lower_precision_stays_inside_the_decoders() -> None:
    inner = model()
    exact = inner.encode(images(16, 16).round())
    ours = LayerDiffuseReconstructor(inner, INFO, device=torch.device("cpu"), dtype=torch.bfloat16)
    made = ours.reconstruct(images(16, 16))
    assert made.dtype == torch.float32
    assert {p.dtype for p in inner.networks.encoder.parameters()} == {torch.float32}
    assert {p.dtype for p in inner.base.network.encoder.parameters()} == {torch.float32}
    assert {p.dtype for p in inner.networks.decoder.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in inner.base.network.decoder.parameters()} == {torch.bfloat16}
    assert exact.latents.dtype == torch.float32


def test_the_adapter_fulfils_both_contracts() -> None:
    assert isinstance(adapter(model()), Reconstructor)
    assert isinstance(adapter(model()), HarmlessnessProbe)
