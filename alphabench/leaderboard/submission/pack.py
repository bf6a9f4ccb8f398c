"""A pack made of a finished run: card, settings and weights, or predictions, and the run's own record."""

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabench.data.naming import SLUG
from alphabench.errors import DataError, IncompleteError, UsageError
from alphabench.files import sha256_of
from alphabench.leaderboard.submission.architecture import find_architecture
from alphabench.leaderboard.submission.card import SCHEMA
from alphabench.leaderboard.submission.findings import Finding, Refused, shown
from alphabench.leaderboard.submission.ground import MADE_FOR, Ground
from alphabench.leaderboard.submission.names import CARD, CONFIG, PREDICTIONS, RECORD_FILES
from alphabench.leaderboard.submission.validation import validated
from alphabench.models.registry import list_models, resolve
from alphabench.results import workfolder
from alphabench.results.document import document_bytes, record_id, validate_document
from alphabench.results.durable import readable_refusals, replace_folder
from alphabench.results.record import ROWS_FILE, Record, load_record

NOT_SAID = {"org": "local", "licence": "unknown"}
"""What a record holds where nobody said anything."""


@dataclass(frozen=True)
class About:
    """What the maker says of a model; empty members are taken from the run's record.

    Attributes:
        org: slug of who made it.
        name: slug of the model.
        licence: SPDX name.
        summary: one line, at most 500 characters.
        homepage: https address.
        handle: whom to ask.
        trained_on: names of the training sets.
    """

    org: str = ""
    name: str = ""
    licence: str = ""
    summary: str = ""
    homepage: str = ""
    handle: str = ""
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pack:
    """A pack that was built.

    Attributes:
        folder: where it is; None where the validator refused it and nothing was kept.
        sizes: bytes of each file.
        pack_hash: its identity.
        findings: why it was refused; empty for a good one.
        flags: what a person will look at.
    """

    folder: Path | None
    sizes: Mapping[str, int]
    pack_hash: str
    findings: tuple[Finding, ...]
    flags: tuple[str, ...]


def build_pack(
    run: Path,
    out: Path,
    about: About,
    *,
    kind: str | None = None,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    with_predictions: bool = False,
    on: Ground | None = None,
) -> Pack:
    """Build the pack `out/<org>__<name>` from a run and validate it; it appears there whole or not at all.

    Args:
        run: folder of a finished run.
        out: folder of packs.
        about: what the maker says.
        kind: `checkpoint` or `predictions`; None takes what the run judged.
        checkpoint: folder or file of the weights that the run used; None looks among the bundled ones.
        predictions: folder of the predictions that the run scored; None takes those the run wrote.
        with_predictions: put the predictions of a checkpoint beside it.
        on: what to validate it on, instead of what its card names.

    Raises:
        IncompleteError: the run's record is incomplete.
        UsageError: something is not said, or the model's class takes no submissions.
        DataError: files are missing, or the pack is there already.
    """
    record = load_record(run)
    _require_finished(record)
    model = record.document["model"]
    about = _completed(about, model)
    kind = kind or ("checkpoint" if model["kind"] == "checkpoint" else "predictions")
    slug = f"{about.org}__{about.name}"
    files: dict[str, bytes | Path] = {}
    if kind == "checkpoint":
        files |= dict(_weights(model, checkpoint))
        files[CONFIG] = _config(model)
    if kind == "predictions" or with_predictions:
        files |= dict(_predictions(record, predictions))
    if kind == model["kind"]:
        document, rows = _renamed(record, about)
        files |= dict(zip(RECORD_FILES, (document, rows), strict=True))
    target = out / slug
    if target.exists():
        raise DataError(f"there is a pack at {target}", remedy="Remove it, or name another folder with --out DIR.")
    with readable_refusals(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pack-", dir=out) as scratch:
            folder = Path(scratch) / slug
            _fill(folder, files)
            (folder / CARD).write_text(_card(record, about, kind, folder, files), encoding="utf-8")
            with validated(folder, on=on) as found:
                sizes = {path: held.size for path, held in found.held.items()}
                if found.ok:
                    replace_folder(folder, target)
                return Pack(target if found.ok else None, sizes, found.pack_hash, found.findings, found.flags)


def read_about(path: Path) -> About:
    """Return what a card, or a template with its tables `[model]` and `[contact]`, says of a model.

    Raises:
        UsageError: the file cannot be read, or has other keys.
    """
    from alphabench.leaderboard.submission.strict_toml import read_toml

    try:
        document = read_toml(path.read_bytes(), path=path.name, code="E_CARD")
    except OSError as error:
        raise UsageError(f"the card {str(path)!r} cannot be read: {error.strerror}", remedy="Check --card.") from error
    except Refused as refusal:
        raise UsageError(str(refusal), remedy="Mend the file.") from refusal
    tables: list[Any] = [document.get("model", {}), document.get("contact", {})]
    if not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path.name}: [model] and [contact] are tables", remedy="Mend the file.")
    given = {key: value for table in tables for key, value in table.items() if key != "architecture"}
    known = {field.name for field in dataclasses.fields(About)}
    if unknown := sorted(given.keys() - known):
        raise UsageError(
            f"{path.name}: unknown key {shown(unknown[0])!r}", remedy=f"Known: {', '.join(sorted(known))}."
        )
    if isinstance(given.get("trained_on"), list):
        given["trained_on"] = tuple(map(str, given["trained_on"]))
    if wrong := next((key for key, value in given.items() if not isinstance(value, str | tuple)), None):
        raise UsageError(f"{path.name}: {wrong} is no text", remedy="Mend the file.")
    return About(**given)


def toml_text(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return tables of texts, numbers, booleans and lists as TOML; the table called "" comes first, bare."""
    lines = []
    for name, table in tables.items():
        if name:
            lines += ["", f"[{name}]"]
        lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines).lstrip("\n") + "\n"


def _require_finished(record: Record) -> None:
    if not record.complete:
        raise IncompleteError(
            f"the record {record.id} is incomplete: {record.document['incomplete_reasons'][0]}",
            remedy=next((item["remedy"] for item in record.missing if item["remedy"]), "")
            or "Repeat the run over all samples.",
        )
    if record.document["verification"] != {"tier": 0}:
        raise UsageError(
            f"the record {record.id} is that of a verification", remedy="Submit the run that you measured yourself."
        )


def _completed(about: About, model: Mapping[str, Any]) -> About:
    """Return `about` with what the record knows; what nobody said is asked for."""
    given = {key: value for key, value in dataclasses.asdict(about).items() if value}
    for key in ("org", "name", "licence"):
        if key not in given:
            if model[key] == NOT_SAID.get(key):
                raise UsageError(f"the run does not say the model's {key}", remedy=f"Give it with --{key}.")
            given[key] = model[key]
    for key in ("org", "name"):
        if not SLUG.fullmatch(given[key]):
            raise UsageError(f"--{key} {given[key]!r} is no slug", remedy="Use a-z, 0-9, '.', '_' and '-', no '__'.")
    given["trained_on"] = tuple(given.get("trained_on", model.get("trained_on", ())))
    return About(**given)


def _weights(model: Mapping[str, Any], checkpoint: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the files of weights that the record names, found by their SHA-256."""
    if model["kind"] != "checkpoint":
        raise UsageError(
            f"the run judged {model['kind']}, not a checkpoint", remedy="Leave --kind out, or use --kind predictions."
        )
    places = [checkpoint] if checkpoint else [spec.weights for spec in list_models().values() if spec.weights]
    files = [
        file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.safetensors")))
    ]
    by_hash = {sha256_of(file): file for file in files}
    for entry in model["checkpoints"]:
        if entry["sha256"] not in by_hash:
            where = str(checkpoint) if checkpoint else "the bundled checkpoints"
            raise DataError(
                f"the weights {entry['sha256'][:16]}… of the run are not in {where}",
                remedy="Name the folder or file of the weights that the run used with --checkpoint.",
            )
        yield f"{entry['role']}.safetensors", by_hash[entry["sha256"]]


def _config(model: Mapping[str, Any]) -> bytes:
    """Return the settings of a record's configuration, as the model's class takes them."""
    try:
        architecture = find_architecture(model["architecture"])
    except Refused as refusal:
        raise UsageError(refusal.findings[0].fact, remedy=refusal.findings[0].remedy) from refusal
    settings: Any = resolve(architecture.settings)
    known = [field.name for field in dataclasses.fields(settings)]
    if missing := [name for name in known if name not in model["config"]]:
        raise UsageError(
            f"the run's checkpoint is of another network than submissions of {architecture.name!r}: "
            f"its configuration has no {missing[0]!r}",
            remedy="Submit its predictions: --kind predictions.",
        )
    return toml_text({"": {name: model["config"][name] for name in known}}).encode()


def _predictions(record: Record, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the prediction of each sample that has rows."""
    assert record.path is not None
    home = folder or record.path.parent / workfolder.PREDICTIONS
    for sample in dict.fromkeys(row[0] for row in record.rows):
        path = home / f"{sample}.png"
        if not path.is_file():
            raise DataError(
                f"the prediction for {sample!r} is not at {path}",
                remedy="Name the folder of PNG files that the run scored with --predictions.",
            )
        yield f"{PREDICTIONS}/{sample}.png", path


def _renamed(record: Record, about: About) -> tuple[bytes, bytes]:
    """Return document and rows of the run's record, with the model called as its maker calls it."""
    assert record.path is not None
    document = {key: value for key, value in record.document.items() if key != "record_id"}
    said = {"org": about.org, "name": about.name, "licence": about.licence, "trained_on": list(about.trained_on)}
    document["model"] = {**document["model"], **said}
    document["record_id"] = record_id(document)
    validate_document(document, name="the pack's record")
    return document_bytes(document), (record.path / ROWS_FILE).read_bytes()


def _fill(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            shutil.copyfile(content, place)


def _card(record: Record, about: About, kind: str, folder: Path, files: Sequence[str] | Mapping[str, Any]) -> str:
    document = record.document
    data = "{name}@{version}".format(**document["data"])
    model = dataclasses.asdict(about)
    handle = model.pop("handle")
    model = {key: value for key, value in model.items() if value}
    if kind == "checkpoint":
        model["architecture"] = document["model"]["architecture"]
    head = {"schema": SCHEMA, "kind": kind, "protocol": record.protocol.id}
    if MADE_FOR.get(record.protocol.name) != data:
        head["data"] = data
    tables: dict[str, Mapping[str, Any]] = {"": head, "model": model}
    if handle:
        tables["contact"] = {"handle": handle}
    tables["files"] = {path: sha256_of(folder / path) for path in sorted(files)}
    return toml_text(tables)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    """Return a TOML value; its texts are written as JSON writes them, with DEL escaped too."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
