"""The way of a generation run: prompts in, images and scores into the store, a record at the end.

While one batch is finished, the next one is sampled: torch, zlib and the disk let other threads run. Everything
that is computed is a function of its own batch, so the order of the threads changes no number.
"""

import contextlib
import functools
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabench.image.codec import encode_png
from alphabench.image.types import AnyCodes
from alphabench.results.request import RunRequest, model_document
from alphabench.results.store import RunStore
from alphabench.results.workfolder import PREDICTIONS, default_folder
from alphabench.runtime import World, exact_matmul, scoring_device, set_determinism, world
from alphabench.tasks.execution import part_of, with_latent_numbers
from alphabench.tasks.generated_scoring import GenerationScorer
from alphabench.tasks.generation_conclusion import conclude_generation
from alphabench.tasks.generation_job import GenerationJob, ImageScorer
from alphabench.tasks.generation_plan import PlannedImage
from alphabench.tasks.generation_sheet import sheet_paths
from alphabench.tasks.job import Outcome, Report
from alphabench.tasks.resumable_run import Clock, ResumableRun, refuse_nesting, require_batch
from alphabench.tasks.scoring import Scores, joined

WRITERS = 2


def execute_generation(job: GenerationJob, report: Report) -> Outcome:
    """Run the job, or go on with it, or return the stored result of an earlier run.

    Raises:
        DataError: the work folder belongs to another request or is in use; the model's output is wrong.
        DiskFullError: the disk is full; what was stored is safe.
        Interrupted: stopped by the user; the same job goes on.
    """
    place = world()
    set_determinism()
    require_batch(job.batch_size)
    request = generation_request(job)
    folder = (job.out or default_folder(request)).absolute()
    refuse_nesting(folder, [] if job.folder is None else [job.folder])
    scorer: ImageScorer = GenerationScorer(job.protocol, scoring_device(job.device))
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
        conclude=lambda store, clock: conclude_generation(job, request, store, scorer, clock),
    )
    record, stored = run.carry_out(place, report)
    sheets = sheet_paths(folder)
    return Outcome(
        record,
        job.protocol,
        folder,
        sheets[0] if sheets else None,
        stored=stored,
        more_sheets=tuple(sheets[1:]),
        predictions=folder / PREDICTIONS if job.source.writes else None,
    )


def generation_request(job: GenerationJob) -> RunRequest:
    """Return the frozen request of a job: what its hash and its work folder are made of."""
    return RunRequest(
        protocol_id=job.protocol.id,
        protocol_hash=job.protocol.hash,
        protocol=job.protocol.resolved(),
        data_id=job.prompts.id,
        manifest_hash=job.prompts.hash(job.per_prompt),
        split="all",
        samples=job.total,
        limit=job.limit,
        model=model_document(with_latent_numbers(job.source.info)),
        task=job.task,
        seeds=job.seeds,
        dtype=job.dtype,
        device_kind=job.device.type,
    )


def _work(job: GenerationJob, store: RunStore, scorer: ImageScorer, place: World, clock: Clock, report: Report) -> None:
    """Begin each batch that is not done while the one before it is finished in a thread of its own.

    On a GPU that is all of it. On a CPU, which sampling needs whole, a batch is decoded and scored before the next
    one is begun, and only its files are made beside it: two threads that both spread their work over all cores wait
    for each other more than they work.
    """
    report(store.done, len(job.images), "")
    last = time.perf_counter()

    def settle(batch: tuple[int, Future[None]] | None) -> None:
        nonlocal last
        if batch is None:
            return
        count, finished = batch
        finished.result()
        now = time.perf_counter()
        clock.samples += [(now - last) / count] * count
        last = now
        report(store.done, len(job.images), "")

    # The switch of TF32 belongs to the process: set once for all threads, no scoring can change a sampling.
    with exact_matmul(), _helpers(job) as helpers:
        running: tuple[int, Future[None]] | None = None
        for indices in store.todo(place.rank, place.size):
            batch = [job.images[index] for index in indices]
            begun = job.source.begin(batch)
            judged = _judged(job, scorer, clock, helpers, batch, begun) if helpers.scores_in_parts else None
            settle(running)
            running = (
                len(indices),
                helpers.finisher.submit(_finish, job, store, scorer, clock, helpers, indices, batch, begun, judged),
            )
        settle(running)


@dataclass(frozen=True)
class _Helpers:
    """Threads beside the one that samples.

    Attributes:
        finisher: one, for whole batches.
        workers: several, for single images.
        scores_in_parts: whether the sampling thread has batches scored by the workers and waits for them.
    """

    finisher: ThreadPoolExecutor
    workers: ThreadPoolExecutor
    scores_in_parts: bool


@contextlib.contextmanager
def _helpers(job: GenerationJob) -> Iterator[_Helpers]:
    """Yield helper threads; where sampling needs the cores, torch takes one of them in each.

    OpenMP lets all threads of a process wait in the slow way as soon as its teams are larger than the machine.
    """
    threads, on_cpu = torch.get_num_threads(), not finished_beside_sampling(job)
    settle = functools.partial(torch.set_num_threads, 1 if on_cpu else threads)
    try:
        with (
            ThreadPoolExecutor(1, initializer=settle) as finisher,
            ThreadPoolExecutor(max(WRITERS, threads if on_cpu else 0), initializer=settle) as workers,
        ):
            yield _Helpers(finisher, workers, scores_in_parts=on_cpu)
    finally:
        torch.set_num_threads(threads)  # of the threads that are yet to come


def finished_beside_sampling(job: GenerationJob) -> bool:
    """Say whether a batch is decoded and scored while the next one is sampled."""
    return job.device.type != "cpu"


def _judged(
    job: GenerationJob,
    scorer: ImageScorer,
    clock: Clock,
    helpers: _Helpers,
    images: Sequence[PlannedImage],
    begun: Tensor | None,
) -> tuple[list[AnyCodes], Scores]:
    """Return the images of one batch and their scores."""
    codes = job.source.finish(images, begun)
    prompts = [image.prompt for image in images]
    started = time.perf_counter()
    if helpers.scores_in_parts:
        size = math.ceil(len(images) / torch.get_num_threads())
        firsts = range(0, len(images), size)
        parts = helpers.workers.map(
            scorer.score, *([each[first : first + size] for first in firsts] for each in (prompts, codes))
        )
        scores = joined(list(parts))
    else:
        scores = scorer.score(prompts, codes)
    clock.score += time.perf_counter() - started
    return codes, scores


def _finish(
    job: GenerationJob,
    store: RunStore,
    scorer: ImageScorer,
    clock: Clock,
    helpers: _Helpers,
    indices: Sequence[int],
    images: Sequence[PlannedImage],
    begun: Tensor | None,
    judged: tuple[list[AnyCodes], Scores] | None,
) -> None:
    """Judge one batch where that is not done, encode, write and store it; its files are there before its rows."""
    codes, scores = judged or _judged(job, scorer, clock, helpers, images, begun)
    written = {}
    if job.source.writes:
        pairs = zip(images, codes, strict=True)
        files = [helpers.workers.submit(encode_png, one, text=job.source.notes(image)) for image, one in pairs]
        for image, file in zip(images, files, strict=True):
            written[image.id] = store.write_prediction(image.id, file.result())
    store.append(part_of(indices, [image.id for image in images], job.groups, scores, written))
