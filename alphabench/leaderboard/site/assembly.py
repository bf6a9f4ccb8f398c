"""The parts of a record's page put together, for a site and for a report alike."""

import base64
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from alphabench.leaderboard.gate import shipped_gate
from alphabench.leaderboard.site import record_page
from alphabench.leaderboard.site.beside_references import ReferenceTable, beside_references
from alphabench.leaderboard.site.libraries import libraries, library_bytes
from alphabench.leaderboard.site.record_page import Card, Chart, Difference
from alphabench.leaderboard.site.shown import Column
from alphabench.leaderboard.site.values import SampleValues
from alphabench.results.record import Record

PHOTO = "photo.webp"
OWN = ("site.css", "theme.js", "table.js", "charts.js", "viewer.js", "compare.js", PHOTO)


@dataclass(frozen=True)
class RecordPage:
    """What the template of a record shows; see `record_page` for the parts."""

    record_id: str
    model: str
    protocol: str
    data: str
    samples: int
    categories: int
    tier: int
    licence: str
    latent: str | None
    created: str
    rank: int | None
    compared: int
    card_summary: str
    homepage: str
    notes: str
    incomplete: tuple[str, ...]
    deviations: tuple[str, ...]
    cards: tuple[Card, ...]
    metrics: tuple[tuple[Column, str, str, str, str], ...]
    heat_maps: tuple[Chart, ...]
    distribution: Chart | None
    references: ReferenceTable | None
    worst_heads: tuple[Column, ...]
    worst_rows: tuple[tuple[str, ...], ...]
    best_name: str
    best_words: str
    differences: tuple[Difference, ...]
    difference_note: str
    compare_link: str
    citation: str
    signature: str
    provenance: tuple[tuple[str, str], ...]
    command: str
    downloads: tuple[tuple[str, str], ...]
    picture_notes: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """Where a record stands in its table.

    Attributes:
        rank: None where it has none.
        compared: models that the rank is among.
        other: the record that it is compared with, and its values: the best one, or the next for the best one.
        best: whether it is itself the first.
    """

    rank: int | None = None
    compared: int = 0
    other: tuple[Record, SampleValues] | None = None
    best: bool = False


@dataclass(frozen=True)
class CardWords:
    """What a submission's card says of its model, in its author's words."""

    summary: str = ""
    homepage: str = ""


def gathered_page(
    record: Record,
    values: SampleValues,
    standing: Standing,
    words: CardWords,
    *,
    picture_notes: Sequence[str] = (),
    in_site: bool = True,
) -> RecordPage:
    """Return the page of a record but for its pictures.

    Args:
        record: the record.
        values: its values image by image.
        standing: where it stands in its table.
        words: what its card says.
        picture_notes: why pictures are missing.
        in_site: whether other pages lie beside it.
    """
    document = record.document
    model, data = document["model"], document["data"]
    headlines = shipped_gate().rules().gate_metrics(record.protocol.metrics) or tuple(record.protocol.metrics)[:5]
    worst_heads, worst_rows = record_page.worst_samples(values, headlines)
    differences, note = (
        ([], "") if standing.other is None else record_page.difference(values, standing.other[1], headlines)
    )
    latent = model.get("config", {}).get("latent_numbers_per_pixel")
    other = "" if standing.other is None else _name(standing.other[0])
    cards = record_page.cards(record, headlines)
    return RecordPage(
        record_id=record.id,
        model=_name(record),
        protocol=record.protocol.id,
        data=f"{data['name']}@{data['version']}",
        samples=data["samples"],
        categories=len(data["categories"]),
        tier=document["verification"]["tier"],
        licence=model["licence"],
        latent=None if latent is None else f"{latent:g}",
        created=document["created"][:10],
        rank=standing.rank,
        compared=standing.compared,
        card_summary=words.summary,
        homepage=words.homepage,
        notes=document.get("notes", ""),
        incomplete=tuple(document["incomplete_reasons"]),
        deviations=tuple(document.get("deviations", ())),
        cards=tuple(cards),
        metrics=tuple(record_page.metric_rows(record)),
        heat_maps=tuple(record_page.heat_maps(record)),
        distribution=record_page.distribution(values),
        references=beside_references(record.protocol, values) if record.protocol.task == "generation" else None,
        worst_heads=tuple(worst_heads),
        worst_rows=tuple(tuple(row) for row in worst_rows),
        best_name=other,
        best_words=f"the next model, {other}" if standing.best else f"the best model, {other}",
        differences=tuple(differences),
        difference_note=note,
        compare_link=""
        if standing.other is None or not in_site
        else f"../compare.html#a={standing.other[0].id}&b={record.id}",
        citation=_citation(record, cards),
        signature=record.signature,
        provenance=tuple(record_page.provenance(record)),
        command=_command(record),
        downloads=tuple((name, f"../records/{record.id}/{name}") for name in ("record.json", "samples.parquet"))
        if in_site
        else (),
        picture_notes=tuple(picture_notes),
    )


def card_words(roots: Sequence[Path], record: Record) -> CardWords:
    """Return what the card of a record's submission says; nothing where there is no card, or no readable one."""
    model = record.document["model"]
    for root in roots:
        path = root / "submissions" / f"{model['org']}__{model['name']}" / "card.toml"
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("model", {})
        except (OSError, ValueError):
            continue
        if isinstance(table, dict):
            summary, homepage = str(table.get("summary", "")), str(table.get("homepage", ""))
            return CardWords(summary[:500], homepage if homepage.startswith("https://") else "")
    return CardWords()


def asset_files() -> dict[str, bytes]:
    """Return every asset of a site by name: libraries checked against their hashes, and our own."""
    found = {library.asset: library_bytes(library) for library in libraries()}
    own = files("alphabench.leaderboard.site") / "assets"
    return found | {name: (own / name).read_bytes() for name in OWN}


def inline_assets(assets: Mapping[str, bytes]) -> dict[str, Markup]:
    """Return styles and scripts as they can stand inside a page."""
    found = {}
    for name, data in assets.items():
        if name.endswith((".js", ".css")):
            text = data.decode("utf-8")
            safe = text.replace("</script", "<\\/script").replace("<!--", "<\\!--") if name.endswith(".js") else text
            found[name] = Markup(safe)  # noqa: S704 - files of the package, checked by hash or ours
    return found


def data_uri(data: bytes, suffix: str) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/{suffix};base64,{base64.b64encode(data).decode()}"


def _name(record: Record) -> str:
    model = record.document["model"]
    return f"{model['org']}/{model['name']}"


def _citation(record: Record, cards: Sequence[Card]) -> str:
    if not cards:
        return f"{_name(record)}, record {record.id}"
    card = cards[0]
    unit = f" {card.column.unit}" if card.column.unit else ""
    value = f"{card.value:.{card.column.decimals}f}"
    return f"{_name(record)}: {card.column.metric} {value}{unit}, record {record.id}, {record.signature}"


def _command(record: Record) -> str:
    """Return the command that measures the same again, as far as the record says."""
    document = record.document
    data = document["data"]["name"]
    model = document["model"]
    if document["task"] == "reconstruction" and model["kind"] != "predictions":
        return (
            f"alphabench reconstruct --model {model.get('architecture', model['name'])} --data {data} "
            f"--protocol {record.protocol.id}"
        )
    if document["task"] == "generation":
        return (
            f"alphabench generate --model {model.get('architecture', model['name'])} --prompts {data} "
            f"--protocol {record.protocol.id}{_sampling_options(document)}"
        )
    if record.protocol.task == "generation":
        return f"alphabench score --prompts {data} --prediction PREDICTIONS --protocol {record.protocol.id}"
    return f"alphabench score --reference REFERENCES --prediction PREDICTIONS --protocol {record.protocol.id}"


def _sampling_options(document: Mapping[str, Any]) -> str:
    """Return seed and sampling of a generation run as options, as far as the record says."""
    options = {"seed": document["seeds"].get("generation")}
    if sampling := document["model"].get("config", {}).get("sampling"):
        options |= {"steps": sampling["steps"], "guidance": sampling["guidance"]}
        options |= {"size": f"{sampling['height']}x{sampling['width']}"}
    return "".join(f" --{name} {value}" for name, value in options.items() if value is not None)


def values_script(record: Record, values: SampleValues, digits: int = 9) -> bytes:
    """Return the script that hands a record's values, image by image, to the page of comparisons."""
    samples = list(values.categories)
    metrics: dict[str, object] = {
        metric: [
            None if (value := values.headline(metric).get(sample)) is None else float(f"{value:.{digits}g}")
            for sample in samples
        ]
        for metric in values.columns
    }
    for metric in record.protocol.set_metrics():
        value = record.aggregates.get(metric, {}).get("value")
        if value is not None:
            metrics[metric] = float(f"{value:.{digits}g}")
    document = {"samples": samples, "categories": [values.categories[name] for name in samples], "metrics": metrics}
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return f'alphabenchRecord("{record.id}",{text});\n'.encode()
