"""The models without weights: what each one keeps, and the byte budget of the codec."""

import pytest
import torch

from alphabench.errors import UsageError
from alphabench.image.codec import decode_webp, encode_webp, quantise
from alphabench.image.types import Rgba
from alphabench.metrics.closed_form import composite_psnr
from alphabench.models.builtin import WebpCodec, budget, fit_webp
from alphabench.models.contract import Reconstructor
from alphabench.models.registry import list_models, load_model, model_spec
from alphabench.models.spec import LoadRequest

BLACK = torch.zeros(1, 3)


def load(name: str) -> Reconstructor:
    return load_model(name, LoadRequest())


def soft_images(height: int = 64, width: int = 96) -> Rgba:
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    alpha = (1.2 - 1.5 * (x**2 + y**2).sqrt()).clamp(0, 1)
    image = torch.stack([0.5 + 0.5 * x, 0.5 + 0.5 * y, 0.3 + 0.2 * x * y, alpha])
    return torch.stack([image, image.flip(-1)])


def test_identity_returns_its_input_and_not_the_same_tensor() -> None:
    images = soft_images()
    output = load("identity").reconstruct(images)
    assert torch.equal(output, images)
    assert output.data_ptr() != images.data_ptr()


def test_opaque_keeps_what_is_seen_and_forgets_transparency(f32: tuple[Rgba, Rgba]) -> None:
    reference = f32[1]
    output = load("opaque").reconstruct(reference)
    assert bool((output[:, 3] == 1).all())
    seen = reference[:, 3:] > 0
    assert torch.equal(output[:, :3] * seen, reference[:, :3] * seen)


def test_opaque_and_webp_do_not_look_at_hidden_colour(f32: tuple[Rgba, Rgba]) -> None:
    reference = f32[1]
    other = torch.where(reference[:, 3:] > 0, reference, torch.rand_like(reference))
    other[:, 3:] = reference[:, 3:]
    assert not torch.equal(other, reference)
    for name in ("opaque", "webp", "blank"):
        model = load(name)
        assert torch.equal(model.reconstruct(reference), model.reconstruct(other))


def test_blank_is_perfect_on_nothing_and_black_on_everything_else() -> None:
    output = load("blank").reconstruct(soft_images())
    assert not bool(output.any())


def test_the_codec_stays_within_one_byte_for_each_latent_number() -> None:
    images = soft_images(256, 256)
    model = load("webp")
    assert isinstance(model, WebpCodec)
    output = model.reconstruct(images)
    assert budget(quantise(images[0])) == 16_384
    assert all(0 < size <= 16_384 for size in model.encoded_bytes)
    assert float(composite_psnr(output, images, BLACK).min()) > 35


def test_bisection_finds_the_highest_quality_that_fits() -> None:
    codes = quantise(torch.rand(4, 48, 48))
    sizes = [len(encode_webp(codes, quality)) for quality in range(101)]
    limit = sizes[40]
    best = fit_webp(codes, limit)
    assert len(best) == max(size for size in sizes if size <= limit)


def test_a_budget_too_small_for_any_file_gives_the_smallest_one() -> None:
    codes = quantise(torch.rand(4, 8, 8))
    assert fit_webp(codes, 1) == encode_webp(codes, 0)
    assert decode_webp(fit_webp(codes, 1)).shape == (4, 8, 8)


def test_every_model_of_the_registry_says_what_it_is() -> None:
    for name, spec in list_models().items():
        assert spec.name == name
        assert spec.summary
        assert spec.licence
        assert spec.origin


@pytest.mark.parametrize("name", ["identity", "opaque", "blank", "webp", "pca", "rgb-vae-twice", "alphavae"])
@pytest.mark.parametrize("size", [(64, 64), (37, 53)])
def test_every_bundled_model_returns_images_of_the_size_it_was_given(name: str, size: tuple[int, int]) -> None:
    images = soft_images(*size)
    model = load(name)
    output = model.reconstruct(images)
    assert output.shape == images.shape
    assert output.dtype == torch.float32
    assert float(output.min()) >= 0
    assert float(output.max()) <= 1
    assert model.info.name
    assert model.info.kind in {"builtin", "checkpoint"}


def test_unknown_models_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean 'identity'"):
        model_spec("identiti")
