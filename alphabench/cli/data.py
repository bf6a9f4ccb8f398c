"""`alphabench data`: what is judged on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alphabench.cli.output import emit_json, json_option, print_table

if TYPE_CHECKING:
    from alphabench.data.manifest import Manifest, Sample

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
LAYOUTS = ("alphatest", "aim500", "flat", "category")


@click.group()
def data() -> None:
    """See, build and verify the sets of images."""


@data.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every set known by name: how many images, which licence, whether it is there."""
    from alphabench.data.dataset import find_manifest, known_manifests

    found = [manifest for name in known_manifests() if (manifest := find_manifest(name)) is not None]
    if as_json:
        emit_json({"data": [_summary(manifest) | {"state": _state(manifest)} for manifest in found]})
        return
    rows = []
    for manifest in found:
        count = len(manifest.samples) or manifest.expected_samples
        rows.append((manifest.id, _state(manifest), manifest.split, str(count), manifest.licence, manifest.title))
    print_table("data sets", ("set", "state", "split", "images", "licence", "what it is"), rows, right=99)
    click.echo("Any folder of PNG, WebP or TIFF files with alpha is a set too: --data DIR")


@data.command("show")
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the set NAME: a known name, a manifest's TOML file or a folder."""
    from alphabench.data.dataset import build_command, resolve_data

    found = resolve_data(name, allow_unbuilt=True, need_images=False)
    manifest = found.manifest
    if as_json:
        emit_json(_summary(manifest) | {"root": str(found.root), "samples": [_row(item) for item in manifest.samples]})
        return
    click.echo(f"{manifest.id}  {manifest.status}\n{manifest.title}".rstrip())
    click.echo(f"licence  {manifest.licence}\nsource   {manifest.source or '-'}\nsplit    {manifest.split}")
    for note, text in manifest.notes.items():
        click.echo(f"{note}: {text}")
    if manifest.status == "unbuilt":
        click.echo(f"expected {manifest.expected_samples} images\nbuild    {build_command(manifest)}")
        return
    click.echo(f"images   {found.root}\nhash     {manifest.hash}")
    _print_categories(manifest)


@data.group()
def manifest() -> None:
    """Make the list of a set's files."""


@manifest.command("build")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--layout", type=click.Choice(LAYOUTS), required=True, help="How the folders are read.")
@click.option("--rgb", type=FOLDER, help="Photographs (aim500).")
@click.option("--alpha", type=FOLDER, help="Alpha mattes with the photographs' names (aim500).")
@click.option("--trimap", type=FOLDER, help="Trimaps with the photographs' names; checked only (aim500).")
@click.option("--out-images", type=FOLDER, help="New folder for the joined RGBA images (aim500).")
@click.option("--categories", type=FILE, help="Text file, one `name category` per line (aim500).")
@click.option("--opaque", is_flag=True, help="Images without alpha channel belong to the set (flat, category).")
@click.option("--name", help="Name of the set; default: the folder's (flat, category).")
@click.option("--licence", help="Licence of the images (flat, category).")
@click.option("--source", help="Where the images come from (flat, category).")
@click.option("--split", help="Name of the split (flat, category).")
@click.option("--out", type=FILE, required=True, help="TOML file to write; over 200 rows go into a CSV beside it.")
@json_option
def build(
    folder: Path | None,
    *,
    layout: str,
    rgb: Path | None,
    alpha: Path | None,
    trimap: Path | None,
    out_images: Path | None,
    categories: Path | None,
    opaque: bool,
    name: str | None,
    licence: str | None,
    source: str | None,
    split: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Make the manifest of your copy in FOLDER: every file with its SHA-256, checked as the layout demands."""
    from alphabench.data.builders import build_manifest, described
    from alphabench.data.manifest_file import write_manifest

    built = build_manifest(
        layout,
        folder,
        rgb=rgb,
        alpha=alpha,
        trimap=trimap,
        out_images=out_images,
        categories=categories,
        opaque=opaque,
    )
    made = described(built.manifest, name=name, licence=licence, source=source, split=split)
    written = [str(path) for path in write_manifest(made, out)]
    if as_json:
        emit_json(_summary(made) | {"root": str(built.root), "written": written, "warnings": list(built.warnings)})
        return
    click.echo(f"{made.id}: {len(made.samples)} images in {built.root}\nhash {made.hash}")
    _print_categories(made)
    for warning in built.warnings:
        click.secho(f"warning: {warning}", err=True, fg="yellow")
    click.echo("wrote " + " and ".join(written))


@data.command("verify")
@click.argument("name")
@click.option("--root", type=FOLDER, help="Folder of the copy; default: where the set is looked for.")
@json_option
def verify(name: str, root: Path | None, *, as_json: bool) -> int:
    """Compare a copy of the set NAME with its manifest: missing, changed and extra files (exit code 3)."""
    from alphabench.data.dataset import resolve_data
    from alphabench.errors import DataError

    found = resolve_data(name, root=root)
    report = found.verify()
    failure = DataError(
        f"{found.root} is not {found.manifest.id}: {report.describe()}; {report.checked} files expected",
        remedy="Restore the files from the source, or build a manifest of your own.",
    )
    if as_json:
        document: dict[str, Any] = {
            "data": found.manifest.id,
            "hash": found.manifest.hash,
            "root": str(found.root),
            "checked": report.checked,
            "missing": list(report.missing),
            "changed": list(report.changed),
            "extra": list(report.extra),
            "ok": report.ok,
        }
        if not report.ok:
            error = {"code": failure.code, "message": failure.message, "remedy": failure.remedy}
            document["error"] = error
        emit_json(document)
        return 0 if report.ok else failure.exit_code
    if not report.ok:
        raise failure
    click.echo(f"{found.manifest.id} at {found.root}: {report.describe()}")
    return 0


@data.command("moments")
@click.argument("folder", type=FOLDER)
@json_option
def moments(folder: Path, *, as_json: bool) -> None:
    """Measure E[b] and E[b²] of the photographs in FOLDER, in [-1,1], for the loss of a training recipe.

    Each image counts the same, whatever its size.
    """
    from alphabench.data.photographs import measured_photographs

    found = measured_photographs(folder)
    rounded = found.moments.rounded()
    if as_json:
        document: dict[str, Any] = {
            "folder": str(folder),
            "images": rounded.images,
            "background_mean": list(rounded.mean),
            "background_second_moment": list(rounded.second),
            "unreadable": [{"path": path, "reason": reason} for path, reason in found.unreadable],
        }
        emit_json(document)
        return
    click.echo(f"# Colours of {rounded.images} images in {folder}, in [-1,1]: red, green, blue.\n[loss]")
    click.echo(f"background_mean = {list(rounded.mean)}\nbackground_second_moment = {list(rounded.second)}")
    for path, reason in found.unreadable:
        click.secho(f"warning: {path} was left out: {reason}", err=True, fg="yellow")


def _state(manifest: "Manifest") -> str:
    from alphabench.data.dataset import EMBEDDED, resolve_data
    from alphabench.errors import DataError

    if manifest.status == "unbuilt":
        return "unbuilt"
    if manifest.name in EMBEDDED:
        return "embedded"
    try:
        resolve_data(manifest.name)
    except DataError:
        return "images absent"
    return "ready"


def _summary(manifest: "Manifest") -> dict[str, Any]:
    built = manifest.status == "built"
    return {
        "id": manifest.id,
        "title": manifest.title,
        "status": manifest.status,
        "split": manifest.split,
        "licence": manifest.licence,
        "source": manifest.source,
        "layout": manifest.layout,
        "alpha": manifest.alpha,
        "images": len(manifest.samples),
        "expected": manifest.expected_samples or None,
        "categories": manifest.categories,
        "hash": manifest.hash if built else None,
    }


def _row(sample: "Sample") -> dict[str, Any]:
    from alphabench.data.manifest_file import COLUMNS

    return {name: sample.id if name == "sample" else getattr(sample, name) for name in COLUMNS}


def _print_categories(manifest: "Manifest") -> None:
    rows = [(name, str(count)) for name, count in manifest.categories.items()]
    print_table("categories", ("category", "images"), [*rows, ("total", str(len(manifest.samples)))])
