"""Find models and trainers by name, through entry points; outsiders join the same way."""

import difflib
import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from alphabench.errors import DataError, UsageError
from alphabench.models.contract import Generator, Reconstructor
from alphabench.models.spec import LoadRequest, ModelSpec, TrainerSpec

MODELS = "alphabench.models"
TRAINERS = "alphabench.trainers"

SpecT = TypeVar("SpecT", ModelSpec, TrainerSpec)


def list_models() -> Mapping[str, ModelSpec]:
    """Return every installed model by name, in alphabetical order."""
    return _all(MODELS, ModelSpec)


def list_trainers() -> Mapping[str, TrainerSpec]:
    """Return every installed trainer by name, in alphabetical order."""
    return _all(TRAINERS, TrainerSpec)


def model_spec(name: str) -> ModelSpec:
    """Return the facts of the model called `name`.

    Raises:
        UsageError: no installed package offers such a model.
    """
    return _one(MODELS, ModelSpec, name, "model", "alphabench models list")


def trainer_spec(name: str) -> TrainerSpec:
    """Return the trainer of the room called `name`.

    Raises:
        UsageError: no installed package offers such a trainer.
    """
    return _one(TRAINERS, TrainerSpec, name, "trainer", "alphabench train --help")


def load_model(name: str, request: LoadRequest) -> Reconstructor:
    """Load the model called `name`, ready to reconstruct.

    Raises:
        UsageError: unknown name, or a model that does something else.
        DataError: a checkpoint that cannot be loaded.
    """
    lacking = "has no `info` and `reconstruct`"
    model: Reconstructor = _loaded(name, request, "reconstruction", Reconstructor, lacking)
    return model


def load_generator(name: str, request: LoadRequest) -> Generator:
    """Load the model called `name`, ready to make images from words.

    Raises:
        UsageError: unknown name, or a model that does something else.
        DataError: a checkpoint that cannot be loaded.
    """
    lacking = "lacks one of `info`, `defaults`, `check`, `sample` and `decode`"
    model: Generator = _loaded(name, request, "generation", Generator, lacking)
    return model


def _loaded(
    name: str,
    request: LoadRequest,
    task: Literal["reconstruction", "generation"],
    contract: type,
    lacking: str,
) -> Any:
    """Load a model that does `task` and check that it keeps the contract."""
    spec = model_spec(name)
    if spec.task != task:
        able = [other for other, known in list_models().items() if known.task == task]
        raise UsageError(
            f"the model {name!r} does {spec.task}, not {task}",
            remedy=f"Models that do {task}: {', '.join(able) or 'none'} (`alphabench models list`).",
        )
    if request.checkpoint is None and spec.weights is not None and not spec.weights.exists():
        raise DataError(
            f"the bundled weights of {name!r} are not at {spec.weights}",
            remedy="Install the package again, or name a checkpoint with --checkpoint.",
        )
    if request.checkpoint is not None and spec.weights is None:
        raise UsageError(
            f"the model {name!r} has no weights, so --checkpoint means nothing to it",
            remedy="Leave --checkpoint out.",
        )
    model = resolve(spec.load)(request)
    if not isinstance(model, contract):
        raise DataError(
            f"{spec.load} returned {type(model).__name__}, which {lacking}",
            remedy=f"Return an object that satisfies alphabench.models.contract.{contract.__name__}.",
        )
    return model


def resolve(path: str) -> Callable[..., Any]:
    """Return the function that `module:function` names."""
    module, _, function = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of `group` by name, in alphabetical order."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def _all(group: str, kind: type[SpecT]) -> Mapping[str, SpecT]:
    return {name: _load(entry, kind) for name, entry in installed(group).items()}


def _one(group: str, kind: type[SpecT], name: str, noun: str, listing: str) -> SpecT:
    entries = installed(group)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no {noun} called {name!r}", remedy=f"{hint}Known: {', '.join(entries)} (`{listing}`)."
        )
    return _load(entries[name], kind)


def _load(entry: EntryPoint, kind: type[SpecT]) -> SpecT:
    spec = entry.load()
    if not isinstance(spec, kind):
        raise DataError(
            f"the entry point {entry.name!r} = {entry.value} is a {type(spec).__name__}",
            remedy=f"Point it at a {kind.__name__} (alphabench.models.spec).",
        )
    return spec
