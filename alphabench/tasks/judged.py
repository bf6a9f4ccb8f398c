"""What is judged: a model that reconstructs, or a folder of finished predictions, behind one method."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from alphabench.data.manifest import Sample
from alphabench.errors import DataError
from alphabench.image.codec import quantise
from alphabench.image.types import AnyCodes, AnyRgba, Codes, Rgba
from alphabench.models.contract import Reconstructor
from alphabench.models.predictions import PredictionFolder
from alphabench.models.spec import ModelInfo
from alphabench.runtime import enough_memory

RANGE_TOLERANCE = 1e-6
"""How far outside [0,1] a model may answer; adapters clamp, so more is a fault of the adapter."""


@runtime_checkable
class Judged(Protocol):
    """A source of predictions.

    Attributes:
        info: who made them.
        writes: whether the predictions are new and are to be written as PNG files.
        seconds: time spent in the model so far.
    """

    writes: bool
    seconds: float

    @property
    def info(self) -> ModelInfo:
        """Return who made the predictions."""
        ...

    def predict(
        self, samples: Sequence[Sample], references: Sequence[AnyRgba]
    ) -> tuple[list[AnyCodes | None], list[dict[str, Any]]]:
        """Return each sample's prediction as 8-bit codes, None where it has none, and facts for the record."""
        ...


@dataclass
class JudgedModel:
    """A reconstructor, called on batches of equal size.

    Attributes:
        model: the reconstructor.
        device: where it is called.
        deliver: turns its output, `(batch, 4, height, width)` in [0,1], into the 8-bit codes of each image.
    """

    model: Reconstructor
    device: torch.device
    deliver: Callable[[Rgba], list[Codes]]
    writes: bool = True
    seconds: float = 0.0

    @property
    def info(self) -> ModelInfo:
        """Return who the model is."""
        return self.model.info

    def predict(
        self, samples: Sequence[Sample], references: Sequence[AnyRgba]
    ) -> tuple[list[AnyCodes | None], list[dict[str, Any]]]:
        """Reconstruct each reference, `(1, 4, height, width)`, and deliver it as 8-bit codes.

        Raises:
            DataError: the model's output has another shape, is not finite or leaves [0,1].
        """
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, reference in enumerate(references):
            by_size[(reference.shape[-2], reference.shape[-1])].append(index)
        codes: dict[int, AnyCodes] = {}
        facts: dict[int, dict[str, Any]] = {}
        for indices in by_size.values():
            batch = torch.cat([references[index] for index in indices]).to(self.device)
            started = time.perf_counter()
            with torch.inference_mode(), enough_memory(len(indices)):
                output = self.model.reconstruct(batch)
            self._wait()
            self.seconds += time.perf_counter() - started
            checked = check_output(output, batch, [samples[index].id for index in indices])
            encoded = getattr(self.model, "encoded_bytes", None)
            delivered = self.deliver(checked)
            for position, index in enumerate(indices):
                codes[index] = delivered[position]
                facts[index] = {} if encoded is None else {"encoded_bytes": encoded[position]}
        order = range(len(samples))
        return [codes[index] for index in order], [facts[index] for index in order]

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass
class JudgedFolder:
    """A folder of predictions, read as they are; nothing is resized."""

    folder: PredictionFolder
    writes: bool = False
    seconds: float = field(default=0.0)

    @property
    def info(self) -> ModelInfo:
        """Return who made the predictions."""
        return self.folder.info

    def predict(
        self, samples: Sequence[Sample], references: Sequence[AnyRgba]
    ) -> tuple[list[AnyCodes | None], list[dict[str, Any]]]:
        """Read each sample's prediction.

        Raises:
            DataError: a file cannot be read, or its size is not the reference's.
        """
        codes: list[AnyCodes | None] = []
        for sample, reference in zip(samples, references, strict=True):
            if sample.id not in self.folder.files:
                codes.append(None)
                continue
            prediction = self.folder.read(sample.id)
            if prediction.shape[-2:] != reference.shape[-2:]:
                raise DataError(
                    f"the prediction for {sample.id!r} is {_size(prediction)} pixels, "
                    f"its reference {_size(reference)} ({self.folder.files[sample.id]})",
                    remedy="Predict at the reference's size: scoring never resizes.",
                )
            codes.append(prediction)
        return codes, [{} for _ in samples]


def delivered_once(output: Rgba) -> list[Codes]:
    """Return a model's output as a user receives it: rounded once to 8 bits, halves up."""
    return list(quantise(output).cpu())


def check_output(output: object, batch: Rgba, names: Sequence[str]) -> Float[Tensor, "batch 4 height width"]:
    """Return a model's `output` as float32, clamped by at most the tolerance.

    Args:
        output: what `reconstruct` returned.
        batch: what it was given, `(batch, 4, height, width)`.
        names: sample ids, for the message.

    Raises:
        DataError: it is no tensor of the batch's shape, has NaN or infinity, or leaves [0,1].
    """
    remedy = "Mend the model's adapter: it returns float images in [0,1] of the shape it was given."
    if not isinstance(output, Tensor):
        raise DataError(f"the model returned {type(output).__name__}, not a tensor", remedy=remedy)
    if output.shape != batch.shape:
        raise DataError(
            f"the model returned {tuple(output.shape)} for a batch of {tuple(batch.shape)}, first sample {names[0]!r}",
            remedy=remedy,
        )
    if not output.is_floating_point():
        raise DataError(f"the model returned {output.dtype}, not floating point", remedy=remedy)
    values = output.to(batch.device, torch.float32)
    for name, image in zip(names, values, strict=True):
        if not bool(torch.isfinite(image).all()):
            count = int((~torch.isfinite(image)).sum())
            raise DataError(f"the model's output for {name!r} has {count} NaN or infinite values", remedy=remedy)
        low, high = float(image.min()), float(image.max())
        if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
            raise DataError(
                f"the model's output for {name!r} leaves [0,1]: from {low:.6g} to {high:.6g}",
                remedy="Clamp inside the adapter, where the model's own range is known.",
            )
    return values.clamp(0, 1)


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
