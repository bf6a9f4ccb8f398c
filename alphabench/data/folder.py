"""Any folder of images as a set: what is listed, what is ignored, what is refused."""

import errno
import functools
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeVar

from alphabench.data.manifest import Layout, Manifest, Sample, refuse_twins
from alphabench.data.naming import JUNK, LABEL, sample_id_of, slug_of
from alphabench.errors import AlphabenchError, DataError, UsageError

if TYPE_CHECKING:
    from alphabench.image.codec import ImageFacts

ACCEPTED = frozenset({".png", ".webp", ".tif", ".tiff"})
REFUSED = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jfif", "jp2", "j2k", "jxl", "bmp", "dib", "gif", "psd", "xcf", "avif", "heic", "heif"),
        *("exr", "hdr", "tga", "dds", "ppm", "pgm", "pbm", "pnm", "pam", "qoi", "ico", "icns", "svg", "apng"),
        *("raw", "dng", "npy"),
    )
)
OPAQUE_ONLY = frozenset({".jpg", ".jpeg"})
ALL = "all"
_THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Listing:
    """The files of a folder, sorted by path.

    Attributes:
        images: paths of the images, relative, with forward slashes.
        refused: images in formats that are not read.
        ignored: other files, such as captions and licences; hidden files and the like are not counted.
    """

    images: tuple[str, ...]
    refused: tuple[str, ...]
    ignored: tuple[str, ...]


def list_folder(folder: str | Path, *, opaque: bool = False) -> Listing:
    """List a folder and everything below it; links are followed.

    Ignored knowingly: names that begin with a dot, `__MACOSX`, `Thumbs.db` and `desktop.ini`.

    Args:
        folder: the folder.
        opaque: JPEG files are images of the set instead of refused ones.

    Raises:
        UsageError: there is no such folder.
        DataError: it cannot be read, a link inside it leads to a folder above itself or nowhere, or something
            inside it is neither file nor folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"the folder {folder} {kind}", remedy="Check the path.")
    accepted = ACCEPTED | OPAQUE_ONLY if opaque else ACCEPTED
    found: dict[str, list[str]] = {"images": [], "refused": [], "ignored": []}
    for path in _walk(folder, "", (os.path.realpath(folder),)):
        suffix = PurePosixPath(path).suffix.lower()
        found["images" if suffix in accepted else "refused" if suffix in REFUSED else "ignored"].append(path)
    return Listing(*(tuple(sorted(paths)) for paths in found.values()))


def manifest_of_folder(
    folder: str | Path, *, alpha: Literal["required", "opaque"] = "required", layout: Layout = "category"
) -> Manifest:
    """Return the manifest of any folder: its id is the slug of the folder's name `@1`, its split `all`.

    The category is the first folder level, `all` for files that lie in the folder itself (`layout="flat"`:
    for every file). Subset is the first level, subtype the levels below it joined by `/`; both are `all`
    where there is no such level. Files named otherwise than a sample id allows get a fitted id.

    Raises:
        UsageError: there is no such folder.
        DataError: no images, an empty folder inside, images in formats that are not read, two files of one
            sample id, an image that the codec refuses.
    """
    folder = Path(folder)
    listing = checked_listing(folder, opaque=alpha == "opaque")
    facts = read_all(folder, listing.images, allow_opaque=alpha == "opaque")
    samples = tuple(
        sample_of(path, fact, flat=layout == "flat") for path, fact in zip(listing.images, facts, strict=True)
    )
    refuse_twins(samples, str(folder))
    return Manifest(
        name=slug_of(folder_name(folder)),
        version=1,
        split=ALL,
        licence="unknown",
        source="",
        status="built",
        samples=samples,
        alpha=alpha,
        layout=layout,
        root=str(folder.absolute()),
    )


def checked_listing(folder: Path, *, opaque: bool = False) -> Listing:
    """List a folder that must be a set of images: some images, no empty folder, no refused format.

    Args:
        folder: the set's folder.
        opaque: JPEG files belong to the set as well.
    """
    listing = list_folder(folder, opaque=opaque)
    if listing.refused:
        raise DataError(
            f"{folder} holds {len(listing.refused)} images in formats that are not read, first {listing.refused[0]!r}",
            remedy="Convert them to PNG, lossless WebP or 8-bit TIFF with an alpha channel, or remove them.",
        )
    if not listing.images:
        others = f" ({len(listing.ignored)} other files)" if listing.ignored else ""
        raise DataError(
            f"the folder {folder} holds no images{others}",
            remedy="Put PNG, WebP or TIFF files into it, directly or in one folder per category.",
        )
    if empty := _empty_folders(folder, listing.images):
        raise DataError(
            f"{folder} holds {len(empty)} folders without images, first {empty[0]!r}",
            remedy="Fill or remove them: an empty category has no mean.",
        )
    return listing


def sample_of(path: str, facts: "ImageFacts", *, flat: bool = False) -> Sample:
    """Return the row of one file from its relative path and what was read from it."""
    folders = [unicodedata.normalize("NFC", part) for part in PurePosixPath(path).parts[:-1]]
    subset, subtype = (folders[0] if folders else ALL), ("/".join(folders[1:]) or ALL)
    for label in (subset, subtype):
        if not LABEL.fullmatch(label):
            raise DataError(
                f"the folder name {label[:60]!r} cannot be a category (over 100 or control characters)",
                remedy="Rename the folder.",
            )
    return Sample(
        id=sample_id_of(str(PurePosixPath(path).with_suffix(""))),
        category=ALL if flat else subset,
        subset=subset,
        subtype=subtype,
        path=path,
        sha256=facts.sha256,
        width=facts.width,
        height=facts.height,
    )


def folder_name(folder: Path) -> str:
    """Return the name that the user gave a folder, also for `.` and paths that end in `..`."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100 - links must keep the name they were given


def read_all(folder: Path, paths: Sequence[str], *, allow_opaque: bool = False) -> list["ImageFacts"]:
    """Read header and SHA-256 of many files, in order, on a few threads.

    Raises:
        DataError: some cannot be used; says how many and what is wrong with the first.
    """
    from alphabench.image.codec import read_facts

    return over_threads(
        functools.partial(_facts, folder, functools.partial(read_facts, allow_opaque=allow_opaque)),
        paths,
        what=f"files in {folder}",
    )


def over_threads(function: Callable[[_Item], _Result], items: Iterable[_Item], *, what: str) -> list[_Result]:
    """Apply `function` to all items on a few threads and return the results in order.

    Raises:
        DataError: some items are refused; says how many and what is wrong with the first.
    """

    def attempt(item: _Item) -> _Result | AlphabenchError:
        try:
            return function(item)
        except AlphabenchError as error:
            return error

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        outcomes = list(pool.map(attempt, items))
    errors = [outcome for outcome in outcomes if isinstance(outcome, AlphabenchError)]
    if errors:
        first = errors[0]
        message = first.message
        if len(errors) > 1:
            message = f"{len(errors)} of {len(outcomes)} {what} cannot be used; the first: {message}"
        raise DataError(message, remedy=first.remedy) from first
    return [outcome for outcome in outcomes if not isinstance(outcome, AlphabenchError)]


def _facts(folder: Path, read: Callable[[Path], "ImageFacts"], path: str) -> "ImageFacts":
    return read(folder / path)


def _leads_to_itself(entry: "os.DirEntry[str]") -> bool:
    try:
        entry.is_dir()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _walk(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterable[str]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be read: {error.strerror}", remedy="Check its permissions."
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in JUNK:
            continue
        if _leads_to_itself(entry):
            raise DataError(f"the link {entry.path} leads to itself", remedy="Remove that link.")
        if entry.is_dir():
            real = os.path.realpath(entry.path)
            if real in above:
                raise DataError(f"the link {entry.path} leads to a folder above itself", remedy="Remove that link.")
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", (*above, real))
        elif entry.is_file():
            yield f"{prefix}{entry.name}"
        elif entry.is_symlink() and not Path(entry.path).exists():
            raise DataError(f"the link {entry.path} leads nowhere", remedy="Mend or remove that link.")
        else:
            raise DataError(
                f"{entry.path} is neither a file nor a folder but a pipe, a socket or a device",
                remedy="Replace it by a file, or remove it.",
            )


def _empty_folders(folder: Path, images: Sequence[str]) -> list[str]:
    filled = {str(parent) for path in images for parent in PurePosixPath(path).parents}
    empty = []
    for inner, folders, _ in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name.lower() in JUNK))
        empty += [
            path
            for path in (Path(inner, name).relative_to(folder).as_posix() for name in folders)
            if path not in filled
        ]
    return empty
