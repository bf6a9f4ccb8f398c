"""Parts: one file for all rows of a batch of whole samples, named by its own checksum."""

import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from alphabench.errors import DataError
from alphabench.results.canonical import canonical_json, parse_json
from alphabench.results.rows import Row, read_parquet, sorted_rows, write_parquet

NAME = re.compile(r"(?P<first>[0-9]{8})-(?P<count>[0-9]+)-(?P<sha>[0-9a-f]{32})[.](?:parquet|safetensors)")
FOOTER = "alphabench.part"
Key = tuple[str, str]
"""View and metric."""


@dataclass(frozen=True)
class Part:
    """What one batch gives to the store.

    Attributes:
        indices: places of the samples in the run's list.
        rows: `(sample, category, view, metric, value)` of all of them.
        not_applicable: `(sample, view, metric)` for values that do not exist.
        features: for each network, float32 with one entry of the first axis for each index, in order.
        predictions: for each sample whose prediction was written, the SHA-256 of the file.
        facts: for each sample, anything else worth keeping, as JSON.
    """

    indices: Sequence[int]
    rows: Sequence[Row]
    not_applicable: Sequence[tuple[str, str, str]] = ()
    features: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    predictions: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredSample:
    """One sample as a part holds it.

    Attributes:
        part: name of the part's file.
        category: its category.
        values: values by (view, metric).
        not_applicable: keys without a value.
        features: name of the feature file and position in it, by network.
        prediction: SHA-256 of its prediction's file, or None.
        facts: what else was kept.
    """

    part: str
    category: str
    values: Mapping[Key, float]
    not_applicable: frozenset[Key]
    features: Mapping[str, tuple[str, int]]
    prediction: str | None
    facts: Mapping[str, Any]

    def covers(self, keys: Collection[Key], networks: Collection[str]) -> bool:
        """Say whether the sample has a value, or its absence, for each key, and each network's features."""
        return all(key in self.values or key in self.not_applicable for key in keys) and all(
            network in self.features for network in networks
        )

    def agrees_with(self, other: "StoredSample", keys: Collection[Key]) -> bool:
        """Say whether both have the same values on `keys`, up to 1e-6 relative, as far as both have them."""
        for key in keys:
            mine, theirs = self.values.get(key), other.values.get(key)
            if mine is None or theirs is None:
                if (mine is None) != (theirs is None) and key in (self.not_applicable | other.not_applicable):
                    return False
            elif not math.isclose(mine, theirs, rel_tol=1e-6, abs_tol=1e-12):
                return False
        return True


def encode_features(features: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return features as one safetensors file."""
    data: bytes = save_safetensors({name: np.ascontiguousarray(array) for name, array in features.items()})
    return data


def decode_features(data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the features of a file made by `encode_features`."""
    found: dict[str, NDArray[np.float32]] = load_safetensors(data)
    return found


def encode_part(part: Part, samples: Sequence[str], features_file: str | None, infinite: Collection[str]) -> bytes:
    """Return a part as Parquet, with everything that is not a row in the footer.

    Args:
        part: the part.
        samples: id of each of its indices, in order.
        features_file: name of the feature file, already written, or None.
        infinite: metrics whose value may be +inf.
    """
    footer = {
        "samples": list(samples),
        "not_applicable": sorted([sample, view, metric] for sample, view, metric in part.not_applicable),
        "features": {"file": features_file, "networks": sorted(part.features)} if features_file else None,
        "predictions": dict(part.predictions),
        "facts": {sample: dict(facts) for sample, facts in part.facts.items()},
    }
    return write_parquet(sorted_rows(part.rows, infinite=infinite), {FOOTER: canonical_json(footer)})


def part_name(first: int, data: bytes, count: int, suffix: str) -> str:
    """Return `<first index>-<count>-<checksum>.<suffix>`: the name is the checksum."""
    return f"{first:08d}-{count}-{checksum(data)}.{suffix}"


def checksum(data: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()[:32]


def is_intact(path: Path, data: bytes) -> bool:
    """Say whether the bytes of a part or of a feature file are those that its name promises."""
    match = NAME.fullmatch(path.name)
    return match is not None and match["sha"] == checksum(data)


def decode_part(data: bytes, *, name: str) -> dict[str, StoredSample]:
    """Return the samples of a part whose checksum has been verified.

    Raises:
        DataError: the content is not a part of alphabench.
    """
    rows, metadata = read_parquet(data, name=name)
    if FOOTER not in metadata:
        raise DataError(f"{name} is not a part of a run", remedy="Move the file out of the folder parts/.")
    footer = parse_json(metadata[FOOTER], name=f"the footer of {name}", max_bytes=1 << 30)
    values: dict[str, dict[Key, float]] = {sample: {} for sample in footer["samples"]}
    categories: dict[str, str] = {}
    for sample, category, view, metric, value in rows:
        values[sample][view, metric] = value
        categories[sample] = category
    absent: dict[str, set[Key]] = {sample: set() for sample in values}
    for sample, view, metric in footer["not_applicable"]:
        absent[sample].add((view, metric))
    bound = footer["features"] or {"file": "", "networks": []}
    return {
        sample: StoredSample(
            part=name,
            category=categories.get(sample, ""),
            values=values[sample],
            not_applicable=frozenset(absent[sample]),
            features=dict.fromkeys(bound["networks"], (bound["file"], position)),
            prediction=footer["predictions"].get(sample),
            facts=footer["facts"].get(sample, {}),
        )
        for position, sample in enumerate(footer["samples"])
    }
