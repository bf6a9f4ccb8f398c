"""From the store of a generation run to its record: set metrics, averages, provenance, contact sheets."""

from alphabench.image.codec import read_rgba
from alphabench.image.types import AnyCodes
from alphabench.results.aggregate import aggregate
from alphabench.results.provenance import code_version, environment
from alphabench.results.record import build_record, record_files
from alphabench.results.request import RunRequest
from alphabench.results.store import RunStore
from alphabench.runtime import world
from alphabench.tasks.conclusion import timings, weights_used
from alphabench.tasks.generation_job import GenerationJob, ImageScorer
from alphabench.tasks.generation_plan import PlannedImage
from alphabench.tasks.generation_sheet import image_sheets
from alphabench.tasks.resumable_run import Clock

DRAWN_OTHERWISE = (
    "prompts are stripped and each image has a seed of its own; the authors' scripts keep the line feed and draw all "
    "images of a category from one generator with seed 42"
)


def conclude_generation(
    job: GenerationJob, request: RunRequest, store: RunStore, scorer: ImageScorer, clock: Clock
) -> None:
    """Write the contact sheets and the record of a run whose images are all stored.

    Raises:
        DataError: the record cannot be written.
        DiskFullError: the disk is full; every image is safe.
    """
    merged = store.merged()
    samples = list(job.groups.items())
    metrics = aggregate(
        job.protocol,
        samples,
        merged.rows,
        merged.not_applicable,
        set_values=scorer.set_values(merged.features, job.groups),
        unavailable=scorer.unavailable,
    )
    weights = weights_used(job.protocol, scorer.unavailable)
    document, parquet = build_record(
        request=request,
        protocol=job.protocol,
        samples=samples,
        merged=merged,
        metrics=metrics,
        code=code_version(),
        environment=environment(job.device, job.dtype, world(), weights | scorer.libraries),
        started=store.started,
        resumed=store.resumed,
        timings=timings(clock, job.source.seconds),
        deviations=(*scorer.deviations(job.groups, metrics), *_drawn_otherwise(job)),
        incomplete=_absent(job),
        notes="; ".join(filter(None, (_count(job), *_remarks(job), scorer.notes(job.groups)))),
    )
    info = job.source.info
    title = f"{info.org}/{info.name} on {job.prompts.id}"
    # First, so that a finished record never lacks its pages.
    for name, page in image_sheets(title, job.protocol.id, job.images, lambda image: _read(job, store, image)):
        store.write_page(name, page)
    store.finish(record_files(document), parquet)


def _count(job: GenerationJob) -> str:
    return f"{job.per_prompt} images of each prompt" if job.per_prompt > 1 else ""


def _drawn_otherwise(job: GenerationJob) -> list[str]:
    """Return how the images were drawn otherwise than by the scripts whose numbers the protocol is to reproduce."""
    if job.task != "generation" or job.protocol.aggregation.mode != "paper-t2i":
        return []
    return [DRAWN_OTHERWISE]


def _remarks(job: GenerationJob) -> list[str]:
    prompts = {image.prompt.id: image.prompt for image in job.images}
    return job.source.remarks(list(prompts.values()))


def _absent(job: GenerationJob) -> list[str]:
    if not job.absent:
        return []
    return [f"{len(job.absent)} of {job.total} images are missing, first {job.absent[0]!r}"]


def _read(job: GenerationJob, store: RunStore, image: PlannedImage) -> AnyCodes:
    """Return an image as it was judged."""
    if job.source.writes:
        return read_rgba(store.prediction_path(image.id))
    return job.source.finish([image], None)[0]
