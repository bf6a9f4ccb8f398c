"""A1, A2 and A9 of the AlphaVAE acceptance tests, for both layouts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from reference_models.alphavae.folder import load_network, save_network
from reference_models.alphavae.model import AlphaVae
from reference_models.losses.abmse import RELEASED_MOMENTS, abmse
from reference_models.rgb_vae.model import PatchVae, PatchVaeConfig
from reference_models.surgery import WideningError, widen


def diffusers_vae(widths: tuple[int, ...] = (8, 8), latent: int = 4, groups: int = 4) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        latent_channels=latent,
        norm_num_groups=groups,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    ).eval()


def patch_vae() -> PatchVae:
    torch.manual_seed(0)
    vae = PatchVae(PatchVaeConfig(fine_channels=8, coarse_channels=16, fine_blocks=1, coarse_blocks=1))
    for parameter in vae.parameters():  # the layers that start at zero would hide mistakes
        nn.init.normal_(parameter, 0, 0.1)
    return vae.eval()


def through(vae: Any, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        if isinstance(vae, PatchVae):
            return vae.decode_unclamped(vae.encode(images).mode())
        return vae.decode(vae.encode(images).latent_dist.mode()).sample


@pytest.fixture(params=["diffusers", "patch"])
def rgb(request: pytest.FixtureRequest) -> Any:
    return diffusers_vae((16, 32, 64, 128), 16, 16) if request.param == "diffusers" else patch_vae()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_widened_vae_starts_as_the_rgb_vae_with_opaque_alpha(rgb: Any, dtype: torch.dtype) -> None:
    for module in (rgb.encoder, rgb.decoder):
        module.to(dtype)
    images = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(1)).mul(2).sub(1).to(dtype)
    wide = through(widen(rgb), images)
    assert torch.equal(wide[:, 3], torch.ones_like(wide[:, 3]))
    difference = (wide[:, :3] - through(rgb, images[:, :3])).abs()
    # In bfloat16 another kernel may add in another order; in float32 nothing may differ.
    assert float(difference.max() if dtype == torch.float32 else difference.mean()) < (
        1e-6 if dtype == torch.float32 else 1e-2
    )


def test_widening_keeps_dtype_device_and_mode_and_leaves_the_source_alone(rgb: Any) -> None:
    before = {name: tensor.clone() for name, tensor in rgb.state_dict().items()}
    for module in (rgb.encoder, rgb.decoder):
        module.to(torch.bfloat16)
    wide = widen(rgb)
    assert {parameter.dtype for parameter in wide.parameters()} == {torch.bfloat16}
    assert not wide.training
    assert all(torch.equal(tensor.bfloat16(), rgb.state_dict()[name]) for name, tensor in before.items())


def test_every_alpha_weight_starts_at_zero(rgb: Any) -> None:
    wide = widen(rgb).state_dict()
    narrow = rgb.state_dict()
    grown = [name for name in wide if wide[name].shape != narrow[name].shape]
    weights = [name for name in grown if name.endswith("weight")]
    assert len(weights) in {2, 4}
    for name in weights:
        assert wide[name].double().abs().sum() == pytest.approx(float(narrow[name].double().abs().sum()))


def test_the_config_of_a_widened_diffusers_vae_is_readable_before_any_save() -> None:
    wide = widen(diffusers_vae())
    assert (wide.config.in_channels, wide.config.out_channels) == (4, 4)
    assert (wide.config.scaling_factor, wide.config.shift_factor) == (0.3611, 0.1159)


def test_surgery_adds_the_parameters_that_the_arithmetic_says() -> None:
    rgb = diffusers_vae((16, 32, 64, 128), 16, 16)
    count = sum(parameter.numel() for parameter in rgb.parameters())
    assert count == 2_767_027
    assert sum(parameter.numel() for parameter in widen(rgb).parameters()) == count + 144 + 145


def test_widening_twice_is_refused(rgb: Any) -> None:
    with pytest.raises(WideningError, match="four image channels already"):
        widen(widen(rgb))


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(WideningError, match="reads 1 and writes 1"):
        widen(PatchVae(PatchVaeConfig(channels=1)))
    with pytest.raises(WideningError, match="cannot widen a Linear"):
        widen(nn.Linear(3, 3))


def test_a_widened_diffusers_vae_survives_the_round_trip_through_diffusers(tmp_path: Path) -> None:
    rgb = diffusers_vae()
    wide = widen(rgb)
    save_network(tmp_path / "wide", wide, settings="")
    names = {path.name for path in (tmp_path / "wide").iterdir()}
    assert names == {"config.json", "diffusion_pytorch_model.safetensors", "alphabench.toml"}
    theirs = AutoencoderKL.from_pretrained(tmp_path / "wide", local_files_only=True)
    ours = load_network(tmp_path / "wide", channels=4)
    for other in (theirs.state_dict(), ours.state_dict()):
        assert list(other) == list(wide.state_dict())
        assert all(torch.equal(other[name], tensor) for name, tensor in wide.state_dict().items())
    images = torch.rand(1, 4, 32, 32)
    assert torch.equal(through(theirs.eval(), images), through(ours, images))


def test_a_three_channel_folder_is_no_rgba_model(tmp_path: Path) -> None:
    for name, vae in (("a", diffusers_vae()), ("b", patch_vae())):
        save_network(tmp_path / name, vae, settings="")
        load_network(tmp_path / name, channels=3)
        with pytest.raises(Exception, match="3 image channels where 4 are needed"):
            load_network(tmp_path / name, channels=4)


def test_alpha_has_a_gradient_at_the_opaque_start(rgb: Any) -> None:
    wide = widen(rgb)
    vae = AlphaVae(wide)
    target = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    bias = wide.decoder.linear.bias if isinstance(wide, PatchVae) else wide.decoder.conv_out.bias
    alpha = slice(3 * 64, None) if isinstance(wide, PatchVae) else slice(3, None)
    decoded = vae.decode_unclamped(vae.encode(target).mode())
    (gradient,) = torch.autograd.grad(abmse(decoded, target, RELEASED_MOMENTS).sum(), bias)
    assert gradient[alpha].abs().min() > 0
    # A clamp in the training path would have stopped it: that is what this test is for.
    clamped = vae.decode(vae.encode(target).mode())
    (stopped,) = torch.autograd.grad(abmse(clamped, target, RELEASED_MOMENTS).sum(), bias)
    assert stopped[alpha].abs().max() == 0


def test_random_weights_of_alpha_are_as_wide_as_those_of_a_new_convolution() -> None:
    torch.manual_seed(0)
    rgb = PatchVae(PatchVaeConfig(fine_channels=64, coarse_channels=64, fine_blocks=1, coarse_blocks=1))
    opaque, random = widen(rgb), widen(rgb, initialisation="random", seed=3)
    for name, first, axis in (("encoder.stem", 3, 1), ("decoder.linear", 192, 0)):
        ours, plain = random.get_submodule(name), opaque.get_submodule(name)
        fresh = torch.nn.Conv2d(ours.in_channels, ours.out_channels, ours.kernel_size)
        count = ours.weight.shape[axis] - first
        alpha = ours.weight.narrow(axis, first, count)
        assert float(alpha.std().detach()) == pytest.approx(float(fresh.weight.std().detach()), rel=0.1)
        assert torch.equal(ours.weight.narrow(axis, 0, first), plain.weight.narrow(axis, 0, first))
    again, other = (widen(rgb, initialisation="random", seed=seed) for seed in (3, 4))
    assert torch.equal(again.encoder.stem.weight, random.encoder.stem.weight)
    assert not torch.equal(other.encoder.stem.weight, random.encoder.stem.weight)
