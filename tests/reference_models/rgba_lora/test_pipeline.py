"""The pipeline's folder is diffusers' own, and what it computes is what diffusers computes from it."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline

from alphabench.errors import DataError
from alphabench.models.contract import Sampling
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.pipeline import (
    image_ids,
    load_components,
    pack,
    save_components,
    transformer_sha256,
    unpack,
)
from reference_models.rgba_lora.sampler import drawn


def test_packing_is_that_of_diffusers_and_unpacking_undoes_it() -> None:
    latents = torch.randn(2, 16, 8, 12)
    tokens = pack(latents)
    assert torch.equal(tokens, FluxPipeline._pack_latents(latents, 2, 16, 8, 12))
    assert tokens.shape == (2, 4 * 6, 64)
    assert torch.equal(unpack(tokens, 8, 12), latents)
    ids = FluxPipeline._prepare_latent_image_ids(2, 4, 6, torch.device("cpu"), torch.float32)
    assert torch.equal(image_ids(8, 12), ids)


def test_diffusers_loads_the_folder_and_draws_the_same(components: Components, tmp_path: Path) -> None:
    save_components(components, tmp_path / "base", torch.float32)
    theirs = FluxPipeline.from_pretrained(tmp_path / "base", vae=None, dtype=torch.float32)
    theirs.set_progress_bar_config(disable=True)
    tokens = theirs(
        prompt=["red heart", "star"],
        negative_prompt=["", ""],
        true_cfg_scale=3.0,
        height=64,
        width=32,
        num_inference_steps=3,
        max_sequence_length=8,
        generator=[torch.Generator().manual_seed(seed) for seed in (5, 6)],
        output_type="latent",
    ).images
    loaded = load_components(tmp_path / "base")
    ours = drawn(loaded, ["red heart", "star"], [5, 6], Sampling(64, 32, 3, 3.0))
    assert ours.shape == (2, 16, 8, 4)
    assert torch.equal(pack(ours), tokens)


def test_an_image_depends_on_its_prompt_and_seed_alone(components: Components) -> None:
    sampling = Sampling(32, 32, 3, 2.0)
    prompts, seeds = ["red heart", "star", "red", "heart star"], [1, 2, 3, 4]
    together = drawn(components, prompts, seeds, sampling)
    alone = [drawn(components, [prompt], [seed], sampling) for prompt, seed in zip(prompts, seeds, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    other_seed = drawn(components, prompts[:1], [9], sampling)
    other_words = drawn(components, ["star"], [1], sampling)
    assert not torch.allclose(other_seed, alone[0], atol=1e-2)
    assert not torch.allclose(other_words, alone[0], atol=1e-4)


def test_words_are_split_lowered_and_ended(components: Components) -> None:
    tokens = components.tokens(["Red HEART!", "red heart", "", "unheard-of"])
    sequence = tokens["sequence_tokens"]
    assert torch.equal(sequence[0], sequence[1])
    assert sequence.shape == tokens["pooled_tokens"].shape == (4, 8)
    pad, unknown, end = (components.sequence_tokenizer.convert_tokens_to_ids(t) for t in ("<pad>", "<unk>", "</s>"))
    assert sequence[2].tolist() == [end] + [pad] * 7
    assert sequence[3].tolist()[0] == unknown


def test_saving_leaves_the_components_as_they_were(components: Components, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in components.transformer.state_dict().items()}
    save_components(components, tmp_path / "base", torch.float16)
    after = components.transformer.state_dict()
    assert all(torch.equal(after[name], tensor) and tensor.dtype == torch.float32 for name, tensor in before.items())
    assert load_components(tmp_path / "base").transformer.dtype == torch.float32


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink(), "not a whole FLUX"),
        (lambda folder: (folder / "tokenizer" / "tokenizer.json").unlink(), "not a whole FLUX"),
        (lambda folder: (folder / "text_encoder" / "pytorch_model.bin").write_bytes(b"\x80\x02}q."), "pickled"),
        (lambda folder: (folder / "model_index.json").write_text('{"_class_name": "OtherPipeline"}'), "OtherPipeline"),
        (lambda folder: (folder / "model_index.json").unlink(), "lacks model_index.json"),
    ],
)
def test_a_spoilt_folder_is_refused(components: Components, tmp_path: Path, spoil: object, told: str) -> None:
    save_components(components, tmp_path / "base", torch.float32)
    spoil(tmp_path / "base")  # type: ignore[operator]
    with pytest.raises(DataError, match=told):
        load_components(tmp_path / "base")


def test_a_tensor_that_is_not_finite_is_refused(components: Components, tmp_path: Path) -> None:
    components.transformer.proj_out.weight.data[0, 0] = float("nan")
    save_components(components, tmp_path / "base", torch.float32)
    with pytest.raises(DataError, match="not finite"):
        load_components(tmp_path / "base")


def test_the_digest_is_of_the_transformer(components: Components, tmp_path: Path) -> None:
    save_components(components, tmp_path / "a", torch.float32)
    components.transformer.proj_out.weight.data[0, 0] += 1
    save_components(components, tmp_path / "b", torch.float32)
    assert transformer_sha256(tmp_path / "a") != transformer_sha256(tmp_path / "b")
    index = json.loads((tmp_path / "a" / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "FluxPipeline"
    with pytest.raises(DataError, match="no safetensors"):
        transformer_sha256(tmp_path)
