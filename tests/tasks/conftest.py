"""A tiny generator that the registry knows, and requests for it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphabench.models import registry
from alphabench.tasks.generation import GenerationRequest


def quiet(done: int, total: int, note: str) -> None:
    """Report nothing."""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of the tiny generator, which the registry knows."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import toy_generator

    monkeypatch.setattr(registry, "entry_points", toy_generator.entry_points)
    return toy_generator


@pytest.fixture
def request_of(toy: Any, tmp_path: Path) -> Callable[..., GenerationRequest]:
    prompts, protocol = tmp_path / "own_prompts.txt", tmp_path / "toy.toml"
    prompts.write_text(toy.PROMPTS, encoding="utf-8")
    protocol.write_text(toy.PROTOCOL, encoding="utf-8")

    def make(**changes: object) -> GenerationRequest:
        request = GenerationRequest(
            str(prompts), model="toy", protocol=str(protocol), out=tmp_path / "run", device="cpu", batch_size=2
        )
        return dataclasses.replace(request, **changes)

    return make
