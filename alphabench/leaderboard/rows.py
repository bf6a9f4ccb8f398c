"""The parts of a table of records: board, table, row, column."""

from collections.abc import Mapping
from dataclasses import dataclass

from alphabench.leaderboard.published import PublishedTable
from alphabench.leaderboard.selection import State


@dataclass(frozen=True)
class Value:
    """One number of a table: a mean, the images behind it, and its 95 % interval where there is one."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """A metric of a table."""

    metric: str
    unit: str
    higher_is_better: bool | None
    kind: str


@dataclass(frozen=True)
class Row:
    """A record in a table.

    Attributes:
        rank: 1 + the number of models proved better; None where there is no paired test or no standing.
        state: whether it stands for its model, and why not.
        reason: of a withdrawal or an incomplete record.
        record_id: its identity.
        path: its folder.
        org: who made the model.
        model: its name.
        licence: of the model.
        tier: how far it was verified, 0 to 2.
        created: UTC time.
        complete: whether nothing is missing.
        samples: images of the set.
        latent: numbers per pixel of the model's code.
        signature: how the numbers were made.
        states: state of each metric of the protocol.
        values: by metric, as far as there is one on the view and in the category asked for.
    """

    rank: int | None
    state: State
    reason: str
    record_id: str
    path: str
    org: str
    model: str
    licence: str
    tier: int
    created: str
    complete: bool
    samples: int
    latent: float | None
    signature: str
    states: Mapping[str, str]
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Table:
    """Records that may be compared: one protocol hash, one data hash.

    Attributes:
        protocol: id of the protocol.
        protocol_hash: its full hash.
        data: id of the data set.
        data_hash: its full hash.
        task: what was judged.
        category: the category shown, None for the mean over all.
        background: the background shown, None for the mean over the solid ones.
        backgrounds: number of solid backgrounds of the protocol.
        categories: categories of the data.
        sort: the metric that ranks.
        compared: models that the ranks are among; a filter by name leaves them as they are.
        columns: the metrics that some row has a value of, in the protocol's order.
        rows: best first.
        published: what authors printed for the same protocol, data, category and background.
        hidden: how many records are not shown, by reason.
    """

    protocol: str
    protocol_hash: str
    data: str
    data_hash: str
    task: str
    category: str | None
    background: str | None
    backgrounds: int
    categories: tuple[str, ...]
    sort: str
    compared: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    published: PublishedTable | None
    hidden: Mapping[str, int]

    @property
    def ranked(self) -> bool:
        """Say whether any row has a rank: distances between sets of images have no paired test."""
        return any(row.rank is not None for row in self.rows)

    @property
    def signatures(self) -> tuple[str, ...]:
        """Return the different signatures of the rows, the first row's first."""
        return tuple(dict.fromkeys(row.signature for row in self.rows))

    def best(self) -> dict[str, float]:
        """Return the best value of each metric among the rows that stand for their models."""
        found: dict[str, float] = {}
        for column in self.columns:
            values = [
                row.values[column.metric].value
                for row in self.rows
                if row.state == "current" and column.metric in row.values
            ]
            if values and column.higher_is_better is not None:
                found[column.metric] = max(values) if column.higher_is_better else min(values)
        return found


@dataclass(frozen=True)
class Board:
    """Tables, and what could not be shown.

    Attributes:
        tables: one for each pair of protocol and data set.
        published: published tables that stand beside no record.
        broken: folders whose record cannot be read, with the reason.
    """

    tables: tuple[Table, ...]
    published: tuple[PublishedTable, ...]
    broken: tuple[tuple[str, str], ...]
