"""The state shared by the `torchmetrics` classes of per-sample metrics: three sums, and who was counted."""

from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from alphabench.errors import UsageError

Average = Literal["macro", "category", "none"]
"""`macro`: one number; `category`: one per category; `none`: one per category and view."""

_SUMS = ("total", "capped", "count")


class _Row(NamedTuple):
    """What one sample added to the sums of its category."""

    category: int
    addends: tuple[Tensor, ...]


class SampleMeans(Metric):  # type: ignore[misc]
    """Accumulates per-sample values into means per category and view.

    The state is three float64 sums `(category, view)`, so accumulating, merging and reducing over ranks are
    additions. The mean is the house's: samples, then views, then categories, each unweighted. A sample met
    again (a sampler that pads the last batch, on this or another rank) counts once when it has an id.

    A value that is NaN does not apply to its sample and is left out. A category without a value is left out
    of the macro mean and is NaN in the finer averages.

    Args:
        name: of the metric; the states carry it, so that a `MetricCollection` never shares the states of
            two metrics that happen to agree on the first batch.
        views: number of values per sample.
        categories: names of the categories; a sample names its own in `update`.
        cap: what one value counts at most.
        average: what `compute` returns.
        kwargs: of `torchmetrics.Metric`.
    """

    full_state_update = False

    def __init__(
        self,
        name: str,
        views: int,
        categories: Sequence[str] = ("all",),
        *,
        cap: float = float("inf"),
        average: Average = "macro",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.metric_name = name
        self.categories = tuple(categories)
        self.cap = cap
        self.average = average
        for kind in _SUMS:
            zeros = torch.zeros(len(self.categories), views, dtype=torch.float64)
            self.add_state(f"{name}_{kind}", default=zeros, dist_reduce_fx="sum")
        self._rows: dict[Hashable, _Row] = {}  # by sample id, what the present sums hold of it
        self._earlier: dict[Hashable, _Row] = {}  # set aside while `forward` looks at one batch alone

    @property
    def total(self) -> Float64[Tensor, "category view"]:
        """Return Σ of the capped values."""
        return self._sum("total")

    @property
    def capped(self) -> Float64[Tensor, "category view"]:
        """Return how many values the cap lowered."""
        return self._sum("capped")

    @property
    def count(self) -> Float64[Tensor, "category view"]:
        """Return how many values there are."""
        return self._sum("count")

    def add(
        self,
        values: Float[Tensor, "batch view"],
        category: Sequence[str] | None,
        sample_id: Sequence[Hashable] | None,
    ) -> None:
        """Add one row of values per sample; a sample whose id was added before is dropped.

        Raises:
            UsageError: a category is missing or unknown, or the lengths differ.
        """
        places = category_places(category, self.categories, len(values))
        if sample_id is not None and len(sample_id) != len(values):
            raise UsageError(
                f"{len(values)} samples came with {len(sample_id)} sample ids",
                remedy="Pass one id per sample, or none.",
            )
        for index, value in enumerate(values.to(self.total)):
            identity = None if sample_id is None else sample_id[index]
            if identity is not None and (identity in self._rows or identity in self._earlier):
                continue
            applies = ~value.isnan()
            counted = torch.where(applies, value, torch.zeros_like(value)).clamp(max=self.cap)
            row = _Row(places[index], (counted, (value > self.cap).to(value), applies.to(value)))
            self._change(row, +1)
            if identity is not None:
                self._rows[identity] = _Row(row.category, tuple(part.detach() for part in row.addends))

    def compute(self) -> Float64[Tensor, "..."]:
        """Return the mean, by default one number; NaN where nothing was added."""
        cells = self.total / self.count
        if self.average == "none":
            return cells
        categories = cells.nanmean(dim=1)
        return categories if self.average == "category" else categories.nanmean()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch and return its own mean; samples counted before are no part of it."""
        self._earlier, self._rows = self._rows, {}
        try:
            return super().forward(*args, **kwargs)
        finally:
            self._rows = self._earlier | self._rows
            self._earlier = {}

    def reset(self) -> None:
        """Forget every value."""
        super().reset()
        self._rows = {}

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the sums of another metric; a sample that both know by id counts once."""
        super().merge_state(incoming_state)
        if isinstance(incoming_state, SampleMeans):
            for identity in incoming_state._rows.keys() & self._rows.keys():
                self._change(incoming_state._rows[identity], -1)
            self._rows = incoming_state._rows | self._rows

    def _sync_dist(self, dist_sync_fn: Any = gather_all_tensors, process_group: Any = None) -> None:
        """Add the sums of all ranks, each sample from the lowest rank that met it."""
        group = process_group or self.process_group
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            met: list[Any] = [None] * torch.distributed.get_world_size(group)
            torch.distributed.all_gather_object(met, list(self._rows), group=group)
            before = {identity for ids in met[: torch.distributed.get_rank(group)] for identity in ids}
            for identity in before & self._rows.keys():
                self._change(self._rows[identity], -1)  # the sums of this rank alone come back after `compute`
        super()._sync_dist(dist_sync_fn, process_group)

    def _change(self, row: _Row, sign: int) -> None:
        for kind, addend in zip(_SUMS, row.addends, strict=True):
            sums = self._sum(kind)
            change = torch.zeros_like(sums)
            change[row.category] = sign * addend.to(sums)
            setattr(self, f"{self.metric_name}_{kind}", sums + change)

    def _sum(self, kind: str) -> Tensor:
        sums: Tensor = getattr(self, f"{self.metric_name}_{kind}")
        return sums


def category_places(category: Sequence[str] | None, categories: Sequence[str], count: int) -> list[int]:
    """Return the index of the category of each of `count` samples.

    Args:
        category: one name per sample; may be None where there is one category only.
        categories: the known names.
        count: number of samples.

    Raises:
        UsageError: names are missing, unknown, or not one per sample.
    """
    known = f"The categories are {', '.join(categories)}."
    if category is None:
        if len(categories) != 1:
            raise UsageError(f"{count} samples came without a category", remedy=f"Pass category=[...]. {known}")
        return [0] * count
    if isinstance(category, str) or len(category) != count:
        raise UsageError(
            f"{count} samples came with the categories {category!r}", remedy=f"Pass one per sample. {known}"
        )
    if unknown := [name for name in category if name not in categories]:
        raise UsageError(f"there is no category {unknown[0]!r}", remedy=known)
    return [categories.index(name) for name in category]
