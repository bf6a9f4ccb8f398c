"""A comparison in words: cells of a table, lines for a gate, one document, a short Markdown text."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from alphabench.metrics.catalog import CATALOG
from alphabench.results import intervals
from alphabench.results.compare import Comparison, MetricComparison
from alphabench.results.record import Record

COLUMNS = (
    "metric",
    "baseline",
    "candidate",
    "gain",
    "95 % interval",
    "p",
    "adjusted p",
    "margin",
    "verdict",
    "detects",
)
EXIT_CODES: Mapping[str, int] = {"improvement": 0, "ok": 0, "regression": 1, "changed": 1, "inconclusive": 5}


def cells(item: MetricComparison) -> tuple[str, ...]:
    """Return one metric's cells under `COLUMNS`."""
    digits = CATALOG[item.metric].decimals
    arrow = "↑" if item.higher_is_better else "↓"
    margin = "-" if item.margin is None else f"{item.margin:.{digits}f}"
    if item.kind == "set" and item.margin is not None:
        margin = f"{100 * item.margin:g} %"
    return (
        f"{item.metric}{arrow} {item.unit if item.unit != '1' else ''}".rstrip() + (" *" if item.gate else ""),
        f"{item.baseline:.{digits}f}",
        f"{item.candidate:.{digits}f}",
        f"{item.difference:+.{digits}f}",
        "-" if item.low is None else f"[{item.low:+.{digits}f}, {item.high:+.{digits}f}]",
        _p(item.p),
        _p(item.adjusted_p),
        margin,
        verdict_words(item),
        "-" if item.detectable is None else f"{item.detectable:.{digits}f}",
    )


def verdict_words(item: MetricComparison) -> str:
    """Return a metric's verdict as it is printed; a proved loss within the margin shows its size."""
    if item.verdict is None:
        return "-"
    words: str = item.verdict
    if item.verdict == "ok" and item.high is not None and item.high < 0:
        words += f" ({item.difference:+.{CATALOG[item.metric].decimals}f})"
    return f"{words}, close" if item.close else words


def settling(item: MetricComparison) -> str:
    """Return what would settle an inconclusive metric; empty where nothing is open."""
    if item.verdict != "inconclusive":
        return ""
    if item.images_needed is None or item.detectable is None:
        return f"{item.metric}: one image has no interval; use more images"
    digits = CATALOG[item.metric].decimals
    unit = "" if item.unit == "1" else f" {item.unit}"
    return (
        f"{item.metric}: {item.n} images detect {item.detectable:.{digits}f}{unit}; about {item.images_needed} images "
        f"would exclude a loss of {item.margin:.{digits}f}{unit}"
    )


def document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as one JSON document."""
    return {
        "baseline": _record(comparison.baseline),
        "candidate": _record(comparison.candidate),
        "protocol": comparison.baseline.protocol.id,
        "protocol_hash": comparison.baseline.protocol.hash,
        "verdict": comparison.verdict,
        "same": comparison.same,
        "gate": {"name": comparison.rules.name, "hash": comparison.rules.hash},
        "bootstrap": {
            "draws": intervals.DRAWS,
            "seed": intervals.SEED,
            "level": intervals.LEVEL,
            "method": intervals.METHOD,
        },
        "metrics": [
            {**asdict(item), "detectable": item.detectable, "images_needed": item.images_needed}
            for item in comparison.metrics
        ],
        "left_out": [{"metric": metric, "reason": reason} for metric, reason in comparison.left_out.items()],
        "most_changed": {
            "metric": comparison.primary,
            "samples": [asdict(sample) for sample in comparison.most_changed],
        },
        "notes": list(comparison.notes),
        "signature": comparison.signature,
    }


def markdown(comparison: Comparison, *, allow_inconclusive: bool = False) -> str:
    """Return a short text for a pull request: the verdict, the gate's metrics, what would settle open ones."""
    first, second = comparison.baseline, comparison.candidate
    gate = [item for item in comparison.metrics if item.gate]
    word = comparison.verdict or "no verdict"
    count = first.document["data"]["samples"]
    remarks = [*filter(None, map(settling, gate)), *comparison.notes]
    lines = [
        f"### alphabench: {word}" + (" (allowed)" if allow_inconclusive and word == "inconclusive" else ""),
        "",
        f"Candidate {record_name(second)} against baseline {record_name(first)}, {first.protocol.id}, {count} images.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *(
            "| " + " | ".join(cell.replace("|", "\\|").replace(" *", "") for cell in cells(item)) + " |"
            for item in gate
        ),
        "",
        *(f"- {line}" for line in remarks),
        *([""] if remarks else []),
        f"Gains are oriented: positive is better. {comparison.rules.name} ({comparison.rules.hash[:8]})",
        "",
        f"`{comparison.signature}`",
    ]
    return "\n".join(lines) + "\n"


def record_name(record: Record) -> str:
    """Return `org/model (first digits of the record id)`."""
    model = record.document["model"]
    return f"{model['org']}/{model['name']} ({record.id[:8]})"


def _record(record: Record) -> dict[str, Any]:
    return {
        "record_id": record.id,
        "org": record.document["model"]["org"],
        "model": record.document["model"]["name"],
        "tier": record.document["verification"]["tier"],
        "complete": record.complete,
        "path": None if record.path is None else str(record.path),
    }


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
