"""The published evaluation's lossy steps, pinned to torchvision's and Pillow's own."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import save_image

from alphabench.image.codec import to_float
from alphabench.image.jpeg import bf16_save_codes, jpeg_round_trip, truncated_composite

COMPOSITE_SUMS = {
    (128, 128, 128): 398963,
    (0, 0, 0): 129782,
    (255, 255, 255): 666016,
    (255, 0, 0): 308527,
    (0, 255, 0): 308526,
    (0, 0, 255): 308527,
    (255, 255, 0): 487271,
    (0, 255, 255): 487271,
    (255, 0, 255): 487272,
}


@pytest.mark.parametrize("colour", COMPOSITE_SUMS)
def test_truncated_composites_have_the_published_sums(f32_codes, colour):
    blended = truncated_composite(f32_codes["reference"], colour)
    assert int(blended.sum(dtype=torch.int64)) == COMPOSITE_SUMS[colour]


def test_truncation_lets_some_exact_values_fall_by_one():
    codes = torch.full((4, 256, 1), 128, dtype=torch.uint8)
    codes[3, :, 0] = torch.arange(256, dtype=torch.uint8)
    blended = truncated_composite(codes, (128, 128, 128))
    assert set(blended.unique().tolist()) == {127, 128}


def test_hidden_colour_does_not_reach_a_truncated_composite(f32_codes):
    codes = f32_codes["reference"]
    other = codes.clone()
    other[:3][:, codes[3] == 0] = 77
    assert not torch.equal(codes, other)
    assert torch.equal(truncated_composite(codes, (0, 255, 0)), truncated_composite(other, (0, 255, 0)))


def test_the_jpeg_is_the_one_pillow_writes_without_options(f32_codes):
    picture = truncated_composite(f32_codes["reference"], (128, 128, 128))
    buffer = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG")
    with Image.open(buffer) as plain:
        expected = np.array(plain)
    decoded = jpeg_round_trip(picture)
    assert np.array_equal(decoded.permute(1, 2, 0).numpy(), expected)
    assert 0 < (decoded.int() - picture.int()).abs().float().mean() < 8


def test_jpeg_keeps_odd_sizes():
    assert jpeg_round_trip(torch.zeros(3, 17, 9, dtype=torch.uint8)).shape == (3, 17, 9)


def test_saving_in_bf16_makes_codes_from_128_on_even():
    codes = torch.arange(256, dtype=torch.uint8)
    saved = bf16_save_codes(to_float(codes)).int()
    shift = saved - codes.int()
    assert not shift[:128].any()
    assert shift.unique().tolist() == [0, 1]
    assert len(saved.unique()) == 193
    assert saved[(saved > 128) & (saved % 2 == 1)].unique().tolist() == [255]
    assert float(shift.float().mean()) == 0.24609375
    assert saved[0] == 0
    assert saved[255] == 255


def test_saving_in_bf16_is_what_torchvision_does_with_a_bf16_tensor(tmp_path):
    images = torch.rand(1, 4, 16, 16)
    output = ((images - 0.5) / 0.5).to(torch.bfloat16)
    save_image((output * 0.5 + 0.5).clamp(0, 1), tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as picture:
        expected = torch.from_numpy(np.array(picture)[..., :3]).permute(2, 0, 1)
    assert torch.equal(bf16_save_codes(images)[0, :3], expected)
    already = (output * 0.5 + 0.5).clamp(0, 1).float()
    assert torch.equal(bf16_save_codes(already), bf16_save_codes(images))
