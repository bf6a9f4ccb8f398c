"""The page of the study: verdicts first, then the map, the numbers of every claim, and how it was made."""

from typing import Any

from alphabench.experiments.page import Block, Command, Heading, Paragraph, Picture, Table
from alphabench.experiments.transparency.claims import (
    CATEGORY_MOTIFS,
    CLAIMS,
    IGNORED_UP_TO,
    MOTIFS_AT_LEAST,
    NEGLIGIBLE,
    SEEN_FROM,
    WITHDRAWN,
)
from alphabench.experiments.transparency.damages import DAMAGES
from alphabench.experiments.transparency.report import versions
from alphabench.experiments.transparency.study import Estimate, Finding, Study, ignored
from alphabench.metrics.catalog import get

GRADES = {"image": "validated, for single images", "set": "validated, for means over a set"}
FAILED = "failed"
RULE = (
    f"A metric is validated when every claim below holds and hidden colour does not change its value by one bit. It "
    f"sees a damage within images when the interval of its mean rank correlation with the strength lies at "
    f"{SEEN_FROM} or beyond; it sees it as a mean over a set when that holds for the rank correlation of the mean, and "
    f"the mean moves by more than {NEGLIGIBLE} standard deviations at the greatest strength. It ignores a damage or a "
    f"harmless change when the interval of its mean rank correlation lies within ±{IGNORED_UP_TO}, or that of its "
    f"mean change within ±{NEGLIGIBLE} standard deviations over the undamaged images (a rank correlation has no size: "
    f"a change in the last digit counts in full as long as it is regular). A claim needs {MOTIFS_AT_LEAST} motifs, and "
    f"categories in which a metric applies to fewer than {CATEGORY_MOTIFS} are left out."
)
INTERVALS = (
    "Means are over categories; the motif is the unit, its drawings are averaged first. Intervals of 95 % are from a "
    "bootstrap over the motifs of each category. A metric that stays constant has rank correlation 0; a dash stands "
    "where no image can show a reaction."
)
LIMITS = (
    "The truth is drawn, not photographed or generated, and the damages are models of faults: the study shows that a "
    "metric reacts to what it names and how much else moves it, not how often generators make these faults. No "
    "metric here can see that an object is too small or too large: that needs a reference. fringe and colour_leak "
    "are silent where there is no solid core (most smoke), and drawn shadows and outlines raise them. Metrics whose "
    "value depends on the size of the image are to be compared at one size, as a protocol does."
)
DRAFT = (
    "All claims but one were written before the first run, which used other drawings of the same motifs. It led to one "
    "change of a metric (colour_leak tells an outline from a leak since), to the grade for means over a set and its "
    "least change of 0.2 standard deviations, to the claim that fringe_luma ignores recolour, to leaving out "
    "categories of one or two motifs, to columns of their own for the sizes of image and object, and to the "
    "withdrawal of these claims to ignore: "
)


def study_blocks(found: Study, setting: dict[str, Any], picture: Picture) -> list[Block]:
    """Return the page."""
    images, motifs = setting["images"], setting["motifs"]
    return [
        Heading("What reference-free transparency metrics see", 1),
        Paragraph(
            f"{images} images of {motifs} motifs in six categories, drawn by the generator of alpha-mini from seeds "
            f"that alpha-mini does not use, {setting['side']} pixels a side, are damaged in known ways at five "
            f"strengths each. A metric should follow the damage that it is for, and leave the others alone."
        ),
        Heading("Verdicts"),
        Paragraph(RULE),
        _verdicts(found),
        picture,
        Paragraph(
            "Framed: what a metric claims to see (dashed: it does not). Dot: what it claims to ignore (cross: it does "
            "not). Right of the line: changes that are no damage."
        ),
        Heading("What the study does not say"),
        Paragraph(LIMITS),
        Heading("Claims to see"),
        Paragraph(INTERVALS),
        _seen_table(found),
        _category_table(found),
        Heading("Claims to ignore"),
        _ignored_table(found),
        Paragraph(by_rank_alone(found)),
        Heading("Every damage"),
        Paragraph(
            "What no claim speaks of stands here too: a metric may move more by another damage than by its own, and "
            "then a difference between two models is no evidence for the fault that it is named after."
        ),
        _change_table(found),
        Paragraph(
            DRAFT + "; ".join(f"{metric} – {damage} ({why})" for (metric, damage), why in WITHDRAWN.items()) + "."
        ),
        Heading("Damages"),
        _damage_table(),
        Heading("How this was made"),
        Command(setting["command"]),
        Paragraph(", ".join(f"{name} {version}" for name, version in versions().items()) + "."),
    ]


def also_moved_by(found: Study, metric: str) -> list[str]:
    """Return the damages outside a metric's claims to see that move its mean.

    Listed is what moves it by more than a negligible amount, the interval free of 0.
    """
    moved = []
    for damage in DAMAGES:
        change = found.reactions[metric, damage].change
        if damage in CLAIMS[metric].sees or change is None:
            continue
        if abs(change.value) > NEGLIGIBLE and change.low * change.high > 0:
            moved.append(f"{damage} {_interval(change)}")
    return moved


def _verdicts(found: Study) -> Table:
    rows = []
    for metric in CLAIMS:
        own = [finding for finding in found.findings if finding.metric == metric]
        broken = [f"{finding.kind} {finding.damage}" for finding in own if not finding.holds]
        grade = found.validated.get(metric)
        direction = {True: "↑", False: "↓", None: ""}[get(metric).higher_is_better]
        rows.append(
            (
                f"{metric} {direction}".strip(),
                f"{FAILED}: {', '.join(broken)}" if grade is None else GRADES[grade],
                "; ".join(_short(found, finding) for finding in own if finding.kind == "sees"),
                *("yes" if ignored(found.reactions[metric, size]).holds else "no" for size in ("enlarge", "smaller")),
                ", ".join(also_moved_by(found, metric)) or "nothing",
            )
        )
    return Table(
        "Arrows: the better side of a score; metrics without one describe. Sees: rank correlation within images, and "
        "of the mean. Free of the size of image, of object: by the rule for ignoring. Also moved by: change of the "
        "mean at the greatest strength, in standard deviations",
        ("metric", "verdict", "sees", "free of image size", "of object size", "also moved by"),
        tuple(rows),
        frozenset({0, 1, 2, 5}),
    )


def _short(found: Study, finding: Finding) -> str:
    reaction = found.reactions[finding.metric, finding.damage]
    return f"{finding.damage} {_interval(reaction.rank)}, mean {_interval(reaction.set_rank)}"


def _seen_table(found: Study) -> Table:
    rows = []
    for finding in (finding for finding in found.findings if finding.kind == "sees"):
        reaction = found.reactions[finding.metric, finding.damage]
        motifs = "–" if reaction.rank is None else str(reaction.rank.motifs)
        numbers = (_interval(estimate) for estimate in (reaction.rank, reaction.set_rank, reaction.change))
        side = {1: "rises", -1: "falls"}[finding.sign]
        words = {"image": "within images", "set": "as a mean", "": "no"}[finding.by]
        rows.append((finding.metric, finding.damage, side, motifs, *numbers, words))
    return Table(
        "Rank correlations with the strength, and change at the greatest strength in standard deviations",
        ("metric", "damage", "claim", "motifs", "within images", "of the mean", "change", "holds"),
        tuple(rows),
        frozenset({0, 1, 2, 7}),
    )


def _category_table(found: Study) -> Table:
    claims = [finding for finding in found.findings if finding.kind == "sees"]
    reactions = [found.reactions[finding.metric, finding.damage] for finding in claims]
    places = tuple(dict.fromkeys(place for reaction in reactions for place in reaction.categories))
    rows = tuple(
        (reaction.metric, reaction.damage, *(_interval(reaction.categories.get(place)) for place in places))
        for reaction in reactions
    )
    return Table("Within images, by category", ("metric", "damage", *places), rows, frozenset({0, 1}))


def _ignored_table(found: Study) -> Table:
    rows = []
    for finding in (finding for finding in found.findings if finding.kind == "ignores"):
        reaction = found.reactions[finding.metric, finding.damage]
        words = {"rank": "by rank", "size": "by size", "": "no"}[finding.by]
        rows.append((finding.metric, finding.damage, _interval(reaction.rank), _interval(reaction.change), words))
    return Table(
        "Rank correlation within images, and change at the greatest strength in standard deviations",
        ("metric", "damage", "within images", "change", "holds"),
        tuple(rows),
        frozenset({0, 1, 4}),
    )


def by_rank_alone(found: Study) -> str:
    """Return the claims to ignore that a mean over a set is not shown to keep."""
    open_claims = []
    for finding in (finding for finding in found.findings if finding.kind == "ignores" and finding.by == "rank"):
        change = found.reactions[finding.metric, finding.damage].change
        if found.validated.get(finding.metric) == "set" and (change is None or not change.within(NEGLIGIBLE)):
            open_claims.append(f"{finding.metric} – {finding.damage} {_interval(change)}")
    if not open_claims:
        return "Each claim to ignore of a metric for means over a set holds for the change of the mean, too."
    return (
        "These hold within images, and for the mean over a set it is not shown: the change of the mean is not within "
        f"±{NEGLIGIBLE} standard deviations. {'; '.join(open_claims)}."
    )


def _change_table(found: Study) -> Table:
    rows = tuple(
        (damage, *(_interval(found.reactions[metric, damage].change) for metric in CLAIMS)) for damage in DAMAGES
    )
    return Table(
        "Change of the mean at the greatest strength in standard deviations over the undamaged images",
        ("damage", *CLAIMS),
        rows,
        frozenset({0}),
    )


def _damage_table() -> Table:
    rows = tuple(
        (damage.name, damage.words, ", ".join(f"{s:g}" for s in damage.strengths), damage.unit, _kind(damage.harmless))
        for damage in DAMAGES.values()
    )
    columns = ("name", "what is done", "strengths", "unit", "kind")
    return Table("Lengths in pixels of images of 128 pixels", columns, rows, frozenset({0, 1, 2, 3, 4}))


def _kind(harmless: bool) -> str:
    return "no damage" if harmless else "damage"


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]".replace("-0.00", "+0.00")
