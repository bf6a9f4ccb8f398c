"""What a result says, in words and tables: the page of one experiment, and the summary of many."""

from collections.abc import Sequence
from pathlib import Path

from alphabench.experiments.effects import Effect
from alphabench.experiments.measures import measure_of
from alphabench.experiments.page import Block, Command, Heading, Paragraph, Picture, Table, to_html, to_markdown
from alphabench.experiments.plan import place_of
from alphabench.experiments.plot import forest_of
from alphabench.experiments.report import Judgement, Result
from alphabench.results.durable import write_durably

COLUMNS = ("arm", "value", "difference", "95 % interval", "over seeds alone", "seed sd", "verdict")
INTERVALS = (
    "Differences are arm less base, paired by seed and sample. The 95 % interval is a bootstrap of 10,000 draws over "
    "seeds and samples; beside it stand Student's interval over seeds alone and the standard deviation over seeds. "
    "A difference counts as shown where both intervals exclude 0, for with three seeds the first is somewhat short "
    "and the second knows nothing of the images. There is no correction for the number of arms. Three seeds screen; "
    "a claim that is to be built on needs five."
)


def cells(effect: Effect) -> tuple[str, ...]:
    """Return one effect under `COLUMNS`."""
    digits = measure_of(effect.measure).decimals
    return (
        effect.arm,
        _number(effect.value, digits),
        _number(effect.difference, digits, sign=True),
        _bounds(effect.low, effect.high, digits),
        _bounds(effect.seed_low, effect.seed_high, digits),
        "-" if effect.seed_spread is None else _number(effect.seed_spread, digits),
        effect.verdict,
    )


def rows_of(result: Result, judged: str, measure: str) -> list[tuple[str, ...]]:
    """Return the table of one measure on one set: the base arm's value, then each arm's effect."""
    found = [result.effect(arm, judged, measure) for arm in result.labels]
    effects = [effect for effect in found if effect is not None]
    if not effects:
        return []
    digits = measure_of(measure).decimals
    base = (result.base, _number(effects[0].reference, digits), *("-" * (len(COLUMNS) - 2)))
    return [base, *(cells(effect) for effect in effects)]


def heading_of(measure: str) -> str:
    """Return a measure with the arrow to its better side and its unit."""
    facts = measure_of(measure)
    arrow = {True: " ↑", False: " ↓", None: ""}[facts.higher_is_better]
    return f"{measure}{arrow}{f' [{facts.unit}]' if facts.unit else ''}"


def standing_words(judgement: Judgement) -> str:
    """Return what is said of a claim, with the numbers."""
    effect = judgement.effect
    if effect is None:
        asked = judgement.standing != "not asked"
        return "not run at this scale" if asked else "not asked: trainings of this scale cannot answer it"
    facts = measure_of(effect.measure)
    intervals = []
    if effect.low is not None:
        intervals.append(_bounds(effect.low, effect.high, facts.decimals))
    if effect.seed_low is not None:
        intervals.append(f"over seeds alone {_bounds(effect.seed_low, effect.seed_high, facts.decimals)}")
    difference = _number(effect.difference, facts.decimals, sign=True)
    numbers = f"{difference} {', '.join(intervals)} {facts.unit}"
    claim = judgement.claim
    wanted = f"within ±{claim.margin:g}" if claim.expected == "equal" else claim.expected
    return (
        f"{judgement.standing}: {effect.arm} against {effect.against}, {effect.measure} on {effect.judged}: "
        f"{numbers.strip()} (the claim needs: {wanted})"
    )


def blocks_of(result: Result, pictures: Sequence[Picture]) -> list[Block]:
    """Return the page of one result."""
    setting = result.setting
    judged = ", ".join(f"{name} ({place})" for name, place in setting["judged"].items())
    blocks: list[Block] = [
        Heading(result.title, 1),
        Paragraph(result.question),
        Paragraph(
            f"{result.setting_line[0].upper()}{result.setting_line[1:]}; recipe {setting['recipe']}, precision "
            f"{setting['precision']}, alphabench {result.version}. Judged on {judged}."
        ),
        Paragraph(INTERVALS),
    ]
    if result.note:
        blocks.append(Paragraph(result.note))
    if result.failures:
        blocks.append(Paragraph("Without a result: " + "; ".join(result.failures) + "."))
    arms = tuple((arm, label, _changes(result, arm)) for arm, label in result.labels.items())
    blocks.append(Table("The arms", ("arm", "what is different", "keys"), arms, frozenset({0, 1, 2})))
    if shared := _flat(setting.get("shared", {}), ""):
        words = f"Laid over the recipe for every arm that does not say otherwise: {', '.join(shared)}."
        blocks.append(Paragraph(words))
    if result.judgements:
        lines = tuple((item.claim.text, standing_words(item)) for item in result.judgements)
        caption = f"What this says of the claims ({result.setting_line})"
        blocks += [Heading("Claims"), Table(caption, ("claim", "finding"), lines, frozenset({0, 1}))]
    blocks += pictures
    sets = list(dict.fromkeys(effect.judged for effect in result.effects))
    for measure in result.report:
        tables = [(place, rows_of(result, place, measure)) for place in sets]
        if any(rows for _, rows in tables):
            blocks += [Heading(heading_of(measure)), Paragraph(f"{measure_of(measure).meaning}.")]
        blocks += [_table(result, place, rows) for place, rows in tables if rows]
    known = dict.fromkeys(name for arm in result.labels for name in result.numbers.get(arm, {}))
    if names := [name for name in known if name not in result.report]:
        blocks += [Heading("The runs themselves"), Paragraph("Terms of the loss are unweighted, as logged.")]
        blocks.append(_run_table(result, names))
    return [*blocks, Heading("How this was made"), Command(result.command)]


def write_page(result: Result, folder: Path) -> None:
    """Write `page.md`, `page.html` and the forest plot of the primary measure as SVG and PNG."""
    pictures = []
    if result.effects:
        svg = forest_of(result, result.primary)
        write_durably(folder / "forest.svg", svg)
        write_durably(folder / "forest.png", forest_of(result, result.primary, kind="png"))
        pictures.append(Picture("forest.svg", svg, f"forest plot of {result.primary}, arm less {result.base}"))
    blocks = blocks_of(result, pictures)
    write_durably(folder / "page.md", to_markdown(blocks).encode())
    write_durably(folder / "page.html", to_html(blocks).encode())


def summary_of(results: Sequence[Result]) -> list[Block]:
    """Return one page over several results: what came of each claim, in a word and in numbers, then every effect."""
    blocks: list[Block] = [
        Heading("Experiments", 1),
        Paragraph(
            "What small trainings say of the claims. They are trends at the scale that each table states, not "
            "proofs or refutations at the scale of the literature."
        ),
        Paragraph(INTERVALS),
    ]
    claims = [
        (item.claim.text, result.experiment, result.setting_line, standing_words(item))
        for result in results
        for item in result.judgements
    ]
    if claims:
        heads = ("claim", "experiment", "setting", "finding")
        blocks += [Heading("Claims in short"), _standings(results)]
        blocks += [Heading("Claims"), Table("Every claim, at each scale", heads, tuple(claims), frozenset(range(4)))]
    blocks.append(Heading("Effects"))
    for result in results:
        rows = rows_of(result, result.primary_set, result.primary)
        caption = f"{result.experiment}: {heading_of(result.primary)} on {result.primary_set} ({result.setting_line})"
        blocks += [Heading(result.title, 3), Paragraph(result.question)]
        if result.note:
            blocks.append(Paragraph(result.note))
        blocks.append(Table(caption, COLUMNS, tuple(rows), frozenset({0, len(COLUMNS) - 1})))
        if result.failures:
            blocks.append(Paragraph("Without a result: " + "; ".join(result.failures) + "."))
        blocks.append(Command(result.command))
    return blocks


def _standings(results: Sequence[Result]) -> Table:
    scales = sorted(dict.fromkeys(result.scale for result in results if result.judgements), key=place_of)
    said: dict[tuple[str, str], dict[str, list[str]]] = {}
    for result in results:
        if " --steps " in result.command:  # a trial beside the real thing
            continue
        for item in result.judgements:
            found = said.setdefault((result.experiment, item.claim.text), {})
            found.setdefault(result.scale, []).append(item.standing)
    rows = tuple(
        (*names, *(", ".join(found.get(scale, ["not run"])) for scale in scales)) for names, found in said.items()
    )
    columns = ("experiment", "claim", *scales)
    return Table("What each scale says of it", columns, rows, frozenset(range(len(columns))))


def _table(result: Result, judged: str, rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(f"{judged} ({result.setting_line})", COLUMNS, tuple(rows), frozenset({0, len(COLUMNS) - 1}))


def _run_table(result: Result, names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        digits = measure_of(name).decimals
        found = [result.numbers.get(arm, {}).get(name) for arm in result.labels]
        rows.append((name, *("-" if value is None else _number(value, digits) for value in found)))
    columns = ("number", *result.labels)
    return Table(f"Means over seeds ({result.setting_line})", columns, tuple(rows))


def _changes(result: Result, arm: str) -> str:
    return ", ".join(_flat(result.changes.get(arm, {}), "")) or "-"


def _flat(values: dict[str, object], prefix: str) -> list[str]:
    lines = []
    for key, value in values.items():
        shown = '""' if value == "" else value
        lines += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key} = {shown}"]
    return lines


def _number(value: float, digits: int, *, sign: bool = False) -> str:
    if value and (abs(value) >= 1e6 or abs(value) < 10**-digits):
        return f"{value:+.3g}" if sign else f"{value:.3g}"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def _bounds(low: float | None, high: float | None, digits: int) -> str:
    return "-" if low is None or high is None else f"[{low:+.{digits}f}, {high:+.{digits}f}]"
