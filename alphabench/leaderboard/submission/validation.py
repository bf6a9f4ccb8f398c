"""The stages that a pack passes, in order; the first one that finds a fault is the last one that runs."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alphabench.leaderboard.submission import architecture, card, claim, ground, predictions, safetensors_header, scope
from alphabench.leaderboard.submission.architecture import Checkpoint
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.fetching import fetch_listed
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.names import CARD, RECORD_FILES
from alphabench.leaderboard.submission.safetensors_header import Header
from alphabench.leaderboard.submission.tree import Held, private_copy
from alphabench.models.spec import ModelInfo
from alphabench.results.canonical import sha256_json
from alphabench.results.record import Record
from alphabench.results.request import model_document
from alphabench.tasks.execution import with_latent_numbers


@dataclass(frozen=True)
class Stage:
    """A stage that was passed, and what it saw."""

    name: str
    summary: str


@dataclass(frozen=True)
class Validation:
    """What is known of a pack after its validation.

    Attributes:
        name: of its folder.
        copy: private copy of its files, there as long as `validated` is open.
        stages: passed, in order.
        findings: faults of the stage that was not passed; empty for a good pack.
        flags: what a person should look at.
        held: its files.
        card: its card, once read.
        ground: what it is judged on, once known.
        checkpoint: its checkpoint, once read.
        claim: its own record, once read.
    """

    name: str
    copy: Path
    stages: tuple[Stage, ...] = ()
    findings: tuple[Finding, ...] = ()
    flags: tuple[str, ...] = ()
    held: dict[str, Held] = field(default_factory=dict)
    card: Card | None = None
    ground: Ground | None = None
    checkpoint: Checkpoint | None = None
    claim: Record | None = None

    @property
    def ok(self) -> bool:
        """Say whether the pack is accepted."""
        return not self.findings

    @property
    def pack_hash(self) -> str:
        """Return the identity of the pack: the hash of its files' hashes by path."""
        return sha256_json({path: held.sha256 for path, held in self.held.items()})

    @property
    def info(self) -> ModelInfo:
        """Return who the pack's model is."""
        if self.checkpoint is not None:
            return self.checkpoint.info
        assert self.card is not None
        return predictions.as_model(self.copy, self.card, self.held).info


@dataclass
class _Pass:
    """A pack on its way through the stages."""

    source: Path
    target: Path
    base_diff: bytes | None
    fetch: bool
    ground: Ground | None
    held: dict[str, Held] = field(default_factory=dict)
    card: Card | None = None
    checkpoint: Checkpoint | None = None
    headers: dict[str, Header] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    claim: Record | None = None

    @property
    def read_card(self) -> Card:
        assert self.card is not None
        return self.card

    @property
    def known_ground(self) -> Ground:
        assert self.ground is not None
        return self.ground


@contextlib.contextmanager
def validated(
    folder: Path, *, base_diff: bytes | None = None, fetch: bool = False, on: Ground | None = None
) -> Iterator[Validation]:
    """Yield what is known of the pack in `folder`; nothing of it is run, and only a private copy is read.

    Args:
        folder: the pack, called `<org>__<model>`.
        base_diff: output of `git diff --raw -z BASE...HEAD` of the pull request that brings it.
        fetch: bring the files that its card names at a hub.
        on: what to judge it on, instead of what its card names.

    Raises:
        DataError: there is no such folder; or what it is judged on is not on this machine.
    """
    source = folder.absolute()
    with tempfile.TemporaryDirectory(prefix="alphabench-pack-") as scratch:
        state = _Pass(source, Path(scratch) / "pack", base_diff, fetch, on)
        state.target.mkdir(mode=0o700)
        passed: list[Stage] = []
        findings: tuple[Finding, ...] = ()
        for name, stage in STAGES:
            try:
                passed.append(Stage(name, stage(state)))
            except Refused as refusal:
                findings = refusal.findings
                break
        yield Validation(
            name=source.name,
            copy=state.target,
            stages=tuple(passed),
            findings=findings,
            flags=tuple(state.flags),
            **{
                item.name: getattr(state, item.name)
                for item in dataclasses.fields(Validation)
                if item.name in {"held", "card", "ground", "checkpoint", "claim"}
            },
        )


def _scope(state: _Pass) -> str:
    if state.base_diff is None:
        return "not asked for"
    changes = scope.read_diff(state.base_diff)
    refuse(scope.check_scope(changes, state.source.name))
    return f"{len(changes)} changes, all inside the pack"


def _tree(state: _Pass) -> str:
    state.held = private_copy(state.source, state.target)
    return f"{len(state.held)} files, {sum(held.size for held in state.held.values())} bytes"


def _card(state: _Pass) -> str:
    if CARD not in state.held:
        refuse([finding("E_MISSING", CARD, "it is not there", "Write one: see the README.")])
    found = state.card = card.read_card((state.target / CARD).read_bytes())
    refuse(card.check_paths(found.files))
    refuse([*card.check_folder_name(found, state.source.name), *card.check_kind(found)])
    if state.fetch and found.source is not None:
        state.held |= fetch_listed(found, state.target, state.held)
    refuse(card.check_listed(found, state.held))
    refuse(card.check_hashes(found, state.held))
    if state.ground is None:
        state.ground = ground.ground_of(found)
    refuse(card.check_not_trained_on(found, [state.ground.data.manifest.name]))
    if found.kind == "checkpoint":
        state.checkpoint = architecture.read_checkpoint(found, state.target, state.held)
    refuse(predictions.check_samples(found, [sample.id for sample in state.ground.data.manifest.samples]))
    return f"{found.kind} {found.model.org}/{found.model.name} for {state.ground.protocol.id}"


def _headers(state: _Pass) -> str:
    for path in state.read_card.weights:
        state.headers[path] = safetensors_header.read_header(state.target / path, path)
    tensors = sum(len(header.shapes) for header in state.headers.values())
    return f"{tensors} tensors in {len(state.headers)} files" if state.headers else "no weights"


def _weights(state: _Pass) -> str:
    if state.checkpoint is None:
        return "no weights"
    refuse(architecture.check_shapes(state.headers, architecture.expected_shapes(state.checkpoint)))
    weights = architecture.read_state(state.target, state.read_card.weights)
    architecture.load_reconstructor(state.checkpoint, weights)
    return f"{state.checkpoint.architecture.name}, {state.checkpoint.info.parameters} parameters, all finite"


def _images(state: _Pass) -> str:
    if not state.read_card.predictions:
        return "no predictions"
    state.flags += predictions.read_predictions(state.target, state.read_card, state.known_ground.data)
    return f"{len(state.read_card.predictions)} predictions"


def _claim(state: _Pass) -> str:
    found = state.read_card
    if not any(path in found.files for path in RECORD_FILES):
        return "no record"
    if state.checkpoint is not None:
        info = state.checkpoint.info
    else:
        info = predictions.as_model(state.target, found, state.held).info
    identity = model_document(with_latent_numbers(info))["hash"]
    state.claim = claim.read_claim(state.target, found, state.known_ground, identity)
    return f"record {state.claim.id}"


STAGES: tuple[tuple[str, Callable[[_Pass], str]], ...] = (
    ("scope", _scope),
    ("tree", _tree),
    ("card", _card),
    ("header", _headers),
    ("weights", _weights),
    ("images", _images),
    ("record", _claim),
)
