"""Records: built from a finished run, written once, read with every check."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alphabench.errors import DataError
from alphabench.protocols import Protocol, signature
from alphabench.results import workfolder
from alphabench.results.aggregate import headline_aggregates
from alphabench.results.document import (
    FILE,
    SCHEMA,
    document_bytes,
    read_document,
    record_id,
    sentence,
    validate_document,
)
from alphabench.results.merged import Merged
from alphabench.results.record_checks import check_content, known_protocol
from alphabench.results.request import RunRequest
from alphabench.results.rows import COLUMNS, Row, read_parquet, rows_sha256, write_parquet

if TYPE_CHECKING:
    import pandas as pd

ROWS_FILE = "samples.parquet"


@dataclass(frozen=True)
class Record:
    """A checked record.

    Attributes:
        document: `record.json`.
        rows: `(sample, category, view, metric, value)`, sorted.
        protocol: the protocol it was made under.
        path: its folder, None for a record that lives in memory.
    """

    document: Mapping[str, Any]
    rows: Sequence[Row]
    protocol: Protocol
    path: Path | None

    @property
    def id(self) -> str:
        """Return the record's identity."""
        return str(self.document["record_id"])

    @property
    def signature(self) -> str:
        """Return the line that says how the numbers were made."""
        return str(self.document["signature"])

    @property
    def complete(self) -> bool:
        """Say whether every metric of the protocol was measured on every sample."""
        return bool(self.document["complete"])

    @property
    def aggregates(self) -> dict[str, dict[str, Any]]:
        """Return each metric's headline: `{metric: {value, unit, n, state}}`."""
        return headline_aggregates(self.document, self.protocol)

    @property
    def missing(self) -> list[dict[str, str]]:
        """Return `{metric, reason, remedy}` for each metric that has no value."""
        return [
            {"metric": metric["name"], "reason": metric["reason"], "remedy": metric.get("remedy", "")}
            for metric in self.document["metrics"]
            if metric["state"] != "ok"
        ]

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a table with the columns sample, category, view, metric and value."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=[*COLUMNS, "value"])

    def in_memory(self) -> "Record":
        """Return the same record without a folder."""
        return replace(self, path=None)


def build_record(
    *,
    request: RunRequest,
    protocol: Protocol,
    samples: Sequence[tuple[str, str]],
    merged: Merged,
    metrics: Sequence[Mapping[str, Any]],
    code: Mapping[str, Any],
    environment: Mapping[str, Any],
    started: str,
    resumed: int,
    timings: Mapping[str, float],
    deviations: Sequence[str] = (),
    incomplete: Sequence[str] = (),
    notes: str = "",
) -> tuple[dict[str, Any], bytes]:
    """Return a record's document and the bytes of its rows.

    Args:
        request: what was asked for.
        protocol: the protocol of the request.
        samples: `(id, category)` of every sample that was to be measured.
        merged: what the store holds.
        metrics: what `aggregate` made of it.
        code: version and commit.
        environment: machine and libraries.
        started: UTC time of the run's first start.
        resumed: how often it was started again.
        timings: `wall_s` and what else was timed.
        deviations: sentences that a bug-compatible protocol must confess.
        incomplete: further reasons why the record is not complete.
        notes: words for the reader.

    Raises:
        DataError: the document does not fit the schema, which is a fault of the caller.
    """
    parquet = write_parquet(merged.rows)
    finished = workfolder.now()
    lacking = [metric["name"] for metric in metrics if metric["state"] != "ok"]
    reasons = [*incomplete, *_reasons(request, samples, merged, metrics)]
    data_name, _, data_version = request.data_id.rpartition("@")
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "created": finished,
        "task": request.task,
        "signature": signature(protocol, request.data_id, request.manifest_hash, lacking),
        "protocol": {"name": protocol.name, "version": protocol.version, "hash": protocol.hash},
        "data": {
            "name": data_name,
            "version": int(data_version),
            "split": request.split,
            "manifest_hash": request.manifest_hash,
            "samples": len(samples),
            "categories": dict(sorted(Counter(category for _, category in samples).items())),
        },
        "model": dict(request.model),
        "code": dict(code),
        "environment": dict(environment),
        "seeds": dict(request.seeds),
        "run": {"hash": request.run_hash, "started": started, "finished": finished, "resumed": resumed},
        "metrics": [_clean_metric(metric) for metric in metrics],
        "samples": {
            "path": ROWS_FILE,
            "rows": len(merged.rows),
            "rows_sha256": rows_sha256(merged.rows),
            "file_sha256": hashlib.sha256(parquet).hexdigest(),
            "file_bytes": len(parquet),
        },
        "timings": dict(timings),
        "verification": {"tier": 0},
        "complete": not reasons,
        "incomplete_reasons": [sentence(reason) for reason in dict.fromkeys(reasons)][:200],
    }
    if merged.features:
        document["features"] = _feature_facts(merged)
    if deviations:
        document["deviations"] = [sentence(text) for text in dict.fromkeys(deviations)][:200]
    if notes:
        document["notes"] = notes[:2000]
    document["record_id"] = record_id(document)
    validate_document(document, name="the new record")
    return document, parquet


def load_record(path: str | Path, *, protocol: Protocol | None = None, thorough: bool = True) -> Record:
    """Read a record and check everything that can be checked without the images.

    Args:
        path: a run's folder, its `record` folder, or a `record.json`.
        protocol: the protocol it was made under, where it is neither a shipped one nor kept beside it.
        thorough: also compute every mean and interval again from the rows.

    Raises:
        DataError: a file cannot be read, was edited, or disagrees with another; the message says where.
    """
    folder = record_folder(Path(path).absolute())
    document = read_document(folder / FILE)
    check_place(folder, document)
    stated = document["samples"]
    try:
        data = (folder / ROWS_FILE).read_bytes()
    except OSError as error:
        raise DataError(
            f"the rows {str(folder / ROWS_FILE)!r} cannot be read: {error.strerror}",
            remedy="Copy record.json and samples.parquet together.",
        ) from error
    name = str(folder / ROWS_FILE)
    if (found := hashlib.sha256(data).hexdigest()) != stated["file_sha256"] or len(data) != stated["file_bytes"]:
        raise DataError(
            f"{name} has the SHA-256 {found}, the record states {stated['file_sha256']}",
            remedy="Take the record from its source again: its rows were edited or damaged.",
        )
    rows, _ = read_parquet(data, name=name)
    ruler = protocol or known_protocol(document["protocol"], folder)
    check_content(document, rows, ruler, name=name, thorough=thorough)
    return Record(document=document, rows=rows, protocol=ruler, path=folder)


def check_place(folder: Path, document: Mapping[str, Any]) -> None:
    """Check that a record in a leaderboard lies where its content says; elsewhere every folder is fine.

    Raises:
        DataError: the folders are named after another record.
    """
    if len(folder.name) != 32 or set(folder.name) - set("0123456789abcdef"):
        return
    model, ruler = document["model"], document["protocol"]
    wanted = (
        f"{ruler['name']}@{ruler['version']}",
        f"{model['org']}__{model['name']}",
        document["record_id"],
    )
    there = folder.parts[-3:]
    if there != wanted:
        raise DataError(
            f"the record {document['record_id']} lies in {'/'.join(there)}, it belongs in {'/'.join(wanted)}",
            remedy="Move it, or take it from its source again.",
        )


def record_files(document: Mapping[str, Any]) -> bytes:
    """Return the bytes of `record.json`."""
    return document_bytes(document)


def record_folder(path: Path) -> Path:
    """Return the folder of the record that `path` names: a run's folder, its record folder, or a `record.json`."""
    if path.name == FILE:
        return path.parent
    inside = path / workfolder.RECORD
    return inside if (inside / FILE).is_file() else path


def _reasons(
    request: RunRequest,
    samples: Sequence[tuple[str, str]],
    merged: Merged,
    metrics: Sequence[Mapping[str, Any]],
) -> list[str]:
    reasons = []
    if len(samples) < request.samples:
        reasons.append(f"{len(samples)} of {request.samples} samples were taken")
    if merged.missing:
        reasons.append(
            f"{len(merged.missing)} of {len(samples)} samples were not measured, first {merged.missing[0]!r}"
        )
    reasons += [
        f"{metric['name']} is {metric['state']}: {metric['reason']}" for metric in metrics if metric["state"] != "ok"
    ]
    return reasons


def _clean_metric(metric: Mapping[str, Any]) -> dict[str, Any]:
    texts = {key: sentence(metric[key]) for key in ("reason", "remedy") if key in metric}
    return {**metric, **texts}


def _feature_facts(merged: Merged) -> list[dict[str, Any]]:
    facts = []
    for network, (_, array) in merged.features.items():
        if array.size:
            data = np.ascontiguousarray(array, dtype="<f4").tobytes()
            dim = int(array.shape[-1])
            count = int(array.size // dim)
            digest = hashlib.sha256(data).hexdigest()
            facts.append({"network": network, "dim": dim, "count": count, "sha256": digest})
    return facts
