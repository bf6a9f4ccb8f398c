"""Sets of images that can be read, and how a name or a folder becomes one."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alphabench.data.folder import list_folder, manifest_of_folder
from alphabench.data.manifest import Manifest, Sample, manifest_folder
from alphabench.data.manifest_file import load_manifest, nearest
from alphabench.errors import DataError, UsageError
from alphabench.files import sha256_of
from alphabench.runtime import cache_dir, expanded

if TYPE_CHECKING:
    from alphabench.image.types import Codes

EMBEDDED = {"alpha-mini": Path(__file__).parent / "mini" / "images"}
DATA_VARIABLE = "ALPHABENCH_DATA"


@dataclass(frozen=True)
class Verification:
    """How a copy of a set differs from its manifest; each list is sorted by the manifest or by path.

    Attributes:
        checked: number of files of the manifest.
        missing: files that are not there.
        changed: files whose SHA-256 is another.
        extra: images that are not in the manifest.
    """

    checked: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Say whether the copy is the set, file by file."""
        return not (self.missing or self.changed or self.extra)

    def describe(self) -> str:
        """Return one sentence: each kind of difference with its count and its first file."""
        kinds = {"missing": self.missing, "changed": self.changed, "extra": self.extra}
        found = [f"{len(paths)} {kind} (first {paths[0]!r})" for kind, paths in kinds.items() if paths]
        return ", ".join(found) or f"all {self.checked} files are right"


class DataSet:
    """A manifest together with the folder that holds its images.

    Args:
        manifest: what belongs to the set.
        root: the folder to which the manifest's paths are relative.

    Attributes:
        manifest: the samples that are judged: all, or the first few after `limit`.
        full: the manifest of the whole set.
        root: the folder.
    """

    def __init__(self, manifest: Manifest, root: str | Path, *, full: Manifest | None = None) -> None:
        self.manifest = manifest
        self.full = full or manifest
        self.root = Path(root)

    def __len__(self) -> int:
        return len(self.manifest.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.manifest.samples)

    def __repr__(self) -> str:
        return f"DataSet({self.manifest.id}, {len(self)} of {self.total} samples, {self.root})"

    @property
    def total(self) -> int:
        """Number of samples of the whole set, whatever the limit."""
        return len(self.full.samples)

    @property
    def full_hash(self) -> str:
        """Identity of the whole set, whatever the limit."""
        return self.full.hash

    def limit(self, count: int) -> "DataSet":
        """Return the first `count` samples in manifest order, as a set that still knows the whole.

        Raises:
            UsageError: `count` is less than one.
        """
        if count < 1:
            raise UsageError(f"a limit of {count} samples leaves nothing", remedy="Use --limit 1 or more.")
        first = dataclasses.replace(self.manifest, samples=self.manifest.samples[:count])
        return DataSet(first, self.root, full=self.full)

    def path(self, sample: Sample) -> Path:
        """Return where the image of a sample lies."""
        return self.root / sample.path

    def read(self, sample: Sample) -> "Codes":
        """Return the 8-bit codes `(4, height, width)` of a sample, decoded from the bytes that were checked.

        Raises:
            DataError: the file is missing, is not the one of the manifest, or the codec refuses it.
        """
        from alphabench.image.codec import decode_rgba

        path = self.path(sample)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"sample {sample.id!r} of {self.manifest.id} cannot be read from {path}: {error.strerror}",
                remedy="Restore the file, or build the set's manifest anew.",
            ) from error
        if hashlib.sha256(data).hexdigest() != sample.sha256:
            raise DataError(
                f"sample {sample.id!r} of {self.manifest.id} has changed: {path} has another SHA-256",
                remedy="Restore the file, or build the set's manifest anew.",
            )
        return decode_rgba(data, name=str(path), allow_opaque=self.manifest.alpha == "opaque")

    def verify(self) -> Verification:
        """Compare the folder with the manifest, file by file, without decoding an image.

        Raises:
            UsageError: the folder does not exist.
        """
        present = set(list_folder(self.root, opaque=self.full.alpha == "opaque").images)
        missing, changed = [], []
        for sample in self.full.samples:
            path = self.path(sample)
            if not path.is_file():
                missing.append(sample.path)
            elif sha256_of(path) != sample.sha256:
                changed.append(sample.path)
        extra = sorted(present - {sample.path for sample in self.full.samples})
        return Verification(len(self.full.samples), tuple(missing), tuple(changed), tuple(extra))


def data_homes() -> list[Path]:
    """Return the folders that hold one folder per set: `$ALPHABENCH_DATA` if set, then the cache's `data`."""
    override = os.environ.get(DATA_VARIABLE)
    return [*([Path(override).expanduser()] if override else []), cache_dir() / "data"]


def known_manifests() -> dict[str, Path]:
    """Return the manifests known by name: one the user has built comes before the shipped one."""
    found = {path.stem: path for path in sorted(manifest_folder().glob("*.toml"))}
    for home in reversed(data_homes()):
        found |= {path.stem: path for path in sorted(home.glob("*.toml")) if path.stem not in EMBEDDED}
    return found


def find_manifest(name: str) -> Manifest | None:
    """Return the manifest called `name` or `name@version`; None if there is none.

    Raises:
        UsageError: the name is known, the version is not.
    """
    stem, _, version = name.partition("@")
    path = known_manifests().get(stem)
    if path is None:
        return None
    manifest = load_manifest(path)
    if manifest.name != stem:
        raise DataError(f"{path} is the manifest of {manifest.name!r}", remedy=f"Rename it to {manifest.name}.toml.")
    if version and version != str(manifest.version):
        raise UsageError(f"there is no data set {name!r}", remedy=f"Did you mean {manifest.id!r}?")
    return manifest


def resolve_data(
    name: str | Path, *, allow_unbuilt: bool = False, need_images: bool = True, root: str | Path | None = None
) -> DataSet:
    """Return the set called `name`: a known name such as `alpha-mini@1`, a manifest's TOML file or a folder.

    A known name comes before a folder of that name; write `./alpha-mini` for the folder. The images of a
    known name lie in `$ALPHABENCH_DATA/<name>` or in the cache folder under `data/<name>`.

    Args:
        name: name, `name@version`, TOML file or folder.
        allow_unbuilt: return a set without samples where the manifest has none yet.
        need_images: refuse a set whose images are nowhere.
        root: where the images lie, if not at the usual place.

    Raises:
        UsageError: neither a known name nor a file nor a folder.
        DataError: the set is not built, its images are nowhere, or the folder is refused.
    """
    text = str(name)
    path = expanded(text)
    if not text:
        raise UsageError("the name of the data set is empty", remedy=nearest(text, sorted(known_manifests())))
    if manifest := _named(text):
        folder = _root_of_known(manifest, root)
    elif path.suffix == ".toml" and path.is_file():
        manifest = load_manifest(path)
        hint = path.parent / Path(manifest.root).expanduser()
        folder = Path(root) if root else hint
    elif path.is_dir():
        return DataSet(manifest_of_folder(path), path)
    else:
        what = "is a file, not a folder of images" if path.exists() else "does not exist, and no data set is called so"
        raise UsageError(f"{text!r} {what}", remedy=f"Give a folder. {nearest(text, sorted(known_manifests()))}")
    if manifest.status == "unbuilt" and not allow_unbuilt:
        raise DataError(
            f"{manifest.id} has no list of files yet: its images are not shared with this toolkit",
            remedy=f"Get a copy from {manifest.source}, then: {build_command(manifest)}",
        )
    if need_images and manifest.samples and not folder.is_dir():
        raise DataError(
            f"the images of {manifest.id} are not at {folder}",
            remedy=f"Place them there, or in ${DATA_VARIABLE}/{manifest.name}.",
        )
    return DataSet(manifest, folder)


def build_command(manifest: Manifest) -> str:
    """Return the command that makes the rows of an unbuilt manifest from the user's copy."""
    place = "--rgb DIR --alpha DIR --out-images DIR" if manifest.layout == "aim500" else "DIR"
    if manifest.layout in {"category", "flat"}:  # these are called after the folder unless they are named
        place += f" --name {manifest.name}"
    out = data_homes()[0] / f"{manifest.name}.toml"
    return f"alphabench data manifest build --layout {manifest.layout} {place} --out {out}"


def _named(text: str) -> Manifest | None:
    return None if "/" in text or "\\" in text or text.endswith(".toml") else find_manifest(text)


def _root_of_known(manifest: Manifest, root: str | Path | None) -> Path:
    if root:
        return Path(root)
    if manifest.name in EMBEDDED:
        return EMBEDDED[manifest.name]
    own = known_manifests()[manifest.name].parent / Path(manifest.root).expanduser()
    usual = [home / manifest.name for home in data_homes()]
    places = ([own] if manifest.root else []) + usual
    return next((place for place in places if place.is_dir()), places[-1])
