"""What every run that ends in a record goes through: a store, shared work, one conclusion, the record read back."""

import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.protocols import Protocol
from alphabench.results.document import validate_model
from alphabench.results.record import Record, load_record
from alphabench.results.request import RunRequest
from alphabench.results.store import RunStore
from alphabench.results.workfolder import PREDICTIONS, REQUEST
from alphabench.runtime import World, expanded
from alphabench.tasks.interrupt import interruptible
from alphabench.tasks.job import Report

SEEDS = {"bootstrap": 12345}


@dataclass
class Clock:
    """Where a run's seconds went.

    Attributes:
        started: `time.perf_counter` at the start.
        score: seconds spent in scoring.
        samples: seconds for each sample that this process computed.
    """

    started: float = field(default_factory=time.perf_counter)
    score: float = 0.0
    samples: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class ResumableRun:
    """A run, as far as the store and the record need to know it.

    Attributes:
        request: what was asked for.
        protocol: the ruler.
        samples: `(id, category)` of what is to be measured.
        unavailable: metrics that this machine cannot compute.
        networks: networks whose features every sample keeps.
        folder: the work folder.
        batch_size: samples at a time.
        fresh: start over.
        work: measures what is not stored yet, on every rank.
        conclude: writes the record, on rank 0.
    """

    request: RunRequest
    protocol: Protocol
    samples: Sequence[tuple[str, str]]
    unavailable: Collection[str]
    networks: Sequence[str]
    folder: Path
    batch_size: int
    fresh: bool
    work: Callable[[RunStore, Clock], None]
    conclude: Callable[[RunStore, Clock], None]

    def carry_out(self, place: World, report: Report) -> tuple[Record, bool]:
        """Do what is not done and return the record, and whether it was there already.

        Raises:
            DataError: the work folder belongs to another request or is in use.
            DiskFullError: the disk is full; what was stored is safe.
            Interrupted: stopped by the user; the same run goes on.
        """
        validate_model(self.request.model)
        store = RunStore(
            self.folder,
            self.request,
            self.samples,
            [key for key in self.protocol.sample_keys() if key[1] not in self.unavailable],
            self.batch_size,
            networks=self.networks,
            infinite=[name for name in self.protocol.metrics if self.protocol.mean_cap(name) is not None],
            place=place,
            fresh=self.fresh,
            command=" ".join(sys.argv),
        )
        total = len(self.samples)
        with store, interruptible(self.folder):
            for notice in store.notices:
                report(store.done, total, notice)
            if (stored := self._stored(store)) is not None:
                return stored, True
            clock = Clock()
            together(place, lambda: self.work(store, clock))
            if place.is_main:
                if place.size > 1:  # until here each rank has counted its own
                    report(total, total, "")
                self.conclude(store, clock)
            place.barrier()
            finished = store.finished
            assert finished is not None
            return load_record(finished, protocol=self.protocol), False

    def _stored(self, store: RunStore) -> Record | None:
        """Return the record of an earlier run, unless samples are lost or a metric can be computed by now.

        Raises:
            DataError: the record is damaged.
        """
        finished = store.finished
        if finished is None or store.done < len(self.samples):
            return None
        try:
            record = load_record(finished, protocol=self.protocol)
        except DataError as error:
            remedy = f"Remove {finished} and repeat the command: what it is made of is whole, and stays."
            raise DataError(error.message, remedy=remedy) from error
        lacking = {item["name"] for item in record.document["metrics"] if item["state"] == "unavailable"}
        return None if not record.complete and lacking - set(self.unavailable) else record


def together(place: World, action: Callable[[], None]) -> None:
    """Run `action` on every rank; if one of them fails by a user's mistake, all raise its error.

    Raises:
        AlphabenchError: what the first failing rank raised.
    """
    fault: AlphabenchError | None = None
    try:
        action()
    except AlphabenchError as error:
        fault = error
    faults = place.gather(None if fault is None else (type(fault), fault.message, fault.remedy))
    if fault is not None:
        raise fault
    for kind, message, remedy in filter(None, faults):
        raise kind(message, remedy=remedy)


def require_batch(size: int) -> None:
    """Refuse a batch without images.

    Raises:
        UsageError: fewer than one.
    """
    if size < 1:
        raise UsageError(f"a batch of {size} images is none", remedy="Use a batch size of 1 or more.")


def refuse_work_folder(folder: Path | str) -> None:
    """Refuse a run's work folder where its images are meant.

    Raises:
        UsageError: it is one.
    """
    images = expanded(folder) / PREDICTIONS
    if images.is_dir() and (images.parent / REQUEST).is_file():
        raise UsageError(f"{str(folder)!r} is the work folder of a run", remedy=f"Its images are in {images}.")


def refuse_nesting(folder: Path, read: Sequence[Path]) -> None:
    """Refuse a work folder inside a folder of images that is read, or around it.

    Inside, its pictures would be samples of the next run; around, starting over would remove the images.

    Raises:
        DataError: one lies inside the other.
    """
    work = folder.resolve()
    for images in read:
        place = images.resolve()
        if work.is_relative_to(place) or place.is_relative_to(work):
            raise DataError(
                f"the work folder {str(folder)!r} and the folder of images {str(images)!r} lie one inside the other",
                remedy="Name a folder elsewhere with --out DIR.",
            )
