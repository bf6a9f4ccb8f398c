"""The page of a comparison of checkpoints: where each wins, the numbers place by place, cost and harmlessness."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alphabench.experiments.effects import NO_DIFFERENCE, RUN, Effect
from alphabench.experiments.measures import measure_of
from alphabench.experiments.page import Block, Command, Heading, Paragraph, Picture, Table, to_html, to_markdown
from alphabench.experiments.plot import COLOURS, MARKERS
from alphabench.experiments.report import Result
from alphabench.experiments.story import cells, heading_of, standing_words
from alphabench.results.durable import write_durably

INTERVALS = (
    "Differences are arm less base on the same images. Each interval is a bootstrap of 10,000 draws over images, at "
    "95 %, for these very weights: it says nothing about another training of the same recipe. Each stands for "
    "itself, without a correction for the number of rows; a win is an interval that excludes 0."
)
PLACES = (
    "Rows named `set` are means over its images, `set: category` over those of a category, and `set, region` over the "
    "pixels of a region in each image that has it: opaque, semi-transparent and transparent share out an image by the "
    "reference's alpha, and the edge band lies along their borders."
)
COLUMNS = ("where", "images", "base", "arm", "difference", "95 % interval", "verdict")
WORDS = frozenset({0, len(COLUMNS) - 1})


def write_comparison_page(result: Result, folder: Path) -> None:
    """Write `page.md`, `page.html` and the plot of the primary measure as SVG and PNG."""
    pictures = []
    if _places(result, result.primary):
        svg = places_plot(result, result.primary)
        write_durably(folder / "places.svg", svg)
        write_durably(folder / "places.png", places_plot(result, result.primary, kind="png"))
        pictures.append(
            Picture("places.svg", svg, f"differences in {result.primary}, arm less {result.base}, by place")
        )
    blocks = comparison_blocks(result, pictures)
    write_durably(folder / "page.md", to_markdown(blocks).encode())
    write_durably(folder / "page.html", to_html(blocks).encode())


def comparison_blocks(result: Result, pictures: Sequence[Picture]) -> list[Block]:
    """Return the page of one comparison."""
    judged = ", ".join(f"{name} ({place})" for name, place in result.setting["judged"].items())
    arms = [arm for arm in result.labels if arm != result.base]
    blocks: list[Block] = [
        Heading(result.title, 1),
        Paragraph(result.question),
        Paragraph(f"Judged on {judged}; {result.setting_line}; alphabench {result.version}."),
        *([Paragraph(result.note)] if result.note else []),
        *([Paragraph("Not compared: " + "; ".join(result.failures) + ".")] if result.failures else []),
        Heading("Where each wins"),
        Paragraph(f"The base is {result.base}: {result.labels[result.base]}."),
    ]
    for arm in arms:
        blocks += [
            Heading(f"{arm} against {result.base}", 3),
            Paragraph(f"{arm} is {result.labels[arm]}."),
            *(Paragraph(winners(result, arm, measure)) for measure in result.report if _has(result, arm, measure)),
        ]
    blocks += [*pictures, Heading("What is equal and what is not"), _facts_table(result)]
    if result.judgements:
        lines = tuple((item.claim.text, standing_words(item)) for item in result.judgements)
        blocks += [
            Heading("Claims"),
            Table("What this says of the claims", ("claim", "finding"), lines, frozenset({0, 1})),
        ]
    blocks += [Heading("Cost and harmlessness"), Paragraph(_cost_words(result)), _numbers_table(result)]
    blocks += [Heading("Place by place"), Paragraph(INTERVALS), Paragraph(PLACES)]
    for measure in result.report:
        for arm in arms:
            if _has(result, arm, measure):
                caption = f"{heading_of(measure)}: {arm} against {result.base}. {measure_of(measure).meaning}"
                blocks.append(Table(caption, COLUMNS, rows_by_place(result, arm, measure), WORDS))
    return [*blocks, Heading("How this was made"), Command(result.command)]


def winners(result: Result, arm: str, measure: str) -> str:
    """Return one sentence each for the places that the arm wins, those that it loses, and the undecided ones."""
    found = _ordered([effect for effect in result.effects if (effect.arm, effect.measure) == (arm, measure)])
    sides = [
        (f"{arm} wins on", [effect for effect in found if effect.verdict == "better"]),
        (f"{result.base} wins on", [effect for effect in found if effect.verdict == "worse"]),
    ]
    words = [f"{name} {', '.join(_short(effect) for effect in effects)}" for name, effects in sides if effects]
    undecided = [effect.judged for effect in found if effect.verdict == NO_DIFFERENCE]
    if undecided:
        words.append(f"no difference is shown on {', '.join(undecided)}")
    return f"{heading_of(measure)}: {'; '.join(words)}."


def rows_by_place(result: Result, arm: str, measure: str) -> tuple[tuple[str, ...], ...]:
    """Return the effects of one arm on one measure under `COLUMNS`, in the order of sets, categories, regions."""
    rows = []
    for effect in _ordered([e for e in result.effects if (e.arm, e.measure) == (arm, measure)]):
        _, value, difference, bounds, *_, verdict = cells(effect)
        digits = measure_of(measure).decimals
        rows.append(
            (effect.judged, str(effect.samples), f"{effect.reference:.{digits}f}", value, difference, bounds, verdict)
        )
    return tuple(rows)


def places_plot(result: Result, measure: str, *, kind: str = "svg") -> bytes:
    """Return the differences of one measure as `svg` or `png`: places down, arms across.

    Equal results give equal bytes with one Matplotlib.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    places = _places(result, measure)
    arms = [arm for arm in result.labels if _has(result, arm, measure)]
    facts = measure_of(measure)
    with mpl.rc_context({"svg.hashsalt": "alphabench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(2.6 + 3.2 * len(arms), 1.2 + 0.27 * len(places)), layout="constrained")
        panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
        for axes, arm in zip(panels, arms, strict=True):
            for row, place in enumerate(places):
                effect = result.effect(arm, place, measure)
                if effect is None:
                    continue
                colour = COLOURS[effect.verdict]
                if effect.low is not None and effect.high is not None:
                    axes.plot([effect.low, effect.high], [row, row], color=colour, linewidth=1.8)
                axes.plot([effect.difference], [row], MARKERS[effect.verdict], color=colour, markersize=5)
            axes.axvline(0, color="#57606a", linewidth=0.8)
            axes.grid(axis="x", alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(f"{arm} less {result.base}", loc="left", fontsize=9)
            axes.set_xlabel(f"{measure}{f' [{facts.unit}]' if facts.unit else ''}")
        panels[0].set_yticks(range(len(places)), places)
        panels[0].set_ylim(len(places) - 0.5, -0.5)
        better = {True: "right is better", False: "left is better", None: "no better side"}[facts.higher_is_better]
        figure.suptitle(f"{result.experiment}; {better}", fontsize=9)
        sink = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(sink, format=kind, dpi=150, metadata=metadata)
    return sink.getvalue()


def _short(effect: Effect) -> str:
    _, _, difference, bounds, *_ = cells(effect)
    return f"{effect.judged} ({difference} {bounds})"


def _has(result: Result, arm: str, measure: str) -> bool:
    return any((effect.arm, effect.measure) == (arm, measure) for effect in result.effects if effect.judged != RUN)


def _ordered(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects with categories before regions, each set's together."""
    return sorted(effects, key=lambda effect: (effect.judged.split(": ")[0].split(", ")[0], ", " in effect.judged))


def _places(result: Result, measure: str) -> list[str]:
    found = [effect for effect in result.effects if effect.measure == measure and effect.judged != RUN]
    return list(dict.fromkeys(effect.judged for effect in _ordered(found)))


def _facts_table(result: Result) -> Table:
    facts = result.setting["arms"]
    names = list(dict.fromkeys(name for found in facts.values() for name in found))
    rows = []
    for name in names:
        row = [str(facts.get(arm, {}).get(name, "-")) for arm in result.labels]
        rows.append((name, "yes" if len(set(row)) == 1 else "no", *row))
    caption = "As model and checkpoint folder state it; steps and batch are those of the last stage"
    return Table(caption, ("fact", "equal", *result.labels), tuple(rows), frozenset(range(len(result.labels) + 2)))


def _cost_words(result: Result) -> str:
    where, how = result.setting["main_set"], result.setting["timing"]
    return (
        f"Seconds and memory are for one image of {where} at a time, {how}: the median over images and rounds, and "
        "the peak during a call less what was held before it. Compare them only within this table. Harmlessness is "
        "the mean over the same set made opaque over gray: what the untouched RGB decoder of the base makes of the "
        "new latent, against the old one."
    )


def _numbers_table(result: Result) -> Table:
    effects = [effect for effect in result.effects if effect.judged == RUN]
    rows = []
    for measure in dict.fromkeys(effect.measure for effect in effects):
        found = {effect.arm: effect for effect in effects if effect.measure == measure}
        digits = measure_of(measure).decimals
        base = next(iter(found.values())).reference
        others = (
            f"{found[arm].value:.{digits}f}" if arm in found else "-" for arm in result.labels if arm != result.base
        )
        rows.append((heading_of(measure), f"{base:.{digits}f}", *others, measure_of(measure).meaning))
    columns = ("number", *result.labels, "meaning")
    return Table("One image at a time", columns, tuple(rows), frozenset({0, len(columns) - 1}))
