"""Model classes that take submitted checkpoints, and a checkpoint rebuilt in one of them.

The list is `submittable.toml`: a pack names a line of it and nothing else, so no code is found by a name that
a stranger chose. A model is built without memory first; only a file that fits it exactly is read.
"""

import functools
import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabench.errors import AlphabenchError, DataError
from alphabench.leaderboard.submission import limits
from alphabench.leaderboard.submission.card import Card
from alphabench.leaderboard.submission.findings import Finding, Refused, finding, refuse
from alphabench.leaderboard.submission.names import CARD, CONFIG
from alphabench.leaderboard.submission.safetensors_header import Header
from alphabench.leaderboard.submission.strict_toml import read_toml
from alphabench.leaderboard.submission.tree import Held
from alphabench.models.architecture import Architecture
from alphabench.models.checkpoints import settings_from
from alphabench.models.contract import Reconstructor
from alphabench.models.registry import resolve
from alphabench.models.spec import ModelInfo

if TYPE_CHECKING:
    import torch

LISTED = "submittable.toml"
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Checkpoint:
    """A submitted checkpoint whose settings are read.

    Attributes:
        architecture: its class.
        settings: the settings, an object of that class's dataclass.
        info: who it is, as records hold it.
    """

    architecture: Architecture
    settings: Any
    info: ModelInfo


@functools.cache
def submittable() -> Mapping[str, str]:
    """Return where each submittable architecture is described: `module:attribute` by slug."""
    text = files("alphabench.leaderboard.submission").joinpath(LISTED).read_text(encoding="utf-8")
    return {slug: str(table["load"]) for slug, table in tomllib.loads(text).items()}


def check_listed(slug: str, listed: Mapping[str, str]) -> list[Finding]:
    """Refuse an architecture that nobody has reviewed."""
    if slug in listed:
        return []
    remedy = f"Use one of: {', '.join(listed)}; or submit predictions; the README says how a class joins."
    return [finding("E_CONFIG", CARD, f"checkpoints of {slug!r} are not taken", remedy)]


def find_architecture(slug: str) -> Architecture:
    """Return the submittable architecture called `slug`.

    Raises:
        Refused: there is none.
    """
    listed = submittable()
    refuse(check_listed(slug, listed))
    module, _, attribute = listed[slug].partition(":")
    architecture = getattr(importlib.import_module(module), attribute)
    assert isinstance(architecture, Architecture)
    return architecture


def read_settings(architecture: Architecture, data: bytes) -> Any:
    """Return the settings in a `config.toml`.

    Raises:
        Refused: not TOML, unknown keys, wrong types, values outside their range; nothing was built.
    """
    document = read_toml(data, path=CONFIG, code="E_CONFIG")
    refuse(check_ranges(architecture, document))
    settings: Any = resolve(architecture.settings)
    try:
        return settings_from(document, settings, where=CONFIG, error=DataError)
    except AlphabenchError as error:
        fact = error.message.removeprefix(f"{CONFIG}: ")
        raise Refused([finding("E_CONFIG", CONFIG, fact, error.remedy)]) from error


def check_ranges(architecture: Architecture, document: Mapping[str, Any]) -> list[Finding]:
    """Refuse numbers outside the range that the architecture declares for them."""
    found = []
    for key, (low, high) in architecture.ranges.items():
        values = document.get(key, [])
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, int | float) and not low <= value <= high:
                fact = f"{key} = {value:g} is outside its range"
                found.append(finding("E_CONFIG", CONFIG, fact, f"It must be {low:g} to {high:g}."))
    return found


def read_checkpoint(card: Card, folder: Path, held: Mapping[str, Held]) -> Checkpoint:
    """Return the checkpoint that a pack's card and settings describe; no weight is read.

    Args:
        card: of kind checkpoint.
        folder: the private copy.
        held: its files.

    Raises:
        Refused: an unknown architecture, or settings that it does not take.
    """
    architecture = find_architecture(card.model.architecture)
    settings = read_settings(architecture, (folder / CONFIG).read_bytes())
    try:
        module = _skeleton(architecture, settings)
    except (ValueError, TypeError, RuntimeError, ArithmeticError, AssertionError) as error:
        fact = f"no model can be built from it: {error}"
        raise Refused([finding("E_CONFIG", CONFIG, fact, "Mend the settings.")]) from error
    parameters = sum(tensor.numel() for tensor in module.state_dict().values())
    refuse(check_size(parameters, sum(1 for _ in module.modules())))
    config, latent = resolve(architecture.describe)(settings)
    info = ModelInfo(
        name=card.model.name,
        org=card.model.org,
        licence=card.model.licence,
        kind="checkpoint",
        architecture=architecture.name,
        config=config,
        checkpoints=tuple((_role(path), held[path].sha256, held[path].size) for path in card.weights),
        parameters=parameters,
        trained_on=tuple(card.model.trained_on),
        latent_numbers_per_pixel=latent,
    )
    return Checkpoint(architecture, settings, info)


def check_size(parameters: int, modules: int) -> list[Finding]:
    """Refuse a model that would be too large to measure."""
    if parameters <= limits.PARAMETERS and modules <= limits.MODULES:
        return []
    fact = f"the model would have {parameters} parameters in {modules} modules"
    remedy = f"At most {limits.PARAMETERS} and {limits.MODULES} are taken."
    return [finding("E_CONFIG", CONFIG, fact, remedy)]


def expected_shapes(checkpoint: Checkpoint) -> Shapes:
    """Return the shape of each tensor that the checkpoint's model has."""
    module = _skeleton(checkpoint.architecture, checkpoint.settings)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def check_shapes(headers: Mapping[str, Header], expected: Shapes) -> list[Finding]:
    """Refuse tensors that are missing, too many, in two files or of another shape than the model's; each is named.

    Args:
        headers: header of each file of weights, by path.
        expected: what the model has.
    """
    places: dict[str, str] = {}
    found = []
    remedy = "Submit the weights together with the settings that they were trained by."
    for path, header in headers.items():
        for name, shape in header.shapes.items():
            fact = ""
            if name in places:
                fact = f"the tensor {name!r} is in {places[name]} too"
            elif name not in expected:
                fact = f"the tensor {name!r} is one too many"
            elif shape != expected[name]:
                fact = f"the tensor {name!r} is {shape} instead of {expected[name]}"
            places.setdefault(name, path)
            if fact:
                found.append(finding("E_ST_SHAPES", path, fact, remedy))
    first = next(iter(headers))
    found += [
        finding("E_ST_SHAPES", first, f"the tensor {name!r} is missing", remedy)
        for name in expected
        if name not in places
    ]
    return found[: limits.SHOWN_FINDINGS]


def read_state(folder: Path, weights: list[str]) -> "dict[str, torch.Tensor]":
    """Return the tensors of files whose headers have been checked, as float32, all finite.

    Raises:
        Refused: values that are NaN or infinite.
    """
    from safetensors.torch import load_file

    state: dict[str, torch.Tensor] = {}
    for path in weights:
        tensors = load_file(folder / path)
        refuse(check_values(path, tensors))
        state |= {name: tensor.float() for name, tensor in tensors.items()}
    return state


def check_values(path: str, tensors: "Mapping[str, torch.Tensor]") -> list[Finding]:
    """Refuse weights that are NaN or infinite."""
    import torch

    found = []
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            fact = f"{count} of {tensor.numel()} values of {name!r} are not finite"
            found.append(finding("E_ST_VALUES", path, fact, "The training diverged: take an earlier checkpoint."))
    return found


def load_reconstructor(checkpoint: Checkpoint, state: "Mapping[str, torch.Tensor]") -> Reconstructor:
    """Return the checkpoint's model, ready to reconstruct on the CPU in float32."""
    module = _skeleton(checkpoint.architecture, checkpoint.settings)
    module.load_state_dict(dict(state), strict=True, assign=True)
    reconstructor = resolve(checkpoint.architecture.reconstructor)(module.eval(), checkpoint.info)
    assert isinstance(reconstructor, Reconstructor)
    return reconstructor


def _skeleton(architecture: Architecture, settings: Any) -> "torch.nn.Module":
    """Return the model without memory for its weights."""
    import torch

    with torch.device("meta"):
        module: torch.nn.Module = resolve(architecture.build)(settings)
    return module


def _role(path: str) -> str:
    return path.removesuffix(".safetensors")
