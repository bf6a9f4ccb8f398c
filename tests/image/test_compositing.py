"""Compositing against Porter and Duff's formula in float64, and hidden colour to the last bit."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabench.errors import DataError
from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS, TEXTURES, canonical_tensor, texture
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import (
    clear_hidden,
    composite,
    composite_over,
    premultiply,
    unpremultiply,
)
from alphabench.image.regions import unknown_region
from alphabench.image.resizing import resize_premultiplied


def images(*shape: int) -> torch.Tensor:
    codes = torch.randint(0, 256, shape, dtype=torch.uint8)
    codes[:, 3, ::3] = 0
    codes[:, 3, 1::3] = 255
    return to_float(codes)


def with_other_hidden_colour(rgba: torch.Tensor) -> torch.Tensor:
    colour = torch.where(rgba[:, 3:] > 0, rgba[:, :3], torch.rand_like(rgba[:, :3]))
    return torch.cat([colour, rgba[:, 3:]], dim=1)


def test_the_fixture_f32_has_its_published_sums_and_hashes(f32_codes):
    sums = {
        "reference": (
            [137216, 137216, 134144, 82375],
            "18c83ad7889f306f39426c30c63859728f63eb25dba5e5afba4d29166a4e4b23",
        ),
        "prediction": (
            [136693, 137214, 134109, 82889],
            "378d9e0b7eef9f85cf48102939d17bb8f3c6c48ca5b877bd4e10ce2464f1441b",
        ),
    }
    for name, (expected, digest) in sums.items():
        assert f32_codes[name].sum(dim=(1, 2)).tolist() == expected
        interleaved = f32_codes[name].permute(1, 2, 0).contiguous().numpy().tobytes()
        assert hashlib.sha256(interleaved).hexdigest() == digest


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_composite_is_the_over_operator(dtype):
    rgba, colour = images(2, 4, 7, 5).to(dtype), torch.rand(3, dtype=dtype)
    straight, alpha = rgba[:, :3].double().numpy(), rgba[:, 3:].double().numpy()
    expected = alpha * straight + (1 - alpha) * colour.double().numpy()[None, :, None, None]
    blended = composite(rgba, colour)
    assert blended.dtype == dtype
    np.testing.assert_allclose(blended.numpy(), expected, atol=2e-7 if dtype == torch.float32 else 1e-15)


def test_opaque_pixels_keep_their_colour_and_transparent_ones_show_the_background():
    rgba = images(1, 4, 6, 6)
    picture = torch.rand(3, 6, 6)
    blended = composite(rgba, picture)
    opaque, clear = rgba[:, 3] == 1, rgba[:, 3] == 0
    assert torch.equal(blended[:, :, opaque[0]], rgba[:, :3][:, :, opaque[0]])
    assert torch.equal(blended[:, :, clear[0]], picture[None][:, :, clear[0]])


def test_hidden_colour_changes_no_composite_by_any_bit():
    rgba = images(2, 4, 9, 8)
    other = with_other_hidden_colour(rgba)
    assert not torch.equal(rgba, other)
    for background in (*canonical_tensor(), *(texture(name, 9, 8) for name in TEXTURES)):
        assert torch.equal(composite(rgba, background), composite(other, background))
    assert torch.equal(composite_over(rgba, canonical_tensor()), composite_over(other, canonical_tensor()))
    assert torch.equal(premultiply(rgba), premultiply(other))
    assert torch.equal(clear_hidden(rgba), clear_hidden(other))


def test_compositing_over_many_colours_equals_one_at_a_time_to_the_last_bit():
    rgba, colours = images(2, 4, 5, 6), torch.rand(4, 3)
    together = composite_over(rgba, colours)
    assert together.shape == (2, 4, 3, 5, 6)
    for index, colour in enumerate(colours):
        assert torch.equal(together[:, index], composite(rgba, colour))


def test_every_shape_of_background_means_the_same_colour():
    rgba, colour = images(2, 4, 5, 6), torch.tensor([0.1, 0.6, 0.9])
    column = colour.view(3, 1, 1)
    expected = composite(rgba, colour)
    for background in (
        column.expand(3, 5, 6),
        column.expand(2, 3, 1, 1),
        column.expand(2, 3, 5, 6),
        column[None],
    ):
        assert torch.equal(composite(rgba, background), expected)


@pytest.mark.parametrize("shape", [(4,), (1,), (3, 1), (3, 6, 5), (3, 3, 1, 1), (2, 4, 5, 6), (2, 1, 5, 6)])
def test_a_background_of_another_shape_is_refused(shape):
    with pytest.raises(DataError, match="does not fit"):
        composite(images(2, 4, 5, 6), torch.zeros(shape))


def test_clearing_hidden_colour_keeps_every_visible_value():
    rgba = images(1, 4, 6, 6)
    cleared = clear_hidden(rgba)
    visible = (rgba[:, 3:] > 0).expand(-1, 4, -1, -1)
    assert torch.equal(cleared[visible], rgba[visible])
    assert not cleared[~visible].any()


def test_unpremultiplying_gives_the_straight_colour_back():
    rgba = clear_hidden(images(2, 4, 9, 9))
    restored = unpremultiply(premultiply(rgba), rgba[:, 3:])
    torch.testing.assert_close(restored, rgba, atol=1e-6, rtol=0)
    assert torch.equal(restored[:, 3], rgba[:, 3])
    assert float(restored.max()) <= 1


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_composites_stay_between_the_colour_and_the_background(colour, alpha, background):
    rgba = torch.tensor([colour, colour, colour, alpha]).view(1, 4, 1, 1)
    blended = composite(rgba, torch.full((3,), background))
    assert min(colour, background) - 1e-6 <= float(blended.min())
    assert float(blended.max()) <= max(colour, background) + 1e-6


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_every_operation_stays_on_the_device_of_its_image(device):
    rgba = images(2, 4, 12, 10).to(device)
    colours = canonical_tensor(device)
    results = [
        premultiply(rgba),
        unpremultiply(rgba[:, :3], rgba[:, 3:]),
        clear_hidden(rgba),
        composite(rgba, colours[0]),
        composite_over(rgba, colours),
        resize_premultiplied(rgba, 6, 5),
        resize_premultiplied(rgba, 7, 13),
        to_float(torch.zeros(4, 2, 2, dtype=torch.uint8, device=device)),
    ]
    assert {result.device.type for result in results} == {device}


@pytest.mark.gpu
def test_codes_composites_and_regions_are_the_same_bits_on_the_gpu():
    codes = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_float(codes.cuda()).cpu(), to_float(codes))
    rgba, colours = images(2, 4, 64, 48), canonical_tensor()
    assert torch.equal(composite_over(rgba.cuda(), colours.cuda()).cpu(), composite_over(rgba, colours))
    assert torch.equal(quantise(rgba.cuda()).cpu(), quantise(rgba))
    assert torch.equal(unknown_region(rgba[:, 3:].cuda()).cpu(), unknown_region(rgba[:, 3:]))
    resized = resize_premultiplied(rgba.cuda(), 37, 23).cpu()
    torch.testing.assert_close(resized, resize_premultiplied(rgba, 37, 23), atol=1e-4, rtol=0)


def test_gradients_flow_through_a_composite():
    rgba = images(1, 4, 3, 3).double().requires_grad_()
    colour = torch.rand(3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda image: composite(image, colour), (rgba,))


def test_swapping_black_and_white_reveals_alpha():
    rgba = images(1, 4, 5, 5)
    black, white = (composite(rgba, torch.tensor(CANONICAL_BACKGROUNDS[name])) for name in ("black", "white"))
    torch.testing.assert_close(1 - (white - black)[:, :1], rgba[:, 3:], atol=1e-6, rtol=0)
