"""What a table is asked to show, and which record stands for each model."""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["current", "older", "superseded", "withdrawn", "incomplete"]


@dataclass(frozen=True)
class Selection:
    """What a table is asked to show.

    Attributes:
        protocol: `name`, `name@version` or the first digits of a protocol hash; None for all.
        data: `name`, `name@version` or the first digits of a data hash.
        org: an organisation, `*` and `?` as in file names.
        model: a model, alike.
        category: one category instead of the mean over categories.
        background: one background instead of the mean over the solid ones.
        sort: the metric that ranks; None for the gate's primary one.
        tier: the least verification tier.
        every: also show what stands for no model: older, superseded, withdrawn and incomplete records.
    """

    protocol: str | None = None
    data: str | None = None
    org: str | None = None
    model: str | None = None
    category: str | None = None
    background: str | None = None
    sort: str | None = None
    tier: int = 0
    every: bool = False

    def has_ruler(self, protocol: str, protocol_hash: str, data: str, data_hash: str) -> bool:
        """Say whether a protocol and a data set, each `name@version` and hash, are asked for."""
        return _named(self.protocol, protocol, protocol_hash) and _named(self.data, data, data_hash)

    def has_model(self, org: str, model: str) -> bool:
        """Say whether a model is asked for; it may be given as `org/model`, too."""
        if self.org is not None and not fnmatch.fnmatchcase(org, self.org):
            return False
        asked = self.model
        return asked is None or any(fnmatch.fnmatchcase(name, asked) for name in (model, f"{org}/{model}"))


@dataclass(frozen=True)
class Standing:
    """What the choice among a model's records rests on.

    Attributes:
        record_id: its identity.
        org: who made the model.
        model: its name.
        tier: how far it was verified, 0 to 2.
        created: when it was made, UTC.
        complete: whether nothing is missing.
        supersedes: the record that it corrects.
    """

    record_id: str
    org: str
    model: str
    tier: int
    created: str
    complete: bool
    supersedes: str | None


def record_states(records: Iterable[Standing], withdrawn: Mapping[str, str]) -> dict[str, State]:
    """Return the state of each record of one protocol on one data set, by record id.

    Of a model's complete records that are neither withdrawn nor superseded the one of the highest tier is
    current, among equals the newest: a claim never hides what was verified. For the same reason a record
    supersedes only one of its own model and of no higher tier.
    """
    members: dict[tuple[str, str], list[Standing]] = {}
    for record in records:
        members.setdefault((record.org, record.model), []).append(record)
    states: dict[str, State] = {}
    for family in members.values():
        standing = [record for record in family if record.complete and record.record_id not in withdrawn]
        tiers = {record.record_id: record.tier for record in family}
        replaced = {
            record.supersedes
            for record in standing
            if record.supersedes in tiers
            and record.supersedes != record.record_id
            and record.tier >= tiers[record.supersedes]
        }
        left = [record for record in standing if record.record_id not in replaced]
        best = max(left, key=lambda record: (record.tier, record.created, record.record_id), default=None)
        for record in family:
            if record.record_id in withdrawn:
                states[record.record_id] = "withdrawn"
            elif not record.complete:
                states[record.record_id] = "incomplete"
            elif record.record_id in replaced:
                states[record.record_id] = "superseded"
            else:
                states[record.record_id] = "current" if record is best else "older"
    return states


def _named(asked: str | None, identity: str, digest: str) -> bool:
    if asked is None:
        return True
    return asked in {identity, identity.partition("@")[0]} or (len(asked) >= 6 and digest.startswith(asked))
