"""Reading the parts of a run: only what is whole and verified counts, each sample once."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alphabench.errors import DataError
from alphabench.results import workfolder
from alphabench.results.parts import Key, StoredSample, decode_features, decode_part, is_intact
from alphabench.results.rows import Row, sorted_rows


@dataclass(frozen=True)
class Merged:
    """Everything a run has stored, each sample once.

    Attributes:
        rows: the rows of the run's keys, sorted.
        not_applicable: `(sample, view, metric)` without a value, sorted.
        features: for each network the sample ids, sorted, and their features in that order.
        predictions: SHA-256 of each sample's prediction file.
        facts: what else was kept of each sample.
        missing: samples that are not stored, in the run's order.
    """

    rows: list[Row]
    not_applicable: list[tuple[str, str, str]]
    features: Mapping[str, tuple[tuple[str, ...], NDArray[np.float32]]]
    predictions: Mapping[str, str]
    facts: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...]


class PartReader:
    """What the parts of a work folder hold, seen once; damaged files are set aside as `*.torn`.

    Args:
        folder: the work folder.
        samples: `(id, category)` in the data set's order.
        keys: `(view, metric)` of each row that a whole sample has.
        networks: networks whose features a whole sample has.

    Attributes:
        found: whole, verified samples in the data set's order.
        notices: a sentence for each file that was set aside.

    Raises:
        DataError: a part of another run, or two parts with different values for one sample.
    """

    def __init__(
        self,
        folder: Path,
        samples: Sequence[tuple[str, str]],
        keys: Sequence[Key],
        networks: Collection[str],
    ) -> None:
        self.folder = folder
        self.keys = keys
        self.networks = networks
        self.notices: list[str] = []
        self._samples = samples
        self._categories = dict(samples)
        self._intact: dict[str, bool] = {}
        self.found = self._scan()

    def merge(self, infinite: Collection[str]) -> Merged:
        """Return everything that was found, sorted.

        Args:
            infinite: metrics whose value may be +inf.
        """
        keys, found = frozenset(self.keys), self.found
        rows = [
            (sample, stored.category, view, metric, value)
            for sample, stored in found.items()
            for (view, metric), value in stored.values.items()
            if (view, metric) in keys
        ]
        absent = [(sample, *key) for sample, stored in found.items() for key in stored.not_applicable & keys]
        return Merged(
            rows=sorted_rows(rows, infinite=infinite),
            not_applicable=sorted(absent),
            features={network: self._features(network) for network in sorted(self.networks)},
            predictions={name: stored.prediction for name, stored in found.items() if stored.prediction},
            facts={name: stored.facts for name, stored in found.items()},
            missing=tuple(sample for sample, _ in self._samples if sample not in found),
        )

    def _scan(self) -> dict[str, StoredSample]:
        found: dict[str, StoredSample] = {}
        for path in sorted((self.folder / workfolder.PARTS).glob("*.parquet")):
            data = path.read_bytes()
            if not is_intact(path, data):
                self._set_aside(path)
                continue
            for sample, stored in decode_part(data, name=path.name).items():
                if sample not in self._categories:
                    raise DataError(
                        f"the part {path.name} holds the sample {sample!r}, which is not in this run",
                        remedy="Start over with --fresh, or use another folder with --out DIR.",
                    )
                if not self._is_whole(sample, stored):
                    continue
                if (first := found.get(sample)) is None:
                    found[sample] = stored
                elif not first.agrees_with(stored, self.keys):
                    raise DataError(
                        f"the parts {first.part} and {stored.part} hold different values for {sample!r}",
                        remedy="Remove one of the two from the folder parts/ and repeat the command.",
                    )
        return {sample: found[sample] for sample, _ in self._samples if sample in found}

    def _is_whole(self, sample: str, stored: StoredSample) -> bool:
        """Say whether a sample has all its rows, and its features and prediction are as they were bound."""
        if stored.values and stored.category != self._categories[sample]:
            return False
        if not stored.covers(self.keys, self.networks):
            return False
        if not all(self._has_features(file) for file, _ in stored.features.values()):
            return False
        if stored.prediction is None:
            return True
        path = workfolder.prediction_path(self.folder, sample)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == stored.prediction

    def _has_features(self, file: str) -> bool:
        if file not in self._intact:
            path = self.folder / workfolder.FEATURES / file
            present = path.is_file()
            self._intact[file] = present and is_intact(path, path.read_bytes())
            if present and not self._intact[file]:
                self._set_aside(path)
        return self._intact[file]

    def _set_aside(self, path: Path) -> None:
        count = path.name.split("-")[1] if path.name.count("-") >= 2 else "an unknown number"
        path.rename(path.with_name(f"{path.name}.torn"))
        self.notices.append(
            f"the file {path.name} is damaged and was set aside as {path.name}.torn; "
            f"its samples ({count}) are computed again"
        )

    def _features(self, network: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        opened: dict[str, NDArray[np.float32]] = {}
        names = tuple(sorted(self.found))
        arrays = []
        for name in names:
            file, position = self.found[name].features[network]
            if file not in opened:
                data = (self.folder / workfolder.FEATURES / file).read_bytes()
                opened[file] = decode_features(data)[network]
            arrays.append(opened[file][position])
        return names, np.stack(arrays) if arrays else np.empty((0,), np.float32)
