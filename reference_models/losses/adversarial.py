"""A patch discriminator and the losses of the two players (arXiv 1611.07004, 1705.02894, 2012.09841)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
SPREAD = 0.02
FLOOR = 1e-4
CEILING = 1e4


class PatchDiscriminator(nn.Module):
    """A convolutional discriminator with one logit for each overlapping patch (arXiv 1611.07004, PatchGAN).

    `layers` convolutions of stride 2 and two of stride 1, all 4×4: with the defaults a logit sees 70×70 pixels,
    128² images give 14² logits, and there are 2,766,657 parameters.

    Args:
        channels: of the images.
        width: channels after the first convolution; they double with each one up to eight times that.
        layers: convolutions of stride 2.
        generator: of the initial weights, N(0, 0.02) and N(1, 0.02); None takes torch's global one.
    """

    def __init__(
        self, channels: int = 4, width: int = 64, layers: int = 3, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if min(channels, width, layers) < 1:
            raise ValueError(f"channels {channels}, width {width} and layers {layers} must be at least 1")
        stack: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        before = width
        for layer in range(1, layers + 1):
            after = width * min(2**layer, 8)
            stride = 1 if layer == layers else 2
            # No bias: the normalisation behind it would take it away again.
            stack.append(nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False))
            stack += [nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]
            before = after
        stack.append(nn.Conv2d(before, 1, 4, padding=1))
        self.layers = nn.Sequential(*stack)
        for module in self.layers:
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                centre = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
                nn.init.normal_(module.weight, centre, SPREAD, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 rows columns"]:
        """Return the logits of the patches of `images` in about [-1,1], positive for real ones."""
        logits: Tensor = self.layers(images)
        return logits


def smallest_side(layers: int) -> int:
    """Return the side in pixels of the smallest images that a `PatchDiscriminator` of so many layers has a logit for.

    Each convolution of stride 2 halves the side, each of the two of stride 1 takes one off.
    """
    return 3 << layers


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Float[Tensor, ""]:
    """Return half of mean relu(1 - real) + mean relu(1 + fake): the discriminator's loss (arXiv 1705.02894)."""
    return 0.5 * (functional.relu(1 - real_logits.float()).mean() + functional.relu(1 + fake_logits.float()).mean())


def hinge_generator_loss(fake_logits: Tensor) -> Float[Tensor, ""]:
    """Return -mean(fake): the generator's answer to the hinge (arXiv 1705.02894)."""
    return -fake_logits.float().mean()


def saturating_generator_loss(fake_logits: Tensor) -> Float[Tensor, ""]:
    """Return mean relu(1 - fake): it is content with logits of 1, where `hinge_generator_loss` asks for more."""
    return functional.relu(1 - fake_logits.float()).mean()


def adaptive_weight(reconstruction: Tensor, generator: Tensor, last_layer: Tensor) -> Float[Tensor, ""]:
    """Return ‖∂reconstruction/∂W‖ / (‖∂generator/∂W‖ + 1e-4) in [0, 1e4], detached (arXiv 2012.09841, eq. 7).

    The graph of both losses is kept. Over several processes the gradients are averaged before their norms are
    taken, so that every process finds the weight of the whole batch.

    Args:
        reconstruction: loss without the adversarial term, a scalar.
        generator: the generator's adversarial loss, a scalar.
        last_layer: W, the weight of the decoder's last layer, which both losses must depend on.
    """
    norms = gradient_norms([reconstruction, generator], last_layer)
    return (norms[0] / (norms[1] + FLOOR)).clamp(0.0, CEILING).detach()


def gradient_norms(losses: Sequence[Tensor], weight: Tensor) -> Float[Tensor, " losses"]:
    """Return the norm of each loss's gradient in `weight`, averaged over processes; 0 where there is none."""
    found = [torch.autograd.grad(loss, weight, retain_graph=True, allow_unused=True)[0] for loss in losses]
    gradients = torch.stack([torch.zeros_like(weight) if gradient is None else gradient for gradient in found])
    gradients = gradients.detach().float()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(gradients)
        gradients /= torch.distributed.get_world_size()
    norms: Tensor = gradients.flatten(1).norm(dim=1)
    return norms
