"""One run, everything resolved, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from alphabench.data.dataset import DataSet
from alphabench.data.manifest import Sample
from alphabench.protocols import Protocol
from alphabench.results.record import Record
from alphabench.tasks.diagnosis import Diagnosis
from alphabench.tasks.judged import Judged
from alphabench.tasks.paper_pairing import PaperPairing

Report = Callable[[int, int, str], None]
"""Called with the number of samples done, their total, and a note."""


@dataclass(frozen=True)
class Job:
    """One run, everything resolved.

    Attributes:
        task: `reconstruction` or `scoring`.
        protocol: the ruler.
        data: the references.
        judged: who predicts.
        device: where metrics are computed.
        dtype: precision inside the model, for the record.
        batch_size: samples at a time.
        out: work folder; None takes the one that the request's hash names.
        fresh: start over.
        absent: ids of references that have no prediction: left out, and named in the record.
        predictions: folder of finished predictions, where there is one.
        pairing: how a bug-compatible protocol joins files, and what it must confess.
    """

    task: str
    protocol: Protocol
    data: DataSet
    judged: Judged
    device: torch.device
    dtype: str
    batch_size: int
    out: Path | None
    fresh: bool
    absent: tuple[str, ...] = ()
    predictions: Path | None = None
    pairing: PaperPairing | None = None

    @cached_property
    def samples(self) -> list[Sample]:
        """Return the samples that are judged, in manifest order."""
        absent = frozenset(self.absent)
        return [sample for sample in self.data.manifest.samples if sample.id not in absent]

    @cached_property
    def groups(self) -> dict[str, str]:
        """Return the group over which each sample is averaged first: its category, or its leaf."""
        if self.pairing is None:
            return {sample.id: sample.category for sample in self.samples}
        return {sample.id: str(self.pairing.leaves[sample.id]) for sample in self.samples}

    @property
    def deviations(self) -> tuple[str, ...]:
        """Return the sentences that a bug-compatible protocol must confess."""
        return () if self.pairing is None else self.pairing.deviations


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    Attributes:
        record: its record.
        protocol: its protocol.
        folder: its work folder.
        sheet: its contact sheet, or None where none could be drawn.
        stored: the record was there already; nothing was computed.
        diagnosis: what is wrong with the predictions, or None where that was not looked for.
        more_sheets: further sheets, where one does not hold all images.
        predictions: folder of the images that a generator made.
    """

    record: Record
    protocol: Protocol
    folder: Path
    sheet: Path | None
    stored: bool
    diagnosis: Diagnosis | None = None
    more_sheets: tuple[Path, ...] = ()
    predictions: Path | None = None
