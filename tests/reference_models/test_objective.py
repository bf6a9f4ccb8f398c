"""A16 and A17 of the AlphaVAE acceptance tests: the switches of the objective, and that it can be learned."""

import dataclasses
from typing import Any

import pytest
import torch

from reference_models.alphavae.config import LossConfig
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.objective import AlphaObjective
from reference_models.alphavae.ranges import to_network
from reference_models.losses.abmse import RELEASED_MOMENTS, abmse
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen
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
    }


@pytest.mark.parametrize(
    ("changes", "absent", "present"),
    [
        ({}, set(), {"abmse", "perceptual", "kl", "reference_kl"}),
        ({"reconstruction": "mse"}, {"abmse"}, {"mse", "perceptual", "kl", "reference_kl"}),
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


def test_the_reference_divergence_is_zero_before_the_first_step_and_can_use_fewer_images() -> None:
    for count in (0, 1):
        objective = AlphaObjective(tiny(), LossConfig(reference_kl_images=count))
        assert float(objective(batch())["reference_kl"].detach()) == 0.0


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
