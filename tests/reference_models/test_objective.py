"""A16 and A17 of the AlphaVAE acceptance tests: the switches of the objective, and that it can be learned."""

import dataclasses
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

from reference_models.alphavae.config import LossConfig
from reference_models.alphavae.folder import load_network
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.objective import (
    MEASURE,
    POSITIONS,
    SIGNS,
    AlphaObjective,
    decoder_end,
    encoder_end,
    seen_by_discriminator,
)
from reference_models.alphavae.ranges import to_network
from reference_models.losses.abmse import RELEASED_MOMENTS, abmse
from reference_models.losses.adversarial import PatchDiscriminator
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen
from reference_models.training.adversary import FAKE, REAL
from reference_models.training.linear_codec import PatchStatistics, patches_of
from reference_models.training.procedural import FAMILIES
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.streams import array_stream


def tiny(colour: Any = "straight") -> AlphaVae:
    torch.manual_seed(0)
    config = PatchVaeConfig(fine_channels=16, coarse_channels=32, fine_blocks=1, coarse_blocks=1)
    network = widen(PatchVae(config))
    network.config = dataclasses.replace(network.config, colour=colour)
    return AlphaVae(network, colour)


def batch(count: int = 2, size: int = 32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "images": torch.rand(count, 4, size, size, generator=generator),
        "noise": torch.randn(count, 16, size // 8, size // 8, generator=generator),
        SIGNS: torch.tensor([-1.0, 1.0, 1.0]).expand(count, 2, 3),
    }


@pytest.mark.parametrize(
    ("changes", "absent", "present"),
    [
        ({}, set(), {"abmse", "perceptual", "kl", "reference_kl"}),
        ({"reconstruction": "mse"}, {"abmse"}, {"mse", "perceptual", "kl", "reference_kl"}),
        ({"reconstruction": "premultiplied_mse"}, {"abmse", "mse"}, {"premultiplied_mse", "perceptual"}),
        ({"reconstruction": "sampled_backgrounds"}, {"abmse", SIGNS}, {"sampled_backgrounds", "perceptual"}),
        ({"adversarial_weight": 1.0}, set(), {"abmse", REAL, FAKE}),
        ({"adversarial_weight": 0.0}, {REAL, FAKE}, {"abmse"}),
        ({"perceptual_weight": 0.0}, {"perceptual"}, {"abmse", "kl", "reference_kl"}),
        ({"kl_weight": 0.0}, {"kl"}, {"abmse", "perceptual", "reference_kl"}),
        ({"reference_kl_weight": 0.0}, {"reference_kl"}, {"abmse", "perceptual", "kl"}),
    ],
)
def test_a_term_of_weight_zero_is_not_computed_and_its_network_not_kept(
    changes: dict[str, Any], absent: set[str], present: set[str]
) -> None:
    objective = AlphaObjective(tiny(), dataclasses.replace(LossConfig(), **changes))
    terms = objective(batch())
    assert absent.isdisjoint(terms)
    assert present <= terms.keys()
    assert (objective.perceptual is None) == ("perceptual" in absent)
    assert (objective.reference is None) == ("reference_kl" in absent)


@pytest.mark.parametrize("colour", ["straight", "premultiplied"])
def test_the_reconstruction_term_is_abmse_of_the_straight_images(colour: Any) -> None:
    vae = tiny(colour)
    config = LossConfig(perceptual_weight=0.0, kl_weight=0.0, reference_kl_weight=0.0)
    data = batch()
    terms = AlphaObjective(vae, config)(data)
    posterior = vae.encode(to_network(data["images"], colour))
    decoded = vae.decode_unclamped(posterior.sample(data["noise"]))
    straight = decoded
    if colour == "premultiplied":  # y = 2ca-1 to 2c-1, where alpha is not 0
        opacity = (decoded[:, 3:] + 1) / 2
        straight = torch.cat([(decoded[:, :3] + 1) / opacity - 1, decoded[:, 3:]], 1)
    expected = abmse(straight, data["images"] * 2 - 1, RELEASED_MOMENTS).mean()
    assert torch.allclose(terms["loss"], expected, rtol=1e-4)
    mean = AlphaObjective(vae, dataclasses.replace(config, reduction="mean"))(data)
    assert torch.allclose(mean["loss"] * 3 * 32 * 32, terms["loss"], rtol=1e-5)


def test_the_reference_divergence_is_zero_before_the_first_step() -> None:
    objective = AlphaObjective(tiny(), LossConfig())
    assert float(objective(batch())["reference_kl"].detach()) == 0.0


def test_each_image_of_the_reference_divergence_stands_for_its_stride() -> None:
    """Over four images by two and two, as two processes have them, the mean is that of all images."""
    vae, whole = tiny(), batch(4)
    moved = AlphaObjective(vae, LossConfig())
    fewer = AlphaObjective(vae, LossConfig(), reference_stride=2)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.05 * parameter.abs().mean() * torch.randn_like(parameter))
        expected = moved(whole)["reference_kl"]
        found = [fewer(whole | {POSITIONS: torch.tensor(places)})["reference_kl"] for places in ([0, 2], [1, 3])]
    assert float(expected) > 0
    assert float(found[0]) != float(found[1])
    assert float(sum(found)) / 2 == pytest.approx(float(expected), rel=1e-5)


def test_a_share_of_a_batch_without_an_image_of_the_reference_divergence_has_none() -> None:
    objective = AlphaObjective(tiny(), LossConfig(), reference_stride=4)
    terms = objective(batch() | {POSITIONS: torch.tensor([], dtype=torch.long), MEASURE: torch.ones(())})
    assert float(terms["reference_kl"].detach()) == float(terms["reference_kl_share"]) == 0.0
    terms["loss"].backward()
    assert all(parameter.grad is not None for parameter in objective.vae.parameters())


def test_the_posterior_is_in_float32_under_autocast(layouts: ModuleType, tmp_path: Path) -> None:
    layouts.write_folder(tmp_path / "vae", "flux")
    vaes = [tiny(), AlphaVae(widen(load_network(tmp_path / "vae", channels=3)))]
    for vae in vaes:
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            posterior = vae.encode(batch()["images"] * 2 - 1)
        assert (posterior.mean.dtype, posterior.log_variance.dtype) == (torch.float32, torch.float32)


def test_every_trained_weight_gets_a_gradient_after_one_step() -> None:
    objective = AlphaObjective(tiny(), LossConfig())
    optimizer = torch.optim.SGD(objective.vae.parameters(), lr=1e-7)
    for _ in range(3):
        optimizer.zero_grad()
        objective(batch())["loss"].backward()
        optimizer.step()
    idle = [name for name, p in objective.vae.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert objective.reference is not None
    assert all(p.grad is None for p in objective.reference.parameters())


def bare(**changes: Any) -> LossConfig:
    return LossConfig(perceptual_weight=0.0, kl_weight=0.0, reference_kl_weight=0.0, **changes)


def test_the_mean_over_many_sampled_backgrounds_approaches_abmse() -> None:
    vae, data = tiny(), batch()
    expected = float(AlphaObjective(vae, bare())(data)["loss"].detach())
    data[SIGNS] = torch.randint(0, 2, (2, 4000, 3), generator=torch.Generator().manual_seed(4)) * 2.0 - 1
    sampled = AlphaObjective(vae, bare(reconstruction="sampled_backgrounds"))(data)["loss"]
    assert float(sampled.detach()) == pytest.approx(expected, rel=0.02)


def test_the_plain_error_over_four_channels_counts_hidden_colours_and_the_others_do_not() -> None:
    data = batch()
    data["images"][:, 3] = 0.0
    hidden = {name: tensor.clone() for name, tensor in data.items()}
    hidden["images"][:, :3] = 1 - hidden["images"][:, :3]
    for reconstruction in ("abmse", "premultiplied_mse", "sampled_backgrounds"):
        # Premultiplied, the encoder cannot see hidden colours either.
        objective = AlphaObjective(tiny("premultiplied"), bare(reconstruction=reconstruction))
        assert torch.equal(objective(data)["loss"], objective(hidden)["loss"])
    objective = AlphaObjective(tiny(), bare(reconstruction="mse"))
    assert not torch.equal(objective(data)["loss"], objective(hidden)["loss"])


def test_with_equal_gradients_an_image_at_the_named_psnr_keeps_its_gradient_and_a_worse_one_has_less() -> None:
    """With e the mean error of a range of 2, 20 dB is e = 0.04: there d/de 2k√e is 1."""
    plain = AlphaObjective(tiny(), bare(reduction="mean"))
    equal = AlphaObjective(tiny(), bare(reduction="mean", equal_gradient_db=20.0))
    for error, gradient in ((0.04, 1.0), (0.16, 0.5), (0.01, 2.0)):
        assert plain._equalised(torch.tensor([error]), 1).item() == pytest.approx(error)
        entered = torch.tensor([300 * error], requires_grad=True)
        equal._equalised(entered, 300).sum().backward()
        assert entered.grad is not None
        assert float(entered.grad) == pytest.approx(gradient, rel=1e-3)
    data = batch()
    terms, plain_terms = equal(data), plain(data)
    assert torch.equal(terms["abmse"], plain_terms["abmse"])
    errors = [float(plain({k: v[i : i + 1] for k, v in data.items()})["abmse"].detach()) for i in range(2)]
    expected = sum(2 * 0.2 * math.sqrt(error + 1e-6) for error in errors) / 2
    assert float(terms["loss"].detach()) == pytest.approx(expected, rel=1e-5)


def released(base_channels: int = 8) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(base_channels, base_channels),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
    )


def test_alpha_learns_from_the_opaque_start_because_training_does_not_clamp() -> None:
    data = batch()
    data["noise"] = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    vae = AlphaVae(widen(released()))
    AlphaObjective(vae, bare())(data)["loss"].backward()
    bias = vae.network.decoder.conv_out.bias
    assert bias.grad is not None
    assert float(bias.grad[3]) > 0
    clamped = AlphaVae(widen(released()))
    unclamped = clamped.decode_unclamped
    clamped.decode_unclamped = lambda latents: unclamped(latents).clamp(-1, 1)  # type: ignore[method-assign]
    AlphaObjective(clamped, bare())(data)["loss"].backward()
    assert float(clamped.network.decoder.conv_out.bias.grad[3]) == 0


@pytest.mark.parametrize("weight", [1e-16, 1e-2])
def test_the_share_of_the_reference_term_in_the_gradient_is_measured_when_asked(weight: float) -> None:
    vae, data = tiny(), batch()
    objective = AlphaObjective(vae, LossConfig(reference_kl_weight=weight, perceptual_weight=0.0))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.05 * parameter.abs().mean() * torch.randn_like(parameter))
    assert "reference_kl_share" not in objective(data)
    terms = objective(data | {MEASURE: torch.ones(())})
    weights = encoder_end(vae)
    norms = []
    for loss in (weight * terms["reference_kl"], terms["loss"]):
        vae.zero_grad()
        loss.backward(retain_graph=True)
        assert weights.grad is not None
        norms.append(float(weights.grad.norm()))
    share = float(terms["reference_kl_share"])
    assert share == pytest.approx(norms[0] / norms[1], rel=1e-4)
    assert share < 1e-9 if weight == 1e-16 else share > 1e-5


def test_a_premultiplied_discriminator_sees_no_hidden_colour_and_a_straight_one_does() -> None:
    network = PatchDiscriminator(width=4).eval()
    images = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images[:, 3] = -1.0
    images[:, 3, 8:16] = 0.5
    other = images.clone()
    other[:, :3][images[:, 3:].expand(-1, 3, -1, -1) == -1] = 0.9
    logits = {
        seen: [network(seen_by_discriminator(x, "straight", seen)) for x in (images, other)]
        for seen in ("straight", "premultiplied")
    }
    assert torch.equal(*logits["premultiplied"])
    assert not torch.equal(*logits["straight"])
    rgba = (images + 1) / 2
    expected = to_network(rgba, "premultiplied")
    assert torch.allclose(seen_by_discriminator(images, "straight", "premultiplied"), expected, atol=1e-6)
    with pytest.raises(ValueError, match="premultiplied"):
        seen_by_discriminator(images, "premultiplied", "straight")


def test_the_adaptive_weight_is_taken_at_the_last_convolution_of_either_layout() -> None:
    patch, layered = tiny(), AlphaVae(widen(released()))
    assert decoder_end(patch) is patch.network.decoder.out.weight
    assert decoder_end(layered) is layered.network.decoder.conv_out.weight
    assert encoder_end(layered) is layered.network.encoder.conv_out.weight


def test_one_image_with_soft_alpha_is_learned_from_the_opaque_start() -> None:
    family, _ = FAMILIES["feathered_shapes"]
    codes = to_codes(family(array_stream(1, 0, "overfit"), 64))
    data = {"images": torch.from_numpy(codes)[None].float() / 255}
    vae = tiny("premultiplied")
    statistics = PatchStatistics(192)
    target = to_network(data["images"], "premultiplied")
    statistics.add(patches_of(target[:, :3], 8))
    mean, basis, spread = statistics.components(16)
    rgb = PatchVae(dataclasses.replace(vae.network.config, channels=3))
    rgb.set_linear_path(mean, basis, spread.clamp_min(0.1))
    network = widen(rgb)
    network.config = dataclasses.replace(network.config, colour="premultiplied")
    vae = AlphaVae(network, "premultiplied")
    config = LossConfig(reduction="mean", perceptual_weight=0.0, kl_weight=0.0, reference_kl_weight=0.0)
    objective = AlphaObjective(vae, config)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    losses, errors = [], []
    for _ in range(300):
        data["noise"] = torch.randn(1, 16, 8, 8, generator=generator)
        loss = objective(data)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        alpha = (vae.decode(vae.encode(target).mode())[:, 3] + 1) / 2
        errors = [(1 - data["images"][:, 3]).abs().mean(), (alpha - data["images"][:, 3]).abs().mean()]
    assert losses[-1] < 0.1 * losses[0]
    assert float(errors[1]) < 0.2 * float(errors[0])
