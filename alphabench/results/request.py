"""What was asked for, frozen before the run starts: its hash names the work folder."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from alphabench.errors import DataError
from alphabench.models.spec import ModelInfo
from alphabench.results.canonical import canonical_json, parse_json, sha256_json

SCHEMA = "alphabench.request/1"
LISTED = 5
"""How many settings that differ a message names."""


@dataclass(frozen=True)
class RunRequest:
    """One run: the same request always gives the same `run_hash`, wherever and whenever it runs.

    Number of processes, batch size, host, time and output folder are no part of it.

    Attributes:
        protocol_id: `name@version`.
        protocol_hash: hash of the resolved protocol.
        protocol: the resolved protocol, so that a record can be read without the file.
        data_id: `name@version`.
        manifest_hash: hash of the whole data set.
        split: name of the split.
        samples: number of samples in the data set.
        limit: number of first samples taken, None for all.
        model: the model's table of the record, made by `model_document`.
        task: `reconstruction`, `generation` or `scoring`.
        seeds: every seed by name.
        dtype: precision inside the model.
        device_kind: `cpu`, `cuda`, `mps`, `xpu` or `external`.
    """

    protocol_id: str
    protocol_hash: str
    protocol: Mapping[str, Any]
    data_id: str
    manifest_hash: str
    split: str
    samples: int
    limit: int | None
    model: Mapping[str, Any]
    task: str
    seeds: Mapping[str, int]
    dtype: str
    device_kind: str

    @property
    def identity(self) -> dict[str, Any]:
        """Return the members that are hashed. A limit makes another list of samples, so it is one of them."""
        members: dict[str, Any] = {
            "protocol.hash": self.protocol_hash,
            "data.manifest_hash": self.manifest_hash,
            "model.hash": self.model["hash"],
            "task": self.task,
            "seeds": dict(self.seeds),
            "dtype": self.dtype,
            "device.kind": self.device_kind,
        }
        if self.limit is not None:
            members["limit"] = self.limit
        return members

    @cached_property
    def run_hash(self) -> str:
        """Return the hash of `identity`: 64 hexadecimal digits."""
        return sha256_json(self.identity)

    def differences(self, other: "RunRequest") -> list[str]:
        """Return, in words, what `other` asks for differently; empty where both name one run."""
        names: dict[str, tuple[str, str]] = {
            "protocol.hash": (
                f"{self.protocol_id} ({self.protocol_hash[:8]})",
                f"{other.protocol_id} ({other.protocol_hash[:8]})",
            ),
            "data.manifest_hash": (self._data_words(other), other._data_words(self)),
        }
        mine, theirs = self.identity, other.identity
        found = []
        for member in dict.fromkeys([*mine, *theirs]):
            if mine.get(member) == theirs.get(member):
                continue
            if member == "model.hash":
                found.append(_model_difference(self.model, other.model))
            elif member == "seeds":
                changed = _changes(self.seeds, other.seeds)
                found.append(f"seeds: {', '.join(changed)}")
            else:
                here, there = names.get(member, (_words(mine.get(member)), _words(theirs.get(member))))
                found.append(f"{member.split('.')[0]} {here} there, {there} here")
        for member in ("org", "name", "licence"):  # equal predictions under another name are another record
            if not found and (here := self.model[member]) != (there := other.model[member]):
                found.append(f"the model's {member} {here!r} there, {there!r} here")
        return found

    def _data_words(self, other: "RunRequest") -> str:
        count = "" if self.samples == other.samples else f", {self.samples} samples"
        return f"{self.data_id} ({self.manifest_hash[:8]}{count})"

    def to_json(self) -> bytes:
        """Return the request as canonical JSON with its schema, its run hash and a final newline."""
        document = {"schema": SCHEMA, "run_hash": self.run_hash, **asdict(self)}
        return canonical_json(document) + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, name: str) -> "RunRequest":
        """Return the request in `data`.

        Args:
            data: what `to_json` made.
            name: what to call the file in messages.

        Raises:
            DataError: it is not a request, or its hash does not belong to it.
        """
        remedy = "Use another --out folder, or start this one over with --fresh."
        document = parse_json(data, name=name)
        try:
            if document.pop("schema") != SCHEMA:
                raise DataError(f"{name} was written by another version of alphabench", remedy=remedy)
            stated = document.pop("run_hash")
            request = cls(**document)
            found = request.run_hash
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"{name} is not a request of alphabench ({error})", remedy=remedy) from error
        if stated != found:
            raise DataError(
                f"{name} states the run hash {str(stated)[:16]}, its members give {found[:16]}", remedy=remedy
            )
        return request


def model_document(info: ModelInfo) -> dict[str, Any]:
    """Return the model's table of a record, with its hashes, from what the model says about itself."""
    document: dict[str, Any] = {
        "org": info.org,
        "name": info.name,
        "licence": info.licence,
        "kind": info.kind,
        "checkpoints": [
            {"role": role, "sha256": sha256, "bytes": size} for role, sha256, size in sorted(info.checkpoints)
        ],
        "parameters": info.parameters,
        "trained_on": list(dict.fromkeys(info.trained_on)),
    }
    if info.kind == "predictions":
        document["predictions_hash"] = info.predictions_hash
        document["hash"] = sha256_json({"predictions_hash": info.predictions_hash})
        return document
    config = dict(info.config)
    identity: dict[str, Any] = {"architecture": info.architecture, "config_hash": sha256_json(config)}
    document |= {"architecture": info.architecture, "config": config, "config_hash": identity["config_hash"]}
    if info.kind == "checkpoint":
        identity["checkpoints"] = sorted([role, sha256] for role, sha256, _ in info.checkpoints)
    document["hash"] = sha256_json(identity)
    return document


def _model_difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Return how two models differ: by name and hash, or by the settings where that is all."""
    words = f"model {_model_words(mine)} there, {_model_words(theirs)} here"
    if any(mine.get(member) != theirs.get(member) for member in ("org", "name", "architecture", "checkpoints")):
        return words
    before, after = (dict(_leaves(model.get("config", {}))) for model in (mine, theirs))
    return "; ".join(_changes(before, after)[:LISTED]) or words


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {_words(before.get(name))} there, {_words(after.get(name))} here"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _leaves(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings of nested tables by their dotted names."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _model_words(model: Mapping[str, Any]) -> str:
    return f"{model.get('name')} ({str(model['hash'])[:8]})"


def _words(value: Any) -> str:
    return "none" if value is None else str(value)
