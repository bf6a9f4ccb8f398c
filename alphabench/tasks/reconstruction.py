"""Let a model reconstruct a set, and judge what came back."""

from dataclasses import dataclass
from pathlib import Path

import torch

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.errors import UsageError
from alphabench.models.contract import Reconstructor
from alphabench.models.registry import load_model
from alphabench.models.spec import LoadRequest
from alphabench.protocols import Protocol, load_protocol
from alphabench.runtime import resolve_device, resolve_dtype, world
from alphabench.tasks.execution import execute
from alphabench.tasks.harmlessness import judged_latents
from alphabench.tasks.job import Job, Outcome, Report
from alphabench.tasks.judged import Judged, JudgedModel, delivered_once
from alphabench.tasks.paper_pairing import PaperPairing, pair_by_position
from alphabench.tasks.paper_scoring import saved_as_authors


@dataclass(frozen=True)
class ReconstructionRequest:
    """What `alphabench reconstruct` was asked for; see its help for each field."""

    model: str
    checkpoint: Path | None = None
    data: str = "alpha-mini"
    protocol: str = "alpha-mini@1"
    out: Path | None = None
    limit: int | None = None
    batch_size: int = 4
    device: str = "auto"
    dtype: str = "float32"
    fresh: bool = False


def reconstruct_set(request: ReconstructionRequest, report: Report) -> Outcome:
    """Run the request and return the finished record.

    Raises:
        UsageError: unknown model, protocol, data set, device or dtype.
        DataError: a checkpoint, image, work folder or model output that is wrong.
        Interrupted: stopped by the user; the same request goes on.
    """
    world()
    protocol = load_protocol(request.protocol)
    require_reconstruction(protocol)
    resolve_dtype(request.dtype)
    device = resolve_device(request.device)
    data = resolve_data(request.data)
    if request.limit is not None:
        data = data.limit(request.limit)
    model = load_model(request.model, LoadRequest(request.checkpoint, str(device), request.dtype))
    job = Job(
        task="reconstruction",
        protocol=protocol,
        data=data,
        judged=judged_by(model, protocol, device, request.dtype),
        device=device,
        dtype=request.dtype,
        batch_size=request.batch_size,
        out=request.out,
        fresh=request.fresh,
        pairing=own_pairing(protocol, data),
    )
    return execute(job, report)


def judged_by(model: Reconstructor, protocol: Protocol, device: torch.device, dtype: str) -> Judged:
    """Return the model as the protocol judges it: by its predictions, or by its latents.

    Raises:
        UsageError: latents are judged, and the model has no RGB parent or works in another precision.
        AlphabenchError: latents are judged, and the model's RGB parent is unknown, absent, or does not fit.
    """
    if protocol.judges_latents:
        return judged_latents(model, protocol, device, dtype)
    return judged_model(model, protocol, device)


def judged_model(model: Reconstructor, protocol: Protocol, device: torch.device) -> JudgedModel:
    """Return the model with its output saved as the protocol wants it."""
    authors = protocol.prediction.own_codec == "av-bf16-save"
    return JudgedModel(model, device, saved_as_authors if authors else delivered_once)


def own_pairing(protocol: Protocol, data: DataSet) -> PaperPairing | None:
    """Return how predictions of our own are joined with their references, where position decides."""
    if protocol.prediction.pairing == "sample-id":
        return None
    samples = data.manifest.samples
    return pair_by_position(samples, samples)


def require_reconstruction(protocol: Protocol) -> None:
    """Refuse a protocol that does not judge reconstructions.

    Raises:
        UsageError: its task is another.
    """
    if protocol.task != "reconstruction":
        raise UsageError(
            f"the protocol {protocol.id} judges {protocol.task}, not reconstruction",
            remedy="`alphabench protocols list` says what each protocol judges.",
        )
