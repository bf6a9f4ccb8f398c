"""The losses of LayerDiffuse as one module, so that a wrapped forward pass holds all of them."""

import torch
from torch import Tensor, nn

from alphabench.image.types import Rgb, Rgba
from reference_models.layerdiffuse.config import LossConfig
from reference_models.layerdiffuse.model import LayerDiffuse, straight
from reference_models.training.adversary import FAKE, REAL

LEAST_WEIGHT = 1 / 16  # of the colour error where alpha is small: what fills transparent parts matters little


class LayerDiffuseObjective(nn.Module):
    """Reconstruction and identity of one batch, and the images that a discriminator is to compare.

    Single passes, no ensemble. Gradients go through the frozen decoder to the transparent encoder.

    Attributes:
        model: the networks around their base.
        config: weights.
    """

    def __init__(self, model: LayerDiffuse, config: LossConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of the loss and their weighted sum `loss`.

        Args:
            batch: `images`, straight RGBA in [0,1], and `padded`, their filled colour.
        """
        images, padded = batch["images"], batch["padded"]
        encoding = self.model.encode(images, padded)
        rgb = self.model.frozen_decode(encoding.latents)
        made = straight(self.model.decode_once(rgb.clamp(0.0, 1.0), encoding.latents), self.model.config.channel_order)
        target, weight = colour_target(images, padded, self.config.target)
        terms = {
            "colour": (weight * (made[:, :3] - target).square()).mean(),
            "alpha": (made[:, 3:] - images[:, 3:]).square().mean(),
        }
        terms["reconstruction"] = terms["colour"] + terms["alpha"]
        loss = self.config.recon_weight * terms["reconstruction"]
        if self.config.identity_weight > 0:
            # Against the grey composite, which the frozen encoder was fed, not against the filled colour.
            terms["identity"] = (rgb - encoding.grey).square().mean()
            loss = loss + self.config.identity_weight * terms["identity"]
        terms["shift"] = (encoding.shift.detach() / encoding.std).square().mean().sqrt()
        if self.config.disc_weight > 0:
            terms[REAL] = torch.cat([target, images[:, 3:]], 1) * 2 - 1
            terms[FAKE] = made * 2 - 1
        return terms | {"loss": loss}


def colour_target(images: Rgba, padded: Rgb, kind: str) -> tuple[Tensor, Tensor]:
    """Return the colour to learn, `(batch, 3, height, width)`, and the weight of its error, broadcast to that.

    Args:
        images: straight RGBA in [0,1].
        padded: their filled colour.
        kind: `straight` or `padded`.
    """
    if kind == "padded":
        return padded, images.new_ones(1, 1, 1, 1)
    alpha = images[:, 3:]
    return torch.where(alpha > 0, images[:, :3], padded), alpha.clamp(min=LEAST_WEIGHT)
