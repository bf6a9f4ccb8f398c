"""One pass over a pair gives every value that a protocol asks for, and the right ones."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from alphabench.image.backgrounds import TEXTURES, texture
from alphabench.image.types import Codes
from alphabench.protocols import load_protocol
from alphabench.tasks.scoring import ExactScorer

# Fixture values by an independent float64 computation; alphavae's backgrounds are arXiv 2507.09308.
EXACT = {
    "gray": (46.291257, 0.98947125, 0.99818585),
    "black": (42.597802, 0.99495030, 0.99790380),
    "white": (43.387308, 0.99458163, 0.99827053),
    "red": (42.934460, 0.99460981, 0.99783645),
    "green": (42.944489, 0.99508639, 0.99837262),
    "blue": (42.663040, 0.99478604, 0.99794515),
    "yellow": (43.310335, 0.99474590, 0.99831316),
    "cyan": (43.015193, 0.99492213, 0.99839030),
    "magenta": (43.004999, 0.99444554, 0.99791877),
}
TEXTURED = {
    "checker8": (45.126594, 0.99483043),
    "gradient": (45.931071, 0.99347459),
    "noise": (44.971062, 0.99559354),
    "stripes": (43.890487, 0.99593307),
}
PAIR = {
    ("composite/worst-solid", "psnr_worst_solid"): 42.597802,
    ("composite/worst-solid", "ssim_worst9"): 0.98947125,
    ("composite/adversarial", "psnr_adversarial"): 40.726384,
    ("alpha", "psnr"): 39.681035,
    ("alpha", "ssim_alpha"): 0.99485019,
    ("straight-rgb", "psnr"): 41.650092,
    ("alpha", "sad"): 0.0076627451,
    ("alpha", "sad_per_mpx"): 7.4831495,
    ("alpha", "mad"): 0.0074831495,
    ("alpha", "mse"): 0.00010762087,
    ("alpha", "grad_aim"): 0.00058539868,
    ("alpha", "grad_rhemann"): 0.00058426326,
    ("alpha", "conn_rhemann"): 0.0,
    ("alpha", "soft_iou"): 0.9766293102,
    ("alpha", "hard_iou"): 1.0,
}

F32 = dict[str, Codes]


@pytest.fixture
def scorer() -> ExactScorer:
    return ExactScorer(load_protocol("alpha-mini@1"), torch.device("cpu"))


def test_the_fixture_has_its_known_values_on_every_background(scorer: ExactScorer, f32_codes: F32) -> None:
    values = scorer.score([f32_codes["prediction"]], [f32_codes["reference"]]).values
    for name, (psnr, ssim, luma) in EXACT.items():
        view = f"composite/{name}"
        assert float(values[(view, "psnr")]) == pytest.approx(psnr, abs=1e-4)
        assert float(values[(view, "ssim_rgb")]) == pytest.approx(ssim, abs=1e-5)
        assert float(values[(view, "ssim_luma")]) == pytest.approx(luma, abs=1e-5)
    for name, (psnr, ssim) in TEXTURED.items():
        assert float(values[(f"composite/{name}", "psnr")]) == pytest.approx(psnr, abs=1e-4)
        assert float(values[(f"composite/{name}", "ssim_rgb")]) == pytest.approx(ssim, abs=1e-5)


def test_the_fixture_has_its_known_values_on_the_pair(scorer: ExactScorer, f32_codes: F32) -> None:
    values = scorer.score([f32_codes["prediction"]], [f32_codes["reference"]]).values
    for key, expected in PAIR.items():
        assert float(values[key]) == pytest.approx(expected, rel=1e-5, abs=1e-9), key


def test_the_values_are_exactly_the_rows_that_the_protocol_names(scorer: ExactScorer, f32_codes: F32) -> None:
    values = scorer.score([f32_codes["prediction"]], [f32_codes["reference"]]).values
    assert set(values) == set(scorer.protocol.sample_keys())
    assert not any(math.isnan(float(value)) for value in values.values())


def test_images_of_different_sizes_keep_their_places(scorer: ExactScorer, f32_codes: F32) -> None:
    small = [f32_codes["prediction"][:, :20], f32_codes["reference"][:, :20]]
    full = [f32_codes["prediction"], f32_codes["reference"]]
    mixed = scorer.score([full[0], small[0], full[1]], [full[1], small[1], full[1]]).values
    alone = scorer.score([small[0]], [small[1]]).values
    key = ("composite/red", "psnr")
    assert float(mixed[key][1]) == float(alone[key][0])
    assert float(mixed[key][0]) == pytest.approx(EXACT["red"][0], abs=1e-4)
    assert float(mixed[key][2]) == math.inf


def test_features_are_kept_for_both_sides_over_the_solid_backgrounds(scorer: ExactScorer, f32_codes: F32) -> None:
    features = scorer.score([f32_codes["prediction"]], [f32_codes["reference"]]).features
    (array,) = features.values()
    assert array.shape == (1, 2, 9, 960)
    assert float(array[0, 1, 0].double().sum()) == pytest.approx(41.21711930, abs=1e-3)


def independent(prediction: Codes, reference: Codes, background: NDArray[np.float64]) -> tuple[float, float]:
    """PSNR and RGB SSIM in float64 with NumPy and SciPy, composites formed one by one."""
    composites = []
    for codes in (prediction, reference):
        image = codes.numpy().astype(np.float64) / 255
        composites.append(image[:3] * image[3:] + background * (1 - image[3:]))
    x, y = composites
    psnr = -10 * math.log10(float(((x - y) ** 2).mean()))
    taps = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    taps /= taps.sum()

    def blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        for axis in (0, 1):
            plane = ndimage.correlate1d(plane, taps, axis=axis)
        return plane[5:-5, 5:-5]

    maps = []
    for a, b in zip(x, y, strict=True):
        ma, mb = blur(a), blur(b)
        va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
        maps.append((2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4)))
    return psnr, float(np.mean(maps))


def test_alpha_exact_agrees_with_an_independent_float64_computation() -> None:
    scorer = ExactScorer(load_protocol("alpha-exact@1"), torch.device("cpu"))
    generator = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    alpha = (255 * torch.sigmoid((16 - ((x - 30) ** 2 + (y - 24) ** 2).sqrt()) / 3)).round()
    smooth = torch.stack([200 + 50 * torch.sin(x / 9), 40 + 3 * y, 120 + 60 * torch.cos((x + y) / 13), alpha])
    for strength in (1, 6, 25):
        noise = torch.randint(-strength, strength + 1, smooth.shape, generator=generator)
        reference = smooth.clamp(0, 255).to(torch.uint8)
        prediction = (smooth + noise).clamp(0, 255).to(torch.uint8)
        values = scorer.score([prediction], [reference]).values
        backgrounds = {
            name: np.array(rgb, np.float64)[:, None, None] / 255 for name, rgb in scorer.protocol.backgrounds.items()
        }
        backgrounds |= {name: texture(name, 48, 60).double().numpy() for name in TEXTURES}
        for name, background in backgrounds.items():
            psnr, ssim = independent(prediction, reference, background)
            assert float(values[(f"composite/{name}", "psnr")]) == pytest.approx(psnr, abs=1e-4)
            assert float(values[(f"composite/{name}", "ssim_rgb")]) == pytest.approx(ssim, abs=1e-4)
        sad = float((prediction[3].double() - reference[3].double()).abs().sum()) / 255 / 1000
        assert float(values[("alpha", "sad")]) == pytest.approx(sad, abs=1e-5)
