"""A protocol as data: which views, which metrics with which settings, averaged how."""

from functools import cached_property
from typing import Any

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from alphabench.errors import UsageError
from alphabench.protocols.canonical import sha256_json
from alphabench.protocols.sections import Aggregation, Header, Notes, PredictionRules, ReferenceRules, Views
from alphabench.protocols.settings import SETTINGS, Harmlessness
from alphabench.protocols.tables import Group, MetricSettings, Strict, WeightFile

LEAST_SET = 2
"""Images that a set needs to be compared with another."""


class Protocol(Strict):
    """One ruler: its settings, its exact rows, its hash.

    The members are the tables of the TOML file. Two records are comparable only if the `hash` of their
    protocols, and that of their data, are equal.
    """

    protocol: Header
    prediction: PredictionRules = PredictionRules()
    reference: ReferenceRules = ReferenceRules()
    views: Views
    metrics: dict[str, SerializeAsAny[MetricSettings]] = Field(min_length=1)
    aggregation: Aggregation = Aggregation()
    notes: Notes = Notes()

    @field_validator("metrics")
    @classmethod
    def _in_order(cls, metrics: dict[str, MetricSettings]) -> dict[str, MetricSettings]:
        return {name: metrics[name] for name in SETTINGS if name in metrics}

    @model_validator(mode="after")
    def _views_exist(self) -> "Protocol":
        asked = {group for settings in self.metrics.values() for group in settings.views}
        offered: dict[Group, bool] = {
            "texture": bool(self.views.textures),
            "worst-solid": "solid" in self.views.worst,
            "adversarial": "adversarial" in self.views.worst,
            "straight-rgb-noalpha": self.views.straight_rgb_noalpha,
            "reference-straight-rgb-noalpha": self.views.straight_rgb_noalpha,
            "set-straight-rgb-noalpha": self.views.straight_rgb_noalpha,
        }
        for group, present in offered.items():
            if group in asked and not present:
                raise ValueError(f"a metric asks for the views {group!r}, which [views] does not offer")
        return self

    @model_validator(mode="after")
    def _one_rule(self) -> "Protocol":
        mode = self.aggregation.mode
        authors = (self.views.composite != "float32", self.prediction.pairing == "sorted-position")
        if authors != (mode != "macro", mode == "paper"):
            raise ValueError(
                "JPEG composites and the authors' levels of averaging go together, and for pairs those by position"
            )
        if mode != "macro" and (mode == "paper-t2i") != (self.task == "generation"):
            raise ValueError(f"the averaging rule {self.aggregation.order!r} is not one for {self.task}")
        for metric, settings in self.metrics.items():
            if not settings.goes_with(self.task, mode):
                raise ValueError(f"{metric} does not go with this averaging rule and these composites, or this task")
        return self

    @model_validator(mode="after")
    def _references_of_sets(self) -> "Protocol":
        wanted = self.task == "generation" and bool(self.set_metrics())
        if wanted != (self.reference.data is not None):
            raise ValueError("sets of generated images are compared with a reference set, which [reference] data names")
        if self.task == "generation":
            for metric, settings in self.metrics.items():
                if foreign := next((group for group in settings.views if group.startswith("reference")), None):
                    raise ValueError(
                        f"{metric} asks for {foreign!r}, but a generated image has no reference of its own"
                    )
        for metric, settings in self.metrics.items():
            chosen = getattr(settings, "backgrounds", None) or ()
            if unknown := next((name for name in chosen if name not in self.backgrounds), None):
                raise ValueError(f"{metric} asks for the background {unknown!r}, which [views] does not offer")
        return self

    @model_validator(mode="after")
    def _latents_alone(self) -> "Protocol":
        kinds = {isinstance(settings, Harmlessness) for settings in self.metrics.values()}
        if len(kinds) > 1:
            raise ValueError("metrics of latents and metrics of predictions need protocols of their own")
        if kinds == {True} and len(self.views.backgrounds) != 1:
            raise ValueError("metrics of latents need exactly one background, over which images are made opaque")
        return self

    @property
    def judges_latents(self) -> bool:
        """Say whether a model's latents are judged, beside those of its RGB parent, and no predictions."""
        return any(isinstance(settings, Harmlessness) for settings in self.metrics.values())

    @property
    def name(self) -> str:
        """Return the name without version."""
        return self.protocol.name

    @property
    def version(self) -> int:
        """Return the version."""
        return self.protocol.version

    @property
    def id(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def status(self) -> str:
        """Return `draft`, `frozen` or `retired`."""
        return self.protocol.status

    @property
    def task(self) -> str:
        """Return `reconstruction` or `generation`."""
        return self.protocol.task

    @property
    def note(self) -> str:
        """Return the words for the reader."""
        return self.notes.text

    @property
    def backgrounds(self) -> dict[str, tuple[int, int, int]]:
        """Return the solid backgrounds in order: name to sRGB code values."""
        return {background.name: background.rgb for background in self.views.backgrounds}

    @property
    def textures(self) -> tuple[str, ...]:
        """Return the names of the textured backgrounds in order."""
        return self.views.textures

    def resolved(self) -> dict[str, Any]:
        """Return what is hashed: every default explicit, absent options left out, no notes, no status."""
        document: dict[str, Any] = self.model_dump(mode="json", exclude_none=True, exclude={"notes"})
        del document["protocol"]["status"]
        return document

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical JSON of `resolved()`."""
        return sha256_json(self.resolved())

    def require_task(self, task: str) -> None:
        """Check that the protocol judges `task`.

        Raises:
            UsageError: it judges another one.
        """
        if self.task != task:
            raise UsageError(
                f"the protocol {self.id} is for {self.task}, not for {task}",
                remedy="Choose another with --protocol; `alphabench protocols list` shows each one's task.",
            )

    def metric_settings(self, metric: str) -> MetricSettings:
        """Return the settings of `metric`."""
        return self.metrics[metric]

    def mean_cap(self, metric: str) -> float | None:
        """Return the dB at which values of `metric` are capped in means, None where no cap applies."""
        cap: float | None = getattr(self.metrics[metric], "mean_cap_db", None)
        return cap

    def scope(self, metric: str) -> str | None:
        """Return how a set metric groups samples: `category`, `all` or `leaf`; None for sample metrics."""
        scope: str | None = getattr(self.metrics[metric], "scope", None)
        return scope

    def weight_files(self, metric: str) -> tuple[WeightFile, ...]:
        """Return the files of weights that `metric` needs."""
        settings = self.metrics[metric]
        values = (getattr(settings, name) for name in type(settings).model_fields)
        return tuple(value for value in values if isinstance(value, WeightFile))

    def group_views(self, group: Group) -> tuple[str, ...]:
        """Return the names of the views in a group, in order."""
        if group in {"composite", "reference", "set"}:
            return tuple(f"{group}/{name}" for name in self.backgrounds)
        if group == "texture":
            return tuple(f"composite/{name}" for name in self.textures)
        named = {"worst-solid": "composite/worst-solid", "adversarial": "composite/adversarial"}
        for kind in ("reference", "set"):
            named[f"{kind}-straight-rgb-noalpha"] = f"{kind}/straight-rgb-noalpha"
        for kind in ("opaque", "transparent"):
            named[f"set-{kind}"] = f"set/{kind}"
        return (named.get(group, group),)

    def metric_views(self, metric: str) -> tuple[str, ...]:
        """Return the views of `metric` that have values of their own, in order."""
        return tuple(view for group in self.metrics[metric].views for view in self._views_in(metric, group))

    def _views_in(self, metric: str, group: Group) -> tuple[str, ...]:
        """Return the views of `metric` in a group, which may be fewer than the group has."""
        chosen: tuple[str, ...] | None = getattr(self.metrics[metric], "backgrounds", None)
        views = self.group_views(group)
        if chosen is None or group not in {"composite", "reference", "set"}:
            return views
        return tuple(view for view in views if view.partition("/")[2] in chosen)

    def derived_views(self, metric: str) -> dict[str, tuple[str, ...]]:
        """Return the views of `metric` that are means of others: name to the views they are made of."""
        derived = {}
        for group in self.metrics[metric].views:
            if group in {"composite", "reference", "set"}:
                views = self._views_in(metric, group)
                derived[f"{group}/mean{len(views)}"] = views
            elif group == "texture":
                derived["composite/mean-texture"] = self.group_views(group)
        return derived

    def headline(self, metric: str) -> str:
        """Return the view whose macro mean stands for `metric`: the mean of the solids where it has them."""
        derived = self.derived_views(metric)
        first = f"mean{len(self.backgrounds)}"
        for kind in ("composite", "set"):
            if f"{kind}/{first}" in derived:
                return f"{kind}/{first}"
        return next(iter(derived), None) or self.metric_views(metric)[0]

    def is_partial(self, metric: str, view: str) -> bool:
        """Say whether a whole category may have no value of `metric` on `view`."""
        first = self.derived_views(metric).get(view, (view,))[0]
        return any(first in self.group_views(group) for group in self.metrics[metric].partial)

    def set_metrics(self) -> tuple[str, ...]:
        """Return the metrics that compare sets of images, in order."""
        return tuple(name for name in self.metrics if self.scope(name) is not None)

    def inapplicable(self, samples: int) -> tuple[str, ...]:
        """Return the metrics that do not apply to so few generated images: a record is complete without them.

        One image is no set. Where sets are categories instead, a small one leaves its metric unavailable.
        """
        if self.task != "generation" or samples >= LEAST_SET:
            return ()
        return tuple(name for name in self.set_metrics() if self.scope(name) == "all")

    @property
    def main_metric(self) -> str:
        """Return the metric that orders tables where the gate names none: of generated images one of sets."""
        sets = self.set_metrics() if self.task == "generation" else ()
        return next(iter((*sets, *self.metrics)))

    def sample_metrics(self) -> tuple[str, ...]:
        """Return the metrics that every sample has rows of, in order."""
        return tuple(name for name in self.metrics if self.scope(name) is None)

    def set_views(self) -> tuple[str, ...]:
        """Return the views on which set metrics are computed, in order."""
        views = (view for metric in self.set_metrics() for view in self.metric_views(metric))
        return tuple(dict.fromkeys(views))

    def sample_keys(self) -> tuple[tuple[str, str], ...]:
        """Return `(view, metric)` for each row of one sample, in a fixed order."""
        return tuple((view, metric) for metric in self.sample_metrics() for view in self.metric_views(metric))
