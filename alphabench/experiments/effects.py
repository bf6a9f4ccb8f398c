"""The difference that an arm makes: paired by seed and sample, with an interval over seeds and samples.

Every arm is trained with the same seeds and judged on the same images, so the differences form a table of
seeds by samples. Both are drawn anew, independently of each other (the pigeonhole bootstrap, Owen 2007,
Annals of Applied Statistics 1:386), one fewer than there are, which makes each level's share of the variance
unbiased (Rao and Wu 1988, JASA 83:231). With three seeds such an interval is still somewhat short, and the one
over seeds alone, with Student's quantile, knows nothing of the images: a difference counts as shown where both
exclude 0. With one seed only the images are left, and what is shown holds for these two models alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from alphabench.errors import DataError
from alphabench.experiments.jobs import Outcome
from alphabench.experiments.measures import IMAGE_MEASURES, measure_of
from alphabench.results.intervals import DRAWS, LEVEL, SEED, Floats

Verdict = Literal["better", "worse", "higher", "lower", "no difference shown"]
NO_DIFFERENCE: Verdict = "no difference shown"
RUN = "run"
"""The judged set of measures that belong to a whole run and have no samples."""


@dataclass(frozen=True)
class Effect:
    """One measure of one arm against another one.

    Attributes:
        arm: the arm.
        against: what it is compared with.
        judged: the judged set, or `run`.
        measure: the measure.
        value: the arm's mean over seeds and samples.
        reference: the mean of the arm it is compared with.
        difference: value less reference.
        low: lower end of the 95 % interval over seeds and samples; None where there is nothing to draw from.
        high: upper end.
        seed_low: lower end of the 95 % interval over seeds alone (Student); None for one seed.
        seed_high: upper end.
        seed_spread: standard deviation over seeds of the mean difference; None for one seed.
        seeds: seeds that both arms have.
        samples: images that both have; 0 for `run`.
        verdict: what the intervals say together; for `run` the one over seeds alone.
    """

    arm: str
    against: str
    judged: str
    measure: str
    value: float
    reference: float
    difference: float
    low: float | None
    high: float | None
    seed_low: float | None
    seed_high: float | None
    seed_spread: float | None
    seeds: tuple[int, ...]
    samples: int
    verdict: Verdict


def effects_of(
    arm: str, against: str, outcomes: Mapping[int, Outcome], references: Mapping[int, Outcome]
) -> tuple[Effect, ...]:
    """Return every effect of one arm: measures of images set by set, then measures of the run.

    Args:
        arm: name of the arm.
        against: name of the arm it is compared with.
        outcomes: results of `arm` by seed.
        references: results of `against` by seed.

    Raises:
        DataError: the two share no seed, or were judged on other images.
    """
    seeds = tuple(sorted(outcomes.keys() & references.keys()))
    if not seeds:
        raise DataError(
            f"the arms {arm!r} and {against!r} have no seed in common", remedy="Finish the missing jobs first."
        )
    ours, theirs = ([table(results[seed]) for seed in seeds] for results in (outcomes, references))
    found = []
    for judged, measure in _columns(ours[0]):
        rows = [
            (one[judged, measure], other.get((judged, measure), {})) for one, other in zip(ours, theirs, strict=True)
        ]
        common = sorted(set.intersection(*(one.keys() & other.keys() for one, other in rows)))
        if not common:
            raise DataError(
                f"{arm!r} and {against!r} were judged on other images of {judged}", remedy="Judge both again."
            )
        values = np.array([[one[sample] for sample in common] for one, _ in rows])
        references_ = np.array([[other[sample] for sample in common] for _, other in rows])
        found.append(_effect(arm, against, judged, measure, values, references_, seeds, len(common)))
    names = [
        name
        for name in outcomes[seeds[0]].numbers
        if all(_has(name, results, seeds) for results in (outcomes, references))
    ]
    for name in names:
        values, references_ = (
            np.array([[results[seed].numbers[name]] for seed in seeds]) for results in (outcomes, references)
        )
        found.append(_effect(arm, against, RUN, name, values, references_, seeds, 0))
    return tuple(found)


def two_level_draws(differences: Floats, *, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """Return bootstrap draws of the mean of a table of differences, `(seed, sample)`.

    A level of one row or column is kept as it is: nothing can be drawn from it.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    first, second = (_weights(generator, size, draws) for size in differences.shape)
    drawn: Floats = ((first @ differences) * second).sum(1)
    return drawn


def interval_over(differences: Floats) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean over seeds and samples; None where both levels have one row."""
    if max(differences.shape) < 2:
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(two_level_draws(differences), [tail, 100 - tail])
    return float(low), float(high)


def interval_over_seeds(means: Floats) -> tuple[float, float] | None:
    """Return Student's 95 % interval of the mean of one number a seed; None for one seed."""
    if len(means) < 2:
        return None
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, len(means) - 1)) * float(means.std(ddof=1)) / math.sqrt(len(means))
    return float(means.mean()) - reach, float(means.mean()) + reach


def intervals_of(effect: Effect) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Return the intervals over seeds and samples and over seeds alone; None for one that there is not."""
    pairs = ((effect.low, effect.high), (effect.seed_low, effect.seed_high))
    whole, seeds = (None if low is None or high is None else (low, high) for low, high in pairs)
    return whole, seeds


def verdict_of(measure: str, *intervals: tuple[float, float] | None) -> Verdict:
    """Return what intervals say of a difference: none is shown where one of them holds 0; None takes no part."""
    given = [bounds for bounds in intervals if bounds is not None]
    rises = bool(given) and all(low > 0 for low, _ in given)
    if not rises and not (given and all(high < 0 for _, high in given)):
        return NO_DIFFERENCE
    direction = measure_of(measure).higher_is_better
    if direction is None:
        return "higher" if rises else "lower"
    return "better" if rises is direction else "worse"


def table(outcome: Outcome) -> dict[tuple[str, str], dict[str, float]]:
    """Return the values of an outcome: by judged set and measure, then by sample."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in outcome.rows:
        found.setdefault((row.judged, row.measure), {})[row.sample] = row.value
    return found


def _columns(values: Mapping[tuple[str, str], Mapping[str, float]]) -> Sequence[tuple[str, str]]:
    sets = list(dict.fromkeys(judged for judged, _ in values))
    return [(judged, name) for judged in sets for name in IMAGE_MEASURES if (judged, name) in values]


def _has(name: str, results: Mapping[int, Outcome], seeds: Sequence[int]) -> bool:
    return all(name in results[seed].numbers for seed in seeds)


def _effect(
    arm: str,
    against: str,
    judged: str,
    measure: str,
    values: Floats,
    references: Floats,
    seeds: tuple[int, ...],
    samples: int,
) -> Effect:
    differences = values - references
    means = differences.mean(1)
    over_seeds = interval_over_seeds(means)
    bounds = interval_over(differences) if samples else None
    return Effect(
        arm=arm,
        against=against,
        judged=judged,
        measure=measure,
        value=float(values.mean()),
        reference=float(references.mean()),
        difference=float(differences.mean()),
        low=None if bounds is None else bounds[0],
        high=None if bounds is None else bounds[1],
        seed_low=None if over_seeds is None else over_seeds[0],
        seed_high=None if over_seeds is None else over_seeds[1],
        seed_spread=float(means.std(ddof=1)) if len(means) > 1 else None,
        seeds=seeds,
        samples=samples,
        verdict=verdict_of(measure, bounds, over_seeds),
    )


def _weights(generator: np.random.Generator, size: int, draws: int) -> Floats:
    if size == 1:
        return np.ones((draws, 1))
    picked: Floats = generator.multinomial(size - 1, np.full(size, 1 / size), size=draws) / (size - 1)
    return picked
