"""The way of a generation run: prompts in, images and scores into the store, a record at the end.

While one batch is decoded, scored and written, the next one is sampled: torch, zlib and the disk let other
threads run. Everything that is computed is a function of its own batch, so the order of the threads changes no
number.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from alphabench.image.codec import encode_png
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
    """Begin each batch that is not done while the one before it is finished in a thread of its own."""
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
    with exact_matmul(), ThreadPoolExecutor(WRITERS) as writers, _beside_sampling(job) as finisher:
        running: tuple[int, Future[None]] | None = None
        for indices in store.todo(place.rank, place.size):
            chosen = [job.images[index] for index in indices]
            begun = job.source.begin(chosen)
            settle(running)
            running = (
                len(indices),
                finisher.submit(_finish, job, store, scorer, clock, writers, indices, chosen, begun),
            )
        settle(running)


@contextlib.contextmanager
def _beside_sampling(job: GenerationJob) -> Iterator[ThreadPoolExecutor]:
    """Yield the one thread that finishes batches; where sampling needs the cores, torch takes one of them in it.

    Two threads that both spread their work over all cores wait for each other more than they work.
    """
    threads = torch.get_num_threads()
    few = 1 if job.device.type == "cpu" else threads
    try:
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(few,)) as finisher:
            yield finisher
    finally:
        torch.set_num_threads(threads)  # of the threads that are yet to come


def _finish(
    job: GenerationJob,
    store: RunStore,
    scorer: ImageScorer,
    clock: Clock,
    writers: ThreadPoolExecutor,
    indices: Sequence[int],
    images: Sequence[PlannedImage],
    begun: Tensor | None,
) -> None:
    """Decode, encode, score, write and store one batch; its files are there before its rows."""
    codes = job.source.finish(images, begun)
    files = (
        [
            writers.submit(encode_png, one, text=job.source.notes(image))
            for image, one in zip(images, codes, strict=True)
        ]
        if job.source.writes
        else []
    )
    started = time.perf_counter()
    scores = scorer.score([image.prompt for image in images], codes)
    clock.score += time.perf_counter() - started
    written = {
        image.id: store.write_prediction(image.id, file.result()) for image, file in zip(images, files, strict=False)
    }
    store.append(part_of(indices, [image.id for image in images], job.groups, scores, written))
