"""One optimiser step: batches, losses, gradients of both players, and the refusal of numbers that are none."""

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from alphabench.errors import DataError
from reference_models.training.adversary import FAKE, REAL, AdversarialTask, Opponent
from reference_models.training.checkpoint import TrainingState
from reference_models.training.ema import AveragedModel
from reference_models.training.optimizer import learning_rate, optimizer_of, set_learning_rate
from reference_models.training.task import Recipe, Task


class DivergedError(DataError):
    """A loss or a gradient is not finite; weights, averages and moments are as before the step."""


class Stepper:
    """The trained things of a run and how one step changes them.

    Attributes:
        state: everything that a step changes.
        average: the averaged model.
        opponent: the adversary, where the task brings one.
    """

    def __init__(self, task: Task, recipe: Recipe, accelerator: Accelerator) -> None:
        self.task, self.recipe, self.accelerator = task, recipe, accelerator
        self.optimizer = optimizer_of(task.model, recipe.optimizer)
        # The average is taken before wrapping, so that its names are the model's own.
        self.average = AveragedModel(task.model, recipe.run.ema)
        self.average.model.to(accelerator.device)
        if recipe.run.compile:
            task.objective.compile(dynamic=False)
        self.objective, self.wrapped = accelerator.prepare(task.objective, self.optimizer)
        adversary = task.adversary if isinstance(task, AdversarialTask) else None
        self.opponent: Opponent | None = None
        if adversary is not None:
            self.opponent = Opponent(adversary, accelerator, recipe.optimizer, steps=recipe.run.steps)
        self.state = TrainingState(
            model=task.model,
            average=self.average.model,
            optimizer=self.optimizer,
            adversary=self.opponent.network if self.opponent else None,
            adversary_optimizer=self.opponent.optimizer if self.opponent else None,
        )

    def step(self, step: int) -> dict[str, float]:
        """Do step `step`, counted from 0, and return the value of each term, the mean of micro-batches and processes.

        Raises:
            DivergedError: a term or a gradient is not finite; nothing has changed.
        """
        opponent = self.opponent if self.opponent is not None and self.opponent.plays(step) else None
        statistics = opponent.buffers() if opponent else []
        parts = self.recipe.optimizer.accumulate
        self.objective.train()
        found = [self._micro_batch(step, micro, opponent, last=micro == parts - 1) for micro in range(parts)]
        values = self._means(found)
        try:
            values |= self._clipped(step, values, opponent)
        except DivergedError:
            if opponent:
                opponent.restore(statistics)
            raise
        rate = learning_rate(self.recipe.optimizer, step, self.recipe.run.steps)
        set_learning_rate(self.optimizer, rate)
        values["lr"] = rate
        self.wrapped.step()
        self.wrapped.zero_grad()
        if opponent:
            values["lr_discriminator"] = opponent.advance(step)
        self.average.update(self.task.model, step + 1)
        return values

    def _micro_batch(self, step: int, micro: int, opponent: Opponent | None, *, last: bool) -> dict[str, Tensor]:
        """Add the gradients of one micro-batch and return its terms."""
        device, parts = self.accelerator.device, self.recipe.optimizer.accumulate
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        drawn = self.task.batch(step * parts + micro, rank, ranks)
        batch = {name: tensor.to(device) for name, tensor in drawn.items()}
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=self.recipe.run.precision == "bf16")
        with self._exchange(self.objective, now=last):
            with autocast:
                terms: dict[str, Tensor] = self._terms(batch)
                real, fake = terms.pop(REAL, None), terms.pop(FAKE, None)
                if opponent and fake is not None:
                    terms |= opponent.challenge(terms["loss"], fake)
            self.accelerator.backward(terms["loss"] / parts)
        if opponent and real is not None and fake is not None:
            with self._exchange(opponent.objective, now=last):
                with autocast:
                    judged = opponent.judge(real, fake)
                self.accelerator.backward(judged["discriminator"] / parts)
            terms |= judged
        return {name: term.detach().float() for name, term in terms.items()}

    def _terms(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the objective's terms, or say what the compiler lacks."""
        try:
            return self.objective(batch)  # type: ignore[no-any-return]
        except RuntimeError as error:
            if not (self.recipe.run.compile and isinstance(error, torch._dynamo.exc.TorchDynamoException)):
                raise
            raise DataError(
                f"the training step could not be compiled: {str(error).splitlines()[0]}",
                remedy="Install a C++ compiler (on a GPU Triton too), or train without: --set run.compile=false.",
            ) from error

    def _exchange(self, module: nn.Module, *, now: bool) -> AbstractContextManager[None]:
        """Let processes average their gradients in the last micro-batch only."""
        waiting: AbstractContextManager[None] = self.accelerator.no_sync(module)
        return nullcontext() if now else waiting

    def _means(self, found: list[dict[str, Tensor]]) -> dict[str, float]:
        """Return the mean of each term; one transfer from the device for all of them."""
        means = torch.stack([torch.stack(list(terms.values())) for terms in found]).mean(0)
        if self.accelerator.num_processes > 1:
            # Every process sees the same numbers, hence all of them stop where one has to.
            means = self.accelerator.reduce(means, "mean")
        return dict(zip(found[0], means.tolist(), strict=True))

    def _clipped(self, step: int, values: Mapping[str, float], opponent: Opponent | None) -> dict[str, float]:
        """Clip the gradients of both players and return their norms."""
        players = {"gradient_norm": self.task.model}
        if opponent:
            players["gradient_norm_discriminator"] = opponent.network
        norms = {name: self._norm(player) for name, player in players.items()}
        numbers = {name: float(norm) for name, norm in norms.items()}
        if bad := _not_finite({**values, **numbers}):
            for player in players.values():
                player.zero_grad()
            raise DivergedError(
                f"the training diverged at step {step + 1}: {bad}",
                remedy="Resume if the cause was passing; otherwise start anew with a lower learning rate, "
                'stronger clipping or precision = "float32".',
            )
        for name, player in players.items():
            if self.recipe.optimizer.clip > 0:
                torch.nn.utils.clip_grads_with_norm_(player.parameters(), self.recipe.optimizer.clip, norms[name])
        return numbers

    def _norm(self, player: nn.Module) -> Tensor:
        return torch.nn.utils.get_total_norm([p.grad for p in player.parameters() if p.grad is not None])


def _not_finite(values: Mapping[str, float]) -> str:
    names = [name for name, value in values.items() if not math.isfinite(value)]
    return ", ".join(f"{name} is {values[name]}" for name in _causes_first(names))


def _causes_first(names: Iterable[str]) -> list[str]:
    """Return the names with the sums and norms, which follow from the terms, behind them."""
    return sorted(names, key=lambda name: (name.startswith("gradient_norm"), name == "loss"))
