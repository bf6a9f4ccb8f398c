"""Resizing against Pillow and torchvision, and hidden colour to the last bit."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from alphabench.errors import UsageError
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import clear_hidden, premultiply
from alphabench.image.resizing import (
    clean_resize_299,
    lanczos_weights,
    pillow_resize_crop,
    resize_planes,
    resize_premultiplied,
)


def picture(height: int, width: int, batch: int = 1) -> torch.Tensor:
    rgba = torch.rand(batch, 4, height, width)
    rgba[:, 3, : height // 3] = 0
    rgba[:, 3, -height // 3 :] = 1
    return rgba


def by_pillow(plane: torch.Tensor, height: int, width: int, method: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane.numpy()).resize((width, height), method))


@pytest.mark.parametrize("size", [(17, 23), (40, 23), (13, 61), (64, 90), (1, 2), (39, 60)])
def test_lanczos_agrees_with_pillow_on_float_planes(size):
    planes = torch.rand(1, 2, 40, 61)
    resized = resize_planes(planes, *size)
    for channel in range(2):
        expected = by_pillow(planes[0, channel], *size, Image.Resampling.LANCZOS)
        np.testing.assert_allclose(resized[0, channel].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3])
def test_whole_factors_average_areas_as_pillow_does(factor):
    planes = torch.rand(1, 1, 12, 18)
    size = (12 // factor, 18 // factor)
    expected = by_pillow(planes[0, 0], *size, Image.Resampling.BOX)
    np.testing.assert_allclose(resize_planes(planes, *size)[0, 0].numpy(), expected, atol=1e-6)


def test_lanczos_rows_sum_to_one_so_a_flat_image_stays_flat():
    assert torch.allclose(lanczos_weights(100, 37).sum(dim=1), torch.ones(37, dtype=torch.float64))
    flat = torch.tensor([0.2, 0.9, 0.4, 0.6]).view(1, 4, 1, 1).expand(1, 4, 30, 50)
    torch.testing.assert_close(resize_premultiplied(flat, 17, 23), flat[:, :, :17, :23].contiguous(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(20, 26), (13, 19), (40, 52), (60, 70), (20, 52)])
def test_hidden_colour_changes_no_resized_value_by_any_bit(size):
    rgba = picture(40, 52, batch=2)
    other = rgba.clone()
    other[:, :3] = torch.where(rgba[:, 3:] > 0, rgba[:, :3], torch.rand(2, 3, 40, 52))
    assert not torch.equal(rgba, other)
    assert torch.equal(resize_premultiplied(rgba, *size), resize_premultiplied(other, *size))


@pytest.mark.parametrize("size", [(20, 26), (13, 19), (60, 70)])
def test_resized_images_are_in_range_and_clear_under_alpha_0(size):
    resized = resize_premultiplied(picture(40, 52), *size)
    assert resized.shape == (1, 4, *size)
    assert float(resized.min()) >= 0
    assert float(resized.max()) <= 1
    assert not resized[:, :3][(resized[:, 3:] == 0).expand(-1, 3, -1, -1)].any()


def test_a_white_disc_on_hidden_black_keeps_a_white_rim():
    rgba = torch.zeros(1, 4, 30, 30)
    rgba[:, :, 8:21, 8:21] = 1
    resized = resize_premultiplied(rgba, 13, 13)
    visible = resized[:, 3] > 0.02
    torch.testing.assert_close(resized[:, 0][visible], torch.ones(int(visible.sum())), atol=1e-4, rtol=0)


def test_the_same_size_only_clears_hidden_colour():
    rgba = picture(11, 12)
    assert torch.equal(resize_premultiplied(rgba, 11, 12), clear_hidden(rgba))


def test_area_averaging_keeps_the_mean_of_every_premultiplied_channel():
    rgba = picture(24, 36)
    resized = resize_premultiplied(rgba, 8, 12)
    torch.testing.assert_close(
        premultiply(resized).mean(dim=(2, 3)), premultiply(rgba).mean(dim=(2, 3)), atol=1e-6, rtol=0
    )


def test_double_precision_passes_through():
    assert resize_premultiplied(picture(9, 9).double(), 5, 7).dtype == torch.float64


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_a_size_below_one_pixel_is_refused(size):
    with pytest.raises(UsageError, match="no image of"):
        resize_premultiplied(picture(8, 8), *size)


def test_pillow_filters_rgba_premultiplied_in_8_bits():
    codes = torch.full((4, 4, 4), 200, dtype=torch.uint8)
    codes[3, :2], codes[3, 2:] = 255, 0
    resized = pillow_resize_crop(codes, 2)
    assert resized[0].tolist() == [[199, 199], [205, 205]]
    assert resized[3].tolist() == [[219, 219], [36, 36]]
    straight = quantise(resize_planes(to_float(codes)[None], 2, 2))
    assert int(straight[0, 0].min()) == 200


@pytest.mark.parametrize("extent", [(37, 53), (53, 37), (24, 31), (31, 24), (40, 40), (24, 24), (18, 30)])
@pytest.mark.parametrize("channels", [3, 4])
def test_resize_and_crop_are_those_of_torchvision_on_a_pillow_image(extent, channels):
    codes = torch.randint(0, 256, (channels, *extent), dtype=torch.uint8)
    image = Image.fromarray(codes.permute(1, 2, 0).contiguous().numpy())
    expected = transforms.CenterCrop(24)(transforms.Resize(24)(image))
    np.testing.assert_array_equal(pillow_resize_crop(codes, 24).permute(1, 2, 0).numpy(), np.array(expected))


def test_the_longer_side_is_truncated_and_the_crop_rounds_half_to_even():
    wide = Image.new("RGBA", (1500, 1111))
    assert transforms.Resize(1024)(wide).size == (1382, 1024)
    columns = torch.zeros(3, 1024, 1383, dtype=torch.uint8)
    columns[:, :, 180] = 255
    assert pillow_resize_crop(columns)[:, :, 0].min() == 255
    assert pillow_resize_crop(torch.zeros(4, 1111, 1500, dtype=torch.uint8)).shape == (4, 1024, 1024)


def test_an_image_of_the_right_size_keeps_its_hidden_colour():
    codes = torch.randint(0, 256, (4, 16, 16), dtype=torch.uint8)
    codes[3] = 0
    assert torch.equal(pillow_resize_crop(codes, 16), codes)


def test_pillow_resize_refuses_no_size():
    with pytest.raises(UsageError):
        pillow_resize_crop(torch.zeros(4, 8, 8, dtype=torch.uint8), 0)


def test_the_clean_resize_is_pillow_bicubic_on_each_float_channel():
    images = torch.rand(2, 3, 37, 410)
    resized = clean_resize_299(images)
    assert resized.shape == (2, 3, 299, 299)
    for index in range(2):
        for channel in range(3):
            plane = by_pillow(images[index, channel] * 255, 299, 299, Image.Resampling.BICUBIC)
            np.testing.assert_allclose(resized[index, channel].numpy() * 255, np.clip(plane, 0, 255), atol=1e-4)


def test_the_clean_resize_clips_but_does_not_round():
    hard = torch.zeros(1, 3, 20, 20)
    hard[..., 10:] = 1
    resized = clean_resize_299(hard)
    assert float(resized.min()) == 0
    assert float(resized.max()) == 1
    assert len(resized.unique()) > 10


def test_the_clean_resize_of_no_image_is_no_image():
    assert clean_resize_299(torch.zeros(0, 3, 5, 5)).shape == (0, 3, 299, 299)
