"""Scoring under `alpha-paper@1`: the authors' numbers, their JPEG, their view without alpha."""

import io
import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from PIL import __version__ as pillow_version
from PIL import features as pillow_features

from alphabench.errors import DataError
from alphabench.protocols import load_protocol
from alphabench.tasks import paper_scoring
from alphabench.tasks.paper_pairing import Lossless
from alphabench.tasks.paper_scoring import FEATURE_DIM, FEATURES, PaperScorer, picture, saved_as_authors

# PSNR and SSIM of the fixture: with JPEG, then without (protocol acceptance table; the first two columns
# were also obtained with the authors' blend_rgba.py and pyiqa 0.1.16).
PAPER = {
    "gray": (39.660275, 0.99477926, 45.894539, 0.99743254),
    "black": (39.429859, 0.99663887, 42.740906, 0.99763443),
    "white": (39.535820, 0.99682582, 42.887196, 0.99818809),
    "red": (40.054188, 0.99673695, 42.890583, 0.99734398),
    "green": (38.855450, 0.99310779, 42.866116, 0.99751983),
    "blue": (40.032883, 0.99588068, 42.616035, 0.99753506),
    "yellow": (38.950871, 0.99575928, 43.020245, 0.99799872),
    "cyan": (39.620453, 0.99216363, 42.737640, 0.99772013),
    "magenta": (37.465942, 0.99262356, 42.761391, 0.99711346),
}
NO_ALPHA = (41.620098, 0.99751372)

SAME_JPEG = pillow_version.startswith("13.0") and bool(pillow_features.check_feature("libjpeg_turbo"))
JPEG_DB, JPEG_SSIM = (1e-4, 1e-6) if SAME_JPEG else (0.02, 2e-4)


def f32():
    """Return prediction and reference of the fixture, `(4, 32, 32)`."""
    y, x = np.mgrid[:32, :32]
    red, green, blue = (7 * x + 3 * y) % 256, (5 * x + 11 * y + 40) % 256, 255 - (6 * x + 2 * y) % 256
    alpha = np.clip(40 * (12 - np.maximum(abs(x - 15), abs(y - 16))), 0, 255)
    moved = (
        red + (x * y) % 7 - 3,
        green - (x + 2 * y) % 5 + 2,
        blue + (3 * x + y) % 9 - 4,
        alpha + (x + y) % 11 - 5,
    )
    pair = (np.clip(np.stack(moved), 0, 255), np.stack([red, green, blue, alpha]))
    return tuple(torch.from_numpy(image.astype(np.uint8)) for image in pair)


def noisy_pair(seed, height=48, width=40):
    """Return a soft image with hidden colour, and the same with noise in all channels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    alpha = np.clip(300 - 12 * np.hypot(x - width / 2, y - height / 2), 0, 255)
    colour = 128 + 100 * np.sin(np.stack([x / 5 + y / 9, x / 7 - y / 4, x * y / 300]))
    reference = np.concatenate([colour, alpha[None]])
    prediction = reference + rng.normal(0, 4, reference.shape)
    pair = (np.clip(image, 0, 255).astype(np.uint8) for image in (prediction, reference))
    return tuple(torch.from_numpy(image) for image in pair)


def scorer():
    return PaperScorer(load_protocol("alpha-paper@1"), torch.device("cpu"))


def scores(prediction, reference, lossless=None):
    values = scorer().score([prediction], [reference], [lossless]).values
    return {key: float(value) for key, value in values.items()}


def png(codes):
    buffer = io.BytesIO()
    Image.fromarray(codes.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    return Image.open(buffer)


def test_the_paper_columns_of_the_fixture_come_out():
    values = scores(*f32())
    for colour, (psnr, ssim, _, _) in PAPER.items():
        assert values[(f"composite/{colour}", "psnr_eps8")] == pytest.approx(psnr, abs=JPEG_DB)
        assert values[(f"composite/{colour}", "ssim_pyiqa")] == pytest.approx(ssim, abs=JPEG_SSIM)


def test_without_jpeg_the_columns_hold_on_every_machine():
    values = scores(*f32(), lossless=Lossless(prediction=True, reference=True))
    for colour, (_, _, psnr, ssim) in PAPER.items():
        assert values[(f"composite/{colour}", "psnr_eps8")] == pytest.approx(psnr, abs=1e-4)
        assert values[(f"composite/{colour}", "ssim_pyiqa")] == pytest.approx(ssim, abs=1e-5)


def test_the_view_without_alpha_has_the_authors_rgba_values():
    values = scores(*f32())
    assert values[("straight-rgb-noalpha", "psnr_eps8")] == pytest.approx(NO_ALPHA[0], abs=1e-4)
    # Three pixels have a luma exactly between two codes: which way it rounds depends on whether the
    # machine's matrix product fuses multiply and add (4.5e-6 here).
    assert values[("straight-rgb-noalpha", "ssim_pyiqa")] == pytest.approx(NO_ALPHA[1], abs=1e-5)


def test_an_all_wrong_alpha_changes_nothing_in_the_view_without_alpha():
    prediction, reference = f32()
    wrong = prediction.clone()
    wrong[3] = 255 - wrong[3]
    right, changed = scores(prediction, reference), scores(wrong, reference)
    for metric in ("psnr_eps8", "ssim_pyiqa"):
        assert changed[("straight-rgb-noalpha", metric)] == right[("straight-rgb-noalpha", metric)]
        assert changed[("composite/black", metric)] < right[("composite/black", metric)]


def test_hidden_colour_changes_the_view_without_alpha_and_no_composite():
    pair = f32()
    painted = []
    for image, colour in zip(pair, (200, 60), strict=True):
        other = image.clone()
        other[:3, other[3] == 0] = colour
        painted.append(other)
    before, after = scores(*pair), scores(*painted)
    for key, value in before.items():
        if key[0] == "straight-rgb-noalpha":
            assert after[key] != value
        else:
            assert after[key] == value


def test_an_image_against_itself_has_80_db_and_ssim_1():
    _, reference = f32()
    values = scores(reference, reference)
    assert len(values) == 20
    for (_, metric), value in values.items():
        assert value == pytest.approx(80.0 if metric == "psnr_eps8" else 1.0, abs=1e-5)


def test_jpeg_on_one_side_only_follows_the_names_of_the_files():
    prediction, reference = noisy_pair(1)
    both, none = scores(prediction, reference), scores(prediction, reference, Lossless(True, True))
    one = scores(prediction, reference, Lossless(reference=True))
    other = scores(prediction, reference, Lossless(prediction=True))
    key = ("composite/magenta", "psnr_eps8")
    assert len({both[key], none[key], one[key], other[key]}) == 4
    assert both[("straight-rgb-noalpha", "psnr_eps8")] == none[("straight-rgb-noalpha", "psnr_eps8")]


def test_the_picture_is_what_pillow_reads_back_from_the_authors_file():
    _, reference = noisy_pair(2)
    pixels = np.asarray(png(reference)).astype(np.float32) / 255.0
    behind = np.array((255.0, 0.0, 255.0), np.float32).reshape(1, 1, 3) / 255.0
    blended = pixels[..., 3:] * pixels[..., :3] + (1 - pixels[..., 3:]) * behind
    truncated = np.clip(blended * 255.0, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(truncated).save(buffer, "JPEG", quality=75, subsampling=2)
    expected = np.asarray(Image.open(buffer).convert("RGB"))
    seen = picture(reference, (255, 0, 255))[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(seen, expected)
    kept = picture(reference, (255, 0, 255), lossless=True)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(kept, truncated)
    bare = picture(reference, None)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(bare, np.asarray(png(reference).convert("RGB")))


def test_images_of_different_sizes_share_a_batch_and_no_value():
    pairs = [noisy_pair(3), noisy_pair(4, 33, 57), f32()]
    together = scorer().score([pair[0] for pair in pairs], [pair[1] for pair in pairs]).values
    for index, pair in enumerate(pairs):
        alone = scores(*pair)
        assert {key: float(value[index]) for key, value in together.items()} == alone


def test_a_reference_of_a_skipped_leaf_has_no_value_on_any_view():
    prediction, reference = f32()
    values = scorer().score([None, prediction], [reference, reference]).values
    assert all(math.isnan(value[0]) and not math.isnan(value[1]) for value in values.values())


def test_a_pair_of_unequal_sizes_is_refused_by_both_sizes():
    prediction, reference = f32()
    with pytest.raises(DataError, match="32x24 pixels, its reference 32x32"):
        scorer().score([prediction[:, :24]], [reference])


def test_every_key_of_the_protocol_that_can_be_computed_has_a_value():
    judge = scorer()
    keys = set(judge.score(*([image] for image in f32())).values)
    assert keys == {key for key in judge.protocol.sample_keys() if key[1] not in judge.unavailable}
    assert judge.networks == (() if "fid" in judge.unavailable else (FEATURES,))
    for lacking in judge.unavailable.values():
        assert lacking.reason
        assert lacking.remedy


def test_networks_see_the_jpeg_of_each_background_and_the_colour_without_alpha(monkeypatch):
    prediction, reference = noisy_pair(5)

    class Inception:
        def pooled(self, images):
            return images.mean(dim=(1, 2, 3))[:, None].expand(-1, FEATURE_DIM)

    monkeypatch.setattr(paper_scoring, "unavailable_metrics", lambda protocol: {})
    monkeypatch.setattr(paper_scoring, "inception", lambda device: Inception())
    monkeypatch.setattr(paper_scoring, "alexnet", lambda device: None)
    monkeypatch.setattr(paper_scoring, "lpips", lambda x, y, network: (x - y).abs().mean()[None].double())
    monkeypatch.setattr(paper_scoring, "aesthetics", lambda device: lambda x: x.mean()[None].double())
    judge = scorer()
    assert judge.networks == (FEATURES,)
    result = judge.score([prediction, None], [reference, reference])
    features = result.features[FEATURES]
    assert features.shape == (2, 2, 10, FEATURE_DIM)
    assert features.dtype == torch.float32
    assert bool(features[1].isnan().all())
    colours = [*judge.protocol.backgrounds.items(), ("straight-rgb-noalpha", None)]
    for place, (name, colour) in enumerate(colours):
        ours, theirs = (picture(image, colour).float() / 255 for image in (prediction, reference))
        assert judge.protocol.set_views()[place] == f"set/{name}"
        assert features[0, :, place, 0].tolist() == pytest.approx([float(ours.mean()), float(theirs.mean())])
        view = f"composite/{name}" if colour else name
        assert float(result.values[(view, "laion_aes")][0]) == pytest.approx(float(ours.mean()))
        assert float(result.values[(view, "lpips")][0]) == pytest.approx(float((ours - theirs).abs().mean()))
        if colour:
            rated = float(result.values[(f"reference/{name}", "laion_aes")][0])
            assert rated == pytest.approx(float(theirs.mean()))


def test_saving_in_bfloat16_makes_every_code_above_127_even_except_255():
    codes = torch.arange(256)
    images = (codes.float() / 255).view(1, 1, 16, 16).expand(1, 4, 16, 16)
    (saved,) = saved_as_authors(images)
    shift = saved[0].flatten().int() - codes
    assert torch.equal(saved[0].flatten()[:128].int(), codes[:128])
    assert len(saved[0].unique()) == 193
    assert set(shift.tolist()) == {0, 1}
    assert float(shift.double().mean()) == 0.24609375
    assert [code for code in saved[0].flatten().tolist() if code > 128 and code % 2] == [255]


def test_saving_agrees_with_torchvision_on_a_model_that_answers_in_bfloat16(tmp_path):
    from torchvision.utils import save_image

    answer = torch.linspace(-1.05, 1.05, 4 * 40 * 50).view(1, 4, 40, 50).to(torch.bfloat16)
    recon = (answer * 0.5 + 0.5).clamp(0, 1)
    save_image(recon, tmp_path / "recon.png")
    expected = np.asarray(Image.open(tmp_path / "recon.png"))
    (saved,) = saved_as_authors(recon.float())
    np.testing.assert_array_equal(saved.permute(1, 2, 0).numpy(), expected)


@pytest.fixture(scope="module")
def pyiqa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, at import only
        return pytest.importorskip("pyiqa")


def test_values_are_those_of_pyiqa_on_the_authors_files(pyiqa, tmp_path):
    """The authors' steps in Pillow and NumPy, files and all; PSNR is float32 there, SSIM float64."""
    metrics = {"psnr_eps8": ("psnr", 1e-3), "ssim_pyiqa": ("ssim", 1e-4)}
    functions = {ours: pyiqa.create_metric(theirs, device="cpu") for ours, (theirs, _) in metrics.items()}
    for number, pair in enumerate((noisy_pair(6, 64, 72), noisy_pair(7, 40, 90))):
        values = scores(*pair)
        for name, colour in scorer().protocol.backgrounds.items():
            files = []
            for side, image in zip(("prediction", "reference"), pair, strict=True):
                pixels = np.asarray(png(image)).astype(np.float32) / 255.0
                behind = np.array(colour, np.float32).reshape(1, 1, 3) / 255.0
                blended = pixels[..., 3:] * pixels[..., :3] + (1 - pixels[..., 3:]) * behind
                files.append(tmp_path / f"{number}-{side}.jpg")
                Image.fromarray(np.clip(blended * 255.0, 0, 255).astype(np.uint8)).save(files[-1])
            for metric, (_, tolerance) in metrics.items():
                theirs = functions[metric](str(files[1]), str(files[0])).item()
                assert values[(f"composite/{name}", metric)] == pytest.approx(theirs, abs=tolerance / 100)
