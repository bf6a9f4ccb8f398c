"""The diagnosis of a run: the usual failures of RGBA models, by category, with the signatures that are present."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from alphabench.image.codec import to_float
from alphabench.image.types import AnyCodes
from alphabench.metrics.diagnosis import cast_of, diagnose_images, rank_gaps

PAGE = "diagnosis.json"
SCHEMA = "alphabench.diagnosis/1"
FACT = "diagnosis"
"""Where a sample's faults are kept among its facts."""

PERCEPTUAL = ("lpips", "lpips-rand")
"""Perceptual distances that blur is looked for by, the better one first."""

CODES = 255


@dataclass(frozen=True)
class CategoryDiagnosis:
    """The failures of one category; None where no sample has a value.

    Attributes:
        category: its name.
        samples: how many were looked at.
        alpha_kept: predicted over true opacity where the true one is above 0, mean of images.
        alpha_spill: predicted opacity where the true one is 0, over the whole true one, mean of images.
        semi_alpha_bias: predicted less true alpha where the true one is semi-transparent, mean of images.
        colour_bias: predicted less true red, green and blue where both are visible, mean of images.
        colour_cast: length of an image's colour bias, mean of images: casts of opposite sign do not cancel.
        error_rank: rank of squared error within the run, 0 best to 1 worst, mean of images.
        perceptual_excess: rank of perceptual distance less that of squared error, mean of images.
    """

    category: str
    samples: int
    alpha_kept: float | None = None
    alpha_spill: float | None = None
    semi_alpha_bias: float | None = None
    colour_bias: tuple[float, float, float] | None = None
    colour_cast: float | None = None
    error_rank: float | None = None
    perceptual_excess: float | None = None


Measure = Literal["alpha_kept", "alpha_spill", "semi_alpha_bias", "colour_cast", "perceptual_excess"]


@dataclass(frozen=True)
class Signature:
    """A failure by which a category is known.

    Attributes:
        name: what it is called.
        measure: the number that shows it.
        limit: the first value that counts.
        above: whether it shows in values above the limit, else below.
        reason: why the limit lies there.
        meaning: what usually causes it.
        samples: images that a category needs, for its mean to say anything.
    """

    name: str
    measure: Measure
    limit: float
    above: bool
    reason: str
    meaning: str
    samples: int = 1

    def shown_by(self, found: CategoryDiagnosis) -> bool:
        """Say whether a category has the signature."""
        value = getattr(found, self.measure)
        if value is None or found.samples < self.samples:
            return False
        if self.measure == "perceptual_excess" and (found.error_rank is None or found.error_rank > WELL_SCORED):
            return False
        return bool(value >= self.limit if self.above else value <= self.limit)


WELL_SCORED = 0.5
"""Largest rank by squared error, from 0 (best) to 1, at which a category still counts as scoring well."""

_SHRINKS = "alpha is pulled to transparent: too strong a penalty on it, or soft alpha too rare in training"
_GROWS = "alpha is pulled to opaque: untrained since its opaque start, or it cannot follow soft alpha"
_SOFT_REASON = "5 of 255 codes: rounding gives at most half a code, and 5 show over a contrasting background"
_KEPT_REASON = "2 % of the opacity, which is 5 of 255 codes on a solid image"

SIGNATURES = (
    Signature("alpha shrinkage", "semi_alpha_bias", -5 / CODES, above=False, reason=_SOFT_REASON, meaning=_SHRINKS),
    Signature("alpha shrinkage", "alpha_kept", 0.98, above=False, reason=_KEPT_REASON, meaning=_SHRINKS),
    Signature("alpha growth", "semi_alpha_bias", 5 / CODES, above=True, reason=_SOFT_REASON, meaning=_GROWS),
    Signature("alpha growth", "alpha_kept", 1.02, above=True, reason=_KEPT_REASON, meaning=_GROWS),
    Signature(
        "alpha spill",
        "alpha_spill",
        0.02,
        above=True,
        reason="2 % of the whole opacity lies where nothing should be: on a white image over black it glows",
        meaning="alpha is blurred over its contours or never learned to be 0: thin structures and noise come first",
    ),
    Signature(
        "colour cast",
        "colour_cast",
        4 / CODES,
        above=True,
        reason="4 of 255 codes, 2.3 in each channel: about the least change of a flat colour that people notice",
        meaning="colour drifts where it is visible: colours divided by a wrong alpha, or statistics of the "
        "backgrounds that favour one colour",
    ),
    Signature(
        "low error, high perceptual distance",
        "perceptual_excess",
        0.25,
        above=True,
        reason="a quarter of all ranks: for unrelated ranks the mean of 8 images has a standard deviation of 0.14",
        meaning="details are missing or false though squared error is low: blur, or a perceptual term that is too weak",
        samples=4,
    ),
)


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run's predictions.

    Attributes:
        perceptual: the perceptual distance that was ranked, None where the protocol has none.
        categories: in the order of the data set.
    """

    perceptual: str | None
    categories: tuple[CategoryDiagnosis, ...]

    def signatures(self) -> dict[str, list[tuple[Signature, CategoryDiagnosis]]]:
        """Return the signatures that are present by name, each with where; one entry a category and name."""
        found: dict[str, list[tuple[Signature, CategoryDiagnosis]]] = {}
        for signature in SIGNATURES:
            places = found.setdefault(signature.name, [])
            seen = {place.category for _, place in places}
            places += [(signature, c) for c in self.categories if c.category not in seen and signature.shown_by(c)]
        return {name: places for name, places in found.items() if places}

    def of(self, category: str) -> CategoryDiagnosis | None:
        """Return the diagnosis of one category, None where there is none."""
        return next((found for found in self.categories if found.category == category), None)

    def to_json(self) -> bytes:
        """Return the diagnosis as a JSON document, with units, signatures and their limits."""
        document = {
            "schema": SCHEMA,
            "perceptual": self.perceptual,
            "units": {
                "alpha_kept": "share of the true opacity",
                "alpha_spill": "share of the true opacity",
                "semi_alpha_bias": "alpha in [0,1]",
                "colour_bias": "red, green, blue in [0,1]",
                "colour_cast": "length of a colour bias",
                "error_rank": "rank in [0,1]",
                "perceptual_excess": "difference of ranks in [-1,1]",
            },
            "categories": [
                {**asdict(found), "signatures": [name for name, places in self.signatures().items()
                                                 if any(place.category == found.category for _, place in places)]}
                for found in self.categories
            ],
            "signatures": [asdict(signature) for signature in SIGNATURES],
        }  # fmt: skip
        return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sample_faults(prediction: AnyCodes | None, reference: AnyCodes) -> dict[str, Any]:
    """Return the faults of one prediction as facts to keep; empty where the two cannot be laid on each other.

    Args:
        prediction: 8-bit codes, or None where there is no prediction.
        reference: 8-bit codes.
    """
    if prediction is None or prediction.shape != reference.shape or reference.shape[0] != 4:
        return {}
    found = diagnose_images(to_float(prediction)[None], to_float(reference)[None])
    bias = [_number(value) for value in found.colour_bias[0].tolist()]
    return {
        FACT: {
            "alpha_kept": _number(float(found.alpha_kept[0])),
            "alpha_spill": _number(float(found.alpha_spill[0])),
            "semi_alpha_bias": _number(float(found.semi_alpha_bias[0])),
            "colour_bias": None if None in bias else bias,
        }
    }


def diagnose(
    groups: Mapping[str, str],
    facts: Mapping[str, Mapping[str, Any]],
    errors: Mapping[str, float],
    distances: Mapping[str, float],
    perceptual: str | None,
) -> Diagnosis | None:
    """Return the diagnosis of a run; None where no sample has been looked at.

    Args:
        groups: category of each sample, in the data set's order.
        facts: facts of each sample, those of `sample_faults` among them.
        errors: squared error of each sample over the backgrounds.
        distances: perceptual distance of each sample over the backgrounds.
        perceptual: which distance that is.
    """
    faults = {name: found[FACT] for name, found in facts.items() if FACT in found and name in groups}
    if not faults:
        return None
    members: dict[str, list[str]] = {}
    for name, category in groups.items():
        if name in faults:
            members.setdefault(category, []).append(name)
    gaps = rank_gaps(errors, distances)
    return Diagnosis(
        perceptual if gaps else None,
        tuple(_category(category, [faults[n] for n in names], [gaps[n] for n in names if n in gaps])
              for category, names in members.items()),
    )  # fmt: skip


def read_diagnosis(folder: Path) -> Diagnosis | None:
    """Return the diagnosis in a work folder; None where there is none, or one that another version wrote."""
    try:
        document = json.loads((folder / PAGE).read_bytes())
        if document["schema"] != SCHEMA:
            return None
        names = CategoryDiagnosis.__dataclass_fields__
        categories = []
        for entry in document["categories"]:
            values = {name: entry[name] for name in names}
            if values["colour_bias"] is not None:
                values["colour_bias"] = tuple(values["colour_bias"])
            categories.append(CategoryDiagnosis(**values))
        return Diagnosis(document["perceptual"], tuple(categories))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def described(found: CategoryDiagnosis) -> str:
    """Return the numbers of a category as one line; alpha and colour in 8-bit codes."""
    parts = []
    if found.alpha_kept is not None and found.alpha_spill is not None:
        parts.append(f"alpha kept {100 * found.alpha_kept:.1f} % and spilt {100 * found.alpha_spill:.1f} %")
    if found.semi_alpha_bias is not None:
        parts.append(f"semi-transparent alpha {CODES * found.semi_alpha_bias:+.1f} codes")
    if found.colour_cast is not None and found.colour_bias is not None:
        channels = " ".join(
            f"{name} {CODES * value:+.1f}" for name, value in zip("RGB", found.colour_bias, strict=True)
        )
        parts.append(f"colour cast {CODES * found.colour_cast:.1f} codes ({channels})")
    if found.perceptual_excess is not None:
        parts.append(f"perceptual rank {found.perceptual_excess:+.2f} against its error rank {found.error_rank:.2f}")
    return ", ".join(parts)


def shown_value(signature: Signature, found: CategoryDiagnosis) -> str:
    """Return the number by which a category has a signature, with its unit."""
    value = getattr(found, signature.measure)
    if signature.measure in {"alpha_kept", "alpha_spill"}:
        return f"{100 * value:.1f} % of the opacity"
    if signature.measure == "perceptual_excess":
        return f"{value:+.2f} of all ranks"
    return f"{CODES * value:{'.1f' if signature.measure == 'colour_cast' else '+.1f'}} codes"


def _category(
    category: str, faults: Sequence[Mapping[str, Any]], gaps: Sequence[tuple[float, float]]
) -> CategoryDiagnosis:
    # JSON writes 0.0 as 0, so that what was kept comes back as whole numbers.
    biases = [[float(value) for value in fault["colour_bias"]] for fault in faults if fault["colour_bias"] is not None]
    return CategoryDiagnosis(
        category=category,
        samples=len(faults),
        alpha_kept=_mean([fault["alpha_kept"] for fault in faults]),
        alpha_spill=_mean([fault["alpha_spill"] for fault in faults]),
        semi_alpha_bias=_mean([fault["semi_alpha_bias"] for fault in faults]),
        colour_bias=_mean_colour(biases),
        colour_cast=_mean([cast_of(bias) for bias in biases]),
        error_rank=_mean([rank for rank, _ in gaps]),
        perceptual_excess=_mean([gap for _, gap in gaps]),
    )


def _mean(values: Sequence[float | int | None]) -> float | None:
    present = [float(value) for value in values if value is not None]
    return statistics.fmean(present) if present else None


def _mean_colour(biases: Sequence[Sequence[float]]) -> tuple[float, float, float] | None:
    if not biases:
        return None
    red, green, blue = (statistics.fmean(channel) for channel in zip(*biases, strict=True))
    return red, green, blue


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
