"""The way of one run: references in, predictions out, scores into the store, a record at the end."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from alphabench.data.manifest import Sample
from alphabench.image.codec import encode_png, to_float
from alphabench.image.types import AnyCodes
from alphabench.models.spec import ModelInfo
from alphabench.results.parts import Part
from alphabench.results.request import RunRequest, model_document
from alphabench.results.store import RunStore
from alphabench.results.workfolder import default_folder
from alphabench.runtime import World, scoring_device, set_determinism, world
from alphabench.tasks.conclusion import SHEET, conclude
from alphabench.tasks.diagnosis import read_diagnosis, sample_faults
from alphabench.tasks.job import Job, Outcome, Report
from alphabench.tasks.resumable_run import SEEDS, Clock, ResumableRun, refuse_nesting, require_batch
from alphabench.tasks.scorers import Scorer, make_scorer
from alphabench.tasks.scoring import Scores

READERS = 2


def execute(job: Job, report: Report) -> Outcome:
    """Run the job, or go on with it, or return the stored result of an earlier run.

    Raises:
        DataError: the work folder belongs to another request or is in use; images or predictions are wrong.
        DiskFullError: the disk is full; what was stored is safe.
        Interrupted: stopped by the user; the same job goes on.
    """
    place = world()
    set_determinism()
    require_batch(job.batch_size)
    request = run_request(job)
    folder = job.out or default_folder(request)
    refuse_nesting(folder, [job.data.root, *([] if job.predictions is None else [job.predictions])])
    scorer = make_scorer(job.protocol, scoring_device(job.device), job.pairing, job.judged)
    run = ResumableRun(
        request=request,
        protocol=job.protocol,
        samples=list(job.groups.items()),
        unavailable=scorer.unavailable,
        networks=scorer.networks,
        folder=folder,
        batch_size=job.batch_size,
        fresh=job.fresh,
        work=lambda store, clock: _work(job, store, scorer, place, clock, report),
        conclude=lambda store, clock: conclude(job, request, store, scorer, clock),
    )
    record, stored = run.carry_out(place, report)
    sheet = folder.absolute() / SHEET
    return Outcome(
        record,
        job.protocol,
        folder.absolute(),
        sheet if sheet.is_file() else None,
        stored=stored,
        diagnosis=read_diagnosis(folder),
    )


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


def _work(job: Job, store: RunStore, scorer: Scorer, place: World, clock: Clock, report: Report) -> None:
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
    return part_of(indices, [sample.id for sample in samples], job.groups, scores, predictions, facts)


def part_of(
    indices: Sequence[int],
    names: Sequence[str],
    groups: Mapping[str, str],
    scores: Scores,
    predictions: Mapping[str, str],
    facts: Sequence[Mapping[str, Any]] = (),
) -> Part:
    """Return what a scored batch gives to the store.

    Args:
        indices: places of the samples in the run's list.
        names: id of each of them.
        groups: category of each sample by id.
        scores: values and features, in the order of `names`.
        predictions: SHA-256 of each file that was written, by sample.
        facts: anything else worth keeping of each of them.
    """
    rows, absent = [], []
    for (view, metric), values in scores.values.items():
        for name, value in zip(names, values.tolist(), strict=True):
            if math.isnan(value):  # the metric does not apply to this sample
                absent.append((name, view, metric))
            else:
                rows.append((name, groups[name], view, metric, value))
    return Part(
        indices=indices,
        rows=rows,
        not_applicable=absent,
        features={network: array.numpy() for network, array in scores.features.items()},
        predictions=predictions,
        facts={name: fact for name, fact in zip(names, facts or [{}] * len(names), strict=True) if fact},
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
