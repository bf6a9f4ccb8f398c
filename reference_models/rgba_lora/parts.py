"""The parts in a pipeline's folder, each made by a class that we name; a damaged one is refused by its name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from alphabench.errors import AlphabenchError, DataError
from alphabench.models.checkpoints import read_json, read_shapes

NETWORK_SETTINGS = "config.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
SCHEDULER_SETTINGS = "scheduler_config.json"

WHOLE = "Take it again from where it comes from: a folder as `FluxPipeline.save_pretrained` writes it, with all parts."

FOREIGN = ("auto_map", "quantization_config", "transformers_weights", "attn_implementation", "_attn_implementation")
"""Settings of a network that name code or weights which are not in its files."""

PLAIN_ATTENTION = (None, "eager", "sdpa")
ADAPTER = "adapter_config.json"

FOREIGN_WORDS = ("auto_map", "fast_tokenizer_files")
"""Settings of a tokenizer that name code, or files of other names."""

TOKENIZERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CLIPTokenizer": ("CLIPTokenizerFast", ("merges.txt", "vocab.json")),
    "T5Tokenizer": ("T5TokenizerFast", ("spiece.model",)),
    "PreTrainedTokenizer": ("PreTrainedTokenizerFast", ()),
    "TokenizersBackend": ("PreTrainedTokenizerFast", ()),
}
"""By what a tokenizer's settings call it, without the ending Fast: our class, and its files where one is not enough."""

VOCABULARY = "tokenizer.json"
ADDED = ("special_tokens_map.json", "added_tokens.json")


def load_network(cls: Any, folder: Path, dtype: torch.dtype) -> Any:
    """Return a network whose every weight comes from the folder's files, in evaluation mode, without gradients.

    Raises:
        DataError: settings or weights are absent, damaged or do not fit, or the settings lead outside the files.
    """
    settings = read_json(folder / NETWORK_SETTINGS)
    _refuse_foreign(folder, NETWORK_SETTINGS, [key for key in FOREIGN if settings.get(key) not in PLAIN_ATTENTION])
    if (folder / ADAPTER).exists():
        raise _unsound(folder, f"it holds {ADAPTER}, which is not supported", remedy="Merge the adapter, or remove it.")
    files = weights_files(folder)
    for file in files:
        read_shapes(file)
    with sound(folder):
        for index in folder.glob("*.index.json"):
            strange = set(read_json(index)["weight_map"].values()) - {file.name for file in files}
            if strange:
                raise ValueError(f"{index.name} names the file {min(strange)}, which is not beside it")
        network, report = cls.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # we refuse them by their names
        )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"it lacks {len(missing)} tensors, first {missing[0]}")
        if misshapen := sorted(report["mismatched_keys"]):
            name, stored, needed = misshapen[0]
            raise ValueError(
                f"{len(misshapen)} tensors have another shape than {NETWORK_SETTINGS} says, first {name} with "
                f"{tuple(stored)} instead of {tuple(needed)}"
            )
        if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
            raise ValueError("it holds values that are not finite")
    return network.eval().requires_grad_(requires_grad=False)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer in a folder, of a class that FLUX pipelines have; nothing else in the folder is run.

    Raises:
        DataError: settings or vocabulary are absent or damaged, or it is another tokenizer.
    """
    import transformers

    settings = read_json(folder / TOKENIZER_SETTINGS)
    _refuse_foreign(folder, TOKENIZER_SETTINGS, [key for key in FOREIGN_WORDS if key in settings])
    limit = settings.get("model_max_length", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise _unsound(folder, f"{TOKENIZER_SETTINGS} sets model_max_length to {limit!r}, which is no number of tokens")
    for file in tokenizer_files(folder):
        if not file.is_file() or not file.stat().st_size:
            raise _unsound(folder, f"{file.name} is absent or empty")
    cls = getattr(transformers, _kind(folder, settings)[0])
    with sound(folder):
        return cls.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def load_scheduler(cls: Any, folder: Path) -> Any:
    """Return the scheduler in a folder.

    Raises:
        DataError: its settings are absent or damaged.
    """
    steps = read_json(folder / SCHEDULER_SETTINGS).get("num_train_timesteps", 1)
    if not isinstance(steps, int) or steps < 1:
        raise _unsound(
            folder, f"{SCHEDULER_SETTINGS} sets num_train_timesteps to {steps!r}, which is no number of levels"
        )
    with sound(folder):
        return cls.from_pretrained(folder, local_files_only=True)


def weights_files(folder: Path) -> list[Path]:
    """Return the weights of one part of a pipeline: one file, or all its shards in order.

    Raises:
        DataError: there are none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise _unsound(folder, "it holds no safetensors file")
    return files


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files that a tokenizer is read from, in order; no other one in its folder means anything.

    Raises:
        DataError: its settings are absent or damaged, or it is another tokenizer than FLUX pipelines have.
    """
    settings = read_json(folder / TOKENIZER_SETTINGS)
    _, several = _kind(folder, settings)
    names = [TOKENIZER_SETTINGS, *(several if several and not (folder / VOCABULARY).is_file() else [VOCABULARY])]
    if "added_tokens_decoder" not in settings:
        names += [name for name in ADDED if (folder / name).is_file()]
    return [folder / name for name in sorted(names)]


@contextlib.contextmanager
def sound(folder: Path) -> Iterator[None]:
    """Refuse a part of a pipeline, by its name, whose files let anything fail; both libraries keep quiet.

    Raises:
        DataError: something failed.
    """
    with quiet():
        try:
            yield
        except AlphabenchError:
            raise
        except BaseException as error:
            # Nobody can list what damaged files make libraries raise; what panics in Rust is not even an Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise _unsound(folder, _one_line(error)) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep both libraries from drawing progress bars and telling what we know: that there is no autoencoder."""
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    rooms: tuple[Any, Any] = (of_diffusers, of_transformers)
    levels = [room.get_verbosity() for room in rooms]
    bars = [room.is_progress_bar_enabled() for room in rooms]
    for room in rooms:
        room.set_verbosity_error()
        room.disable_progress_bar()
    try:
        yield
    finally:
        for room, level, bar in zip(rooms, levels, bars, strict=True):
            room.set_verbosity(level)
            if bar:
                room.enable_progress_bar()


def _kind(folder: Path, settings: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    told = settings.get("tokenizer_class")
    kind = TOKENIZERS.get(str(told).removesuffix("Fast"))
    if kind is None:
        raise DataError(
            f"{folder / TOKENIZER_SETTINGS} names the tokenizer_class {told!r}",
            remedy=f"Give a tokenizer of a FLUX pipeline: {', '.join(TOKENIZERS)}.",
        )
    return kind


def _refuse_foreign(folder: Path, file: str, keys: list[str]) -> None:
    if keys:
        raise _unsound(
            folder,
            f"{file} sets {keys[0]}, which is not supported",
            remedy="Give plain weights and FLUX's tokenizers, or remove the key: no code or file it names is used.",
        )


def _unsound(folder: Path, why: str, *, remedy: str = WHOLE) -> DataError:
    told = f"{folder.parent} is not a whole FLUX pipeline: its {folder.name} is unsound: {why}"
    return DataError(told, remedy=remedy)


def _one_line(error: BaseException) -> str:
    kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())[:300]
