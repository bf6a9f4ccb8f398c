"""The composite objective of AlphaVAE as one module, so that a wrapped forward pass holds all of it."""

import copy

import torch
from torch import Tensor, nn

from reference_models.alphavae.config import LossConfig
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import to_network, weigh_network
from reference_models.losses.abmse import BackgroundMoments, blend, blend_error
from reference_models.losses.kl import kl_between, kl_to_standard
from reference_models.losses.perceptual import RandomPerceptual


class AlphaObjective(nn.Module):
    """ABMSE + perceptual + KL + reference KL of one batch (arXiv 2507.09308).

    The frozen reference is a copy of the widened network at the moment this module is built, that is before
    its first training step: its alpha weights are zero, hence it equals the RGB encoder.
    """

    def __init__(self, vae: AlphaVae, config: LossConfig) -> None:
        super().__init__()
        self.vae = vae
        self.config = config
        self.moments = BackgroundMoments(config.background_mean, config.background_second_moment)
        self.perceptual = RandomPerceptual() if config.perceptual_weight > 0 else None
        self.reference: AlphaVae | None = None
        if config.reference_kl_weight > 0:
            self.reference = copy.deepcopy(vae).eval().requires_grad_(requires_grad=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of the loss and their weighted sum `loss`.

        Args:
            batch: `images`, straight RGBA in [0,1], and `noise` of the latents' shape.
        """
        images = batch["images"]
        target = to_network(images, self.vae.colour)
        colour, opacity = weigh_network(target, self.vae.colour)
        opaque = self._opaque_blends(colour, opacity)
        posterior = self.vae.encode(torch.cat([target, opaque]) if opaque is not None else target)
        count = len(images)
        mean, log_variance = posterior.mean, posterior.log_variance
        latents = mean[:count] + torch.exp(0.5 * log_variance[:count]) * batch["noise"]
        decoded = self.vae.decode_unclamped(latents).float()
        elements = images[0, :3].numel()

        made_colour, made_opacity = weigh_network(decoded, self.vae.colour)
        terms: dict[str, Tensor] = {}
        if self.config.reconstruction == "abmse":
            error = blend_error(colour - made_colour, opacity - made_opacity, self.moments)
        else:
            error = (decoded - target).square()
        loss = error.flatten(1).sum(1).mean()
        terms[self.config.reconstruction] = loss / elements
        if self.perceptual is not None:
            distances = [
                self.perceptual(blend(made_colour, made_opacity, level), blend(colour, opacity, level)).mean()
                for level in self.config.perceptual_backgrounds
            ]
            terms["perceptual"] = torch.stack(distances).mean()
            scale = elements if self.config.perceptual_scale == "per_element" else 1
            loss = loss + self.config.perceptual_weight * scale * terms["perceptual"]
        if self.config.kl_weight > 0:
            terms["kl"] = kl_to_standard(mean[:count], log_variance[:count]).mean()
            loss = loss + self.config.kl_weight * terms["kl"]
        if self.reference is not None and opaque is not None:
            with torch.no_grad():
                anchor = self.reference.encode(opaque)
            terms["reference_kl"] = kl_between(
                mean[count:], log_variance[count:], anchor.mean, anchor.log_variance
            ).mean()
            loss = loss + self.config.reference_kl_weight * terms["reference_kl"]
        terms["posterior_std"] = torch.exp(0.5 * log_variance[:count]).mean()
        return terms | {"loss": loss / elements if self.config.reduction == "mean" else loss}

    def _opaque_blends(self, colour: Tensor, opacity: Tensor) -> Tensor | None:
        """Return the images over true black and true white, alpha 1, or None where no term needs them."""
        if self.reference is None:
            return None
        count = self.config.reference_kl_images or len(colour)
        blends = [blend(colour[:count], opacity[:count], level) for level in (-1.0, 1.0)]
        flat = torch.cat(blends)
        return torch.cat([flat, torch.ones_like(flat[:, :1])], 1)
