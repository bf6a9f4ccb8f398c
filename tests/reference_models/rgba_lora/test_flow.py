"""Flow matching: the path, the times, the weights, and that the objective can be learned."""

import pytest
import torch
from torch import nn

from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.config import FlowConfig
from reference_models.rgba_lora.flow import FlowObjective, channel_weights, drawn_sigmas, noised


def test_the_path_leads_from_latents_to_noise() -> None:
    clean, noise = torch.zeros(3, 2, 4, 4), torch.ones(3, 2, 4, 4)
    found = noised(clean, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert found.mean((1, 2, 3)).tolist() == [0.0, 0.25, 1.0]


def test_uniform_times_are_the_thousand_levels_and_do_not_depend_on_the_batch() -> None:
    config = FlowConfig(times="uniform")
    sigmas = drawn_sigmas(config, 1, first=0, count=3000)
    assert torch.equal((sigmas * 1000).round() / 1000, sigmas)
    assert 0.001 <= float(sigmas.min()) < 0.005
    assert float(sigmas.max()) <= 1.0
    assert float(sigmas.mean()) == pytest.approx(0.5005, abs=0.02)
    assert torch.equal(drawn_sigmas(config, 1, first=10, count=5), sigmas[10:15])


def test_logit_normal_times_favour_the_middle() -> None:
    sigmas = drawn_sigmas(FlowConfig(times="logit-normal"), 1, first=0, count=3000)
    logits = torch.logit(sigmas)
    assert float(logits.mean()) == pytest.approx(0.0, abs=0.06)
    assert float(logits.std()) == pytest.approx(1.0, abs=0.05)


def test_channels_weigh_like_a_power_of_what_they_change() -> None:
    weights = channel_weights(torch.tensor([4.0, 1.0, 1.0]), 0.5)
    torch.testing.assert_close(weights, torch.tensor([1.5, 0.75, 0.75]))
    assert torch.equal(channel_weights(torch.tensor([4.0, 1.0]), 0.0), torch.ones(2))


@pytest.fixture
def batch(components: Components) -> dict[str, torch.Tensor]:
    return {
        "latents": torch.randn(2, 16, 4, 4),
        "noise": torch.randn(2, 16, 4, 4),
        "sigma": torch.tensor([0.3, 0.8]),
        **components.tokens(["red heart", "star"]),
    }


def test_the_loss_is_the_weighed_error_of_the_velocity(components: Components, batch: dict[str, torch.Tensor]) -> None:
    nn.init.zeros_(components.transformer.proj_out.weight)
    nn.init.zeros_(components.transformer.proj_out.bias)
    weights = torch.linspace(0, 2, 16)
    objective = FlowObjective(components, FlowConfig(), weights, learns_words=False)
    found = objective(batch)
    error = (batch["noise"] - batch["latents"]).square()  # a network that tells 0
    torch.testing.assert_close(found["flow"], error.mean())
    torch.testing.assert_close(found["loss"], (error * weights.reshape(1, 16, 1, 1)).mean())


def test_one_batch_can_be_learned_words_included(components: Components, batch: dict[str, torch.Tensor]) -> None:
    objective = FlowObjective(components, FlowConfig(), torch.ones(16), learns_words=True).requires_grad_()
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3)
    first = float(objective(batch)["loss"].detach())
    for _ in range(60):
        loss = objective(batch)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) < 0.5 * first
    embedding = components.sequence.get_input_embeddings().weight
    assert optimizer.state[embedding]["exp_avg_sq"].sum() > 0


def test_frozen_text_encoders_stay_in_evaluation_mode_and_get_no_gradient(
    components: Components, batch: dict[str, torch.Tensor]
) -> None:
    for network in components.networks().values():
        network.requires_grad_(requires_grad=True)
    objective = FlowObjective(components, FlowConfig(), torch.ones(16), learns_words=False).train()
    assert objective.transformer.training
    assert not objective.sequence.training
    objective(batch)["loss"].backward()
    assert components.transformer.x_embedder.weight.grad is not None
    assert components.sequence.get_input_embeddings().weight.grad is None


def test_shifted_times_are_those_of_the_scheduler_and_reach_pure_noise(components: Components) -> None:
    plain = drawn_sigmas(FlowConfig(), 1, first=0, count=3000)
    shifted = drawn_sigmas(FlowConfig(shift=3.0), 1, first=0, count=3000)
    scheduler = type(components.scheduler)(shift=3.0, use_dynamic_shifting=False)
    scheduler.set_timesteps(sigmas=plain.tolist())
    torch.testing.assert_close(shifted, scheduler.sigmas[:-1])
    assert float(shifted.max()) > 0.999
    assert float((shifted > 0.9).double().mean()) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("shift", [0.0, -1.0, float("inf"), float("nan")])
def test_a_shift_that_is_no_positive_number_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="shift"):
        FlowConfig(shift=shift)
