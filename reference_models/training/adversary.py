"""A second player of the training loop: a discriminator with its own optimiser, schedule and resume state.

A room offers an `Adversary` as `adversary` of its task, and its objective returns two images more beside its
terms: `REAL` and `FAKE`, `(batch, channels, height, width)` as the discriminator is to see them. The loop does
the rest: before `start` nothing is touched; from then on the generator's loss gets `weight · λ · g`, and the
discriminator learns on the same images, detached.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from accelerate import Accelerator
from torch import Tensor, nn

from reference_models.losses.adversarial import adaptive_weight, hinge_discriminator_loss, hinge_generator_loss
from reference_models.training.config import OptimizerConfig
from reference_models.training.optimizer import learning_rate, optimizer_of, set_learning_rate

REAL, FAKE = "adversary_real", "adversary_fake"


@dataclass(frozen=True, eq=False)
class Adversary:
    """A discriminator and how the training plays against it.

    Attributes:
        network: images `(batch, channels, height, width)` to logits of any shape, positive for real ones.
        weight: of the generator's adversarial loss.
        start: optimiser steps before either player begins; until then the network does not change.
        last_layer: weight at which the gradients are compared for the adaptive weight λ; None sets λ to 1.
        generator_loss: loss of the generator from the logits of its images.
        optimizer: AdamW of the discriminator; None takes the recipe's. Warm-up and cosine run over the steps
            after `start`.
    """

    network: nn.Module
    weight: float = 1.0
    start: int = 0
    last_layer: nn.Parameter | None = None
    generator_loss: Callable[[Tensor], Tensor] = hinge_generator_loss
    optimizer: OptimizerConfig | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"an adversary of weight {self.weight} plays no part: leave it out")
        if self.start < 0:
            raise ValueError(f"the adversary's start must not be negative, not {self.start}")


@runtime_checkable
class AdversarialTask(Protocol):
    """A task that may bring an adversary.

    Attributes:
        adversary: the second player, or None.
    """

    adversary: Adversary | None


class DiscriminatorObjective(nn.Module):
    """The discriminator's loss as one forward pass, so that a wrapped module averages its gradients."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the hinge loss as `discriminator` and the mean logits of both kinds of images.

        The two kinds go through the network one after the other: each is normalised by its own batch.
        """
        real_logits, fake_logits = self.network(real), self.network(fake)
        return {
            "discriminator": hinge_discriminator_loss(real_logits, fake_logits),
            "logit_real": real_logits.float().mean(),
            "logit_fake": fake_logits.float().mean(),
        }


class Opponent:
    """The adversary during a training: its optimiser, its schedule and its share of a step.

    Attributes:
        adversary: what the room brought.
        network: the discriminator, not wrapped.
        optimizer: of the discriminator.
    """

    def __init__(
        self, adversary: Adversary, accelerator: Accelerator, optimizer: OptimizerConfig, *, steps: int
    ) -> None:
        self.adversary = adversary
        self.network = adversary.network.train()
        self.config = adversary.optimizer or optimizer
        self.steps = steps
        self.accelerator = accelerator
        self.optimizer = optimizer_of(self.network, self.config)
        self.objective, self.wrapped = accelerator.prepare(DiscriminatorObjective(self.network), self.optimizer)

    def plays(self, step: int) -> bool:
        """Return whether both players meet at `step`, counted from 0."""
        return step >= self.adversary.start

    def challenge(self, loss: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the generator's terms against a discriminator that does not learn from them.

        Args:
            loss: of the generator so far; the adaptive weight compares with it.
            fake: images of the generator, with their graph.

        Returns:
            `adversarial` (g), `adaptive_weight` (λ, where it is used) and `loss` (loss + weight · λ · g).
        """
        with frozen(self.network):
            made = self.adversary.generator_loss(self.network(fake))
        terms = {"adversarial": made}
        total = self.adversary.weight * made
        if self.adversary.last_layer is not None:
            terms["adaptive_weight"] = adaptive_weight(loss, made, self.adversary.last_layer)
            total = total * terms["adaptive_weight"]
        return terms | {"loss": loss + total}

    def judge(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the discriminator's terms, `discriminator` being the one that it minimises."""
        terms: dict[str, Tensor] = self.objective(real.detach(), fake.detach())
        return terms

    def advance(self, step: int) -> float:
        """Let the discriminator take its optimiser step and return its learning rate."""
        rate = learning_rate(self.config, step - self.adversary.start, self.steps - self.adversary.start)
        set_learning_rate(self.optimizer, rate)
        self.wrapped.step()
        self.wrapped.zero_grad()
        return rate

    def buffers(self) -> list[Tensor]:
        """Return copies of the running statistics, which a forward pass changes before it is known to be good."""
        return [buffer.detach().clone() for buffer in self.network.buffers()]

    def restore(self, buffers: list[Tensor]) -> None:
        """Set the running statistics back to what `buffers` returned."""
        for buffer, before in zip(self.network.buffers(), buffers, strict=True):
            buffer.detach().copy_(before)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through `network` without reaching its parameters."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
