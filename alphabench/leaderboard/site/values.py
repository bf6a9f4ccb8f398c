"""The numbers of one record image by image, and which of its images are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alphabench.leaderboard.galleries import chosen_samples, worst_first
from alphabench.leaderboard.gate import shipped_gate
from alphabench.results.aggregate import columns_of
from alphabench.results.columnar import load_record_quickly
from alphabench.results.record import Record, load_record

ID_DIGITS = 32
SHOWN = 24
"""How many samples of a record are shown: a third of them worst, a third around the median, a third best."""


@dataclass(frozen=True)
class Pick:
    """A sample that is shown, and why."""

    sample: str
    category: str
    place: str
    value: float


@dataclass(frozen=True)
class SampleValues:
    """The values of a record's sample metrics.

    Attributes:
        categories: category of each sample that has a row, in sample order.
        columns: metric, view, sample to value; derived views first, caps applied as in means.
        headlines: the headline view of each metric.
        higher_is_better: the direction of each metric; None where it has none.
        primary: the metric by which samples are ordered; None where the record has no sample metric.
    """

    categories: Mapping[str, str]
    columns: Mapping[str, Mapping[str, Mapping[str, float]]]
    headlines: Mapping[str, str]
    higher_is_better: Mapping[str, bool | None]
    primary: str | None

    def headline(self, metric: str) -> Mapping[str, float]:
        """Return each sample's value of `metric` on its headline view."""
        return self.columns[metric][self.headlines[metric]]

    def ordered(self) -> list[str]:
        """Return the samples that have the primary metric, the worst first."""
        if self.primary is None:
            return []
        low_is_good = self.higher_is_better[self.primary] is False
        return worst_first(self.headline(self.primary), self.categories, low_is_good=low_is_good)


def read_values(folder: Path) -> tuple[Record, SampleValues]:
    """Return the record in `folder`, without its rows, and its values.

    A record in a store had every interval computed again when it entered; any other has it done here.

    Raises:
        DataError: the record cannot be read, was edited or damaged.
    """
    stored = len(folder.name) == ID_DIGITS
    record = load_record_quickly(folder) if stored else load_record(folder)
    return replace(record, rows=()), sample_values(record)


def sample_values(record: Record) -> SampleValues:
    """Return the values of a record from its rows."""
    protocol = record.protocol
    table: dict[str, dict[str, dict[str, float]]] = {}
    categories: dict[str, str] = {}
    for sample, category, view, metric, value in record.rows:
        table.setdefault(metric, {}).setdefault(view, {})[sample] = value
        categories[sample] = category
    found = {
        metric: {view: dict(column.values) for view, column in columns_of(protocol, metric, views).items()}
        for metric, views in table.items()
    }
    return _values(record, categories, found)


def _values(
    record: Record, categories: Mapping[str, str], found: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> SampleValues:
    protocol = record.protocol
    facts = {metric["name"]: metric for metric in record.document["metrics"]}
    present = [name for name in protocol.sample_metrics() if name in found and facts[name]["state"] == "ok"]
    primary = shipped_gate().rules().primary_of(protocol.metrics)
    if primary not in present:
        primary = next((name for name in present if facts[name]["higher_is_better"] is not None), None)
    ordered = {
        name: {
            view: found[name].get(view, {}) for view in (*protocol.derived_views(name), *protocol.metric_views(name))
        }
        for name in present
    }
    return SampleValues(
        categories=dict(sorted(categories.items())),
        columns=ordered,
        headlines={name: protocol.headline(name) for name in present},
        higher_is_better={name: facts[name]["higher_is_better"] for name in present},
        primary=primary,
    )


def picks(values: SampleValues, count: int = SHOWN) -> list[Pick]:
    """Return the samples to show, the worst first: the worst, those around the median, the best, as galleries have.

    Args:
        values: the record's values.
        count: how many at most.
    """
    order = values.ordered()
    if not order or count < 1:
        return []
    assert values.primary is not None
    column = values.headline(values.primary)
    chosen = chosen_samples(order, each=max(1, count // 3))[:count]
    return [Pick(sample, values.categories[sample], place, column[sample]) for sample, place in chosen]
