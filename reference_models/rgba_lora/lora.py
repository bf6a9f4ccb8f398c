"""The low-rank adapter of a FLUX transformer: made by peft, in files that diffusers' own pipelines load."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alphabench.errors import DataError, UsageError
from alphabench.models.checkpoints import read_metadata, read_shapes, read_state

FILE = "pytorch_lora_weights.safetensors"
PREFIX = "transformer."
SETTINGS = "lora_adapter_metadata"
"""Where diffusers keeps peft's settings in a file's header, as JSON."""

LISTED = 3

PUBLISHED_TARGETS = (
    "attn.to_q",
    "attn.to_k",
    "attn.to_v",
    "attn.to_out.0",
    "attn.add_q_proj",
    "attn.add_k_proj",
    "attn.add_v_proj",
    "attn.to_add_out",
    "ff.net.0.proj",
    "ff.net.2",
    "ff_context.net.0.proj",
    "ff_context.net.2",
)
"""Ends of the names of the layers that AlphaVAE's generator adapts (arXiv 2507.09308, released training code)."""

NAME = re.compile(r"^(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")


@dataclass(frozen=True)
class Shape:
    """What an adapter changes.

    Attributes:
        rank: of every change.
        modules: full names of the adapted layers, in order.
    """

    rank: int
    modules: tuple[str, ...]


def add_adapter(transformer: Any, rank: int, targets: Sequence[str]) -> None:
    """Give the layers whose names end in `targets` a change of `rank` that is zero as yet; all else is frozen.

    A is normal with spread 1/rank, B is 0, the scale is 1.

    Raises:
        UsageError: a target names no layer.
    """
    names = [name for name, module in transformer.named_modules() if isinstance(module, nn.Linear)]
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            raise UsageError(
                f"the target {target!r} of the adapter names no linear layer of the transformer",
                remedy=f"Its layers end in, for instance, {', '.join(sorted({_end(name) for name in names})[:12])}.",
            )
    ends = "|".join(map(re.escape, targets))
    _inject(transformer, rank, rf"(.+\.)?({ends})")


class AdapterParameters(nn.Module):
    """The trained parameters of an adapted transformer, and nothing else: what is averaged and checkpointed.

    They are the transformer's own tensors, not copies. Names are those of diffusers' files.
    """

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        for name, parameter in transformer.named_parameters():
            if parameter.requires_grad:
                self.register_parameter(_slashed(_file_name(name)), parameter)

    def tensors(self) -> dict[str, Tensor]:
        """Return the parameters by their names in a file, without prefix."""
        return {_dotted(name): parameter for name, parameter in self.named_parameters()}


def read_adapter(path: Path, transformer: Any) -> tuple[Shape, dict[str, Tensor]]:
    """Return the shape and the tensors, without prefix, of an adapter file that fits `transformer`.

    A scale (alpha/rank) that the file's header names is multiplied into B, so that it is 1 from then on.

    Args:
        path: a safetensors file with `transformer.<layer>.lora_A.weight` (rank, in) and `.lora_B.weight` (out, rank).
        transformer: the base, not adapted.

    Raises:
        DataError: the file is absent or damaged, is no such adapter, or is one of another base.
    """
    shapes = read_shapes(path)
    linear = {
        name: (module.out_features, module.in_features)
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear)
    }
    pairs = _pairs(path, shapes)
    strange = [f"{name} (rank {down[0]})" for name, (down, _) in sorted(pairs.items()) if name not in linear]
    if strange:
        raise _foreign(path, f"{len(strange)} of its {len(pairs)} layers are not in it: {_first(strange)}")
    misshapen = []
    for name, (down, up) in sorted(pairs.items()):
        rank, (written, read) = down[0], linear[name]
        if down != (rank, read) or up != (written, rank):
            misshapen.append(f"{name} has A {down} and B {up}, rank {rank}, where the layer is {read} to {written}")
    if misshapen:
        raise _foreign(path, f"{len(misshapen)} of its {len(pairs)} layers do not fit: {_first(misshapen)}")
    rank = _rank(path, pairs)
    scale = _scale(path, rank)
    state = {
        name.removeprefix(PREFIX): tensor.float() * (scale if ".lora_B." in name else 1.0)
        for name, tensor in read_state(path, shapes).items()
    }
    if endless := sorted(name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())):
        raise DataError(
            f"{path}: {len(endless)} tensors are not finite once lora_alpha/rank, {scale}, is multiplied into them: "
            f"{_first(endless)}",
            remedy=f"Mend lora_alpha in its {SETTINGS}.",
        )
    return Shape(rank, tuple(sorted(pairs))), state


def load_adapter(path: Path, transformer: Any) -> Shape:
    """Adapt `transformer` by the adapter in a file, and return what it changes.

    Raises:
        DataError: as `read_adapter`.
    """
    shape, state = read_adapter(path, transformer)
    _inject(transformer, shape.rank, "|".join(map(re.escape, shape.modules)))
    set_adapter(transformer, state)
    return shape


def set_adapter(transformer: Any, state: Mapping[str, Tensor]) -> None:
    """Give an adapted transformer the values of an adapter, by their names in a file without prefix."""
    own = AdapterParameters(transformer).tensors()
    for name, parameter in own.items():
        parameter.data.copy_(state[name])


def _inject(transformer: Any, rank: int, names: str) -> None:
    """Let peft adapt the layers whose whole names match the regular expression `names`; the changes are float32."""
    from peft import LoraConfig

    transformer.requires_grad_(False)
    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=names))
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def _rank(path: Path, pairs: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]) -> int:
    """Return the rank of every change."""
    firsts = {down[0]: f"{name} of rank {down[0]}" for name, (down, _) in sorted(pairs.items(), reverse=True)}
    if len(firsts) > 1 or 0 in firsts:
        raise DataError(
            f"{path} has changes of the ranks {', '.join(map(str, sorted(firsts)))}: "
            f"{_first([firsts[rank] for rank in sorted(firsts)])}",
            remedy="Give an adapter of one rank throughout, at least 1.",
        )
    return next(iter(firsts))


def _scale(path: Path, rank: int) -> float:
    """Return alpha/rank as the file's header has it, 1 where it says nothing."""
    told = read_metadata(path).get(SETTINGS)
    if told is None:
        return 1.0
    try:
        settings = {key.removeprefix(PREFIX): value for key, value in json.loads(told).items()}
        alpha = float(settings.get("lora_alpha", rank))
        if not math.isfinite(alpha):
            raise ValueError(f"lora_alpha is {alpha}")
        varied = [key for key in ("alpha_pattern", "rank_pattern", "use_rslora", "use_dora") if settings.get(key)]
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} has a damaged {SETTINGS}: {error}", remedy="Save the adapter again.") from error
    if varied:
        raise DataError(
            f"{path} was made with peft's {varied[0]}, which is not supported",
            remedy="Merge it into the base, or give an adapter of one rank and one alpha.",
        )
    return alpha / rank


def _pairs(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the shapes of A and B of each layer."""
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        found = NAME.match(name.removeprefix(PREFIX))
        if not name.startswith(PREFIX) or found is None or len(shape) != 2:
            raise DataError(
                f"{path} holds the tensor {name!r} of shape {shape}, which no adapter of a FLUX transformer has",
                remedy=f"Give a file of {PREFIX}<layer>.lora_A.weight and .lora_B.weight, as diffusers writes it.",
            )
        sides.setdefault(found["module"], {})[found["side"]] = shape
    half = [
        f"{name}.lora_{side} {pair[side]}" for name, pair in sorted(sides.items()) if len(pair) < 2 for side in pair
    ]
    if half or not sides:
        told = f"{len(half)} layers with one factor only, first {half[0]}" if half else "no layer"
        raise DataError(f"{path} holds {told}", remedy="Save the adapter again.")
    return {name: (pair["A"], pair["B"]) for name, pair in sides.items()}


def _foreign(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} belongs to another base than the transformer it was given: {why}",
        remedy="Load it over the base that its alphabench.toml names.",
    )


def _first(items: Sequence[str]) -> str:
    return ", ".join(items[:LISTED]) + (", …" if len(items) > LISTED else "")


def _file_name(name: str) -> str:
    """Return a parameter's name in a file: peft's name without that of the adapter."""
    return re.sub(r"\.lora_([AB])\.[^.]+\.weight$", r".lora_\1.weight", name)


def _slashed(name: str) -> str:
    return name.replace(".", "/")


def _dotted(name: str) -> str:
    return name.replace("/", ".")


def _end(name: str) -> str:
    parts = name.split(".")
    return (
        ".".join(part for index, part in enumerate(parts) if not (part.isdigit() and index == 1) and index > 0) or name
    )
