"""The composite objective of AlphaVAE as one module, so that a wrapped forward pass holds all of it."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from reference_models.alphavae.config import LossConfig
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.ranges import Colour, to_network, weigh_network
from reference_models.losses.abmse import (
    blend,
    blend_error,
    premultiplied_error,
    sampled_error,
    two_point_backgrounds,
)
from reference_models.losses.adversarial import gradient_norms
from reference_models.losses.kl import kl_between, kl_to_standard
from reference_models.losses.lpips_vgg import LpipsVgg, vgg16_state
from reference_models.losses.perceptual import RandomPerceptual
from reference_models.rgb_vae.model import PatchVae, Posterior
from reference_models.training.adversary import FAKE, REAL

SIGNS = "background_signs"
MEASURE = "measure_shares"
POSITIONS = "reference_positions"


class AlphaObjective(nn.Module):
    """Reconstruction + perceptual + KL + reference KL of one batch (arXiv 2507.09308).

    The frozen reference is the widened base: its alpha weights are zero, hence it equals the RGB encoder.

    Args:
        vae: what is trained.
        config: weights and kinds of the terms.
        reference: the widened base; None takes a copy of `vae`, which is the same before the first step of a
            training that starts there.
        reference_stride: images of all processes for each one that the reference term is computed on.
    """

    def __init__(
        self, vae: AlphaVae, config: LossConfig, reference: AlphaVae | None = None, *, reference_stride: int = 1
    ) -> None:
        super().__init__()
        self.vae = vae
        self.config = config
        self.reference_stride = reference_stride
        self.perceptual = perceptual_network(config)
        self.reference: AlphaVae | None = None
        if config.reference_kl_weight > 0:
            self.reference = copy.deepcopy(reference or vae).eval().requires_grad_(requires_grad=False)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the terms of the loss and their weighted sum `loss`, and the two images for an adversary.

        Args:
            batch: `images`, straight RGBA in [0,1], and `noise` of the latents' shape; `background_signs`,
                `(batch, colours, 3)` of ±1, for sampled backgrounds; `reference_positions`, those of the images
                that the reference term is computed on, absent for all; `measure_shares`, of any value, where
                the share of the reference term in the gradient is wanted.
        """
        images = batch["images"]
        target = to_network(images, self.vae.colour)
        colour, opacity = weigh_network(target, self.vae.colour)
        opaque = self._opaque_blends(colour, opacity, batch.get(POSITIONS))
        posterior = self.vae.encode(torch.cat([target, opaque]) if opaque is not None else target)
        count = len(images)
        own = Posterior(posterior.mean[:count], posterior.log_variance[:count])
        decoded = self.vae.decode_unclamped(own.sample(batch["noise"])).float()
        elements = images[0, :3].numel()

        made_colour, made_opacity = weigh_network(decoded, self.vae.colour)
        terms: dict[str, Tensor] = {}
        differences = colour - made_colour, opacity - made_opacity
        error = self._reconstruction_error(decoded - target, *differences, batch).flatten(1).sum(1)
        terms[self.config.reconstruction] = error.mean() / elements
        loss = self._equalised(error, elements).mean()
        if self.perceptual is not None:
            distances = [
                self.perceptual(blend(made_colour, made_opacity, level), blend(colour, opacity, level)).mean()
                for level in self.config.perceptual_backgrounds
            ]
            terms["perceptual"] = torch.stack(distances).mean()
            scale = elements if self.config.perceptual_scale == "per_element" else 1
            loss = loss + self.config.perceptual_weight * scale * terms["perceptual"]
        if self.config.kl_weight > 0:
            terms["kl"] = kl_to_standard(own.mean, own.log_variance).mean()
            loss = loss + self.config.kl_weight * terms["kl"]
        if self.reference is not None:
            # A process none of whose images was chosen gives 0, in the graph like any other value.
            divergences = 0 * own.mean
            if opaque is not None:
                with torch.no_grad():
                    anchor = self.reference.encode(opaque)
                divergences = kl_between(
                    posterior.mean[count:], posterior.log_variance[count:], anchor.mean, anchor.log_variance
                )
            # The mean of black and white, and of all images: each one that is computed stands for a stride of them.
            terms["reference_kl"] = divergences.sum() / 2 * self.reference_stride / count
            weighed = self.config.reference_kl_weight * terms["reference_kl"]
            loss = loss + weighed
            if MEASURE in batch and loss.requires_grad:
                norms = gradient_norms([weighed, loss], encoder_end(self.vae))
                terms["reference_kl_share"] = norms[0] / norms[1]
        terms["posterior_std"] = torch.exp(0.5 * own.log_variance).mean()
        terms["loss"] = loss / elements if self.config.reduction == "mean" else loss
        if self.config.adversarial_weight > 0:
            seen = self.config.adversarial_input
            terms |= {
                REAL: seen_by_discriminator(target, self.vae.colour, seen),
                FAKE: seen_by_discriminator(decoded, self.vae.colour, seen),
            }
        return terms

    def _reconstruction_error(
        self, raw: Tensor, colour: Tensor, opacity: Tensor, batch: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the squared error of each element, from the raw difference, P and D."""
        moments = self.config.moments
        match self.config.reconstruction:
            case "abmse":
                return blend_error(colour, opacity, moments)
            case "sampled_backgrounds":
                return sampled_error(colour, opacity, two_point_backgrounds(batch[SIGNS], moments))
            case "premultiplied_mse":
                return premultiplied_error(colour, opacity)
            case "mse":
                return raw.square()

    def _equalised(self, error: Tensor, elements: int) -> Tensor:
        """Return the error of each image as it enters the loss."""
        if self.config.equal_gradient_db == 0:
            return error
        # d/de of 2k√e is k/√e: 1 where √e is k, the root mean square error (of a range of 2) at the PSNR.
        knee = 10 ** (-self.config.equal_gradient_db / 20) * 2
        return 2 * knee * torch.sqrt(error / elements + 1e-6) * elements

    def _opaque_blends(self, colour: Tensor, opacity: Tensor, positions: Tensor | None) -> Tensor | None:
        """Return images over true black and true white, alpha 1, or None where there are none to compute."""
        if self.reference is None or (positions is not None and not len(positions)):
            return None
        if positions is not None:
            colour, opacity = colour[positions], opacity[positions]
        blends = [blend(colour, opacity, level) for level in (-1.0, 1.0)]
        flat = torch.cat(blends)
        return torch.cat([flat, torch.ones_like(flat[:, :1])], 1)


def perceptual_network(config: LossConfig) -> nn.Module | None:
    """Return the network of the perceptual term, or None where its weight is 0.

    Raises:
        WeightsMissing: it has learned weights, and they are not on this machine.
    """
    if config.perceptual_weight == 0:
        return None
    if config.perceptual_network == "lpips-vgg":
        return LpipsVgg(vgg16_state())
    return RandomPerceptual(floor=config.perceptual_floor)


def seen_by_discriminator(images: Tensor, colour: Colour, seen: Colour) -> Tensor:
    """Return what the discriminator sees of images as the network has them, in about [-1,1].

    Premultiplied, y = 2ca-1, no colour under alpha 0 can tell a made image from a real one.
    """
    if seen == colour:
        return images
    if seen == "straight":
        raise ValueError("a network of premultiplied colours has no straight ones to show")
    weighed, opacity = weigh_network(images, colour)
    return torch.cat([weighed + opacity - 1, images[:, 3:]], 1)


def encoder_end(vae: AlphaVae) -> nn.Parameter:
    """Return the trained weight of the encoder's last convolution."""
    layer = vae.network.encoder.out if isinstance(vae.network, PatchVae) else vae.network.encoder.conv_out
    return trained_weight(layer)


def decoder_end(vae: AlphaVae) -> nn.Parameter:
    """Return the trained weight of the decoder's last convolution.

    A `PatchVae` adds two outputs, that of the last convolution and that of the linear path: it is the former,
    where the image comes from the features that everything before it has made.
    """
    layer = vae.network.decoder.out if isinstance(vae.network, PatchVae) else vae.network.decoder.conv_out
    return trained_weight(layer)


def trained_weight(layer: nn.Module) -> nn.Parameter:
    """Return the weight of `layer`, or the first trained part of it where only parts are trained."""
    if parametrize.is_parametrized(layer, "weight"):
        parts: nn.Module = layer.parametrizations.weight  # type: ignore[union-attr, assignment]
        return next(part for part in parts.parameters() if part.requires_grad)
    weight = layer.weight
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"{type(layer).__name__} has no weight")
    return weight
