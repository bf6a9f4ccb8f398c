"""Judge a folder of predictions against a folder of references, paired by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.data.naming import slug_of
from alphabench.errors import DataError, IncompleteError
from alphabench.models.predictions import PredictionFolder, prediction_folder
from alphabench.protocols import load_protocol
from alphabench.runtime import resolve_device, world
from alphabench.tasks.execution import execute
from alphabench.tasks.harmlessness import refuse_predictions
from alphabench.tasks.job import Job, Outcome, Report
from alphabench.tasks.judged import JudgedFolder
from alphabench.tasks.paper_pairing import PaperPairing, pair_by_position
from alphabench.tasks.reconstruction import require_reconstruction
from alphabench.tasks.resumable_run import refuse_work_folder


@dataclass(frozen=True)
class ScoreRequest:
    """What `alphabench score` was asked for; see its help for each field."""

    reference: Path
    prediction: Path
    protocol: str = "alpha-mini@1"
    out: Path | None = None
    name: str | None = None
    org: str = "local"
    licence: str = "unknown"
    batch_size: int = 4
    device: str = "auto"
    fresh: bool = False


def score_files(request: ScoreRequest, report: Report) -> Outcome:
    """Run the request and return the finished record.

    Raises:
        UsageError: unknown protocol or device, or a run's work folder instead of its images.
        IncompleteError: no reference has a prediction.
        DataError: predictions that are extra, duplicate, unreadable or of another size.
        Interrupted: stopped by the user; the same request goes on.
    """
    world()
    protocol = load_protocol(request.protocol)
    require_reconstruction(protocol)
    refuse_predictions(protocol)
    device = resolve_device(request.device)
    for folder in (request.reference, request.prediction):
        refuse_work_folder(folder)
    references = resolve_data(str(request.reference))
    predictions = resolve_data(str(request.prediction))
    pairing: PaperPairing | None = None
    absent: tuple[str, ...] = ()
    if protocol.prediction.pairing == "sorted-position":
        pairing = pair_by_position(
            references.manifest.samples, predictions.manifest.samples, prediction_root=predictions.root
        )
        joined = dict(pairing.pairs)
    else:
        joined, absent = pair_by_name(references, predictions)
    job = Job(
        task="scoring",
        protocol=protocol,
        data=references,
        judged=JudgedFolder(_folder(predictions, joined, request)),
        device=device,
        dtype="external",
        batch_size=request.batch_size,
        out=request.out,
        fresh=request.fresh,
        absent=absent,
        predictions=predictions.root,
        pairing=pairing,
    )
    return execute(job, report)


def pair_by_name(references: DataSet, predictions: DataSet) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the prediction of each reference by sample id, and the references that have none.

    Raises:
        IncompleteError: no reference has a prediction.
        DataError: predictions without reference.
    """
    wanted = [sample.id for sample in references.manifest.samples]
    found = {sample.id for sample in predictions.manifest.samples}
    extra = sorted(found - set(wanted))
    missing = tuple(sample for sample in wanted if sample not in found)
    if len(missing) == len(wanted):
        raise IncompleteError(
            f"none of the {len(wanted)} references has a prediction: the first is {wanted[0]!r}, the first "
            f"prediction {extra[0]!r}",
            remedy="Give each prediction its reference's path without extension, folders included.",
        )
    if extra:
        raise DataError(
            f"{len(extra)} of {len(found)} predictions have no reference, first {extra[0]!r} (in {predictions.root})",
            remedy="Give each prediction its reference's path without extension, and remove the others.",
        )
    return {sample: sample for sample in wanted if sample in found}, missing


def _folder(predictions: DataSet, joined: Mapping[str, str], request: ScoreRequest) -> PredictionFolder:
    """Return the predictions as a model, keyed by the reference that each belongs to."""
    by_id = {sample.id: sample for sample in predictions.manifest.samples}
    return prediction_folder(
        {reference: predictions.path(by_id[prediction]) for reference, prediction in joined.items()},
        {reference: by_id[prediction].sha256 for reference, prediction in joined.items()},
        name=slug_of(request.name or request.prediction.resolve().name),
        org=slug_of(request.org),
        licence=request.licence,
    )
