"""From the store to the record: set metrics, averages, provenance, diagnosis, contact sheet."""

import contextlib
import statistics
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from alphabench.data.manifest import Sample
from alphabench.errors import AlphabenchError
from alphabench.image.codec import ImageFacts, read_facts, read_rgba, to_float
from alphabench.image.types import Codes
from alphabench.metrics.weights import WEIGHT_FILES, locate, sha256_of
from alphabench.protocols import Protocol
from alphabench.results.aggregate import aggregate
from alphabench.results.merged import Merged
from alphabench.results.provenance import code_version, environment
from alphabench.results.record import build_record, record_files
from alphabench.results.request import RunRequest
from alphabench.results.store import RunStore
from alphabench.runtime import peak_memory_bytes, world
from alphabench.tasks.diagnosis import PAGE, PERCEPTUAL, Diagnosis, diagnose
from alphabench.tasks.job import Job
from alphabench.tasks.resumable_run import Clock
from alphabench.tasks.scorers import Scorer, set_values
from alphabench.tasks.sheet import draw_sheet, mean_over_views

SHEET = "contact_sheet.png"
PRIMARY = ("psnr", "psnr_eps8")


def conclude(job: Job, request: RunRequest, store: RunStore, scorer: Scorer, clock: Clock) -> None:
    """Write the diagnosis, the contact sheet and the record of a run whose samples are all stored.

    Raises:
        DataError: the record cannot be written.
        DiskFullError: the disk is full; every sample is safe.
    """
    merged = store.merged()
    groups = job.groups
    metrics = aggregate(
        job.protocol,
        list(groups.items()),
        merged.rows,
        merged.not_applicable,
        set_values=set_values(job.protocol, merged.features, groups, scorer.unavailable),
        unavailable=scorer.unavailable,
    )
    document, parquet = build_record(
        request=request,
        protocol=job.protocol,
        samples=list(groups.items()),
        merged=merged,
        metrics=metrics,
        code=code_version(),
        environment=environment(job.device, job.dtype, world(), weights_used(job.protocol, scorer.unavailable)),
        started=store.started,
        resumed=store.resumed,
        timings=timings(clock, job.judged.seconds),
        deviations=job.deviations,
        incomplete=_absent(job),
        notes=_notes(job, merged),
    )
    # First, so that a finished record never lacks its pages.
    if (diagnosis := _diagnosis(job, merged)) is not None:
        store.write_page(PAGE, diagnosis.to_json())
    _draw(job, store, merged, diagnosis)
    store.finish(record_files(document), parquet)


def weights_used(protocol: Protocol, unavailable: Collection[str]) -> dict[str, str]:
    """Return the SHA-256 of each file of learned weights that was used, as entries of the environment."""
    used = {
        file.name
        for file in WEIGHT_FILES.values()
        if any(metric in protocol.metrics and metric not in unavailable for metric in file.needed_by)
    }
    return {f"weights:{Path(WEIGHT_FILES[name].filename).name}": sha256_of(locate(name)) for name in sorted(used)}


def timings(clock: Clock, model_seconds: float) -> dict[str, float]:
    """Return a record's timings: seconds of all, of the model and of scoring, peak memory, quantiles by sample."""
    found: dict[str, float] = {
        "wall_s": round(time.perf_counter() - clock.started, 3),
        "model_s": round(model_seconds, 3),
        "score_s": round(clock.score, 3),
    }
    if (peak := peak_memory_bytes()) is not None:
        found["peak_memory_bytes"] = peak
    if len(clock.samples) >= 2:
        cuts = statistics.quantiles(clock.samples, n=20)
        found |= {"sample_ms_p50": round(1000 * cuts[9], 3), "sample_ms_p95": round(1000 * cuts[18], 3)}
    return found


def _absent(job: Job) -> list[str]:
    if not job.absent:
        return []
    total = len(job.data)
    return [f"{len(job.absent)} of {total} references have no prediction, first {job.absent[0]!r}"]


def _notes(job: Job, merged: Merged) -> str:
    """Return what a reader should know: ignored metadata of the references, bytes that a codec used."""
    notes = []
    facts = [found for sample in job.samples if (found := _header(job.data.path(sample), job)) is not None]
    ignored = Counter(
        name
        for fact in facts
        for name, present in (
            ("an ICC profile", fact.icc),
            ("a gamma or chromaticity chunk", fact.gamma),
            ("an EXIF rotation", fact.exif_orientation is not None),
        )
        if present
    )
    notes += [f"{count} of {len(facts)} references carry {name}, which was ignored" for name, count in ignored.items()]
    sizes = [facts["encoded_bytes"] for facts in merged.facts.values() if "encoded_bytes" in facts]
    if sizes:
        pixels = sum(sample.width * sample.height for sample in job.samples)
        notes.append(
            f"encoded size: {statistics.fmean(sizes):.0f} bytes a sample on average, at most {max(sizes)}, "
            f"{sum(sizes) / pixels:.4f} bytes a pixel"
        )
    return "; ".join(notes)


def _header(path: Path, job: Job) -> ImageFacts | None:
    with contextlib.suppress(AlphabenchError):
        return read_facts(path, allow_opaque=job.data.manifest.alpha == "opaque")
    return None


def _over_backgrounds(job: Job, merged: Merged, metric: str | None) -> dict[str, list[float]]:
    """Return the values of each sample over the backgrounds that the metric's headline averages."""
    values: dict[str, list[float]] = {}
    if metric is None:
        return values
    views = frozenset(job.protocol.derived_views(metric).get(job.protocol.headline(metric), ()))
    for sample, _, view, name, value in merged.rows:
        if name == metric and view in views:
            values.setdefault(sample, []).append(value)
    return values


def _diagnosis(job: Job, merged: Merged) -> Diagnosis | None:
    primary = _primary(job)
    present = {row[3] for row in merged.rows}
    perceptual = next((name for name in PERCEPTUAL if name in present), None)
    errors = {
        sample: statistics.fmean(10 ** (-value / 10) for value in values)
        for sample, values in _over_backgrounds(job, merged, primary).items()
    }
    distances = {
        sample: statistics.fmean(values) for sample, values in _over_backgrounds(job, merged, perceptual).items()
    }
    return diagnose(job.groups, merged.facts, errors, distances, perceptual)


def _primary(job: Job) -> str | None:
    return next((name for name in PRIMARY if name in job.protocol.metrics), None)


def _draw(job: Job, store: RunStore, merged: Merged, diagnosis: Diagnosis | None) -> None:
    """Write the contact sheet, unless the protocol has no metric that could choose the samples."""
    metric = _primary(job)
    if metric is None:
        return
    values = _over_backgrounds(job, merged, metric)
    info = job.judged.info
    sheet = draw_sheet(
        f"{info.org}/{info.name} on {job.data.manifest.id}",
        job.protocol,
        job.data,
        mean_over_views(values, job.protocol.mean_cap(metric)),
        lambda sample: _prediction(job, store, sample),
        diagnosis,
    )
    store.write_page(SHEET, sheet)


def _prediction(job: Job, store: RunStore, sample: Sample) -> Codes:
    """Return the prediction for `sample` as it was judged."""
    if job.judged.writes:
        return read_rgba(store.prediction_path(sample.id))
    prediction = job.judged.predict([sample], [to_float(job.data.read(sample))[None]])[0][0]
    assert prediction is not None
    return prediction
