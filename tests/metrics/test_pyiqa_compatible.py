import pytest
import torch

from alphabench.errors import DataError
from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS
from alphabench.image.jpeg import truncated_composite
from alphabench.metrics.pyiqa_compatible import check_codes, psnr_eps8, ssim_pyiqa

WITHOUT_JPEG = {
    "gray": (45.894539, 0.99743254),
    "black": (42.740906, 0.99763443),
    "white": (42.887196, 0.99818809),
    "red": (42.890583, 0.99734398),
    "green": (42.866116, 0.99751983),
    "blue": (42.616035, 0.99753506),
    "yellow": (43.020245, 0.99799872),
    "cyan": (42.737640, 0.99772013),
    "magenta": (42.761391, 0.99711346),
}


# Luma of a few pixels lies on a half code, where the last bit of a float32 product decides the rounding: it
# differs between processors, here by 5e-6 for the 484 windows of the fixture.
TIES = 1e-5


def on(colour, codes):
    return truncated_composite(codes, tuple(round(255 * level) for level in colour))[None]


@pytest.mark.parametrize("name", WITHOUT_JPEG)
def test_fixture_composites_without_jpeg(f32_codes, name):
    prediction, reference = (
        on(CANONICAL_BACKGROUNDS[name], codes) for codes in (f32_codes["prediction"], f32_codes["reference"])
    )
    psnr, ssim = WITHOUT_JPEG[name]
    assert psnr_eps8(prediction, reference).item() == pytest.approx(psnr, abs=2e-6)
    assert ssim_pyiqa(prediction, reference).item() == pytest.approx(ssim, abs=TIES)


def test_fixture_colour_without_alpha(f32_codes):
    prediction, reference = (codes[None, :3] for codes in (f32_codes["prediction"], f32_codes["reference"]))
    assert psnr_eps8(prediction, reference).item() == pytest.approx(41.620098, abs=2e-6)
    assert ssim_pyiqa(prediction, reference).item() == pytest.approx(0.99751372, abs=TIES)


def test_identical_images_are_80_decibels():
    codes = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    assert psnr_eps8(codes, codes).tolist() == pytest.approx([80.0, 80.0], abs=1e-5)
    assert ssim_pyiqa(codes, codes).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)


def test_images_below_the_window_are_not_applicable():
    codes = torch.zeros(1, 3, 10, 30, dtype=torch.uint8)
    assert ssim_pyiqa(codes, codes).isnan().all()


def test_what_is_not_two_equal_8_bit_images_is_refused():
    codes = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    with pytest.raises(DataError, match="differ"):
        check_codes(codes, codes[:, :, :11])
    for wrong in (codes.float(), codes[0], codes[:, :2], codes[:0]):
        with pytest.raises(DataError, match="uint8"):
            check_codes(wrong, wrong)


def test_both_equal_the_package():
    pyiqa = pytest.importorskip("pyiqa")
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((3, 3, 9, 9), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (120, 97), mode="bicubic").clamp(0, 1)
    noisy = smooth + torch.tensor([0.01, 0.1, 0.5]).view(3, 1, 1, 1) * torch.randn(smooth.shape, generator=generator)
    prediction, reference = (image.clamp(0, 1).mul(255).round().byte() for image in (noisy, smooth))
    floats = [image.float() / 255 for image in (prediction, reference)]
    for name, ours, tolerance in (("psnr", psnr_eps8, 2e-5), ("ssim", ssim_pyiqa, 1e-9)):
        theirs = pyiqa.create_metric(name, device="cpu")(*floats).double().flatten()
        torch.testing.assert_close(ours(prediction, reference), theirs, atol=tolerance, rtol=0)
