"""The rows and columns of the table page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alphabench.leaderboard.cells import ranking_words
from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.published import PublishedTable
from alphabench.leaderboard.rows import Row, Table
from alphabench.leaderboard.site.shown import column, shown
from alphabench.metrics.catalog import CATALOG

PUBLISHED = "published, not ranked"
TIERS = ("all records", "tier 1 and above: scored again", "tier 2: generated again")


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        name: what it is called where there is no room for marks.
        label: what stands in the table.
        unit: shown beside it.
        metric: the metric, None for other facts.
        decimals: digits of the metric.
        higher: the metric's direction.
        numeric: whether cells are sorted as numbers.
        hidden: whether the reader has to ask for it.
        hint: one sentence.
    """

    name: str
    label: str
    unit: str = ""
    metric: str | None = None
    decimals: int = 0
    higher: bool | None = None
    numeric: bool = False
    hidden: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell: its text, its kind, a link, and whether it is the best of its column."""

    text: str
    kind: str = "number"
    href: str | None = None
    best: bool = False


@dataclass(frozen=True)
class IndexRow:
    """A record, or one method of a paper."""

    key: str
    cells: tuple[Cell, ...]
    record: str = ""
    tier: int = -1
    published: bool = False


@dataclass(frozen=True)
class Tier:
    """A choice of the verification filter."""

    least: int
    words: str


@dataclass(frozen=True)
class IndexBoard:
    """One table of the page.

    Attributes:
        name: unique in the page.
        title: protocol and data.
        samples: images of the set.
        categories: of the set.
        note: how the ranks came about.
        tiers: choices of the verification filter.
        least_tier: the one the page opens with.
        published: whether there are published rows.
        heads: columns.
        rows: best first, published ones last.
        signature: how the numbers were made.
        papers: where published rows come from.
    """

    name: str
    title: str
    samples: int
    categories: tuple[str, ...]
    note: str
    tiers: tuple[Tier, ...]
    least_tier: int
    published: bool
    heads: tuple[Head, ...]
    rows: tuple[IndexRow, ...]
    signature: str
    papers: tuple[str, ...]


def index_board(number: int, table: Table) -> IndexBoard:
    """Return a table as the page shows it.

    The metrics of the gate stand in it from the start, others are a choice of the reader. The page opens with
    verified records where there are any.
    """
    gate = shipped_gate().rules().gate_metrics({item.metric: item for item in table.columns})
    first = [name for name in dict.fromkeys([table.sort, *gate]) if any(name == c.metric for c in table.columns)]
    metrics = [*first, *(item.metric for item in table.columns if item.metric not in first)]
    heads = _heads(metrics, visible=first)
    best = table.best()
    rows = [_row(row, metrics, best) for row in table.rows]
    papers: tuple[str, ...] = ()
    if table.published is not None:
        rows += _published_rows(table.published, metrics)
        papers = _papers(table.published)
    least = 1 if any(row.tier >= 1 for row in table.rows) else 0
    return IndexBoard(
        name=f"table-{number}",
        title=f"{table.protocol} on {table.data}",
        samples=max((row.samples for row in table.rows), default=0),
        categories=table.categories,
        note=f"{ranking_words(table)[:1].upper()}{ranking_words(table)[1:]}.",
        tiers=tuple(Tier(least, words) for least, words in enumerate(TIERS)),
        least_tier=least,
        published=table.published is not None,
        heads=heads,
        rows=tuple(rows),
        signature=table.signatures[0] if table.signatures else "",
        papers=papers,
    )


def _heads(metrics: Sequence[str], *, visible: Sequence[str]) -> tuple[Head, ...]:
    own = []
    for metric in metrics:
        facts = column(metric)
        own.append(
            Head(
                name=metric,
                label=facts.label,
                unit=facts.unit,
                metric=metric,
                decimals=facts.decimals,
                higher=facts.higher_is_better,
                numeric=True,
                hidden=metric not in visible,
                hint=f"{facts.summary} ({facts.better})",
            )
        )
    return (
        Head("model", "model"),
        Head("rank", "rank", numeric=True, hint="1 + the number of models proved better; ties share a rank"),
        *own,
        Head("latent numbers per pixel", "latent/px", numeric=True, hint="models with more of them have it easier"),
        Head("images", "n", numeric=True),
        Head("tier", "tier", numeric=True, hint="0: as submitted, 1: scored again, 2: generated again"),
        Head("licence", "licence"),
        Head("date", "date"),
        Head("record", "record"),
    )


def _row(row: Row, metrics: Sequence[str], best: Mapping[str, float]) -> IndexRow:
    page = f"r/{row.record_id}.html"
    numbers = []
    for metric in metrics:
        value = row.values[metric].value if metric in row.values else None
        numbers.append(Cell(shown(value, metric), best=value is not None and best.get(metric) == value))
    return IndexRow(
        key=row.record_id,
        record=row.record_id,
        tier=row.tier,
        cells=(
            Cell(f"{row.org}/{row.model}", kind="text", href=page),
            Cell("–" if row.rank is None else str(row.rank)),
            *numbers,
            Cell("–" if row.latent is None else f"{row.latent:g}"),
            Cell(str(row.samples)),
            Cell(str(row.tier)),
            Cell(row.licence, kind="text"),
            Cell(row.created[:10], kind="text"),
            Cell(row.record_id[:8], kind="text", href=page),
        ),
    )


def _published_rows(table: PublishedTable, metrics: Sequence[str]) -> list[IndexRow]:
    rows = []
    for number, row in enumerate(table.rows):
        cells = (
            Cell(f"{row.method} [{row.paper}]", kind="text"),
            Cell(PUBLISHED),
            *(Cell(row.values.get(metric, "–")) for metric in metrics),
            *(Cell("–") for _ in range(3)),
            *(Cell("–", kind="text") for _ in range(3)),
        )
        rows.append(IndexRow(key=f"published-{number}", cells=cells, published=True))
    return rows


def _papers(table: PublishedTable) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{row.title}, arXiv {row.paper}, {row.table}" for row in table.rows))


def compare_board(table: Table) -> dict[str, object]:
    """Return what the page of comparisons needs to know of a table: records, metrics, margins."""
    rules = shipped_gate().rules()
    metrics = {item.metric: item for item in table.columns}
    gate = rules.gate_metrics(metrics)
    primary = rules.primary_of(metrics)
    entries = []
    for name in [*gate, *(name for name in metrics if name not in gate)]:
        margin = rules.margins.get(name)
        facts = column(name)
        entries.append(
            {
                "name": name,
                "label": facts.label,
                "unit": facts.unit,
                "decimals": facts.decimals,
                "higher": facts.higher_is_better,
                "kind": CATALOG[name].kind,
                "gate": name in gate,
                "primary": name == primary,
                "margin": None
                if margin is None
                else {"size": margin.size, "relative": margin.relative, "floor": margin.floor},
            }
        )
    return {
        "title": f"{table.protocol} on {table.data}",
        "records": [{"id": row.record_id, "name": f"{row.org}/{row.model}"} for row in table.rows],
        "metrics": entries,
    }
