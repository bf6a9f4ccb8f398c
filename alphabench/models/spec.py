"""Facts about models and trainers, and how they are asked for; importing this loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class ModelInfo:
    """Who a loaded model is: everything that enters the record and the model's hash.

    Attributes:
        name: slug of the model, for instance `alphavae-mini`.
        org: slug of who made it.
        licence: SPDX name of the weights' licence.
        kind: `checkpoint` (weights on disk), `builtin` (no weights) or `predictions` (a folder of images).
        architecture: slug of the class that runs the weights.
        config: the resolved configuration.
        checkpoints: weights as `(role, sha256, bytes)`.
        parameters: number of parameters.
        trained_on: names of the training sets.
        latent_numbers_per_pixel: numbers that the code holds for each pixel; None where there is no code.
        predictions_hash: for kind `predictions`, the hash over the files.
    """

    name: str
    org: str
    licence: str
    kind: Literal["checkpoint", "builtin", "predictions"]
    architecture: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    checkpoints: tuple[tuple[str, str, int], ...] = ()
    parameters: int = 0
    trained_on: tuple[str, ...] = ()
    latent_numbers_per_pixel: float | None = None
    predictions_hash: str | None = None


@dataclass(frozen=True)
class LoadRequest:
    """How a model is asked for.

    Attributes:
        checkpoint: folder or file of other weights; None takes the bundled ones.
        device: torch device name.
        dtype: `float32`, `bfloat16` or `float16`: the precision inside the model.
    """

    checkpoint: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"


@dataclass(frozen=True)
class ModelSpec:
    """One line of the registry; cheap to import, so that listing models loads no torch.

    Attributes:
        name: what `--model` takes.
        task: what the model can do.
        summary: one sentence.
        licence: SPDX name.
        origin: where model and weights come from.
        load: `module:function`, called with a `LoadRequest` when the model is wanted.
        weights: path of the bundled checkpoint, or None for a model without weights.
        convert: `module:function`, called with `(source: Path, destination: Path)`, that makes a checkpoint of
            this model from an RGB model's folder and returns its path; None where that is not possible.
    """

    name: str
    task: Literal["reconstruction", "generation"]
    summary: str
    licence: str
    origin: str
    load: str
    weights: Path | None = None
    convert: str | None = None


@dataclass(frozen=True)
class TrainerSpec:
    """One trainable room: where its trainer is and where its named recipes lie.

    Attributes:
        name: the room, for instance `alphavae`.
        run: `module:function`, called with `(config: Path, request: TrainRequest, report)`.
        configs: folder of the bundled recipes (`*.toml`).
        experiments: folder of the experiments on these recipes (`*.toml`); None where there are none.
        inputs: `module:function`, called with `(recipe: Path, document)`; gives digests of the models that a recipe
            builds on, so that no experiment takes the result over one for that over another. None where nothing is
            told.
    """

    name: str
    run: str
    configs: Path
    experiments: Path | None = None
    inputs: str | None = None


@dataclass(frozen=True)
class TrainRequest:
    """How a training is asked for.

    Attributes:
        out: folder of the run.
        resume: go on from the last checkpoint in `out`.
        dry_run: do two steps and report time and memory.
        steps: replaces the recipe's number of steps.
        device: torch device name.
        changes: nested tables that are laid over those of the recipe.
    """

    out: Path
    resume: bool = False
    dry_run: bool = False
    steps: int | None = None
    device: str = "auto"
    changes: Mapping[str, Any] = field(default_factory=dict)
