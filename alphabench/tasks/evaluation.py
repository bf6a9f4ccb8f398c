"""Judge one's own reconstructor from Python."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.data.naming import slug_of
from alphabench.image.types import Rgba
from alphabench.models.contract import Reconstructor
from alphabench.models.spec import ModelInfo
from alphabench.protocols import Protocol, load_protocol
from alphabench.results.record import Record
from alphabench.runtime import resolve_device
from alphabench.tasks.execution import execute
from alphabench.tasks.job import Job
from alphabench.tasks.reconstruction import judged_by, own_pairing, require_reconstruction


@dataclass(frozen=True)
class _Named:
    """A bare function that poses as a model."""

    info: ModelInfo
    function: Callable[[Rgba], Rgba]

    def reconstruct(self, images: Rgba) -> Any:  # whatever it is: the run checks it and says what is wrong
        return self.function(images)


def evaluate(
    model: Reconstructor | Callable[[Rgba], Rgba],
    data: str | Path | DataSet = "alpha-mini",
    protocol: str | Path | Protocol = "alpha-mini@1",
    *,
    name: str | None = None,
    out: str | Path | None = None,
    device: str = "cpu",
    batch_size: int = 4,
    limit: int | None = None,
) -> Record:
    """Judge `model` on `data` under `protocol` and return the record.

    Args:
        model: a function from straight-alpha images in [0,1], float32 `(batch, 4, height, width)`, to
            images of the same shape and range; or an object with `info` and `reconstruct`.
        data: a data set's name, or any folder of RGBA images.
        protocol: a protocol's name, or a TOML file.
        name: the model's name in the record; default: the function's name.
        out: work folder that keeps predictions, record and contact sheet; default: none is kept, and the
            record lives in memory. A function has no identity that a rerun could be compared with, so the
            folder starts anew each time.
        device: where images are sent and metrics computed.
        batch_size: images at a time.
        limit: only the first images of the set; the record is then incomplete.

    Raises:
        UsageError: an unknown name.
        DataError: images or model output that are wrong.
    """
    resolved = protocol if isinstance(protocol, Protocol) else load_protocol(protocol)
    require_reconstruction(resolved)
    images = data if isinstance(data, DataSet) else resolve_data(str(data))
    where = resolve_device(device)
    reconstructor = model if isinstance(model, Reconstructor) else _named(model, name)
    if limit is not None:
        images = images.limit(limit)
    with tempfile.TemporaryDirectory(prefix="alphabench-") as scratch:
        job = Job(
            task="reconstruction",
            protocol=resolved,
            data=images,
            judged=judged_by(reconstructor, resolved, where, "float32"),
            device=where,
            dtype="float32",
            batch_size=batch_size,
            out=Path(scratch) / "run" if out is None else Path(out),
            fresh=True,
            pairing=own_pairing(resolved, images),
        )
        return execute(job, lambda done, total, note: None).record.in_memory()


def _named(function: Callable[[Rgba], Rgba], name: str | None) -> _Named:
    label = getattr(function, "__name__", type(function).__name__)
    slug = slug_of(name or label, fallback="model")
    info = ModelInfo(
        name=slug,
        org="local",
        licence="unknown",
        kind="builtin",
        architecture="callable",
        config={"callable": f"{getattr(function, '__module__', '')}.{label}"},
    )
    return _Named(info, function)
