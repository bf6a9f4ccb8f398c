"""The card of a pack: who made what, for which protocol, and the SHA-256 of every other file."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from alphabench.data.naming import DEVICE_STEMS, SLUG
from alphabench.leaderboard.submission.findings import Finding, Refused, finding
from alphabench.leaderboard.submission.names import CARD, CONFIG, NAME, PREDICTIONS, WEIGHTS, is_allowed_file
from alphabench.leaderboard.submission.strict_toml import read_toml
from alphabench.leaderboard.submission.tree import Held

SCHEMA = "alphabench.card/1"
HOMEPAGE = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/%+=&?#@!,;:-]*)?")
LICENCE = re.compile(r"[A-Za-z0-9.+() -]{2,64}")
HANDLE = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}")
HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
VERSIONED = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}@[1-9][0-9]{0,3}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def _fits(pattern: re.Pattern[str], words: str) -> Any:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:60]!r} is no {words}")
        return value

    return AfterValidator(check)


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value) or value.partition(".")[0] in DEVICE_STEMS:
        raise ValueError(f"{value[:60]!r} is no slug (a-z, 0-9, '.', '_', '-', no '__', at most 63)")
    return value


def _line(value: str) -> str:
    """Let one line pass that holds no character which hides, turns or obeys."""
    hidden = (letter for letter in value if unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029")
    if bad := next(hidden, ""):
        raise ValueError(f"it holds the invisible or control character U+{ord(bad):04X}")
    return value


Slug = Annotated[str, AfterValidator(_slug)]
Line = Annotated[str, AfterValidator(_line)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class ModelTable(_Table):
    """Who made what, under which licence, trained on what."""

    org: Slug
    name: Slug
    licence: Annotated[str, _fits(LICENCE, "licence (an SPDX name)")]
    summary: Annotated[Line, Field(max_length=500)] = ""
    homepage: Annotated[str, Field(max_length=200)] = ""
    architecture: Annotated[str, Field(max_length=63)] = ""
    trained_on: list[Annotated[Line, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _homepage_is_plain(self) -> "ModelTable":
        if self.homepage and not HOMEPAGE.fullmatch(self.homepage):
            raise ValueError("homepage is no plain https address")
        return self


class ContactTable(_Table):
    """Whom to ask."""

    handle: Annotated[str, _fits(HANDLE, "handle")]


class SourceTable(_Table):
    """Where the files are that are too large for the pack."""

    hub: Annotated[str, _fits(HUB, "name of a hub's repository (org/name)")]
    revision: Annotated[str, _fits(re.compile(r"[0-9a-f]{40}"), "revision (40 hexadecimal digits)")]


class Card(_Table):
    """A pack's card.

    Attributes:
        schema_: `alphabench.card/1`.
        kind: `checkpoint` or `predictions`.
        protocol: `name@version` of the protocol that the numbers are for.
        data: `name@version` of the data set; empty takes the one that the protocol is made for.
        model: who made what.
        files: SHA-256 of every other file, by path.
        contact: whom to ask.
        source: where files are that the pack does not hold.
    """

    schema_: Annotated[Literal["alphabench.card/1"], Field(alias="schema")]
    kind: Literal["checkpoint", "predictions"]
    protocol: Annotated[str, _fits(VERSIONED, "protocol (name@version)")]
    data: Annotated[str, _fits(re.compile(rf"({VERSIONED.pattern})?"), "data set (name@version)")] = ""
    model: ModelTable
    files: dict[str, Annotated[str, _fits(SHA256, "SHA-256 (64 lower-case hexadecimal digits)")]] = Field(min_length=1)
    contact: ContactTable | None = None
    source: SourceTable | None = None

    @model_validator(mode="after")
    def _kind_has_its_key(self) -> "Card":
        if (self.kind == "checkpoint") != bool(self.model.architecture):
            raise ValueError("model.architecture belongs to kind checkpoint, and to no other")
        return self

    @property
    def slug(self) -> str:
        """Return `org__model`, the name of the pack's folder."""
        return f"{self.model.org}__{self.model.name}"

    @property
    def weights(self) -> list[str]:
        """Return the paths of the files of weights, sorted."""
        return sorted(path for path in self.files if WEIGHTS.fullmatch(path))

    @property
    def predictions(self) -> dict[str, str]:
        """Return the path of each prediction by sample."""
        start = len(PREDICTIONS) + 1
        return {path[start:-4]: path for path in self.files if path.startswith(f"{PREDICTIONS}/")}


def read_card(data: bytes) -> Card:
    """Return the card in a `card.toml`.

    Raises:
        Refused: not TOML, unknown or missing keys, values that are not allowed; each is named.
    """
    document = read_toml(data, path=CARD, code="E_CARD")
    try:
        return Card.model_validate(document)
    except ValidationError as error:
        raise Refused([_fault(item) for item in error.errors()]) from error


def check_paths(files: Mapping[str, str]) -> list[Finding]:
    """Refuse listed paths that lead out of the pack, or to what a pack cannot hold."""
    found = []
    for path in files:
        parts = path.split("/")
        outside = path.startswith("/") or "\\" in path or ":" in path or any(part in {"", ".", ".."} for part in parts)
        if outside or not all(NAME.fullmatch(part) for part in parts):
            found.append(finding("E_PATH", CARD, f"it lists {path!r}, which is no path inside a pack", "Remove it."))
        elif path == CARD or not is_allowed_file(path):
            found.append(finding("E_PATH", CARD, f"it lists {path!r}, which is no part of a pack", "Remove it."))
    return found


def check_kind(card: Card) -> list[Finding]:
    """Refuse a list of files that does not fit the kind of pack."""
    if card.kind == "checkpoint":
        missing = [*([] if CONFIG in card.files else [CONFIG]), *([] if card.weights else ["model.safetensors"])]
        return [
            finding("E_MISSING", path, "a checkpoint needs this file", "Add it, and its SHA-256 to [files].")
            for path in missing
        ]
    return [
        finding("E_EXTRA", path, "a pack of predictions holds no weights and no settings", "Delete it.")
        for path in (*card.weights, *([CONFIG] if CONFIG in card.files else []))
    ]


def check_listed(card: Card, held: Mapping[str, Held]) -> list[Finding]:
    """Refuse files that the card does not list, and listed files that are nowhere."""
    found = [
        finding("E_EXTRA", path, "the card does not list it", "Add its SHA-256 to [files], or delete it.")
        for path in held
        if path != CARD and path not in card.files
    ]
    for path in card.files:
        if path in held:
            continue
        if card.source is None:
            found.append(finding("E_MISSING", path, "the card lists it, it is not there", "Add the file."))
        else:
            remedy = "Repeat with --fetch, on a machine with network."
            found.append(finding("E_MISSING", path, f"it is at {card.source.hub}", remedy))
    return found


def check_hashes(card: Card, held: Mapping[str, Held]) -> list[Finding]:
    """Refuse files that are not the listed ones."""
    return [
        finding(
            "E_HASH",
            path,
            f"its SHA-256 is {held[path].sha256}, the card states {stated}",
            "Write the right SHA-256 into the card, or restore the file.",
        )
        for path, stated in card.files.items()
        if path in held and held[path].sha256 != stated
    ]


def check_folder_name(card: Card, folder: str) -> list[Finding]:
    """Refuse a folder that is not called after its model."""
    if folder == card.slug:
        return []
    return [finding("E_CARD", CARD, f"the folder is called {folder!r}", f"Call it {card.slug!r}.")]


def check_not_trained_on(card: Card, names: list[str]) -> list[Finding]:
    """Refuse a model that was trained on the images it is judged by."""
    plain = {re.sub(r"[^a-z0-9]", "", name.casefold()) for name in names}
    return [
        finding("E_CARD", CARD, f"model.trained_on names the test set {name!r}", "Such a model cannot be ranked.")
        for name in card.model.trained_on
        if re.sub(r"[^a-z0-9]", "", name.casefold().partition("@")[0]) in plain
    ]


def _fault(item: Mapping[str, Any]) -> Finding:
    where = ".".join(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        return finding("E_CARD", CARD, f"unknown key {where!r}", "Remove it.")
    return finding("E_CARD", CARD, f"{where}: {message}".removeprefix(": "), "Mend the value.")
