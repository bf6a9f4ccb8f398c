"""How fast PSNR and SSIM on nine backgrounds are, against other ways to the same kind of numbers.

One pair of images, one process, one table. Seconds depend on the machine and on what else it does; the
ratios of one run are what counts.

    python benchmarks/composite_speed.py --size 1024 --threads 2 --repeat 5
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS, canonical_tensor
from alphabench.image.compositing import composite_over
from alphabench.metrics import composite_all, composite_psnr_ssim

Way = Callable[[Tensor, Tensor], float]


def test_pair(size: int) -> tuple[Tensor, Tensor]:
    """Return a soft-edged object and a noisy copy of it, 8-bit values in [0,1], `(1, 4, size, size)`."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, 4, size // 16, size // 16), generator=generator)
    reference = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    reference[:, 3] = (2 * reference[:, 3] - 0.5).clamp(0, 1)
    noise = 0.02 * torch.randn(reference.shape, generator=generator)
    return tuple(image.clamp(0, 1).mul(255).round().div(255) for image in (reference + noise, reference))


def closed_form(prediction: Tensor, reference: Tensor) -> float:
    """Return the mean SSIM by this project: PSNR and RGB SSIM."""
    return composite_psnr_ssim(prediction, reference, canonical_tensor())[1].mean().item()


def closed_form_with_luma(prediction: Tensor, reference: Tensor) -> float:
    """Return the mean SSIM by this project: PSNR, RGB SSIM and luma SSIM."""
    return composite_all(prediction, reference, canonical_tensor()).ssim_rgb.mean().item()


def by_torchmetrics(prediction: Tensor, reference: Tensor) -> float:
    """Return the mean SSIM by torchmetrics on nine composites."""
    scores = []
    for colour in canonical_tensor():
        pair = [composite_over(image, colour[None])[:, 0] for image in (prediction, reference)]
        peak_signal_noise_ratio(*pair, data_range=1.0)
        scores.append(structural_similarity_index_measure(*pair, data_range=1.0).item())
    return statistics.fmean(scores)


def by_naive_filter(prediction: Tensor, reference: Tensor) -> float:
    """Return the mean SSIM by separable convolutions of five maps on each composite."""
    offsets = torch.arange(-5.0, 6.0)
    taps = torch.exp(-offsets.square() / 4.5)
    taps = (taps / taps.sum()).expand(15, 1, 1, 11)
    scores = []
    for colour in canonical_tensor():
        x, y = (composite_over(image, colour[None])[:, 0] for image in (prediction, reference))
        (10 * torch.log10(1 / (x - y).square().mean())).item()
        maps = torch.cat([x, y, x * x, y * y, x * y], dim=1)
        blurred = torch.nn.functional.conv2d(maps, taps.transpose(2, 3), groups=15)
        mx, my, xx, yy, xy = torch.nn.functional.conv2d(blurred, taps, groups=15).split(3, dim=1)
        contrast = (2 * (xy - mx * my) + 9e-4) / (xx - mx * mx + yy - my * my + 9e-4)
        scores.append((contrast * (2 * mx * my + 1e-4) / (mx * mx + my * my + 1e-4)).mean().item())
    return statistics.fmean(scores)


def by_published_steps(prediction: Tensor, reference: Tensor) -> float:
    """Return the mean SSIM by files: composites saved as JPEG, then pyiqa reads and scores them.

    The steps of `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts`: blend, save as .jpg, psnr and ssim.
    """
    import pyiqa

    metrics = [pyiqa.create_metric(name, device="cpu") for name in ("psnr", "ssim")]
    scores = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, image in (("prediction", prediction), ("reference", reference)):
            codes = image[0].mul(255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(codes).save(folder / f"{side}.png")
        for colour in CANONICAL_BACKGROUNDS.values():
            for side in ("prediction", "reference"):
                blend(folder / f"{side}.png", colour, folder / f"{side}.jpg")
            paths = [str(folder / f"{side}.jpg") for side in ("reference", "prediction")]
            scores.append([metric(*paths).item() for metric in metrics][1])
    return statistics.fmean(scores)


def blend(source: Path, colour: tuple[float, float, float], target: Path) -> None:
    """Save an RGBA file over a colour, in float32, truncated to 8 bits."""
    with Image.open(source) as image:
        rgba = np.asarray(image, dtype=np.float32) / 255
    alpha = rgba[..., 3:]
    blended = alpha * rgba[..., :3] + (1 - alpha) * np.asarray(colour, dtype=np.float32)
    Image.fromarray(np.clip(blended * 255, 0, 255).astype(np.uint8)).save(target)


def seconds(way: Way, pair: tuple[Tensor, Tensor], repeat: int) -> tuple[float, float, float]:
    """Return the fastest and the median time of `repeat` calls, and the value; a slow way has no warm-up."""
    value = way(*pair) if repeat > 1 else 0.0
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        value = way(*pair)
        times.append(time.perf_counter() - start)
    return min(times), statistics.median(times), value


def main() -> None:
    """Measure every way and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="side of the square images")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--repeat", type=int, default=5, help="calls of the fast ways; slow ones take one")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    pair = test_pair(options.size)
    ways: list[tuple[str, Way, int]] = [
        ("alphabench: PSNR, RGB SSIM", closed_form, options.repeat),
        ("alphabench: PSNR, RGB and luma SSIM", closed_form_with_luma, options.repeat),
        ("naive filter on nine composites", by_naive_filter, 1),
        ("torchmetrics on nine composites", by_torchmetrics, 1),
    ]
    if importlib.util.find_spec("pyiqa"):
        ways.append(("published steps: Pillow, JPEG files, pyiqa", by_published_steps, 1))
    table = Table(title=f"PSNR and SSIM on nine backgrounds, {options.size}², {options.threads} threads")
    for column in ("way", "fastest s", "median s", "times ours", "mean SSIM"):
        table.add_column(column, justify="left" if column == "way" else "right")
    ours = None
    for name, way, repeat in ways:
        fastest, median, value = seconds(way, pair, repeat)
        ours = ours or median
        table.add_row(name, f"{fastest:.3f}", f"{median:.3f}", f"{median / ours:.1f}", f"{value:.5f}")
    Console().print(table)


if __name__ == "__main__":
    main()
