"""Results: rows first, a crash-safe store, one averaging rule, records that prove themselves."""

from alphabench.results.canonical import canonical_json, sha256_json
from alphabench.results.merged import Merged
from alphabench.results.parts import Part
from alphabench.results.record import Record, build_record, load_record
from alphabench.results.request import RunRequest, model_document
from alphabench.results.store import RunStore

__all__ = [
    "Merged",
    "Part",
    "Record",
    "RunRequest",
    "RunStore",
    "build_record",
    "canonical_json",
    "load_record",
    "model_document",
    "sha256_json",
]
