"""Which prediction the AlphaVAE authors' script compares with which reference: by position, leaf by leaf.

A leaf is the lowest folder of a data set, `subset/subtype/`. The script sorts the composites of a leaf on
each side and joins them by position; it never compares names. What goes wrong without notice there goes
wrong here in the same way, and is said in a sentence of `PaperPairing.deviations`.

Source: repository `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/i2i_eval_pipe.py` and `blend_rgba.py`.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from alphabench.data.manifest import Sample
from alphabench.errors import DataError, IncompleteError

MAX_SENTENCES = 150
MAX_LENGTH = 500
"""How many deviations, of how many characters, are listed: what a record holds."""


class Leaf(NamedTuple):
    """The folder over which the first mean is taken, `subset/name` as text: a record's category."""

    subset: str
    name: str

    def __str__(self) -> str:
        return f"{self.subset}/{self.name}"


class Lossless(NamedTuple):
    """Which composites of a pair the authors' script would store as PNG instead of JPEG."""

    prediction: bool = False
    reference: bool = False


@dataclass(frozen=True)
class PaperPairing:
    """Pairs by position.

    Attributes:
        pairs: id of the prediction that each reference is compared with, in the references' order.
        skipped: ids of the references that get no value, in order.
        deviations: what the authors' script does in silence, one sentence each.
        leaves: the leaf of each reference, the skipped ones included.
        lossless: which composites of a pair stay without JPEG, by reference; absent where none.
    """

    pairs: Mapping[str, str]
    skipped: tuple[str, ...]
    deviations: tuple[str, ...]
    leaves: Mapping[str, Leaf]
    lossless: Mapping[str, Lossless]


def leaf_of(sample: Sample) -> Leaf:
    """Return the leaf of a sample: its subset and subtype, whatever the depth of its folders."""
    return Leaf(sample.subset, sample.subtype)


def pair_by_position(
    references: Sequence[Sample], predictions: Sequence[Sample], *, prediction_root: Path | None = None
) -> PaperPairing:
    """Join references and predictions as the authors' script does.

    A leaf with no composite, or with different counts on the two sides, is skipped. For a model that the
    toolkit runs itself give the references on both sides: the authors' `recon_` keeps order and extension.

    Args:
        references: the data set, any order.
        predictions: what was delivered, any order.
        prediction_root: the folder of the predictions. It tells an empty folder, which is skipped, from a
            missing one; without it a leaf without predictions counts as missing.

    Raises:
        DataError: the folder of a leaf is missing on the predictions' side, or two files would become one
            composite.
        IncompleteError: every leaf is skipped.
    """
    ours, theirs = _by_leaf(references), _by_leaf(predictions)
    _refuse_missing_folders(ours, theirs, prediction_root)
    joined: list[tuple[Sample, Sample]] = []
    uneven = []
    for leaf, samples in ours.items():
        pair = [_composites(side, leaf) for side in (samples, theirs.get(leaf, []))]
        if pair[0] and len(pair[0]) == len(pair[1]):
            joined.extend(zip(*pair, strict=True))
        else:
            uneven.append(
                f"the leaf {str(leaf)!r} is skipped, as the authors' script does: "
                f"{len(pair[0])} references, {len(pair[1])} predictions"
            )
    if not joined:
        raise IncompleteError(
            "nothing can be scored: " + (uneven[0] if uneven else "there is no reference"),
            remedy="Give each folder as many predictions as it has references.",
        )
    prediction_of = {reference.id: prediction for reference, prediction in joined}
    found = [(sample, prediction_of[sample.id]) for sample in references if sample.id in prediction_of]
    lossless = {
        reference.id: Lossless(stays_png(prediction.path), stays_png(reference.path))
        for reference, prediction in found
        if stays_png(prediction.path) or stays_png(reference.path)
    }
    sentences = [
        *_depth(references),
        *_unseen("references", references),
        *_unseen("predictions", predictions),
        *_ignored_folders(ours, theirs),
        *uneven,
        *_shifted(joined),
        *_names(found),
    ]
    return PaperPairing(
        pairs={reference.id: prediction.id for reference, prediction in found},
        skipped=tuple(sample.id for sample in references if sample.id not in prediction_of),
        deviations=_listed(sentences),
        leaves={sample.id: leaf_of(sample) for sample in references},
        lossless=lossless,
    )


def composite_name(path: str) -> str:
    """Return the path of a file's composite: `.png` becomes `.jpg` wherever it stands in the file's name.

    The replacement minds case, so `X.PNG` keeps its name.
    """
    file = PurePosixPath(path)
    return str(file.with_name(file.name.replace(".png", ".jpg")))


def stays_png(path: str) -> bool:
    """Say whether a file's composite is stored without loss, because its name still ends like a PNG's."""
    return composite_name(path).lower().endswith(".png")


def _is_blended(path: str) -> bool:
    return path.lower().endswith(".png")


def _by_leaf(samples: Iterable[Sample]) -> dict[Leaf, list[Sample]]:
    leaves = defaultdict(list)
    for sample in samples:
        leaves[leaf_of(sample)].append(sample)
    return dict(leaves)


def _composites(samples: Iterable[Sample], leaf: Leaf) -> list[Sample]:
    """Return the samples of a leaf that have a composite, in the order of the composites' paths."""
    ordered = sorted(
        (sample for sample in samples if _is_blended(sample.path)),
        key=lambda sample: composite_name(sample.path),
    )
    for before, after in itertools.pairwise(ordered):
        if composite_name(before.path) == composite_name(after.path):
            raise DataError(
                f"{before.path} and {after.path} would become one composite, "
                f"{composite_name(after.path)}, in the leaf {str(leaf)!r}",
                remedy="Rename one: which of the two the authors' script keeps is left to chance.",
            )
    return ordered


def _refuse_missing_folders(
    ours: Mapping[Leaf, Sequence[Sample]], theirs: Mapping[Leaf, Sequence[Sample]], root: Path | None
) -> None:
    missing = [
        leaf
        for leaf, samples in ours.items()
        if leaf not in theirs and (root is None or not (root / samples[0].path).parent.is_dir())
    ]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(ours)} folders of references have no folder of predictions, "
            f"first {str(missing[0])!r}",
            remedy="Lay the predictions out in the references' folders.",
        )


def _depth(references: Sequence[Sample]) -> Iterator[str]:
    other = [sample.path for sample in references if sample.depth != 2]
    if other:
        yield (
            f"{len(other)} of {len(references)} references do not lie two folders deep, first {other[0]!r}: "
            "the authors' script would not see them or would stop; here their folder is a leaf like any other"
        )


def _unseen(side: str, samples: Sequence[Sample]) -> Iterator[str]:
    other = [sample.path for sample in samples if not _is_blended(sample.path)]
    if other:
        yield (
            f"{len(other)} of {len(samples)} {side} are not named .png, first {other[0]!r}: "
            "the authors' script makes no composite of them, and they are left out"
        )


def _ignored_folders(ours: Mapping[Leaf, Sequence[Sample]], theirs: Mapping[Leaf, Sequence[Sample]]) -> Iterator[str]:
    extra = [leaf for leaf in theirs if leaf not in ours]
    if extra:
        yield (
            f"{len(extra)} folders of predictions have no references and are ignored, as the authors' "
            f"script does, first {str(extra[0])!r}"
        )


def _shifted(joined: Sequence[tuple[Sample, Sample]]) -> Iterator[str]:
    """Yield a sentence for each leaf where a pair's names differ beyond one prefix shared by all pairs."""
    stems = [(PurePosixPath(pair[0].path).stem, PurePosixPath(pair[1].path).stem) for pair in joined]
    front = _prefixes(stems)
    shifted: dict[Leaf, list[tuple[Sample, Sample]]] = defaultdict(list)
    counts = Counter(leaf_of(reference) for reference, _ in joined)
    for pair, (reference, prediction) in zip(joined, stems, strict=True):
        if not _same(reference, prediction, front):
            shifted[leaf_of(pair[0])].append(pair)
    for leaf, pairs in shifted.items():
        first = pairs[0]
        yield (
            f"shifted pairs in the leaf {str(leaf)!r}: {len(pairs)} of {counts[leaf]} join different names, "
            f"first {first[0].path!r} with {first[1].path!r}, for pairs are formed by position"
        )


def _prefixes(stems: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the prefixes of the reference's and the prediction's names that make most pairs equal."""
    seen: Counter[tuple[str, str]] = Counter()
    for reference, prediction in stems:
        if prediction.endswith(reference):
            seen[("", prediction.removesuffix(reference))] += 1
        elif reference.endswith(prediction):
            seen[(reference.removesuffix(prediction), "")] += 1
    candidates = [("", ""), *(front for front, _ in seen.most_common(20))]
    if len(stems) > 1:
        ours, theirs = (_shared_beginning(side) for side in zip(*stems, strict=True))
        candidates.append((ours, theirs))
    return max(candidates, key=lambda front: sum(_same(*pair, front) for pair in stems))


def _shared_beginning(names: Sequence[str]) -> str:
    """Return what all names begin with, up to its last separator, so that no number is cut in two."""
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: max(first.rfind(mark, 0, length) for mark in "_-. ") + 1]


def _same(reference: str, prediction: str, front: tuple[str, str]) -> bool:
    return reference.removeprefix(front[0]) == prediction.removeprefix(front[1])


def _names(found: Sequence[tuple[Sample, Sample]]) -> Iterator[str]:
    for side, samples in zip(("references", "predictions"), zip(*found, strict=True), strict=False):
        paths = [sample.path for sample in samples]
        kept = [path for path in paths if stays_png(path)]
        if kept:
            yield (
                f"{len(kept)} of {len(paths)} {side} have an extension in capitals, first {kept[0]!r}: "
                "their composites are stored without loss, not as JPEG, as the authors' script does"
            )
        inner = [path for path in paths if ".png" in PurePosixPath(path).stem]
        if inner:
            yield (
                f"{len(inner)} of {len(paths)} {side} have .png inside their name, first {inner[0]!r}: "
                "the authors' script replaces it too, which can change the order of the pairs"
            )


def _listed(sentences: Sequence[str]) -> tuple[str, ...]:
    """Return the sentences as a record can hold them: on one line, of limited length and number."""
    kept = [_printable(sentence)[:MAX_LENGTH] for sentence in sentences[:MAX_SENTENCES]]
    if len(sentences) > MAX_SENTENCES:
        kept.append(f"and {len(sentences) - MAX_SENTENCES} more deviations of these kinds")
    return tuple(kept)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
