"""The way of one run: references in, predictions out, scores into the store, a record at the end."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphabench.data.manifest import Sample
from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.image.codec import encode_png, to_float
from alphabench.image.types import AnyCodes
from alphabench.models.spec import ModelInfo
from alphabench.results.document import validate_model
from alphabench.results.parts import Part
from alphabench.results.record import Record, load_record
from alphabench.results.request import RunRequest, model_document
from alphabench.results.store import RunStore
from alphabench.results.workfolder import default_folder
from alphabench.runtime import World, scoring_device, set_determinism, world
from alphabench.tasks.conclusion import SHEET, Timing, conclude
from alphabench.tasks.diagnosis import read_diagnosis, sample_faults
from alphabench.tasks.interrupt import interruptible
from alphabench.tasks.job import Job, Outcome, Report
from alphabench.tasks.scorers import Scorer, make_scorer
from alphabench.tasks.scoring import Scores

SEEDS = {"bootstrap": 12345}
READERS = 2


@dataclass
class _Clock:
    """Seconds spent where."""

    started: float = field(default_factory=time.perf_counter)
    score: float = 0.0
    samples: list[float] = field(default_factory=list)


def execute(job: Job, report: Report) -> Outcome:
    """Run the job, or go on with it, or return the stored result of an earlier run.

    Raises:
        DataError: the work folder belongs to another request or is in use; images or predictions are wrong.
        DiskFullError: the disk is full; what was stored is safe.
        Interrupted: stopped by the user; the same job goes on.
    """
    place = world()
    set_determinism()
    if job.batch_size < 1:
        raise UsageError(f"a batch of {job.batch_size} images is none", remedy="Use a batch size of 1 or more.")
    request = run_request(job)
    validate_model(request.model)
    folder = job.out or default_folder(request)
    _refuse_nesting(folder, job)
    scorer = make_scorer(job.protocol, scoring_device(job.device), job.pairing, job.judged)
    store = RunStore(
        folder,
        request,
        list(job.groups.items()),
        [key for key in job.protocol.sample_keys() if key[1] not in scorer.unavailable],
        job.batch_size,
        networks=scorer.networks,
        infinite=[name for name in job.protocol.metrics if job.protocol.mean_cap(name) is not None],
        place=place,
        fresh=job.fresh,
        command=" ".join(sys.argv),
    )
    with store, interruptible(folder):
        for notice in store.notices:
            report(store.done, len(job.samples), notice)
        if (stored := _stored(job, store, scorer)) is not None:
            return stored
        clock = _Clock()
        _together(place, lambda: _work(job, store, scorer, place, clock, report))
        if place.is_main:
            if place.size > 1:  # until here each rank has counted its own
                report(len(job.samples), len(job.samples), "")
            conclude(job, request, store, scorer, Timing(clock.started, clock.score, clock.samples))
        place.barrier()
        finished = store.finished
        assert finished is not None
        record = load_record(finished, protocol=job.protocol)
        return _outcome(job, store, record, stored=False)


def _refuse_nesting(folder: Path, job: Job) -> None:
    """Refuse a work folder inside the images' folder, or around it.

    Inside, its pictures would be samples of the next run; around, starting over would remove the images.

    Raises:
        DataError: one lies inside the other.
    """
    work = folder.resolve()
    for images in (job.data.root, *([] if job.predictions is None else [job.predictions])):
        read = images.resolve()
        if work.is_relative_to(read) or read.is_relative_to(work):
            raise DataError(
                f"the work folder {str(folder)!r} and the folder of images {str(images)!r} lie one inside the other",
                remedy="Name a folder elsewhere with --out DIR.",
            )


def _together(place: World, action: Callable[[], None]) -> None:
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


def _stored(job: Job, store: RunStore, scorer: Scorer) -> Outcome | None:
    """Return the result of an earlier run, unless a metric that it lacks can be computed by now."""
    finished = store.finished
    if finished is None:
        return None
    record = load_record(finished, protocol=job.protocol)
    lacking = {item["name"] for item in record.document["metrics"] if item["state"] == "unavailable"}
    if not record.complete and (store.done < len(job.samples) or lacking - set(scorer.unavailable)):
        return None
    return _outcome(job, store, record, stored=True)


def run_request(job: Job) -> RunRequest:
    """Return the frozen request of a job: what its hash and its work folder are made of."""
    manifest = job.data.manifest
    total = job.data.total
    return RunRequest(
        protocol_id=job.protocol.id,
        protocol_hash=job.protocol.hash,
        protocol=job.protocol.resolved(),
        data_id=manifest.id,
        manifest_hash=job.data.full_hash,
        split=manifest.split,
        samples=total,
        limit=None if len(manifest.samples) == total else len(manifest.samples),
        model=model_document(with_latent_numbers(job.judged.info)),
        task=job.task,
        seeds=SEEDS,
        dtype=job.dtype,
        device_kind=job.device.type,
    )


def with_latent_numbers(info: ModelInfo) -> ModelInfo:
    """Return `info` with its latent numbers per pixel inside the configuration, where tables find them."""
    if info.latent_numbers_per_pixel is None or info.kind == "predictions":
        return info
    config = {**info.config, "latent_numbers_per_pixel": info.latent_numbers_per_pixel}
    return dataclasses.replace(info, config=config)


def _work(job: Job, store: RunStore, scorer: Scorer, place: World, clock: _Clock, report: Report) -> None:
    """Predict, save and score every batch that is not done, reading the next one meanwhile."""
    samples = job.samples
    batches = store.todo(place.rank, place.size)
    report(store.done, len(samples), "")
    with ThreadPoolExecutor(READERS) as readers:
        waiting = _read(readers, job, samples, batches[0]) if batches else []
        for number, indices in enumerate(batches):
            started = time.perf_counter()
            references = [future.result() for future in waiting]
            if number + 1 < len(batches):
                waiting = _read(readers, job, samples, batches[number + 1])
            chosen = [samples[index] for index in indices]
            images = [to_float(codes)[None] for codes in references]
            predictions, facts = job.judged.predict(chosen, images)
            hashes = _save(job, store, chosen, predictions)
            scoring = time.perf_counter()
            scores = scorer.score(chosen, predictions, references)
            facts = _with_faults(job, facts, predictions, references)
            clock.score += time.perf_counter() - scoring
            store.append(_part(job, indices, chosen, scores, hashes, facts))
            clock.samples += [(time.perf_counter() - started) / len(indices)] * len(indices)
            report(store.done, len(samples), "")


def _read(
    readers: ThreadPoolExecutor, job: Job, samples: Sequence[Sample], indices: Sequence[int]
) -> list[Future[AnyCodes]]:
    return [readers.submit(job.data.read, samples[index]) for index in indices]


def _save(
    job: Job, store: RunStore, samples: Sequence[Sample], predictions: Sequence[AnyCodes | None]
) -> dict[str, str]:
    if not job.judged.writes:
        return {}
    return {
        sample.id: store.write_prediction(sample.id, encode_png(codes))
        for sample, codes in zip(samples, predictions, strict=True)
        if codes is not None
    }


def _part(
    job: Job,
    indices: Sequence[int],
    samples: Sequence[Sample],
    scores: Scores,
    predictions: Mapping[str, str],
    facts: Sequence[Mapping[str, Any]],
) -> Part:
    rows, absent = [], []
    groups = job.groups
    for (view, metric), values in scores.values.items():
        for sample, value in zip(samples, values.tolist(), strict=True):
            if math.isnan(value):  # the metric does not apply to this sample
                absent.append((sample.id, view, metric))
            else:
                rows.append((sample.id, groups[sample.id], view, metric, value))
    return Part(
        indices=indices,
        rows=rows,
        not_applicable=absent,
        features={network: array.numpy() for network, array in scores.features.items()},
        predictions=predictions,
        facts={sample.id: fact for sample, fact in zip(samples, facts, strict=True) if fact},
    )


def _with_faults(
    job: Job,
    facts: Sequence[Mapping[str, Any]],
    predictions: Sequence[AnyCodes | None],
    references: Sequence[AnyCodes],
) -> list[dict[str, Any]]:
    """Return the facts with each sample's faults, measured while both images are in memory.

    Where position joins the files, a prediction may belong to another reference: nothing is diagnosed there.
    """
    if job.pairing is not None:
        return [dict(fact) for fact in facts]
    return [
        {**fact, **sample_faults(prediction, reference)}
        for fact, prediction, reference in zip(facts, predictions, references, strict=True)
    ]


def _outcome(job: Job, store: RunStore, record: Record, *, stored: bool) -> Outcome:
    sheet = store.folder / SHEET
    return Outcome(
        record,
        job.protocol,
        store.folder,
        sheet if sheet.is_file() else None,
        stored=stored,
        diagnosis=read_diagnosis(store.folder),
    )
