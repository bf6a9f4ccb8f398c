"""Charts as Vega-Lite documents; colours and fonts of the page are added in the browser.

A chart's form is built and checked by Altair once for each metric; its numbers are then put in, so that a
site of hundreds of records does not check the same form hundreds of times.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

Document = dict[str, Any]
_INK = "luminance(scale('color', datum.value)) > 0.179"
"""Black ink on lighter cells, white on darker ones: either way a contrast of at least 4.5."""


def heat_map(
    metric: str,
    unit: str,
    cells: Sequence[Mapping[str, str | float]],
    *,
    higher_is_better: bool | None,
    categories: Sequence[str],
    backgrounds: Sequence[str],
    decimals: int,
) -> Document:
    """Return categories against backgrounds, one number in each cell; lighter is better.

    Args:
        metric: what the numbers are.
        unit: their unit, `1` for pure numbers.
        cells: `category`, `background` and `value` of each cell.
        higher_is_better: direction of the metric.
        categories: rows, in order.
        backgrounds: columns, in order.
        decimals: digits after the point.
    """
    form = _heat_form(metric, unit, higher_is_better is not False, tuple(categories), tuple(backgrounds), decimals)
    return {**form, "data": {"values": [dict(cell) for cell in cells]}}


def strips(
    metric: str, unit: str, points: Sequence[Mapping[str, str | float]], *, categories: Sequence[str], decimals: int
) -> Document:
    """Return every image as a mark, one row for each category, with the category's median.

    Args:
        metric: what the numbers are.
        unit: their unit, `1` for pure numbers.
        points: `category`, `sample` and `value` of each image.
        categories: rows, in order.
        decimals: digits after the point.
    """
    form = _strip_form(metric, unit, tuple(categories), decimals)
    return {**form, "data": {"values": [dict(point) for point in points]}}


@functools.cache
def gain_form() -> Document:
    """Return a forest plot without data: `label`, `gain`, `low` and `high` in units of each metric's margin."""
    base = alt.Chart(alt.Data(values=[])).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=140, ticks=False, domain=False))
    )
    title = "gain of B in margins (right is better)"
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2=alt.X2("high:Q"))
    points = base.mark_point(filled=True, size=60).encode(
        x=alt.X("gain:Q", title=title),
        tooltip=[alt.Tooltip("label:N", title="metric"), alt.Tooltip("words:N", title="gain")],
    )
    lines = alt.Chart(alt.Data(values=[{"x": 0, "kind": "zero"}, {"x": -1, "kind": "margin"}]))
    rules = lines.mark_rule().encode(
        x="x:Q", strokeDash=alt.condition("datum.kind === 'margin'", alt.value([4, 4]), alt.value([1, 0]))
    )
    return _finished(alt.layer(rules, bars, points), height=alt.Step(30))


@functools.cache
def _heat_form(
    metric: str, unit: str, higher: bool, categories: tuple[str, ...], backgrounds: tuple[str, ...], decimals: int
) -> Document:
    number = f".{max(0, min(decimals, 3))}f"
    base = alt.Chart(alt.Data(values=[])).encode(
        x=alt.X(
            "background:N",
            sort=list(backgrounds),
            title=None,
            axis=alt.Axis(orient="top", labelAngle=-40, labelOverlap=False, ticks=False, domain=False),
        ),
        y=alt.Y("category:N", sort=list(categories), title=None, axis=alt.Axis(ticks=False, domain=False)),
    )
    scale = alt.Scale(scheme="viridis", reverse=not higher)
    cells = base.mark_rect(cornerRadius=2).encode(
        color=alt.Color("value:Q", scale=scale, legend=None),
        tooltip=[
            alt.Tooltip("category:N"),
            alt.Tooltip("background:N"),
            alt.Tooltip("value:Q", title=_titled(metric, unit), format=f".{decimals}f"),
        ],
    )
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("value:Q", format=number),
        color=alt.condition(_INK, alt.value("black"), alt.value("white")),
    )
    return _finished(alt.layer(cells, text), height=alt.Step(28))


@functools.cache
def _strip_form(metric: str, unit: str, categories: tuple[str, ...], decimals: int) -> Document:
    base = alt.Chart(alt.Data(values=[])).encode(
        y=alt.Y("category:N", sort=list(categories), title=None, axis=alt.Axis(ticks=False, domain=False))
    )
    axis = alt.X("value:Q", title=_titled(metric, unit), scale=alt.Scale(zero=False))
    marks = base.mark_point(size=36, opacity=0.65, filled=True).encode(
        x=axis,
        tooltip=[
            alt.Tooltip("sample:N"),
            alt.Tooltip("value:Q", title=_titled(metric, unit), format=f".{decimals}f"),
        ],
    )
    middle = base.mark_tick(thickness=3, size=20).encode(x=alt.X("median(value):Q", title=_titled(metric, unit)))
    return _finished(alt.layer(marks, middle), height=alt.Step(34))


def _titled(metric: str, unit: str) -> str:
    return metric if unit == "1" else f"{metric} ({unit})"


def _finished(chart: alt.LayerChart | alt.FacetChart, *, height: alt.Step) -> Document:
    """Return the checked document, as wide as its box, without Altair's own look."""
    document: Document = chart.properties(
        width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    ).to_dict()
    document.pop("config", None)
    return document
