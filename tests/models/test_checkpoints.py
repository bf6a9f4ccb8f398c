import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file

from alphabench.errors import DataError, UsageError
from alphabench.files import sha256_of
from alphabench.models.checkpoints import (
    read_json_config,
    read_shapes,
    read_state,
    read_toml_settings,
    refuse_pickles,
    settings_from,
)

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}
SHAPES = {"weight": (2, 3), "bias": (2,)}


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    kind: Literal["cosine", "flat"] = "cosine"


@dataclass(frozen=True)
class Outer:
    steps: int
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    shift: float | None = None
    name: str = "x"
    quick: bool = False


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(STATE, path)
    return path


def test_a_sound_file_comes_back_bit_for_bit(weights: Path) -> None:
    state = read_state(weights, SHAPES)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_missing_extra_and_misshapen_tensors_are_all_named(weights: Path) -> None:
    with pytest.raises(DataError) as refusal:
        read_state(weights, {"weight": (3, 2), "scale": (1,)})
    for part in ("1 missing: scale", "1 extra: bias", "weight (2, 3) instead of (3, 2)"):
        assert part in refusal.value.message


@pytest.mark.parametrize("kept", [0, 4, 30, -1])
def test_a_truncated_file_is_refused(weights: Path, kept: int) -> None:
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(DataError, match="truncated"):
        read_state(weights, SHAPES)


def test_a_file_with_bytes_too_many_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes() + b"\0" * 8)
    with pytest.raises(DataError, match="header announces"):
        read_state(weights, SHAPES)


@pytest.mark.parametrize("header", ["[" * 100_000, '{"a": {"shape": [1e999, 4], "data_offsets": [0, 0]}}', "[]"])
def test_a_header_that_is_none_is_refused(weights: Path, header: str) -> None:
    weights.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    with pytest.raises(DataError, match="its header is not that of a safetensors file"):
        read_shapes(weights)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_state(tmp_path / "none.safetensors", SHAPES)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.tensor([1.0, value])}, path)
    with pytest.raises(DataError, match=r"1 of 2 values of 'weight'"):
        read_state(path, {"weight": (2,)})


class Exploding:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("the pickle was executed",))


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.ckpt", "nested/model.PTH"])
def test_a_folder_with_a_pickle_is_refused_and_not_executed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Exploding()))
    with pytest.raises(DataError, match="pickled weights"):
        refuse_pickles(tmp_path)


def test_a_pickle_that_is_named_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Exploding()))
    with pytest.raises(DataError, match="pickled weights"):
        read_state(path, SHAPES)


def test_a_torch_archive_that_is_named_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    torch.save(STATE, path)
    with pytest.raises(DataError, match="pickled weights"):
        read_state(path, SHAPES)


def test_the_sha256_is_that_of_the_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_settings_are_read_with_nested_tables(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'steps = 3\npair = [1, 2.5]\n[inner]\nrate = 1\nkind = "flat"\n[[many]]\nrate = 2.0\n',
        encoding="utf-8",
    )
    settings = read_toml_settings(path, Outer)
    assert settings == Outer(3, Inner(1.0, "flat"), (Inner(2.0),), (1.0, 2.5))
    assert isinstance(settings.inner.rate, float)


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError) as refusal:
        settings_from({"steps": 1, "inner": {"rat": 1.0}}, Outer, where="x.toml")
    assert "'rat'" in refusal.value.message
    assert "Did you mean 'rate'?" in refusal.value.remedy


@pytest.mark.parametrize(
    "values",
    [
        {"steps": "three"},
        {"steps": 1.5},
        {"steps": True},
        {"steps": 1, "quick": 1},
        {"steps": 1, "pair": [1.0]},
        {"steps": 1, "inner": {"kind": "round"}},
        {"steps": 1, "inner": {"rate": float("nan")}},
        {"steps": 1, "inner": {"rate": 10**400}},
        {"steps": 1, "inner": 4},
        {"steps": 1, "name": 4},
    ],
)
def test_a_value_of_a_wrong_type_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"x\.toml"):
        settings_from(values, Outer, where="x.toml")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match="'steps'"):
        settings_from({}, Outer, where="x.toml")


def test_a_config_may_carry_notes_but_no_unknown_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"_class_name": "X", "steps": 2, "shift": None}), encoding="utf-8")
    assert read_json_config(path, Outer) == Outer(2)
    path.write_text(json.dumps({"steps": 2, "trust_remote_code": True}), encoding="utf-8")
    with pytest.raises(DataError, match="trust_remote_code"):
        read_json_config(path, Outer)


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00", "[" * 100_000])
def test_a_config_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_json_config(path, Outer)


def test_settings_that_are_no_toml_or_absent_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(UsageError, match="no settings file"):
        read_toml_settings(path, Outer)
    path.write_text("steps = = 3", encoding="utf-8")
    with pytest.raises(UsageError, match="not readable TOML"):
        read_toml_settings(path, Outer)


def test_quantised_weights_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.ones(2, dtype=torch.int8)}, path)
    with pytest.raises(DataError, match="'weight' holds int8"):
        read_state(path, {"weight": (2,)})
