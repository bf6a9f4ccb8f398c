import pytest
import torch

from alphabench.errors import DataError
from alphabench.metrics.check import check_backgrounds, check_image, check_pair, check_region
from alphabench.metrics.closed_form import composite_psnr


def image(**changes):
    return torch.full((2, 4, 3, 5), 0.5, **changes)


def test_a_good_pair_passes_untouched():
    prediction, reference = image(), image()
    checked = check_pair(prediction, reference, channels=4)
    assert checked[0] is prediction
    assert checked[1] is reference


@pytest.mark.parametrize(
    ("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (1.5, "1.5"), (-0.25, "-0.25")]
)
def test_a_wrong_value_is_named_with_its_place(value, shown):
    prediction = image()
    prediction[1, 2, 0, 4] = value
    prediction[1, 3, 0, 0] = value
    with pytest.raises(DataError, match="2 values") as caught:
        check_pair(prediction, image())
    assert shown in caught.value.message
    assert "sample 1, channel 2, row 0, column 4" in caught.value.message
    assert "prediction" in caught.value.message


def test_rounding_noise_is_clamped_and_no_more():
    noisy = image()
    noisy[0, 0, 0, 0], noisy[0, 0, 0, 1] = 1 + 5e-7, -5e-7
    checked = check_image(noisy, "prediction")
    assert checked.min() == 0
    assert checked.max() == 1
    noisy[0, 0, 0, 0] = 1 + 2e-6
    with pytest.raises(DataError):
        check_image(noisy, "prediction")


def test_images_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match="shape"):
        check_pair(image(), image()[:, :, :2])
    with pytest.raises(DataError, match="dtype"):
        check_pair(image(), image(dtype=torch.float64))
    with pytest.raises(DataError, match="device"):
        check_pair(image(), image(device="meta"))


def test_other_forms_are_refused_with_a_remedy():
    for wrong, channels in ((image(), 3), (image()[0], None)):
        with pytest.raises(DataError, match="shape"):
            check_image(wrong, "reference", channels=channels)
    for dtype in (torch.uint8, torch.float16, torch.bfloat16):
        with pytest.raises(DataError) as caught:
            check_image(image().to(dtype), "reference")
        assert ".float()" in caught.value.remedy
    with pytest.raises(DataError, match="no pixels"):
        check_image(image()[:0], "reference")


def test_backgrounds_are_rows_of_colours():
    assert check_backgrounds(torch.tensor([[0, 0.5, 1.0]])).dtype == torch.float64
    for wrong in (torch.rand(3), torch.rand(2, 4), torch.rand(0, 3), torch.ones(1, 3, dtype=torch.int64)):
        with pytest.raises(DataError):
            check_backgrounds(wrong)
    with pytest.raises(DataError, match="background 1 has the value nan in channel 2"):
        check_backgrounds(torch.tensor([[0, 0, 0], [0, 0, float("nan")]]))


def test_a_region_must_fit_its_images():
    region = torch.ones(2, 1, 3, 5, dtype=torch.bool)
    assert check_region(region, image()) is region
    for wrong in (region.float(), region[:1], region[..., :4]):
        with pytest.raises(DataError, match="region"):
            check_region(wrong, image())


def test_a_score_refuses_what_the_gate_refuses():
    bad = image()
    bad[0, 3, 2, 1] = float("nan")
    with pytest.raises(DataError, match="sample 0, channel 3, row 2, column 1"):
        composite_psnr(bad, image(), torch.zeros(1, 3))
