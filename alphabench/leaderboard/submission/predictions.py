"""The predictions of a pack: every sample once, each a plain PNG of its reference's size."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from alphabench.data.dataset import DataSet
from alphabench.data.manifest import Sample
from alphabench.image.types import Codes
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse
from alphabench.leaderboard.submission.names import PREDICTIONS
from alphabench.leaderboard.submission.png_file import checked_png
from alphabench.leaderboard.submission.tree import Held
from alphabench.models.predictions import PredictionFolder, prediction_folder

IDENTICAL = "identical-to-reference"
IDENTICAL_SHARE = 0.99


def check_samples(card: Card, samples: list[str]) -> list[Finding]:
    """Refuse predictions that are not one for each sample of the set.

    A checkpoint may come without any.
    """
    there = card.predictions
    if card.kind == "checkpoint" and not there:
        return []
    wanted = set(samples)
    missing = [sample for sample in samples if sample not in there]
    extra = sorted(there.keys() - wanted)
    found = []
    if missing:
        fact = f"{len(missing)} of {len(samples)} samples have no prediction, first {missing[0]!r}"
        found.append(finding("E_SAMPLES", PREDICTIONS, fact, "Predict every sample of the set."))
    if extra:
        fact = f"{len(extra)} of {len(there)} predictions have no sample, first {extra[0]!r}"
        found.append(finding("E_SAMPLES", PREDICTIONS, fact, "Remove them, here and in the card."))
    return found


def read_predictions(folder: Path, card: Card, data: DataSet) -> list[str]:
    """Check every prediction and return the flags that a person should see.

    Args:
        folder: the private copy.
        card: the pack's card.
        data: the references' list; where their images are there, pixels are compared too.

    Raises:
        Refused: the faults of all files that have one.
    """
    found: list[Finding] = []
    equal = differing = 0
    total = len(data.manifest.samples)
    for sample in data.manifest.samples:
        path = card.predictions[sample.id]
        content = (folder / path).read_bytes()
        try:
            codes = checked_png(content, path, sample.width, sample.height)
        except Refused as refusal:
            found += refusal.findings
            continue
        if total - differing >= IDENTICAL_SHARE * total:  # else nothing can be identical any more
            same = _is_reference(data, sample, content, codes)
            equal, differing = equal + same, differing + (not same)
    refuse(found[: limits.SHOWN_FINDINGS])
    return check_identical(equal, total)


def check_identical(equal: int, total: int) -> list[str]:
    """Return the flag of predictions that are the references themselves: a person decides what that means."""
    return [IDENTICAL] if equal >= IDENTICAL_SHARE * total else []


def as_model(folder: Path, card: Card, held: Mapping[str, Held]) -> PredictionFolder:
    """Return a pack's predictions as a model, identified by the hash over its files."""
    there = card.predictions
    found = prediction_folder(
        {sample: folder / path for sample, path in there.items()},
        {sample: held[path].sha256 for sample, path in there.items()},
        name=card.model.name,
        org=card.model.org,
        licence=card.model.licence,
    )
    return replace(found, info=replace(found.info, trained_on=tuple(card.model.trained_on)))


def _is_reference(data: DataSet, sample: Sample, content: bytes, codes: Codes) -> bool:
    if hashlib.sha256(content).hexdigest() == sample.sha256:
        return True
    return data.path(sample).is_file() and bool((data.read(sample) == codes).all())
