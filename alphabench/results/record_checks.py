"""A record against its rows and its protocol: every mean is computed again."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alphabench.errors import DataError, UsageError
from alphabench.protocols import Protocol, list_protocols, parse_protocol, parse_signature, signature
from alphabench.results import intervals, workfolder
from alphabench.results.aggregate import aggregate, applicable_metrics, applies_nowhere
from alphabench.results.request import RunRequest
from alphabench.results.rows import Row, rows_sha256, sorted_rows

REMEDY = "Take the record from its source again: a record is never edited."
INTERVAL_TOLERANCE = 0.15
"""In standard errors: random generators may differ between versions of NumPy."""


def known_protocol(stated: Mapping[str, Any], folder: Path) -> Protocol:
    """Return the protocol with the stated hash: a shipped one, or the one kept in the run's request.

    Raises:
        DataError: it is not known here.
    """
    for protocol in list_protocols():
        if protocol.hash == stated["hash"]:
            return protocol
    path = folder.parent / workfolder.REQUEST
    if path.is_file():
        request = RunRequest.from_json(path.read_bytes(), name=str(path))
        try:
            protocol = parse_protocol(request.protocol, name=str(path))
        except UsageError as error:
            raise DataError(error.message, remedy=error.remedy) from error
        if protocol.hash == stated["hash"]:
            return protocol
    raise DataError(
        f"the protocol {stated['name']}@{stated['version']} ({stated['hash'][:8]}) is not known here",
        remedy="Give its TOML file, or upgrade alphabench.",
    )


def check_content(
    document: Mapping[str, Any], rows: Sequence[Row], protocol: Protocol, *, name: str, thorough: bool
) -> None:
    """Check rows, states, means and signature of a record against each other.

    Args:
        document: the checked document.
        rows: the rows of its file.
        protocol: the protocol it names.
        name: what to call the record in messages.
        thorough: also compute every mean and interval again.

    Raises:
        DataError: the first thing that disagrees.
    """

    def refuse(fact: str) -> DataError:
        return DataError(f"{name}: {fact}", remedy=REMEDY)

    if protocol.hash != document["protocol"]["hash"]:
        raise refuse(f"it was made under another protocol than {protocol.id} ({protocol.hash[:8]})")
    if (named := "{name}@{version}".format(**document["protocol"])) != protocol.id:
        raise refuse(f"it calls its protocol {named}, the hash is that of {protocol.id}")
    stated = document["samples"]
    capped = {metric for metric in protocol.metrics if protocol.mean_cap(metric) is not None}
    if sorted_rows(rows, infinite=capped) != list(rows):
        raise refuse("the rows are not sorted")
    if len(rows) != stated["rows"]:
        raise refuse(f"it has {len(rows)} rows, the record states {stated['rows']}")
    if (found := rows_sha256(rows)) != stated["rows_sha256"]:
        raise refuse(f"the rows have the hash {found}, the record states {stated['rows_sha256']}")
    names = [metric["name"] for metric in document["metrics"]]
    wanted_names = _metrics_of(protocol, document, rows)
    if names != wanted_names:
        raise refuse(f"its metrics are not those of {protocol.id}: {sorted(set(names) ^ set(wanted_names))}")
    keys = set(protocol.sample_keys())
    if foreign := next((row for row in rows if (row[2], row[3]) not in keys), None):
        raise refuse(f"{protocol.id} has no metric {foreign[3]!r} on view {foreign[2]!r}")
    _check_samples(document, rows, refuse)
    present = Counter(row[3] for row in rows)
    for metric in document["metrics"]:
        if (counts := metric.get("rows")) and counts["present"] != present[metric["name"]]:
            raise refuse(f"{metric['name']} has {present[metric['name']]} rows, {counts['present']} are stated")
    lacking = [metric["name"] for metric in document["metrics"] if metric["state"] != "ok"]
    if document["complete"] and lacking:
        raise refuse(f"it calls itself complete without {lacking[0]}")
    data = document["data"]
    wanted = signature(protocol, f"{data['name']}@{data['version']}", data["manifest_hash"], lacking)
    if _without_version(wanted) != _without_version(document["signature"]):
        raise refuse(f"its signature should be {wanted}")
    if thorough:
        _check_means(document, rows, protocol, refuse)


def _metrics_of(protocol: Protocol, document: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return the metrics that a record has: what applies to none of its images may be absent."""
    names = {metric["name"] for metric in document["metrics"]}
    samples, present = document["data"]["samples"], Counter(row[3] for row in rows)

    def may_be_absent(metric: str) -> bool:
        absent = len(protocol.metric_views(metric)) * samples
        return applies_nowhere(protocol, metric, samples, present=present[metric], absent=absent)

    return [metric for metric in applicable_metrics(protocol, samples) if metric in names or not may_be_absent(metric)]


def _check_samples(document: Mapping[str, Any], rows: Sequence[Row], refuse: Any) -> None:
    categories: dict[str, str] = {}
    for sample, category, *_ in rows:
        if categories.setdefault(sample, category) != category:
            raise refuse(f"sample {sample!r} stands in two categories")
    counts = Counter(categories.values())
    stated = document["data"]["categories"]
    for category, count in counts.items():
        if count > stated.get(category, 0):
            raise refuse(f"category {category!r} has {count} samples, the record states {stated.get(category, 0)}")


def _check_means(document: Mapping[str, Any], rows: Sequence[Row], protocol: Protocol, refuse: Any) -> None:
    categories = {row[0]: row[1] for row in rows}
    samples = list(categories.items())
    unnamed = Counter(document["data"]["categories"])
    unnamed.subtract(Counter(categories.values()))
    samples += [(f"\x7f{category}{index}", category) for category, count in unnamed.items() for index in range(count)]
    absent = [
        ("", "", metric["name"])
        for metric in document["metrics"]
        for _ in range(metric.get("rows", {}).get("not_applicable", 0))
    ]
    names = {metric["name"] for metric in document["metrics"]}
    absent += [
        ("", "", metric)  # a metric that is not in the record applies to no image
        for metric in protocol.metrics
        if metric not in names
        for _ in range(len(protocol.metric_views(metric)) * len(samples))
    ]
    ok = {metric["name"] for metric in document["metrics"] if metric["state"] == "ok"}
    other = dict.fromkeys(names - ok, "not stated as ok")
    stated_intervals = any("interval" in entry for item in document["metrics"] for entry in item.get("aggregates", []))
    again = aggregate(
        protocol,
        samples,
        rows,
        absent,
        set_values=_set_values(document, protocol),
        failed=other,
        draws=intervals.DRAWS if stated_intervals else 0,
    )
    for metric, computed in zip(document["metrics"], again, strict=True):
        if metric["name"] not in ok:
            continue
        if computed["state"] != "ok":
            raise refuse(f"{metric['name']} cannot be computed from the rows: {computed['reason']}")
        stated = {_place(entry): entry for entry in metric["aggregates"]}
        found = {_place(entry): entry for entry in computed["aggregates"]}
        if stated.keys() != found.keys() or len(stated) != len(metric["aggregates"]):
            raise refuse(f"{metric['name']} has other means than {protocol.id} defines")
        for place, entry in stated.items():
            _check_entry(metric["name"], entry, found[place], refuse)


def _check_entry(metric: str, stated: Mapping[str, Any], found: Mapping[str, Any], refuse: Any) -> None:
    where = f"the {stated['scope']} mean of {metric} on {stated['view']}"
    value = found["value"]
    if abs(stated["value"] - value) > 1e-9 * max(1.0, abs(value)):
        raise refuse(f"{where} is stated as {stated['value']!r}, the rows give {value!r}")
    if stated["n"] != found["n"] or stated.get("capped") != found.get("capped"):
        raise refuse(f"{where} counts other samples than the rows")
    bounds, again = stated.get("interval"), found.get("interval")
    if bounds is None:
        return
    if again is None:
        raise refuse(f"{where} cannot have an interval")
    error = (again["high"] - again["low"]) / (2 * 1.959964)
    slack = INTERVAL_TOLERANCE * error + 1e-9 * max(1.0, abs(value))
    if max(abs(bounds[side] - again[side]) for side in ("low", "high")) > slack or not math.isclose(
        bounds["level"], intervals.LEVEL
    ):
        raise refuse(f"the interval of {where} is not what the rows give")


def _set_values(document: Mapping[str, Any], protocol: Protocol) -> dict[str, dict[str, dict[str, float | str]]]:
    """Return the set metrics' own values as the record states them: they cannot be had from rows."""
    found: dict[str, dict[str, dict[str, float | str]]] = {}
    for metric in document["metrics"]:
        name = metric["name"]
        if protocol.scope(name) is None:
            continue
        own = set(protocol.metric_views(name))
        groups: dict[str, dict[str, float | str]] = defaultdict(dict)
        for entry in metric.get("aggregates", []):
            group = "all" if protocol.scope(name) == "all" else entry.get("category")
            if entry["view"] in own and group is not None:
                groups[group][entry["view"].removeprefix("set/")] = float(entry["value"])
        found[name] = dict(groups)
    return found


def _place(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["view"], entry["scope"], entry.get("category", "")


def _without_version(line: str) -> dict[str, str]:
    try:
        fields = parse_signature(line)
    except UsageError:
        return {"not a signature": line}
    return {key: value for key, value in fields.items() if key != "v"}
