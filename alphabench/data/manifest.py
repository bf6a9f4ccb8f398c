"""What a set of images consists of: its rows and its identity."""

import functools
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from alphabench.errors import DataError

Layout = Literal["category", "flat", "alphatest", "aim500"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a set.

    Attributes:
        id: name of the sample in rows and records, and path of its prediction without extension.
        category: group of the macro mean.
        subset: first folder level, `all` for a file in the set's own folder.
        subtype: the inner folders joined by `/`, `all` where there are none.
        path: file, relative to the set's folder, with forward slashes.
        sha256: SHA-256 of the file, 64 hexadecimal digits.
        width: width in pixels.
        height: height in pixels.
        caption: what there is to see, for people and for text-to-image models.
    """

    id: str
    category: str
    subset: str
    subtype: str
    path: str
    sha256: str
    width: int
    height: int
    caption: str = ""

    @property
    def depth(self) -> int:
        """Number of folders between the set's folder and the file."""
        return self.path.count("/")


@dataclass(frozen=True)
class Manifest:
    """A set of images as data: what belongs to it, under which name and licence.

    Attributes:
        name: slug of the set.
        version: a set whose pixels change gets a new version.
        split: slug, `all` unless the set has several.
        licence: SPDX identifier, or words where there is none.
        source: where the images come from.
        status: `built` with rows, `unbuilt` while the rows await a copy of the images.
        samples: the rows, in the order in which they are judged.
        alpha: `required`, or `opaque` when images without alpha channel belong to the set.
        layout: how the folders are read.
        root: hint where the images lie: a folder, relative to the manifest's file, or empty.
        title: one line for people.
        expected: number of samples by category, as published; empty if unknown.
        expected_samples: number of samples as published, 0 if unknown.
        notes: remarks, part of no identity.
    """

    name: str
    version: int
    split: str
    licence: str
    source: str
    status: Literal["built", "unbuilt"]
    samples: tuple[Sample, ...]
    alpha: Literal["required", "opaque"] = "required"
    layout: Layout = "category"
    root: str = ""
    title: str = ""
    expected: dict[str, int] = field(default_factory=dict)
    expected_samples: int = 0
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name and version, as in `alpha-mini@1`."""
        return f"{self.name}@{self.version}"

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 over the sorted lines `sample-id TAB file-sha256 LF` in UTF-8: the set's identity."""
        lines = sorted(f"{sample.id}\t{sample.sha256}\n".encode() for sample in self.samples)
        return hashlib.sha256(b"".join(lines)).hexdigest()

    @functools.cached_property
    def categories(self) -> dict[str, int]:
        """Number of samples by category, in the order of first appearance."""
        return dict(Counter(sample.category for sample in self.samples))

    def deviations(self) -> list[str]:
        """Return one sentence per published count that the rows do not meet."""
        found = []
        if self.expected_samples and self.expected_samples != len(self.samples):
            found.append(f"{len(self.samples)} samples, expected {self.expected_samples}")
        for category, count in self.expected.items():
            if self.categories.get(category, 0) != count:
                have = self.categories.get(category, 0)
                found.append(f"category {category!r}: {have} samples, expected {count}")
        if self.expected:
            found += [f"category {name!r} is unexpected" for name in self.categories if name not in self.expected]
        return found


def manifest_folder() -> Path:
    """Return the folder of the shipped manifests: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "manifests"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "data_manifests"


def refuse_twins(samples: Sequence[Sample], where: str) -> None:
    """Refuse samples whose ids are equal, or differ in upper and lower case only."""
    seen: dict[str, Sample] = {}
    twins = []
    for sample in samples:
        other = seen.setdefault(sample.id.casefold(), sample)
        if other is not sample:
            twins.append((other.path, sample.path))
    if twins:
        first, second = twins[0]
        raise DataError(
            f"{where}: {len(twins)} files share their sample id with another, first {first!r} and {second!r}",
            remedy="Rename or remove one of each pair: a sample is one file, whatever its extension or case.",
        )
