"""Flow matching on packed latents: the straight path from latents to noise, and the velocity along it."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from scipy.special import expit
from torch import Tensor, nn

from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.config import FlowConfig
from reference_models.rgba_lora.pipeline import Latents, image_ids, pack, unpack
from reference_models.training.streams import array_stream

TIMES = 1000
"""Levels of noise of the published schedule: 1, 0.999 … 0.001."""

Sigmas = Float[Tensor, " batch"]


class FlowObjective(nn.Module):
    """The error of the told velocity; frozen networks stay in evaluation mode.

    Args:
        components: transformer and text encoders.
        config: how times are drawn and channels weigh.
        weights: of the latent channels, mean 1.
        learns_words: the text encoders are trained along.
    """

    weights: Tensor

    def __init__(
        self, components: Components, config: FlowConfig, weights: Float[Tensor, " latent"], *, learns_words: bool
    ) -> None:
        super().__init__()
        self.transformer, self.pooled, self.sequence = (
            components.transformer,
            components.pooled,
            components.sequence,
        )
        self.config, self.guided, self.learns_words = config, components.guided, learns_words
        self.register_buffer("weights", weights.reshape(1, -1, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "FlowObjective":
        """Switch the transformer's mode, and the text encoders' where they are trained."""
        super().train(mode)
        if not self.learns_words:
            self.pooled.eval()
            self.sequence.eval()
        return self

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of one batch, and the error without the channels' weights.

        Args:
            batch: `latents` and `noise`, `(batch, latent, rows, columns)`; `sigma`, `(batch,)` in (0, 1];
                `pooled_tokens` and `sequence_tokens`.
        """
        clean, noise = batch["latents"], batch["noise"]
        told = self.velocity(noised(clean, noise, batch["sigma"]), batch["sigma"], batch)
        error = (told.float() - (noise - clean)).square()
        return {"flow": error.mean(), "loss": (error * self.weights).mean()}

    def velocity(self, noisy: Latents, sigma: Sigmas, tokens: Mapping[str, Tensor]) -> Latents:
        """Return the velocity, noise - latents, that the network tells for noisy latents."""
        rows, columns = noisy.shape[-2:]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns_words):
            pooled = self.pooled(tokens["pooled_tokens"]).pooler_output
            words = self.sequence(tokens["sequence_tokens"])[0]
        told = self.transformer(
            hidden_states=pack(noisy),
            timestep=sigma,
            guidance=torch.full_like(sigma, self.config.guidance) if self.guided else None,
            pooled_projections=pooled,
            encoder_hidden_states=words,
            txt_ids=noisy.new_zeros(words.shape[1], 3),
            img_ids=image_ids(rows, columns).to(noisy),
            return_dict=False,
        )[0]
        return unpack(told, rows, columns)


def noised(clean: Latents, noise: Latents, sigma: Sigmas) -> Latents:
    """Return the point of the path at `sigma`: (1 - sigma)·clean + sigma·noise."""
    share = sigma.reshape(-1, 1, 1, 1)
    return (1 - share) * clean + share * noise


def drawn_sigmas(config: FlowConfig, seed: int, *, first: int, count: int) -> Sigmas:
    """Return the noise levels of the samples from global number `first` on, each from its own stream."""
    levels = []
    for number in range(first, first + count):
        rng = array_stream(seed, number, "sigma")
        if config.times == "uniform":
            levels.append(1 - int(rng.random() * TIMES) / TIMES)
        else:
            levels.append(float(expit(rng.standard_normal())))
    sigmas = torch.tensor(levels)
    return config.shift * sigmas / (1 + (config.shift - 1) * sigmas)


def channel_weights(sensitivity: Float[Tensor, " latent"], power: float) -> Float[Tensor, " latent"]:
    """Return weights of mean 1 that grow like a power of what each channel changes in the pixels."""
    weights = sensitivity.double().clamp(min=1e-12) ** power
    return (weights / weights.mean()).float()
