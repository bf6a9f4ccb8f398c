"""The file of a manifest: TOML, with a CSV beside it for the rows of a large set."""

import csv
import difflib
import hashlib
import io
import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from alphabench.data.manifest import Layout, Manifest, Sample, refuse_twins
from alphabench.data.naming import DEVICE_STEMS, LABEL, SAMPLE_ID, SLUG
from alphabench.errors import DataError, UsageError

MAX_INLINE_ROWS = 200
COLUMNS = ("sample", "category", "subset", "subtype", "path", "sha256", "width", "height", "caption")

_Model = TypeVar("_Model", bound=BaseModel)


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value) or value.partition(".")[0] in DEVICE_STEMS:
        raise ValueError(f"{value!r} is no slug (a-z, 0-9, '.', '_', '-', no '__', at most 63)")
    return value


def _sample_id(value: str) -> str:
    if not SAMPLE_ID.fullmatch(value):
        raise ValueError(f"{value!r} is no sample id (A-Z, a-z, 0-9, '.', '_', '-', '/', at most 200)")
    return value


def _label(value: str) -> str:
    if not LABEL.fullmatch(value):
        raise ValueError(f"{value!r} is no label (1 to 100 characters, no control characters)")
    return value


def _relative_path(value: str) -> str:
    parts = value.split("/")
    if not value or "\\" in value or ":" in parts[0] or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{value!r} is no relative path with forward slashes below the set's folder")
    return value


_Strict = ConfigDict(frozen=True, extra="forbid", strict=True)
_Slug = Annotated[str, AfterValidator(_slug)]
_SampleId = Annotated[str, AfterValidator(_sample_id)]
_Label = Annotated[str, AfterValidator(_label)]
_Path = Annotated[str, AfterValidator(_relative_path)]
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
_Count = Annotated[int, Field(ge=1, le=9_007_199_254_740_991)]


class _Header(BaseModel):
    model_config = _Strict
    name: _Slug
    version: Annotated[int, Field(ge=1, le=9999)]
    title: str = ""
    split: _Slug
    licence: Annotated[str, Field(min_length=1)]
    source: str = ""
    status: Literal["built", "unbuilt"]
    alpha: Literal["required", "opaque"] = "required"
    layout: Layout = "category"
    root: str = ""


class _Expected(BaseModel):
    model_config = _Strict
    samples: _Count
    categories: dict[_Label, _Count] = Field(default_factory=dict)


class _Rows(BaseModel):
    model_config = _Strict
    file: _Path
    sha256: _Hash


class _Row(BaseModel):
    model_config = _Strict
    sample: _SampleId
    category: _Label
    subset: _Label
    subtype: _Label
    path: _Path
    sha256: _Hash
    width: _Count
    height: _Count
    caption: str = ""


class _File(BaseModel):
    model_config = _Strict
    manifest: _Header
    expected: _Expected | None = None
    rows: _Rows | None = None
    samples: list[_Row] = Field(default_factory=list)
    notes: dict[str, str] = Field(default_factory=dict)


def load_manifest(path: str | Path) -> Manifest:
    """Read a manifest's TOML file, and the CSV file beside it that holds the rows of a large set.

    Raises:
        UsageError: the file cannot be read or has an unknown key.
        DataError: it is no TOML, a value is wrong, the CSV is not the one it was, ids occur twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the manifest {path} cannot be read: {error.strerror}", remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text", remedy="Write the manifest anew.") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is no valid TOML: {error}", remedy="Mend that line.") from error
    parsed = _validated(_File, document, path)
    rows = [*parsed.samples, *(_read_csv(path, parsed.rows) if parsed.rows else [])]
    header = parsed.manifest
    if header.status == "built" and not rows:
        raise DataError(
            f"{path} says status = 'built' and has no rows",
            remedy="Build it with `alphabench data manifest build`, or say status = 'unbuilt'.",
        )
    samples = tuple(_sample(row) for row in rows)
    refuse_twins(samples, str(path))
    expected = parsed.expected
    return Manifest(
        **header.model_dump(),
        samples=samples,
        expected=expected.categories if expected else {},
        expected_samples=expected.samples if expected else 0,
        notes=parsed.notes,
    )


def write_manifest(manifest: Manifest, path: str | Path) -> list[Path]:
    """Write a manifest as TOML, with a CSV beside it when it has over 200 rows; return the files written.

    Raises:
        UsageError: the path does not end in `.toml`.
        DataError: the files cannot be written.
    """
    path = Path(path)
    if path.suffix != ".toml":
        raise UsageError(f"a manifest is a TOML file, not {path.name!r}", remedy=f"Write to {path.stem}.toml.")
    header = {name: getattr(manifest, name) for name in _Header.model_fields}
    blocks = [_table("[manifest]", {key: value for key, value in header.items() if value != ""})]
    if manifest.expected_samples:
        blocks.append(_table("[expected]", {"samples": manifest.expected_samples}))
        if manifest.expected:
            blocks.append(_table("[expected.categories]", manifest.expected))
    if manifest.notes:
        blocks.append(_table("[notes]", manifest.notes))
    written = [path]
    rows = [_cells(sample) for sample in manifest.samples]
    if len(rows) > MAX_INLINE_ROWS:
        beside = path.with_suffix(".csv")
        stream = io.StringIO()
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row.values() for row in rows)
        data = stream.getvalue().encode()
        _write(beside, data)
        blocks.append(_table("[rows]", {"file": beside.name, "sha256": hashlib.sha256(data).hexdigest()}))
        written.append(beside)
    else:
        blocks += [_table("[[samples]]", {key: cell for key, cell in row.items() if cell != ""}) for row in rows]
    _write(path, "\n".join(blocks).encode())
    return written


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like `name`, as the end of a remedy, or all known names if none is like it."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(known)}."


def _sample(row: _Row) -> Sample:
    cells = row.model_dump()
    return Sample(id=cells.pop("sample"), **cells)


def _cells(sample: Sample) -> dict[str, str | int]:
    return {name: sample.id if name == "sample" else getattr(sample, name) for name in COLUMNS}


def _read_csv(path: Path, rows: _Rows) -> list[_Row]:
    beside = path.parent / rows.file
    try:
        data = beside.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} keeps its rows in {rows.file}, which cannot be read",
            remedy="Put it back beside the TOML.",
        ) from error
    if hashlib.sha256(data).hexdigest() != rows.sha256:
        raise DataError(
            f"{beside} is not the file that {path.name} was written with (its SHA-256 differs)",
            remedy="Restore both files together, or build the manifest anew.",
        )
    found = []
    for number, cells in enumerate(csv.DictReader(io.StringIO(data.decode("utf-8"))), start=2):
        typed: dict[Any, Any] = {
            key: int(cell) if key in {"width", "height"} and cell.isdecimal() else cell
            for key, cell in cells.items()
            if key is not None and cell is not None
        }
        found.append(_validated(_Row, typed, f"{beside}, line {number}"))
    return found


def _validated(model: type[_Model], document: dict[str, Any], where: object) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = error.errors()
    unknown = next((problem for problem in problems if problem["type"] == "extra_forbidden"), None)
    problem = unknown or problems[0]
    place = ".".join(str(part) for part in problem["loc"])
    if unknown:
        raise UsageError(
            f"{where}: unknown key {place!r}",
            remedy=nearest(str(unknown["loc"][-1]), _known_keys(model, unknown["loc"][:-1])),
        )
    raise DataError(
        f"{where}: {len(problems)} wrong values, first {place!r}: {problem['msg']}", remedy="Mend that value."
    )


def _known_keys(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "manifest": _Header,
        "expected": _Expected,
        "rows": _Rows,
        "samples": _Row,
    }
    return list((tables.get(str(place[0]), model) if place else model).model_fields)


def _table(head: str, values: dict[str, Any]) -> str:
    return "\n".join([head, *(f"{_key(key)} = {_toml(value)}" for key, value in values.items()), ""])


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("_", "a").replace("-", "a").isalnum() else _toml(name)


def _toml(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}", remedy="Choose a folder with space and permission to write."
        ) from error
