"""Pictures beside a record: the predictions that a reader looks at, kept small and outside its identity.

`galleries/<record_id>/` has up to 24 predictions as lossless WebP, the worst, the median and the best by the
primary metric, and `gallery.json` with the SHA-256 of the decoded pixels of each. A record without a gallery
is as good as one with it.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabench.errors import NO_SPACE, DataError, DiskFullError
from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.places import GALLERIES
from alphabench.results import workfolder
from alphabench.results.aggregate import columns_of
from alphabench.results.canonical import canonical_json, parse_json
from alphabench.results.durable import replace_folder, write_durably
from alphabench.results.lock import folder_lock
from alphabench.results.parts import FOOTER
from alphabench.results.record import Record

if TYPE_CHECKING:
    from alphabench.image.types import Codes

SCHEMA = "alphabench.gallery/1"
FILE = "gallery.json"
EACH = 8
LEAST_EACH = 2
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Gallery:
    """What became of a record's gallery.

    Attributes:
        path: its folder; None where there is none.
        images: how many predictions it has.
        bytes: their size.
        reason: why there is none; empty where there is one.
    """

    path: Path | None
    images: int = 0
    bytes: int = 0
    reason: str = ""


def add_gallery(record: Record, record_id: str, root: Path) -> Gallery:
    """Write the gallery of a record from the run folder that it lies in, unless it is there already.

    Args:
        record: a complete record with its folder.
        record_id: the name under which the store has this result.
        root: the store.

    Returns:
        Where it lies, or why there is none: no predictions beside the record, or too large ones.

    Raises:
        DataError: a prediction is not the one that was scored, or the store cannot be written.
        DiskFullError: no space is left.
    """
    target = root / GALLERIES / record_id
    if target.is_dir():
        stored = parse_json((target / FILE).read_bytes(), name=str(target / FILE))
        return Gallery(target, len(stored["samples"]), sum(item["bytes"] for item in stored["samples"]))
    assert record.path is not None
    run = record.path.parent
    if not (run / workfolder.PREDICTIONS).is_dir():
        return Gallery(None, reason="no predictions lie beside the record")
    metric, view, order = _order(record)
    scored = _scored_files(run)
    content: dict[str, bytes] = {}
    shown: list[dict[str, Any]] = []
    for each in range(EACH, LEAST_EACH - 1, -1):
        chosen = chosen_samples(order, each=each)
        for sample, _ in chosen:
            if sample not in content:
                content[sample] = _lossless(run, sample, scored)
        if sum(len(content[sample]) for sample, _ in chosen) <= MAX_BYTES - 16384:
            shown = [_entry(sample, place, content[sample]) for sample, place in chosen]
            break
    if not shown:
        return Gallery(None, reason=f"{3 * LEAST_EACH} predictions have more than {MAX_BYTES} bytes")
    facts = {"schema": SCHEMA, "record_id": record_id, "metric": metric, "view": view, "samples": shown}
    files = {item["file"]: content[item["sample"]] for item in shown}
    _write(target, {**files, FILE: canonical_json(facts) + b"\n"})
    return Gallery(target, len(shown), sum(item["bytes"] for item in shown))


def chosen_samples(order: Sequence[str], *, each: int = EACH) -> list[tuple[str, str]]:
    """Return `(sample, place)` of the worst, the median and the best, `each` of them; all where there are few.

    Args:
        order: samples from the worst to the best.
        each: how many of each place.
    """
    if len(order) <= 3 * each:
        third = len(order) / 3
        places = ["worst" if i < third else "median" if i < 2 * third else "best" for i in range(len(order))]
        return list(zip(order, places, strict=True))
    middle = (len(order) - each) // 2
    parts = {"worst": order[:each], "median": order[middle : middle + each], "best": order[-each:]}
    return [(sample, place) for place, samples in parts.items() for sample in samples]


def worst_first(values: Mapping[str, float], categories: Mapping[str, str], *, low_is_good: bool) -> list[str]:
    """Return the samples, the worst first; among those of equal value the categories take turns.

    Args:
        values: of one metric, by sample.
        categories: of each sample.
        low_is_good: whether a small value is a good one.
    """
    turns: Counter[tuple[float, str]] = Counter()
    order = []
    for sample, value in sorted(values.items()):
        own = value, categories[sample]
        order.append((-value if low_is_good else value, turns[own], sample))
        turns[own] += 1
    return [sample for _, _, sample in sorted(order)]


def pixels_sha256(codes: "Codes") -> str:
    """Return the SHA-256 of an image's pixels: red, green, blue, alpha of each, row by row."""
    return hashlib.sha256(codes.permute(1, 2, 0).contiguous().numpy().tobytes()).hexdigest()


def _order(record: Record) -> tuple[str, str, list[str]]:
    """Return the primary metric, or the first with a better side, its headline view, and the samples, worst first."""
    from alphabench.metrics.catalog import CATALOG

    names = record.protocol.sample_metrics()
    directed = next((name for name in names if CATALOG[name].higher_is_better is not None), names[0])
    metric = shipped_gate().rules().primary_of(record.protocol.metrics) or directed
    table: dict[str, dict[str, float]] = {}
    categories: dict[str, str] = {}
    for sample, category, view, name, value in record.rows:
        if name == metric:
            table.setdefault(view, {})[sample] = value
            categories[sample] = category
    view = record.protocol.headline(metric)
    values = columns_of(record.protocol, metric, table)[view].values
    return metric, view, worst_first(values, categories, low_is_good=CATALOG[metric].higher_is_better is False)


def _scored_files(run: Path) -> dict[str, str]:
    """Return the SHA-256 of each sample's prediction file as the run's parts state it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for path in sorted((run / workfolder.PARTS).glob("*.parquet")):
        try:
            metadata = pq.read_schema(path).metadata or {}
            footer: Mapping[str, Any] = json.loads(metadata[FOOTER.encode()])
            found.update(footer["predictions"])
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a part of a run: {error}", remedy="Repeat the run.") from error
    return found


def _lossless(run: Path, sample: str, scored: Mapping[str, str]) -> bytes:
    from alphabench.image.codec import decode_rgba, decode_webp, encode_webp_lossless

    path = workfolder.prediction_path(run, sample)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the prediction {str(path)!r} cannot be read: {error.strerror}",
            remedy="Repeat the run, or add its record folder alone, without a gallery.",
        ) from error
    if scored.get(sample) != hashlib.sha256(data).hexdigest():
        raise DataError(
            f"the prediction {str(path)!r} is not the file that was scored",
            remedy="Repeat the run, or add its record folder alone, without a gallery.",
        )
    codes = decode_rgba(data, name=str(path), allow_opaque=True)
    packed = encode_webp_lossless(codes)
    if pixels_sha256(decode_webp(packed)) != pixels_sha256(codes):
        raise DataError(f"{path} does not survive as lossless WebP", remedy="Upgrade Pillow.")
    return packed


def _entry(sample: str, place: str, data: bytes) -> dict[str, Any]:
    from alphabench.image.codec import decode_webp

    codes = decode_webp(data)
    return {
        "sample": sample,
        "place": place,
        "file": f"{hashlib.sha256(sample.encode()).hexdigest()[:16]}.webp",
        "sha256": pixels_sha256(codes),
        "bytes": len(data),
        "width": int(codes.shape[2]),
        "height": int(codes.shape[1]),
    }


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    temporary = target.parent / f".{target.name}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(target.parent):
            if target.is_dir():
                return
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            for name, data in files.items():
                write_durably(temporary / name, data)
            replace_folder(temporary, target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if error.errno in NO_SPACE:
            raise DiskFullError(
                f"disk full at {str(target)!r}: the record is safe, its gallery was not written",
                remedy="Free some space, then repeat the same command.",
            ) from error
        raise DataError(
            f"the gallery {str(target)!r} cannot be written: {error.strerror}",
            remedy="Name a folder that you may write to with --root DIR.",
        ) from error
