"""Where the pictures of a record come from: galleries, folders of runs, data sets; none is ever made up."""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.data.dataset import DataSet, resolve_data
from alphabench.errors import AlphabenchError, DataError
from alphabench.leaderboard.galleries import FILE as LISTING
from alphabench.leaderboard.places import GALLERIES
from alphabench.results import workfolder
from alphabench.results.canonical import parse_json
from alphabench.results.document import FILE
from alphabench.results.record import Record

LONG_SIDE = 512
"""Pictures with a longer side are shown smaller, and the page says so."""


@dataclass(frozen=True)
class Picture:
    """An image file as it goes into a site.

    Attributes:
        data: PNG or WebP bytes.
        suffix: `png` or `webp`.
        width: pixels.
        height: pixels.
        reduced: whether it was made smaller.
    """

    data: bytes
    suffix: str
    width: int
    height: int
    reduced: bool = False

    @property
    def name(self) -> str:
        """Return a file name that depends on the bytes alone: equal pictures are one file."""
        return f"{hashlib.sha256(self.data).hexdigest()[:24]}.{self.suffix}"


@dataclass
class PictureSource:
    """Finds the pictures of records under some folders.

    Attributes:
        roots: folders of records and runs.
        data: names or folders of data sets, beside the ones that records name.
    """

    roots: Sequence[Path]
    data: Sequence[str] = ()
    _runs: dict[str, Path] | None = None
    _sets: dict[tuple[str, str], DataSet | str] = field(default_factory=dict)

    def predictions(self, record: Record, samples: Iterable[str]) -> tuple[dict[str, Path], str]:
        """Return the prediction of each sample that has one, and why others have none; empty if all have."""
        wanted = list(samples)
        gallery = next((place for root in self.roots if (place := root / GALLERIES / record.id).is_dir()), None)
        found = {} if gallery is None else _gallery_files(gallery)
        if run := self._run_of(record):
            for sample in wanted:
                path = workfolder.prediction_path(run, sample)
                if sample not in found and path.is_file():
                    found[sample] = path
        found = {sample: found[sample] for sample in wanted if sample in found}
        if found and len(found) < len(wanted):
            return (
                found,
                f"Predictions are stored for {len(found)} of the {len(wanted)} chosen samples; these are shown.",
            )
        if found:
            return found, ""
        return {}, (
            "The predictions of this record are neither in a gallery beside it nor in a folder of runs. "
            "Build the page where they are, or name their folder with --root."
        )

    def references(self, record: Record, samples: Iterable[str]) -> tuple[dict[str, bytes], str]:
        """Return the reference of each sample, checked against the manifest, and why there are none.

        A generated image has no reference of its own, which needs no explanation.
        """
        if record.protocol.task == "generation":
            return {}, ""
        stated = record.document["data"]
        found = self._set_of(f"{stated['name']}@{stated['version']}", stated["manifest_hash"])
        if isinstance(found, str):
            return {}, found
        by_id = {sample.id: sample for sample in found.full.samples}
        references = {}
        for name in samples:
            if name not in by_id:
                return {}, f"The data set {found.manifest.id} here has no sample {name!r}."
            path = found.path(by_id[name])
            try:
                data = path.read_bytes()
            except OSError:
                return {}, f"The data set {found.manifest.id} here lacks {by_id[name].path}."
            if hashlib.sha256(data).hexdigest() != by_id[name].sha256:
                return {}, f"The data set {found.manifest.id} here has another file {by_id[name].path}."
            references[name] = data
        return references, ""

    def _set_of(self, name: str, manifest_hash: str) -> DataSet | str:
        key = (name, manifest_hash)
        if key not in self._sets:
            self._sets[key] = self._find_set(name, manifest_hash)
        return self._sets[key]

    def _find_set(self, name: str, manifest_hash: str) -> DataSet | str:
        for place in (*self.data, name):
            try:
                found = resolve_data(place)
            except AlphabenchError:
                continue
            if found.full_hash == manifest_hash:
                return found
        return (
            f"The images of the data set {name} ({manifest_hash[:8]}) are not on the machine that built this page. "
            "Name their folder with --data."
        )

    def _run_of(self, record: Record) -> Path | None:
        if self._runs is None:
            self._runs = dict(_runs(self.roots))
        own = record.path.parent if record.path is not None and record.path.name == workfolder.RECORD else None
        if own is not None and (own / workfolder.PREDICTIONS).is_dir():
            return own
        return self._runs.get(record.document["samples"]["rows_sha256"])


def picture(data: bytes, *, name: str) -> Picture:
    """Return the bytes of a PNG or WebP file as a picture, made smaller where its long side passes 512 pixels.

    Raises:
        DataError: neither PNG nor WebP, or it cannot be decoded where it has to be.
    """
    suffix, width, height = _facts(data, name)
    if max(width, height) <= LONG_SIDE:
        return Picture(data, suffix, width, height)
    from alphabench.image import decode_rgba, encode_png, quantise, resize_premultiplied, to_float

    rgba = to_float(decode_rgba(data, name=name, allow_opaque=True))[None]
    scale = LONG_SIDE / max(width, height)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    smaller = encode_png(quantise(resize_premultiplied(rgba, new_height, new_width))[0])
    return Picture(smaller, "png", new_width, new_height, reduced=True)


def _gallery_files(folder: Path) -> dict[str, Path]:
    """Return the files of a gallery by sample."""
    listing = folder / LISTING
    try:
        document = parse_json(listing.read_bytes(), name=str(listing))
    except (OSError, AlphabenchError):
        return {}
    entries = document.get("samples") if isinstance(document, dict) else None
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(entry.get("sample"), str):
            sample = entry["sample"]
            path = folder / str(entry.get("file"))
            if path.is_file() and folder.resolve() in path.resolve().parents:
                found[sample] = path
    return found


def _runs(roots: Iterable[Path]) -> Iterable[tuple[str, Path]]:
    """Yield `(hash of the rows, folder)` of each finished run that kept its predictions."""
    for root in roots:
        for path in sorted([*root.glob(f"{workfolder.RECORD}/{FILE}"), *root.glob(f"*/{workfolder.RECORD}/{FILE}")]):
            folder = path.parent.parent
            if (folder / workfolder.PREDICTIONS).is_dir():
                try:
                    document = parse_json(path.read_bytes(), name=str(path))
                    yield document["samples"]["rows_sha256"], folder
                except (OSError, AlphabenchError, KeyError, TypeError):
                    continue


def _facts(data: bytes, name: str) -> tuple[str, int, int]:
    """Return format, width and height from the head of a file."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 24:
        width, height = struct.unpack(">II", data[16:24])
        return "png", width, height
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) > 30:
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return "webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if data[12:16] == b"VP8X":
            return "webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise DataError(f"{name} is neither PNG nor lossless WebP", remedy="Write the gallery again from its run.")
