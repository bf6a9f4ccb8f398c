"""Low-rank fine-tuning: what is trained, what stays, and that merging changes no output."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from torch.nn.utils import parametrize

from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import LossConfig
from reference_models.alphavae.folder import load_network
from reference_models.alphavae.low_rank import make_low_rank, merged
from reference_models.alphavae.model import AlphaVae
from reference_models.alphavae.objective import AlphaObjective, decoder_end
from reference_models.alphavae.train import run
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import widen
from reference_models.training.progress import TrainProgress
from reference_models.training.toml import settings_to_toml


def built(layout: str) -> AlphaVae:
    torch.manual_seed(0)
    network: Any
    if layout == "patch":
        network = PatchVae(PatchVaeConfig(fine_channels=16, coarse_channels=32, fine_blocks=1, coarse_blocks=1))
    else:
        network = AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
        )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # a trained network has no layers of zeros
    return AlphaVae(widen(network))


@pytest.mark.parametrize("layout", ["patch", "released"])
def test_it_starts_unchanged_trains_low_ranks_and_merges_to_the_same_network(layout: str) -> None:
    # In double precision, so that the rounding of W + U·V does not hide the rank of U·V.
    start, vae = built(layout).double(), built(layout).double()
    make_low_rank(vae, 2, seed=1)
    images = torch.rand(1, 4, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        assert torch.equal(vae.encode(images).mean, start.encode(images).mean)
    trained = [p for p in vae.parameters() if p.requires_grad]
    whole = sum(p.numel() for p in start.parameters())
    assert sum(p.numel() for p in trained) < 0.6 * whole
    objective = AlphaObjective(vae, LossConfig(perceptual_weight=0.0, reference_kl_weight=0.0))
    assert decoder_end(vae).requires_grad
    optimizer = torch.optim.SGD(trained, lr=1e-5)
    noise = torch.randn(1, vae.latent_channels, 16 // vae.factor, 16 // vae.factor)
    for _ in range(4):
        optimizer.zero_grad()
        objective({"images": (images + 1) / 2, "noise": noise})["loss"].backward()
        optimizer.step()
    idle = [name for name, p in vae.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert idle == []
    plain = merged(vae)
    assert not any(parametrize.is_parametrized(module) for module in plain.modules())
    assert any(parametrize.is_parametrized(module) for module in vae.modules())
    with torch.no_grad():
        latents = vae.encode(images).mean
        assert torch.equal(plain.encode(images).mean, latents)
        assert torch.equal(plain.decode_unclamped(latents), vae.decode_unclamped(latents))
    before, after = start.state_dict(), plain.state_dict()
    assert before.keys() == after.keys()
    ranks = {
        name: int(torch.linalg.matrix_rank((after[name] - tensor).flatten(1).double(), rtol=1e-4))
        for name, tensor in before.items()
        if tensor.ndim > 1 and not torch.equal(after[name], tensor)
    }
    read, written = {
        "patch": (("encoder.linear", "encoder.stem"), {"decoder.linear": 192, "decoder.out": 48}),
        "released": (("encoder.conv_in",), {"decoder.conv_out": 3}),
    }[layout]
    for layer in read:
        name = f"network.{layer}.weight"
        assert torch.equal(after[name][:, :3], before[name][:, :3])
        assert not torch.equal(after[name], before[name])
        ranks.pop(name)
    for layer, colours in written.items():
        for kind in ("weight", "bias"):
            name = f"network.{layer}.{kind}"
            assert torch.equal(after[name][:colours], before[name][:colours])
            assert not torch.equal(after[name], before[name])
            ranks.pop(name, None)
    assert len(ranks) > 5
    assert max(ranks.values()) <= 2


def test_a_low_rank_training_exports_a_plain_network(alpha_recipe: Path, tmp_path: Path) -> None:
    values = tomllib.loads(alpha_recipe.read_text(encoding="utf-8"))
    values["model"] |= {"trainable": "lora", "lora_rank": 2}
    values["run"] |= {"steps": 2}
    alpha_recipe.write_text(settings_to_toml(values), encoding="utf-8")
    told: list[TrainProgress] = []
    folder = run(alpha_recipe, TrainRequest(out=tmp_path / "out", device="cpu"), told.append)
    network = load_network(folder, channels=4)
    whole = sum(p.numel() for p in network.parameters())
    trained = next(p.facts["parameters"] for p in told if "parameters" in p.facts)
    assert trained < 0.5 * whole
