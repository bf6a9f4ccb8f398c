"""The crash-safe store of a run: whole samples in parts, a resume at the first missing one."""

import contextlib
import hashlib
import math
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from alphabench.errors import NO_SPACE, AlphabenchError, DataError, DiskFullError
from alphabench.results import workfolder
from alphabench.results.canonical import parse_json
from alphabench.results.durable import readable_refusals, replace_folder, write_durably
from alphabench.results.lock import RunLock
from alphabench.results.merged import Merged, PartReader
from alphabench.results.parts import Key, Part, encode_features, encode_part, part_name
from alphabench.results.request import RunRequest
from alphabench.runtime import World

MEBIBYTE = 1024 * 1024
Result = TypeVar("Result")


class RunStore:
    """A work folder, locked by this run until `close`.

    Rank 0 takes the lock, checks the folder and sees what is done; the other ranks are told. Every rank
    appends its own parts.

    Args:
        folder: the work folder; made if absent.
        request: what is asked for.
        samples: `(id, category)` in the data set's order.
        keys: `(view, metric)` of each row that one sample needs.
        batch_size: batches are cut at its multiples, whatever is done already.
        networks: networks whose features each sample needs.
        infinite: metrics whose value may be +inf.
        place: this process among those of the run.
        fresh: remove an earlier run of ours from the folder first.
        command: the command line, told to a second process that finds the folder locked.

    Attributes:
        resumed: how often the run was started again.
        started: UTC time of its first start.
        notices: sentences for the user, such as torn files that were set aside.

    Raises:
        DataError: the folder is in use, belongs to another request, holds something else or cannot be
            written.
    """

    def __init__(
        self,
        folder: Path,
        request: RunRequest,
        samples: Sequence[tuple[str, str]],
        keys: Sequence[Key],
        batch_size: int,
        *,
        networks: Collection[str] = (),
        infinite: Collection[str] = (),
        place: World = World(rank=0, size=1),  # noqa: B008
        fresh: bool = False,
        command: str = "",
    ) -> None:
        self.folder = folder.absolute()
        self.request = request
        self.samples = tuple(samples)
        self.keys = tuple(keys)
        self.batch_size = batch_size
        self.networks = frozenset(networks)
        self.infinite = frozenset(infinite)
        self.notices: list[str] = []
        self._lock: RunLock | None = None
        self._bytes = self._appended = 0
        opened = _on_main(place, lambda: self._open(fresh=fresh, command=command))
        self._done: set[str] = set(opened["done"])
        self._found_done = frozenset(self._done)
        self.started: str = opened["starts"][0]
        self.resumed: int = len(opened["starts"]) - 1

    @property
    def finished(self) -> Path | None:
        """Return the folder of the finished record, or None."""
        record = self.folder / workfolder.RECORD
        files = ("record.json", "samples.parquet")
        return record if all((record / name).is_file() for name in files) else None

    @property
    def done(self) -> int:
        """Return how many samples are stored, as far as this process knows."""
        return len(self._done)

    def is_done(self, sample: str) -> bool:
        """Say whether `sample` is stored, as far as this process knows."""
        return sample in self._done

    def todo(self, rank: int = 0, size: int = 1) -> list[list[int]]:
        """Return the batches of process `rank` of `size`: places of samples, whole batches only.

        A batch is listed if one of its samples was not done when the store was opened; it is listed whole,
        so that a resumed run computes the same batches as one that was never stopped.
        """
        starts = range(0, len(self.samples), self.batch_size)
        batches = [list(range(first, min(first + self.batch_size, len(self.samples)))) for first in starts]
        found = self._found_done
        return [batch for batch in batches if any(self.samples[i][0] not in found for i in batch)][rank::size]

    def prediction_path(self, sample: str) -> Path:
        """Return where the prediction of `sample` lies."""
        return workfolder.prediction_path(self.folder, sample)

    def write_prediction(self, sample: str, png: bytes) -> str:
        """Write a prediction and return the SHA-256 of its bytes, for `Part.predictions`.

        The file of a sample that is done already is left as it is.
        """
        if sample not in self._done:
            path = self.prediction_path(sample)
            with self._safely(len(png)):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, png)
            self._bytes += len(png)
        return hashlib.sha256(png).hexdigest()

    def append(self, part: Part) -> None:
        """Store a batch; its samples are done when this returns. Samples that are done already are left out.

        Raises:
            DataError: values that cannot be stored, or rows that are not exactly the run's keys.
            DiskFullError: no space; everything stored before is intact.
        """
        self._check(part)
        kept = [place for place, i in enumerate(part.indices) if self.samples[i][0] not in self._done]
        if not kept:
            return
        names = [self.samples[part.indices[place]][0] for place in kept]
        first, wanted = part.indices[kept[0]], frozenset(names)
        features = {network: array[kept] for network, array in part.features.items()}
        mine = Part(
            indices=[part.indices[place] for place in kept],
            rows=[row for row in part.rows if row[0] in wanted],
            not_applicable=[absent for absent in part.not_applicable if absent[0] in wanted],
            features=features,
            predictions={name: sha for name, sha in part.predictions.items() if name in wanted},
            facts={name: facts for name, facts in part.facts.items() if name in wanted},
        )
        file = None
        if features:
            data = encode_features(features)
            file = part_name(first, data, len(names), "safetensors")
            self._write(self.folder / workfolder.FEATURES / file, data)
        data = encode_part(mine, names, file, self.infinite)
        self._write(self.folder / workfolder.PARTS / part_name(first, data, len(names), "parquet"), data)
        self._done.update(names)
        self._appended += len(names)

    def merged(self) -> Merged:
        """Read every part again and return each sample once; call it on rank 0 when all ranks are through.

        Raises:
            DataError: two parts hold different values for one sample.
        """
        return self._read().merge(self.infinite)

    def write_page(self, name: str, data: bytes) -> None:
        """Write a file to look at, such as the contact sheet, into the work folder.

        Raises:
            DiskFullError: no space; everything stored before is intact.
        """
        with self._safely(len(data)):
            write_durably(self.folder / name, data)

    def finish(self, record: bytes, parquet: bytes) -> Path:
        """Give the run its record in one step and return the record's folder.

        A complete record that is there already stays if it has the same rows; an incomplete one is replaced.

        Raises:
            DataError: a complete record with other rows is there.
            DiskFullError: no space; everything stored before is intact.
        """
        target = self.folder / workfolder.RECORD
        old = self.folder / workfolder.RECORD_OLD
        if self.finished is not None:
            stored = parse_json((target / "record.json").read_bytes(), name=str(target / "record.json"))
            if stored.get("complete", True):
                if (target / "samples.parquet").read_bytes() == parquet:
                    return target
                raise DataError(
                    f"the folder {str(self.folder)!r} has a complete record with other numbers already",
                    remedy="Use another folder with --out DIR, or start over with --fresh.",
                )
        temporary = self.folder / workfolder.RECORD_TEMPORARY
        try:
            with self._safely(len(record) + len(parquet)):
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
                write_durably(temporary / "record.json", record)
                write_durably(temporary / "samples.parquet", parquet)
                if target.exists():
                    target.rename(old)
                replace_folder(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        return target

    def lacks_space(self, estimate: int) -> str | None:
        """Return a warning if the disk has less than 1.2 times `estimate` bytes free, else None."""
        free = shutil.disk_usage(self.folder).free
        if free >= 1.2 * estimate:
            return None
        return (
            f"{free // MEBIBYTE} MiB are free at {self.folder}, the run may need {estimate // MEBIBYTE} MiB; "
            "if the disk gets full, nothing stored is lost"
        )

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> "RunStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, *, fresh: bool, command: str) -> dict[str, Any]:
        self._done = set()
        with self._safely(MEBIBYTE), readable_refusals(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            workfolder.refuse_foreign_content(self.folder)
            self._lock = RunLock(
                self.folder / workfolder.LOCK,
                run_hash=self.request.run_hash,
                started=workfolder.now(),
                command=command,
            )
            try:
                if fresh:
                    workfolder.remove_run(self.folder)
                workfolder.settle_request(self.folder, self.request)
                workfolder.clean(self.folder)
                for name in (workfolder.PARTS, workfolder.FEATURES):
                    (self.folder / name).mkdir(exist_ok=True)
                done = self._read().found
                settled = self.finished is not None and len(done) == len(self.samples)
                starts = workfolder.read_starts(self.folder) if settled else []
                return {"done": list(done), "starts": starts or workfolder.add_start(self.folder)}
            except BaseException:
                self._lock.release()
                raise

    def _read(self) -> PartReader:
        reader = PartReader(self.folder, self.samples, self.keys, self.networks)
        self.notices.extend(reader.notices)
        return reader

    def _check(self, part: Part) -> None:
        """Check that a part holds its samples whole: each key once, as a value or as not applicable."""
        expected = frozenset(self.keys)
        names = [self.samples[index][0] for index in part.indices]
        seen: dict[str, set[Key]] = {name: set() for name in names}
        entries = [(row[0], (row[2], row[3])) for row in part.rows]
        entries += [(sample, (view, metric)) for sample, view, metric in part.not_applicable]
        for sample, key in entries:
            if sample not in seen or key not in expected or key in seen[sample]:
                raise DataError(
                    f"a batch has a value for {sample!r}, view {key[0]!r}, metric {key[1]!r} that it should "
                    "not have, or has it twice",
                    remedy="This is a fault of the program that scores; please report it.",
                )
            seen[sample].add(key)
        for name in names:
            if lacking := sorted(expected - seen[name]):
                raise DataError(
                    f"{len(lacking)} of {len(expected)} values of {name!r} are missing, first "
                    f"{lacking[0][1]!r} on {lacking[0][0]!r}",
                    remedy="This is a fault of the program that scores; please report it.",
                )
        for network in self.networks:
            if network not in part.features or len(part.features[network]) != len(names):
                raise DataError(
                    f"a batch of {len(names)} samples has no features of {network!r} for each of them",
                    remedy="This is a fault of the program that scores; please report it.",
                )

    def _write(self, path: Path, data: bytes) -> None:
        with self._safely(len(data)):
            write_durably(path, data)
        self._bytes += len(data)

    @contextlib.contextmanager
    def _safely(self, size: int) -> Iterator[None]:
        """Turn a full disk into an error that says what is safe and how much to free."""
        try:
            with readable_refusals(self.folder):
                yield
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            total, safe = len(self.samples), len(self._done)
            each = self._bytes / self._appended if self._appended else size / max(1, self.batch_size)
            need = max(1, math.ceil((total - safe) * each / MEBIBYTE))
            raise DiskFullError(
                f"disk full at {self.folder}: {safe} of {total} samples are safe",
                remedy=f"Free about {need} MiB, then repeat the same command.",
            ) from error


def _on_main(place: World, action: Callable[[], Result]) -> Result:
    """Run `action` on rank 0 and return its result, or raise its error, on every rank."""
    if place.size == 1:
        return action()
    outcome: tuple[Any, ...] | None = None
    fault: BaseException | None = None
    if place.is_main:
        try:
            outcome = ("result", action())
        except AlphabenchError as error:
            outcome, fault = ("error", type(error), error.message, error.remedy), error
        except BaseException as error:  # noqa: BLE001  (raised again below, once the others know)
            outcome, fault = ("error", AlphabenchError, repr(error), "See the message of rank 0."), error
    outcome = place.broadcast(outcome)
    if fault is not None:
        raise fault
    if outcome[0] == "error":
        _, kind, message, remedy = outcome
        raise kind(message, remedy=remedy)
    result: Result = outcome[1]
    return result
