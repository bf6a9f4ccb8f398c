"""A tiny captioned set, a tiny pipeline and tiny recipes, so that whole trainings take seconds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FluxPipeline

from alphabench.image.codec import write_png
from alphabench.models.contract import Sampling
from alphabench.models.spec import TrainRequest
from reference_models.rgba_lora import TRAINER, lora
from reference_models.rgba_lora.captions import Entry
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.config import CaptionConfig, GeneratorRecipe, NetworkConfig, TextConfig
from reference_models.rgba_lora.pipeline import new_components
from reference_models.training.config import RunConfig

NETWORK = NetworkConfig(double_blocks=1, single_blocks=1, heads=2, rope_axes=(4, 6, 6))
TEXT = TextConfig(length=8, width=32, layers=1, heads=2, pooled_width=64, pooled_layers=1)

TINY = {
    "data": {"size": 32, "batch": 4, "variants": 2, "validation_images": 2, "weights": []},
    "network": {"double_blocks": 1, "single_blocks": 1, "heads": 2, "rope_axes": [4, 6, 6]},
    "text": {"length": 8, "width": 32, "layers": 1, "heads": 2, "pooled_width": 64, "pooled_layers": 1},
    "sampler": {"steps": 2, "prompts": ["red disc", "blue disc"]},
    "optimizer": {"warmup": 1},
    "run": {"steps": 4, "precision": "float32", "checkpoint_every": 2, "validate_every": 2},
}
"""What makes a mini recipe small enough for a test; everything else is as it is bundled."""

COLOURS = {"red": (230, 30, 20), "green": (20, 200, 40), "blue": (30, 60, 240), "grey": (128, 128, 128)}


def disc(colour: tuple[int, int, int], side: int = 40, radius: float = 14.0) -> torch.Tensor:
    """Return the codes of a disc with a soft rim on nothing."""
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    alpha = np.clip((radius - np.hypot(x, y)) * 127, 0, 255)
    planes = [np.where(alpha > 0, value, 0) for value in colour]
    return torch.from_numpy(np.stack([*planes, alpha]).astype(np.uint8))


def drawn_by_diffusers(
    base: Path,
    adapter: Path,
    prompt: str,
    seed: int,
    sampling: Sampling,
    *,
    vae: Path | None = None,
    kind: str = "latent",
) -> Any:
    """Return what diffusers' own pipeline draws from the folders.

    By default latents as tokens, `(1, token, number)`; with an autoencoder, images of a `kind` of diffusers.
    """
    decoder = None if vae is None else AutoencoderKL.from_pretrained(vae)
    pipeline = FluxPipeline.from_pretrained(base, vae=decoder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(adapter, weight_name=lora.FILE)
    return pipeline(
        prompt=[prompt],
        negative_prompt=[""],
        true_cfg_scale=sampling.guidance,
        height=sampling.height,
        width=sampling.width,
        num_inference_steps=sampling.steps,
        max_sequence_length=pipeline.tokenizer_2.model_max_length,
        generator=[torch.Generator().manual_seed(seed)],
        output_type=kind,
    ).images


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """A root with `set/metadata.jsonl`: four discs to train on and one to validate on."""
    root = tmp_path / "data"
    rows = []
    for name, colour in COLOURS.items():
        split = "val" if name == "grey" else "train"
        path = root / "set" / split / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, disc(colour))
        rows.append(
            {
                "file": f"{split}/{name}.png",
                "split": split,
                "name": f"{name} disc",
                "caption": f"an icon of a {name} disc",
                "keywords": ["round", "disc"],
                "category": "Shapes",
            }
        )
    table = root / "set" / "metadata.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


@pytest.fixture
def components() -> Components:
    """A tiny pipeline with random weights throughout, that knows the words of three entries."""
    recipe = GeneratorRecipe(
        mode="base", vae="any", data=CaptionConfig(table="any"), run=RunConfig(steps=1), network=NETWORK, text=TEXT
    )
    entries = [Entry(Path("a.png"), "an icon of a red heart", "red heart", ("love",)), Entry(Path("b"), "", "star")]
    made = new_components(recipe, entries, latent_channels=16)
    torch.nn.init.normal_(made.transformer.proj_out.weight, std=0.1)
    for network in made.networks().values():
        network.eval().requires_grad_(requires_grad=False)
    return made


@pytest.fixture
def request_for(tmp_path: Path, captioned: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainRequest]:
    """Return a small run of a mini recipe; keyword arguments are laid over it, tables as dictionaries."""
    monkeypatch.setenv("ALPHABENCH_TRAIN_DATA", str(captioned))
    monkeypatch.setenv("ALPHABENCH_BASE_MODELS", str(tmp_path))

    def make(out: str, *, resume: bool = False, **changes: object) -> TrainRequest:
        values: dict[str, object] = {name: dict(table) for name, table in TINY.items()}
        values["data"] |= {"table": "set/metadata.jsonl"}  # type: ignore[operator]
        for name, value in changes.items():
            old = values.get(name)
            values[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        return TrainRequest(out=tmp_path / out, device="cpu", resume=resume, changes=values)

    return make


@pytest.fixture
def recipes() -> Path:
    """The folder of the bundled recipes."""
    return TRAINER.configs
