"""A11 of the AlphaVAE acceptance tests: the patch discriminator and both players' losses."""

import pytest
import torch

from reference_models.losses.adversarial import (
    PatchDiscriminator,
    adaptive_weight,
    gradient_norms,
    hinge_discriminator_loss,
    hinge_generator_loss,
    saturating_generator_loss,
    smallest_side,
)


def test_the_discriminator_has_the_published_size_and_reads_patches() -> None:
    network = PatchDiscriminator()
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_766_657
    shapes = [tuple(parameter.shape) for parameter in network.parameters() if parameter.ndim == 4]
    assert shapes == [(64, 4, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4)]
    with torch.device("meta"):
        large = PatchDiscriminator()
        assert large(torch.empty(1, 4, 128, 128)).shape == (1, 1, 14, 14)
        assert large(torch.empty(1, 4, 1024, 1024)).shape == (1, 1, 126, 126)


def test_a_logit_sees_seventy_pixels() -> None:
    network = PatchDiscriminator(width=2).eval()
    image = torch.zeros(1, 4, 160, 160, requires_grad=True)
    network(image)[0, 0, 8, 8].backward()
    assert image.grad is not None
    seen = image.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_images_have_one_logit_and_smaller_ones_none(layers: int) -> None:
    network = PatchDiscriminator(width=2, layers=layers)
    side = smallest_side(layers)
    assert network(torch.zeros(2, 4, side, side)).shape == (2, 1, 1, 1)
    with pytest.raises(RuntimeError, match="size"):
        network(torch.zeros(2, 4, side - 1, side - 1))


def test_its_initial_weights_repeat_by_seed_and_have_the_published_spread() -> None:
    first, again, other = (
        PatchDiscriminator(width=32, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    state = first.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in again.state_dict().items())
    assert not torch.equal(state["layers.0.weight"], other.state_dict()["layers.0.weight"])
    assert float(state["layers.8.weight"].std()) == pytest.approx(0.02, rel=0.02)
    norms = torch.cat([state[f"layers.{index}.weight"] for index in (3, 6, 9)])
    assert float(norms.mean()) == pytest.approx(1.0, abs=0.01)
    assert all(not state[name].any() for name in state if name.endswith("bias"))


@pytest.mark.parametrize("changes", [{"width": 0}, {"layers": 0}, {"channels": 0}])
def test_a_discriminator_of_nothing_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PatchDiscriminator(**changes)


def test_the_losses_of_two_logits_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-0.5, 0.5])
    assert float(hinge_discriminator_loss(real, fake)) == 0.75
    assert float(hinge_generator_loss(fake)) == 0.0
    assert float(saturating_generator_loss(fake)) == 1.0
    assert float(saturating_generator_loss(torch.tensor([1.0, 3.0]))) == 0.0
    assert float(hinge_discriminator_loss(real, -real)) < float(hinge_discriminator_loss(-real, real))


def test_the_adaptive_weight_by_hand_and_at_its_bound() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    reconstruction = 0.5 * weight.square().sum()
    generator = -(weight * torch.tensor([0.3, 0.4])).sum()
    found = adaptive_weight(reconstruction, generator, weight)
    assert float(found) == pytest.approx(5 / 0.5001, rel=1e-6)
    assert not found.requires_grad
    assert weight.grad is None
    assert float(adaptive_weight(reconstruction, 0 * weight[0], weight)) == 1e4
    assert float(adaptive_weight(0 * weight[0], generator, weight)) == 0.0


def test_a_loss_without_a_gradient_has_norm_zero_and_the_graph_is_kept() -> None:
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    other = torch.tensor(1.0, requires_grad=True)
    loss = weight.square().sum()
    assert gradient_norms([loss, other * 2], weight).tolist() == [10.0, 0.0]
    loss.backward()
