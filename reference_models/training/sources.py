"""Where training images come from: files checked once, kept in memory as far as they fit, and drawn ones."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from alphabench.data.dataset import resolve_data
from alphabench.data.folder import list_folder
from alphabench.data.manifest_file import load_manifest
from alphabench.errors import AlphabenchError, DataError
from alphabench.image.codec import decode_rgba
from reference_models.training import procedural
from reference_models.training.augment import padded, resized
from reference_models.training.data_config import DataConfig, SourceConfig
from reference_models.training.streams import array_stream

ROOT_VARIABLE = "ALPHABENCH_TRAIN_DATA"
ORDER = "alphabench training order"  # salt of the digests that limit and white_share go by


@runtime_checkable
class Rooted(Protocol):
    """A recipe's table of data, as far as it says where the data lie."""

    @property
    def root(self) -> str:
        """Return the folder that the recipe names."""
        ...


def data_root(config: Rooted) -> Path:
    """Return the folder of the training images: `$ALPHABENCH_TRAIN_DATA`, else the recipe's root."""
    return Path(os.environ.get(ROOT_VARIABLE, config.root)).expanduser()


@dataclass(frozen=True)
class ImageFile:
    """One file of a source.

    Attributes:
        name: path relative to the source, with forward slashes.
        path: where it lies.
        sha256: what its content must hash to, or empty.
    """

    name: str
    path: Path
    sha256: str = ""


@dataclass(frozen=True)
class Scan:
    """What the first look at a file found.

    Attributes:
        sha256: of the file.
        width: columns of the stored image.
        height: rows of the stored image.
        opaque: no pixel lets anything through.
    """

    sha256: str
    width: int
    height: int
    opaque: bool


class Tally:
    """Files that could not be used, each told once.

    Attributes:
        found: number of files that were looked at.
        skipped: name and reason of each that could not be used, in the order of finding out.
    """

    def __init__(self) -> None:
        self.found = 0
        self.skipped: dict[str, str] = {}
        self.news: list[str] = []
        self._lock = threading.Lock()

    def add(self, name: str, reason: str) -> None:
        """Count a file; only its first mention is news."""
        with self._lock:
            if name not in self.skipped:
                self.skipped[name] = reason
                self.news.append(f"left out {name}: {reason}")

    def describe(self) -> str | None:
        """Return one sentence about the files that could not be read, None if there are none."""
        if not self.skipped:
            return None
        name, reason = next(iter(self.skipped.items()))
        return f"{len(self.skipped):,} of {self.found:,} files could not be read: first {name} ({reason})"


class Cache:
    """Prepared images in memory, up to a number of bytes; what does not fit is not kept."""

    def __init__(self, mebibytes: int) -> None:
        self.free = mebibytes * 2**20
        self.images: dict[tuple[str, int], np.ndarray] = {}
        self._lock = threading.Lock()

    def offer(self, key: tuple[str, int], image: np.ndarray) -> None:
        """Keep an image if there is room."""
        with self._lock:
            if key not in self.images and image.nbytes <= self.free:
                self.images[key] = image
                self.free -= image.nbytes


@runtime_checkable
class Images(Protocol):
    """A source that is ready: a fixed sequence of images."""

    label: str
    opaque: bool
    names: Sequence[str]

    def fetch(self, index: int) -> np.ndarray | None:
        """Return the codes `(4, height, width)` of one image; None if it can no longer be read."""
        ...

    def digest(self) -> str:
        """Return what identifies the source's images."""
        ...


class Files:
    """The readable images of one source, prepared as the recipe says."""

    def __init__(self, source: SourceConfig, config: DataConfig, cache: Cache, tally: Tally) -> None:
        self.label, self.opaque = source.label, source.opaque
        self.config, self.cache, self.tally = config, cache, tally
        files = limited(trained_on(list_source(source, config), config), config.limit)
        self.files = files
        scans = self._scan()
        kept = [index for index, scan in enumerate(scans) if scan is not None]
        if not kept:
            reason = next(iter(tally.skipped[f"{self.label}/{file.name}"] for file in files))
            raise DataError(
                f"none of the {len(files):,} files of {self.label} can be read; the first: {reason}",
                remedy="Give a folder of sound PNG, WebP or TIFF files.",
            )
        kept = self._without_small({index: scan for index in kept if (scan := scans[index]) is not None})
        self.indices = kept
        self.names: Sequence[str] = [files[index].name for index in kept]
        self.scans = [scan for index in kept if (scan := scans[index]) is not None]
        opaque = sum(scan.opaque for scan in self.scans)
        if opaque == len(kept) and not source.opaque:
            raise DataError(
                f"all {len(kept):,} images of {self.label} are opaque, where images with alpha are meant",
                remedy="If they are photographs, write opaque = true in their [[data.sources]] table.",
            )
        self.opaque_images = 0 if source.opaque else opaque

    def fetch(self, index: int) -> np.ndarray | None:
        """Return the codes of one image; None, and a mention in the tally, if it can no longer be read."""
        number = self.indices[index]
        kept = self.cache.images.get((self.label, number))
        if kept is not None:
            return kept
        file = self.files[number]
        try:
            return self._prepared(self._decoded(file, self._content(file)))
        except AlphabenchError as error:
            self.tally.add(f"{self.label}/{file.name}", error.message)
            return None

    def digest(self) -> str:
        """Return the digest of the names and SHA-256 of the files, in name order."""
        lines = sorted(f"{name}\t{scan.sha256}\n" for name, scan in zip(self.names, self.scans, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def describe(self) -> str:
        """Return one sentence about what was found."""
        read = len(self.names)
        held = sum((self.label, number) in self.cache.images for number in self.indices)
        notes = [f"read {read:,} images of {self.label}"]
        if held < read:
            notes.append(f"{read - held:,} of them do not fit into cache_mib and are read when needed")
        if self.opaque_images:
            notes.append(f"{self.opaque_images:,} of them are opaque")
        return ", ".join(notes)

    def _scan(self) -> list[Scan | None]:
        self.tally.found += len(self.files)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            looks = list(pool.map(self._look, range(len(self.files))))
        for file, look in zip(self.files, looks, strict=True):  # in path order, whichever thread was first
            if isinstance(look, str):
                self.tally.add(f"{self.label}/{file.name}", look)
        return [None if isinstance(look, str) else look for look in looks]

    def _look(self, number: int) -> Scan | str:
        """Return what a file holds, or why it cannot be read; its image goes into the cache if there is room."""
        file = self.files[number]
        try:
            content = self._content(file)
            codes = self._decoded(file, content)
        except AlphabenchError as error:
            return error.message
        if self.cache.free > 0:
            self.cache.offer((self.label, number), self._prepared(codes))
        _, height, width = codes.shape
        return Scan(hashlib.sha256(content).hexdigest(), width, height, bool(codes[3].min() == 255))

    def _content(self, file: ImageFile) -> bytes:
        try:
            content = file.path.read_bytes()
        except OSError as error:
            raise DataError(f"{file.path} cannot be read: {error.strerror}", remedy="Check the file.") from error
        if file.sha256 and hashlib.sha256(content).hexdigest() != file.sha256:
            raise DataError(f"{file.path} is not the file of the manifest", remedy="Restore the file.")
        return content

    def _decoded(self, file: ImageFile, content: bytes) -> np.ndarray:
        return decode_rgba(content, name=str(file.path), allow_opaque=True).numpy()

    def _prepared(self, codes: np.ndarray) -> np.ndarray:
        size = self.config.size
        too_small = min(codes.shape[1:]) < size
        if self.config.resize == "shortest_side" or (too_small and self.config.small == "resize"):
            return resized(codes, size)
        return padded(codes, size) if too_small else codes

    def _without_small(self, scans: dict[int, Scan]) -> list[int]:
        """Return the numbers of the images to use, after the recipe's rule for small ones."""
        size = self.config.size
        small = [number for number, scan in scans.items() if min(scan.width, scan.height) < size]
        if not small:
            return list(scans)
        first = scans[small[0]]
        told = (
            f"{len(small):,} of {len(scans):,} images of {self.label} are smaller than the crop of {size} pixels, "
            f"first {self.files[small[0]].name} ({first.width}x{first.height})"
        )
        rule = "resize" if self.config.resize == "shortest_side" else self.config.small
        if rule == "refuse" or (rule == "skip" and len(small) == len(scans)):
            raise DataError(
                told, remedy='Lower data.size, or set data.small to "skip", "pad" or "resize" to use them so.'
            )
        done = {"skip": "left out", "pad": "padded with transparency", "resize": "enlarged"}[rule]
        self.tally.news.append(f"{told}: {done}")
        return [number for number in scans if rule != "skip" or number not in set(small)]


class Drawn:
    """Procedural images, each drawn when it is first asked for."""

    label = "procedural"
    opaque = False

    def __init__(self, config: DataConfig, cache: Cache) -> None:
        self.config, self.cache = config, cache
        self.names: Sequence[str] = [str(index) for index in range(config.procedural_images)]

    def fetch(self, index: int) -> np.ndarray | None:
        """Return the codes of one procedural image."""
        key = (self.label, index)
        image = self.cache.images.get(key)
        if image is None:
            rng = array_stream(self.config.procedural_seed, index, "procedural")
            drawn = procedural.image(rng, self.config.procedural_size, self.config.procedural_families)
            image = padded(drawn, self.config.size)
            self.cache.offer(key, image)
        return image

    def digest(self) -> str:
        """Return the digest of the settings and of the first images, which stand for the drawing code."""
        config = self.config
        numbers = (config.procedural_images, config.procedural_size, config.procedural_seed)
        digest = hashlib.sha256(" ".join(map(str, (*numbers, *config.procedural_families))).encode())
        for index in range(min(16, len(self.names))):
            image = self.fetch(index)
            assert image is not None
            digest.update(np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()


def list_source(source: SourceConfig, config: DataConfig) -> list[ImageFile]:
    """Return the files of a source in path order.

    Raises:
        DataError: there are none; a JPEG is one in an opaque source only.
        UsageError: there is no manifest of that name.
    """
    if source.manifest:
        return _of_manifest(source.manifest, data_root(config))
    folder = data_root(config) / source.folder
    remedy = f"Set {ROOT_VARIABLE} to the folder that the recipe's sources are relative to."
    if not folder.is_dir():
        raise DataError(f"there are no training images in {folder}, which does not exist", remedy=remedy)
    listing = list_folder(folder, opaque=source.opaque)
    if not listing.images:
        refused = len(listing.refused)
        if refused:
            remedy = "Convert them to PNG, WebP or TIFF; JPEG files are read where opaque = true."
        others = f", only {refused:,} in formats that are not read, first {listing.refused[0]}" if refused else ""
        raise DataError(f"there are no training images in {folder}{others}", remedy=remedy)
    return [ImageFile(path, folder / path) for path in listing.images]


def limited(files: Sequence[ImageFile], limit: int) -> list[ImageFile]:
    """Return at most `limit` files (0: all): the first of an order that depends on each name alone.

    So a smaller limit takes a subset, and another file in the folder moves no other one.
    """
    if not limit or limit >= len(files):
        return list(files)
    chosen = {file.name for file in sorted(files, key=lambda file: rank_of(file.name))[:limit]}
    return [file for file in files if file.name in chosen]


def trained_on(files: Sequence[ImageFile], config: DataConfig) -> list[ImageFile]:
    """Return the files of a source that are not held out.

    Raises:
        DataError: none is left.
    """
    if len(files) <= config.hold_out:
        raise DataError(
            f"{len(files)} files leave nothing to train on beside {config.hold_out} held-out ones",
            remedy="Lower data.hold_out.",
        )
    return list(files[: len(files) - config.hold_out])


def rank_of(name: str) -> float:
    """Return a number in [0,1) that depends on the name alone, evenly distributed over names."""
    digest = hashlib.sha256(f"{ORDER}/{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _of_manifest(name: str, root: Path) -> list[ImageFile]:
    path = root / name
    if path.suffix == ".toml" and path.is_file():
        manifest = load_manifest(path)
        data = resolve_data(path) if manifest.root else resolve_data(path, root=path.parent)
    else:
        data = resolve_data(name)
    return [ImageFile(sample.path, data.path(sample), sample.sha256) for sample in data]


def images_of(config: DataConfig, tally: Tally, progress: Callable[[str], None]) -> list[Images]:
    """Return all sources of a recipe, files first, and tell what was found."""
    cache = Cache(config.cache_mib)
    sources: list[Images] = []
    for source in config.sources:
        files = Files(source, config, cache, tally)
        sources.append(files)
        progress(files.describe())
    if config.procedural_images:
        sources.append(Drawn(config, cache))
    return sources
