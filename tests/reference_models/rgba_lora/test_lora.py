"""The adapter: peft makes it, diffusers loads it, and another base's is refused by name and rank."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import nn

from alphabench.errors import DataError, UsageError
from alphabench.image.codec import quantise
from alphabench.models.contract import Sampling
from reference_models.rgba_lora import lora
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.latents import load_codec
from reference_models.rgba_lora.pipeline import load_components, pack, save_components
from reference_models.rgba_lora.sampler import drawn
from reference_models.surgery import widen
from tests.reference_models.diffusers_folders import network_of
from tests.reference_models.rgba_lora.conftest import drawn_by_diffusers

SAMPLING = Sampling(32, 32, 2, 2.0)


def randomised(components: Components) -> lora.AdapterParameters:
    """Give the adapter random values, as if it had been trained."""
    parameters = lora.AdapterParameters(components.transformer)
    for parameter in parameters.parameters():
        nn.init.normal_(parameter, std=0.2)
    return parameters


def write(path: Path, parameters: lora.AdapterParameters) -> None:
    tensors = {f"{lora.PREFIX}{name}": tensor.detach().clone() for name, tensor in parameters.tensors().items()}
    save_file(tensors, path, metadata={"format": "pt"})


def test_the_published_targets_adapt_fifteen_layers_of_the_smallest_network(components: Components) -> None:
    lora.add_adapter(components.transformer, 4, lora.PUBLISHED_TARGETS)
    names = lora.AdapterParameters(components.transformer).tensors()
    assert len(names) == 2 * 15
    assert "transformer_blocks.0.attn.to_out.0.lora_A.weight" in names
    assert "single_transformer_blocks.0.attn.to_q.lora_B.weight" in names
    trained = {name for name, parameter in components.transformer.named_parameters() if parameter.requires_grad}
    assert len(trained) == 30
    assert all(".lora_" in name for name in trained)


def test_the_published_adapter_of_flux_has_342_layers_and_179_306_496_parameters() -> None:
    with torch.device("meta"):
        flux = FluxTransformer2DModel(guidance_embeds=True)
    layers = [
        module
        for name, module in flux.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(tuple(f".{target}" for target in lora.PUBLISHED_TARGETS))
    ]
    assert len(layers) == 342
    assert sum(64 * (layer.in_features + layer.out_features) for layer in layers) == 179_306_496


def test_a_new_adapter_changes_no_bit(components: Components) -> None:
    before = drawn(components, ["star"], [1], SAMPLING)
    lora.add_adapter(components.transformer, 4, lora.PUBLISHED_TARGETS)
    assert torch.equal(drawn(components, ["star"], [1], SAMPLING), before)
    randomised(components)
    assert not torch.equal(drawn(components, ["star"], [1], SAMPLING), before)


def test_diffusers_loads_the_file_and_draws_the_same(components: Components, tmp_path: Path) -> None:
    save_components(components, tmp_path / "base", torch.float32)
    lora.add_adapter(components.transformer, 4, ("x_embedder", *lora.PUBLISHED_TARGETS))
    write(tmp_path / lora.FILE, randomised(components))
    ours = load_components(tmp_path / "base")
    shape = lora.load_adapter(tmp_path / lora.FILE, ours.transformer)
    assert (shape.rank, len(shape.modules)) == (4, 16)
    made = drawn(ours, ["red heart"], [3], SAMPLING)
    torch.testing.assert_close(made, drawn(components, ["red heart"], [3], SAMPLING), atol=1e-5, rtol=1e-5)

    tokens = drawn_by_diffusers(tmp_path / "base", tmp_path, "red heart", 3, SAMPLING)
    torch.testing.assert_close(tokens, pack(made), atol=1e-5, rtol=1e-5)


def test_with_an_rgba_autoencoder_diffusers_draws_our_transparent_image(components: Components, tmp_path: Path) -> None:
    base, vae = tmp_path / "base", tmp_path / "vae"
    save_components(components, base, torch.float32)
    lora.add_adapter(components.transformer, 4, lora.PUBLISHED_TARGETS)
    write(tmp_path / lora.FILE, randomised(components))
    widen(network_of("flux"), initialisation="random", seed=1).save_pretrained(vae)
    (image,) = drawn_by_diffusers(base, tmp_path, "red heart", 3, SAMPLING, vae=vae, kind="pil")
    assert image.mode == "RGBA"
    made = load_codec(vae).decode(drawn(components, ["red heart"], [3], SAMPLING))
    ours = quantise(made)[0].permute(1, 2, 0).int()
    theirs = torch.from_numpy(np.array(image)).int()
    assert theirs.shape == (SAMPLING.height, SAMPLING.width, 4)
    assert int(theirs[..., 3].max()) > int(theirs[..., 3].min())  # it has transparency to agree on
    assert int((ours - theirs).abs().max()) <= 1


def test_an_adapter_of_another_base_is_refused_by_layers_and_shapes(components: Components, tmp_path: Path) -> None:
    path = tmp_path / lora.FILE
    adapted = copy.deepcopy(components.transformer)
    lora.add_adapter(adapted, 4, lora.PUBLISHED_TARGETS)
    parameters = lora.AdapterParameters(adapted)
    write(path, parameters)
    state = load_file(path)

    save_file({name.replace("blocks.0", "blocks.7"): tensor for name, tensor in state.items()}, path)
    with pytest.raises(DataError, match=r"15 of its 15 layers are not in it: .*blocks\.7\.attn\.to_k \(rank 4\)"):
        lora.read_adapter(path, components.transformer)

    wide = {name: torch.zeros(4, 99) if name.endswith("to_q.lora_A.weight") else t for name, t in state.items()}
    save_file(wide, path)
    with pytest.raises(DataError, match=r"2 of its 15 layers do not fit: .*to_q has A \(4, 99\) .* rank 4"):
        lora.read_adapter(path, components.transformer)

    key = "transformer.transformer_blocks.0.attn.to_k"
    mixed = state | {f"{key}.lora_A.weight": torch.zeros(2, 32), f"{key}.lora_B.weight": torch.zeros(32, 2)}
    save_file(mixed, path)
    with pytest.raises(
        DataError, match=r"changes of the ranks 2, 4: transformer_blocks\.0\.attn\.to_k of rank 2, .* of rank 4"
    ):
        lora.read_adapter(path, components.transformer)

    save_file({name: t for name, t in state.items() if not name.endswith("to_v.lora_B.weight")}, path)
    with pytest.raises(DataError, match=r"2 layers with one factor only, first .*to_v.lora_A \(4, 32\)"):
        lora.read_adapter(path, components.transformer)

    save_file({"unet.down.lora_A.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(DataError, match=r"'unet.*' of shape \(2, 2\), which no adapter of a FLUX transformer"):
        lora.read_adapter(path, components.transformer)


def test_an_adapter_of_one_layer_adapts_no_other_of_that_ending(components: Components, tmp_path: Path) -> None:
    ends = [name for name, _ in components.transformer.named_modules() if name.endswith("proj_out")]
    assert {"proj_out", "single_transformer_blocks.0.proj_out"} <= set(ends)
    written, read = components.transformer.proj_out.weight.shape
    state = {"transformer.proj_out.lora_A.weight": torch.ones(2, read)}
    state["transformer.proj_out.lora_B.weight"] = torch.ones(written, 2)
    save_file(state, tmp_path / lora.FILE)
    shape = lora.load_adapter(tmp_path / lora.FILE, components.transformer)
    assert shape == lora.Shape(2, ("proj_out",))
    assert len(lora.AdapterParameters(components.transformer).tensors()) == 2


@pytest.mark.parametrize(("alpha", "factor"), [(8, 2.0), (4, 1.0)])
def test_a_scale_in_the_header_means_what_it_means_to_diffusers(
    components: Components, tmp_path: Path, alpha: int, factor: float
) -> None:
    lora.add_adapter(components.transformer, 4, lora.PUBLISHED_TARGETS)
    tensors = {name: tensor.detach().clone() for name, tensor in randomised(components).tensors().items()}
    config = LoraConfig(r=4, lora_alpha=alpha, target_modules=sorted(lora.PUBLISHED_TARGETS))
    FluxPipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=tensors, transformer_lora_adapter_metadata=config.to_dict()
    )
    base = copy.deepcopy(components.transformer)
    base.unload_lora()
    _, state = lora.read_adapter(tmp_path / lora.FILE, base)
    for name, tensor in state.items():
        assert torch.equal(tensor, tensors[name] * (factor if "lora_B" in name else 1.0))

    config.rank_pattern = {"proj_out": 2}
    FluxPipeline.save_lora_weights(
        tmp_path, transformer_lora_layers=tensors, transformer_lora_adapter_metadata=config.to_dict()
    )
    with pytest.raises(DataError, match="peft's rank_pattern"):
        lora.read_adapter(tmp_path / lora.FILE, base)


@pytest.mark.parametrize("settings", [None, '{"lora_alpha": 4}'])
def test_an_adapter_of_rank_0_is_refused(components: Components, tmp_path: Path, settings: str | None) -> None:
    written, read = components.transformer.proj_out.weight.shape
    state = {"transformer.proj_out.lora_A.weight": torch.zeros(0, read)}
    state["transformer.proj_out.lora_B.weight"] = torch.zeros(written, 0)
    save_file(state, tmp_path / lora.FILE, metadata={lora.SETTINGS: settings} if settings else None)
    with pytest.raises(DataError, match="ranks 0: proj_out of rank 0"):
        lora.read_adapter(tmp_path / lora.FILE, components.transformer)


@pytest.mark.parametrize("alpha", ["NaN", "1e999", "-Infinity", "1e300", "1" + "0" * 400, "[" * 100_000, "[]"])
def test_a_scale_that_is_no_number_is_refused_by_its_name(components: Components, tmp_path: Path, alpha: str) -> None:
    written, read = components.transformer.proj_out.weight.shape
    state = {"transformer.proj_out.lora_A.weight": torch.ones(2, read)}
    state["transformer.proj_out.lora_B.weight"] = torch.ones(written, 2)
    save_file(state, tmp_path / lora.FILE, metadata={lora.SETTINGS: f'{{"lora_alpha": {alpha}}}'})
    with pytest.raises(DataError, match=rf"{lora.FILE}.*lora_a"):
        lora.read_adapter(tmp_path / lora.FILE, components.transformer)


def test_a_target_that_names_no_layer_is_refused(components: Components) -> None:
    with pytest.raises(UsageError, match=r"'attn\.to_x' of the adapter names no linear layer") as caught:
        lora.add_adapter(components.transformer, 4, ("attn.to_x",))
    assert "attn.to_q" in str(caught.value.remedy)
