"""What the viewer of samples shows: pictures found, numbers of each sample, backgrounds to look at them over."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphabench.leaderboard.site.pictures import Picture, PictureSource, picture
from alphabench.leaderboard.site.shown import column
from alphabench.leaderboard.site.values import SHOWN, Pick, SampleValues
from alphabench.metrics.catalog import CATALOG
from alphabench.results.record import Record

Place = Callable[[Picture], str]
"""Puts a picture somewhere and returns how a page names it."""


@dataclass(frozen=True)
class Gathered:
    """The samples chosen of a record and where their pictures are.

    Attributes:
        picks: the samples, the worst first.
        predictions: files by sample.
        references: bytes by sample.
        notes: why there are none, or not all.
        metric: the metric that orders the samples; None where the record has no sample metric.
        numbers: of each sample, its values by metric and view.
    """

    picks: tuple[Pick, ...]
    predictions: Mapping[str, Path]
    references: Mapping[str, bytes]
    notes: tuple[str, ...]
    metric: str | None = None
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def size(self, picks: Sequence[Pick]) -> dict[str, int]:
        """Return the bytes of the pictures of some samples by a name that equal files share."""
        sizes = {
            str(self.predictions[pick.sample]): self.predictions[pick.sample].stat().st_size
            for pick in picks
            if pick.sample in self.predictions
        }
        return sizes | {
            f"reference {hashlib.sha256(self.references[pick.sample]).hexdigest()}": len(self.references[pick.sample])
            for pick in picks
            if pick.sample in self.references
        }


@dataclass(frozen=True)
class ShownSample:
    """A sample with the places of its pictures, None where there is no picture."""

    sample: str
    category: str
    place: str
    value: float
    reference: str | None
    prediction: str | None


@dataclass(frozen=True)
class Viewer:
    """What the template of the viewer needs.

    Attributes:
        metric: the metric that orders the samples.
        unit: its unit as shown.
        samples: the samples, the worst first.
        backgrounds: names and colours of the protocol's backgrounds.
        reduced: whether a picture was made smaller.
        few: whether samples were left out to keep the site small.
        usual: how many there are otherwise.
        document: what the script needs.
    """

    metric: str
    unit: str
    samples: tuple[ShownSample, ...]
    backgrounds: tuple[tuple[str, tuple[int, int, int]], ...]
    reduced: bool
    few: bool
    usual: int
    document: dict[str, Any]


def fewer(picks: Sequence[Pick], count: int) -> tuple[Pick, ...]:
    """Return at most `count` of the samples: the worst, those nearest to the median, the best."""
    if count >= len(picks):
        return tuple(picks)
    third = max(1, count // 3)
    groups = [[pick for pick in picks if pick.place == place] for place in ("worst", "median", "best")]
    first = max(0, (len(groups[1]) - third) // 2)
    return (*groups[0][:third], *groups[1][first : first + third], *groups[2][-third:])[:count]


def gather(record: Record, values: SampleValues, wanted: Sequence[Pick], source: PictureSource) -> Gathered:
    """Return some samples of a record: where their pictures are, and their numbers."""
    names = [pick.sample for pick in wanted]
    if not names:
        return Gathered((), {}, {}, ())
    predictions, first = source.predictions(record, names)
    chosen = tuple(pick for pick in wanted if pick.sample in predictions) or tuple(wanted)
    names = [pick.sample for pick in chosen]
    references, second = source.references(record, names)
    return Gathered(
        picks=chosen,
        predictions=predictions,
        references=references,
        notes=tuple(words for words in (first, second) if words),
        metric=values.primary,
        numbers={
            name: {
                metric: {view: _six(column_[name]) for view, column_ in views.items() if name in column_}
                for metric, views in values.columns.items()
            }
            for name in names
        },
    )


def viewer(
    gathered: Gathered,
    picks: Sequence[Pick],
    backgrounds: Mapping[str, tuple[int, int, int]],
    *,
    photo: str,
    put: Place,
) -> Viewer | None:
    """Return what the viewer shows; None where no sample has a picture.

    Args:
        gathered: where the pictures are.
        picks: the samples to show.
        backgrounds: the protocol's colours by name.
        photo: how the page names the bundled photo.
        put: puts a picture somewhere and names it.

    Raises:
        DataError: a picture cannot be read.
    """
    if gathered.metric is None or not (gathered.predictions or gathered.references):
        return None
    samples, documents, reduced = [], [], False
    for pick in picks:
        facts: dict[str, Any] = {"sample": pick.sample, "category": pick.category, "width": 0, "height": 0}
        for role, found in (("reference", gathered.references), ("prediction", gathered.predictions)):
            facts[role] = None
            if pick.sample in found:
                source = found[pick.sample]
                data = source if isinstance(source, bytes) else source.read_bytes()
                made = picture(data, name=f"the {role} of {pick.sample}")
                facts |= {role: put(made), "width": made.width, "height": made.height}
                reduced = reduced or made.reduced
        facts["values"] = gathered.numbers[pick.sample]
        documents.append(facts)
        samples.append(
            ShownSample(pick.sample, pick.category, pick.place, pick.value, facts["reference"], facts["prediction"])
        )
    return Viewer(
        metric=gathered.metric,
        unit=column(gathered.metric).unit,
        samples=tuple(samples),
        backgrounds=tuple(backgrounds.items()),
        reduced=reduced,
        few=len(picks) < len(gathered.picks),
        usual=SHOWN,
        document={
            "samples": documents,
            "photo": photo,
            "decimals": {metric: CATALOG[metric].decimals for metric in next(iter(gathered.numbers.values()), {})},
        },
    )


def _six(value: float) -> float:
    return float(f"{value:.6g}")
