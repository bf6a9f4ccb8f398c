"""`python -m alphabench.data.mini`: draw the embedded set anew, or check that the files still match."""

import argparse
import functools
import sys
from pathlib import Path

import numpy as np
import torch

from alphabench.data.dataset import EMBEDDED
from alphabench.data.folder import read_all, sample_of
from alphabench.data.manifest import Manifest, Sample, manifest_folder
from alphabench.data.manifest_file import write_manifest
from alphabench.data.mini.pictures import Entry, entries
from alphabench.errors import AlphabenchError, DataError
from alphabench.image.codec import read_rgba, write_png

NAME = "alpha-mini"


def generate(images: Path, manifest: Path) -> Manifest:
    """Write all pictures below `images` and their manifest; pixels that are there already are left alone.

    A file whose pixels are right keeps its bytes: another zlib would pack them otherwise and so change the
    identity of the set.
    """
    drawn = list(entries())
    for entry in drawn:
        path = images / f"{entry.id}.png"
        if not _holds(path, entry):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, _planes(entry))
    facts = read_all(images, [f"{entry.id}.png" for entry in drawn])
    samples = []
    for entry, fact in zip(drawn, facts, strict=True):
        row = sample_of(f"{entry.id}.png", fact)
        samples.append(
            Sample(
                id=row.id,
                category=row.category,
                subset=row.subset,
                subtype=row.subtype,
                path=row.path,
                sha256=row.sha256,
                width=row.width,
                height=row.height,
                caption=entry.picture.caption,
            )
        )
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.category] = counts.get(sample.category, 0) + 1
    result = Manifest(
        name=NAME,
        version=1,
        title="48 drawn pictures with every kind of transparency, inside the package",
        split="all",
        licence="CC0-1.0",
        source="drawn by `python -m alphabench.data.mini`",
        status="built",
        samples=tuple(samples),
        expected=counts,
        expected_samples=len(samples),
    )
    write_manifest(result, manifest)
    return result


def check(images: Path) -> None:
    """Draw all pictures and compare them with the files, pixel for pixel.

    Raises:
        DataError: some files are missing or hold other pixels.
    """
    drawn = list(entries())
    wrong = [entry.id for entry in drawn if not _holds(images / f"{entry.id}.png", entry)]
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(drawn)} files in {images} differ from their drawing, first {wrong[0]!r}",
            remedy="Draw them anew with `python -m alphabench.data.mini`; changed pixels need a new version.",
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the generator from the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alphabench.data.mini", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the files' pixels, write nothing")
    parser.add_argument("--images", type=Path, default=EMBEDDED[NAME], help="folder of the pictures")
    parser.add_argument("--manifest", type=Path, default=manifest_folder() / f"{NAME}.toml")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.check:
            check(chosen.images)
            sys.stdout.write("all pictures match their drawing, pixel for pixel\n")
        else:
            made = generate(chosen.images, chosen.manifest)
            sys.stdout.write(f"{len(made.samples)} pictures in {chosen.images}, data hash {made.hash}\n")
    except AlphabenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


@functools.cache
def _planes(entry: Entry) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(entry.draw().transpose(2, 0, 1)))


def _holds(path: Path, entry: Entry) -> bool:
    return path.is_file() and torch.equal(read_rgba(path), _planes(entry))


if __name__ == "__main__":
    sys.exit(main())
