"""Making manifests from a user's copy of a set, each layout with its own checks."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from alphabench.data.folder import (
    ACCEPTED,
    ALL,
    OPAQUE_ONLY,
    checked_listing,
    list_folder,
    manifest_of_folder,
    over_threads,
    read_all,
    sample_of,
)
from alphabench.data.manifest import Layout, Manifest, manifest_folder, refuse_twins
from alphabench.data.manifest_file import load_manifest, nearest
from alphabench.data.naming import sample_id_of, slug_of
from alphabench.errors import DataError, UsageError

ALPHATEST_FOLDER = "VAE_test_data"
ALPHATEST_SIDE = 1024
PHOTOGRAPHS = ACCEPTED | OPAQUE_ONLY


@dataclass(frozen=True)
class Built:
    """A manifest that was made from a copy.

    Attributes:
        manifest: the rows, with the totals that were expected.
        root: the folder of the images.
        warnings: what is odd and still allowed, one sentence each.
    """

    manifest: Manifest
    root: Path
    warnings: tuple[str, ...]


def build_manifest(
    layout: str,
    folder: str | Path | None = None,
    *,
    rgb: str | Path | None = None,
    alpha: str | Path | None = None,
    trimap: str | Path | None = None,
    out_images: str | Path | None = None,
    categories: str | Path | None = None,
    opaque: bool = False,
) -> Built:
    """Build the manifest of a copy in one of the known layouts.

    Args:
        layout: `alphatest`, `aim500`, `category` (first folder level) or `flat` (one category).
        folder: the images; for `aim500` use `rgb` and `alpha` instead.
        rgb: folder of photographs (`aim500`).
        alpha: folder of alpha mattes with the photographs' names (`aim500`).
        trimap: folder of trimaps with the photographs' names, checked for presence and size (`aim500`).
        out_images: folder for the joined RGBA images (`aim500`).
        categories: text file with one `name category` per line (`aim500`).
        opaque: images without alpha channel belong to the set (`category` and `flat`).

    Raises:
        UsageError: unknown layout, or folders that do not fit the layout.
        DataError: a check of the layout fails.
    """
    if layout not in get_args(Layout):
        raise UsageError(f"there is no layout {layout!r}", remedy=nearest(layout, get_args(Layout)))
    joined = {"--rgb": rgb, "--alpha": alpha, "--trimap": trimap, "--out-images": out_images}
    if layout == "aim500":
        if folder is not None or rgb is None or alpha is None or out_images is None:
            raise UsageError(
                "the layout 'aim500' is joined from two folders",
                remedy="Give --rgb DIR --alpha DIR --out-images DIR, and no other folder.",
            )
        return _aim500(Path(rgb), Path(alpha), Path(out_images), trimap, categories)
    surplus = [name for name, value in (joined | {"--categories": categories}).items() if value is not None]
    if folder is None or surplus:
        raise UsageError(
            f"the layout {layout!r} is one folder" + (f", without {surplus[0]}" if surplus else ""),
            remedy=f"alphabench data manifest build --layout {layout} DIR",
        )
    if layout == "alphatest":
        return _alphatest(Path(folder))
    alpha_rule: Literal["required", "opaque"] = "opaque" if opaque else "required"
    chosen: Layout = "flat" if layout == "flat" else "category"
    manifest = manifest_of_folder(folder, alpha=alpha_rule, layout=chosen)
    return Built(manifest, Path(folder), tuple(_same_content(manifest)))


def described(
    manifest: Manifest, *, name: str | None, licence: str | None, source: str | None, split: str | None
) -> Manifest:
    """Return the manifest of one's own set with another name, licence, source or split where given.

    Raises:
        UsageError: the set is a published one, whose description stands, or a name or split is no slug.
    """
    given = {"name": name, "licence": licence, "source": source, "split": split}
    chosen = {key: value for key, value in given.items() if value is not None}
    if not chosen:
        return manifest
    if manifest.layout in {"alphatest", "aim500"}:
        raise UsageError(
            f"the {next(iter(chosen))} of {manifest.id} is fixed", remedy="Use --layout category for a set of your own."
        )
    for key in ("name", "split"):
        value = chosen.get(key)
        if value is not None and slug_of(value) != value:
            raise UsageError(f"the {key} {value!r} is no slug", remedy=f"For instance: {slug_of(value)!r}.")
    return dataclasses.replace(
        manifest,
        name=name or manifest.name,
        licence=licence or manifest.licence,
        source=source or manifest.source,
        split=split or manifest.split,
    )


def _alphatest(folder: Path) -> Built:
    candidates = (folder / ALPHATEST_FOLDER, folder / "data" / ALPHATEST_FOLDER, folder)
    root = next((candidate for candidate in candidates if candidate.is_dir()), folder)
    listing = checked_listing(root)
    astray = [path for path in listing.images if path.count("/") != 2]
    if astray:
        raise DataError(
            f"{len(astray)} of {len(listing.images)} images in {root} are not at <subset>/<subtype>/<name>, "
            f"first {astray[0]!r}",
            remedy=f"Give the folder {ALPHATEST_FOLDER} of the unpacked archive, or the folder that holds it.",
        )
    facts = read_all(root, listing.images)
    samples = [sample_of(path, fact) for path, fact in zip(listing.images, facts, strict=True)]
    refuse_twins(samples, str(root))
    _refuse_solid(root, [sample.path for sample in samples])
    manifest = dataclasses.replace(
        _shipped("alpha-test"), samples=tuple(samples), status="built", root=str(root.absolute())
    )
    other = [sample for sample in samples if (sample.width, sample.height) != (ALPHATEST_SIDE, ALPHATEST_SIDE)]
    warnings = [*manifest.deviations(), *_same_content(manifest)]
    if other:
        warnings.append(
            f"{len(other)} of {len(samples)} images are not {ALPHATEST_SIDE} x {ALPHATEST_SIDE}, "
            f"first {other[0].id!r} ({other[0].width} x {other[0].height})"
        )
    return Built(manifest, root, tuple(warnings))


def _aim500(rgb: Path, alpha: Path, out: Path, trimap: str | Path | None, categories: str | Path | None) -> Built:
    photographs, mattes = _by_stem(rgb), _by_stem(alpha)
    _refuse_unpaired(photographs, mattes, rgb, alpha)
    trimaps = _by_stem(Path(trimap)) if trimap is not None else {}
    if trimap is not None:
        _refuse_unpaired(photographs, trimaps, rgb, Path(trimap))
    groups = _read_categories(Path(categories), list(photographs)) if categories is not None else {}
    if out.exists() and any(out.iterdir()):
        raise DataError(f"the folder {out} is not empty", remedy="Give an empty or new folder as --out-images.")
    join = functools.partial(_join, photographs, mattes, trimaps, groups, out)
    paths = over_threads(join, sorted(photographs), what=f"images in {rgb}")
    facts = read_all(out, paths)
    samples = tuple(sample_of(path, fact) for path, fact in zip(paths, facts, strict=True))
    refuse_twins(samples, str(out))
    manifest = dataclasses.replace(_shipped("alpha-aim500"), samples=samples, status="built", root=str(out.absolute()))
    return Built(manifest, out, (*manifest.deviations(), *_same_content(manifest)))


def _join(
    photographs: Mapping[str, Path],
    mattes: Mapping[str, Path],
    trimaps: Mapping[str, Path],
    groups: Mapping[str, str],
    out: Path,
    stem: str,
) -> str:
    import torch

    from alphabench.image.codec import read_facts, read_rgba, write_png

    colour = read_rgba(photographs[stem], allow_opaque=True)[:3]
    matte = read_rgba(mattes[stem], allow_opaque=True)
    if not (torch.equal(matte[0], matte[1]) and torch.equal(matte[0], matte[2])):
        raise DataError(f"the matte {mattes[stem]} is not gray", remedy="Give the folder of alpha mattes.")
    sizes = {photographs[stem]: tuple(colour.shape[1:]), mattes[stem]: tuple(matte.shape[1:])}
    if stem in trimaps:
        facts = read_facts(trimaps[stem], allow_opaque=True)
        sizes[trimaps[stem]] = (facts.height, facts.width)
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{path} is {width} x {height}" for path, (height, width) in sizes.items())
        raise DataError(
            f"the files of {stem!r} differ in size: {listed}", remedy="Restore them: they are never resized."
        )
    if bool((matte[0] == 255).all()):
        raise DataError(f"the matte {mattes[stem]} is fully opaque", remedy="Check the matte, or leave it out.")
    path = f"{groups.get(stem, ALL)}/{sample_id_of(stem)}.png"
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    write_png(target, torch.cat([colour, matte[:1]]))
    return path


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in list_folder(folder, opaque=True).images:
        stem = PurePosixPath(path).stem
        if stem in found:
            raise DataError(
                f"two files in {folder} are called {stem!r}: {found[stem].name} and {path}",
                remedy="Remove one of them.",
            )
        found[stem] = folder / path
    if not found:
        raise DataError(f"the folder {folder} holds no images", remedy="Check the path.")
    return found


def _refuse_unpaired(first: Mapping[str, Path], second: Mapping[str, Path], one: Path, other: Path) -> None:
    for have, lack, where in ((first, second, other), (second, first, one)):
        alone = sorted(set(have) - set(lack))
        if alone:
            raise DataError(
                f"{len(alone)} of {len(have)} images have no partner in {where}, first {alone[0]!r}",
                remedy="Both folders must hold the same names; only the extension may differ.",
            )


def _read_categories(path: Path, stems: list[str]) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the list {path} cannot be read as text", remedy="Check the path.") from error
    groups: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.replace(",", " ").replace("\t", " ").split()
        if not cells or cells[0].startswith("#"):
            continue
        if len(cells) != 2:
            raise DataError(f"{path}, line {number}: {line!r} is not `name category`", remedy="Mend that line.")
        stem = PurePosixPath(cells[0])
        groups[stem.stem if stem.suffix.lower() in PHOTOGRAPHS else cells[0]] = sample_id_of(cells[1])
    lacking = sorted(set(stems) - set(groups))
    if lacking:
        raise DataError(
            f"{len(lacking)} of {len(stems)} images are not in the list {path}, first {lacking[0]!r}",
            remedy="Add a line `name category` for each.",
        )
    return groups


def _refuse_solid(root: Path, paths: list[str]) -> None:
    solid = [path for path, full in zip(paths, _over_alpha(root, paths), strict=True) if full]
    if solid:
        raise DataError(
            f"{len(solid)} of {len(paths)} images in {root} are fully opaque, first {solid[0]!r}",
            remedy="Restore the files with their alpha channel from the archive.",
        )


def _over_alpha(root: Path, paths: list[str]) -> list[bool]:
    from alphabench.image.codec import read_rgba

    def full(path: str) -> bool:
        return bool((read_rgba(root / path)[3] == 255).all())

    return over_threads(full, paths, what=f"files in {root}")


def _same_content(manifest: Manifest) -> list[str]:
    seen: dict[str, str] = {}
    twins = [
        (seen[sample.sha256], sample.id)
        for sample in manifest.samples
        if seen.setdefault(sample.sha256, sample.id) != sample.id
    ]
    if not twins:
        return []
    return [f"{len(twins)} files have the content of another, first {twins[0][0]!r} and {twins[0][1]!r}"]


def _shipped(name: str) -> Manifest:
    return load_manifest(manifest_folder() / f"{name}.toml")
