"""Compare `alpha-paper@1` with an independent run of the authors' steps: Pillow, JPEG files, pyiqa.

    python benchmarks/paper_parity.py

Twelve references of three sorts (embedded, procedural with hidden colour, natural-looking) and distorted
predictions are written as PNG files. One side is scored by alphabench. The other follows the scripts of
AlphaVAE (github.com/o0o0o00o0/AlphaVAE, `validation_pipeline/scripts`) with nothing of alphabench in it:
composites in NumPy float32, truncated, saved as .jpg; PSNR and SSIM by pyiqa from the files, in the order of
the folder's listing. The largest difference has to stay below 1e-3 dB and 1e-4 SSIM; else the exit code is 1.
Needs the extra `paper`. Takes a minute or two.
"""

import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from alphabench.data.dataset import resolve_data
from alphabench.protocols import load_protocol
from alphabench.tasks.paper_pairing import pair_by_position
from alphabench.tasks.paper_scoring import PaperScorer

Pixels = NDArray[np.uint8]
"""One image, height x width x 4."""

COLOURS = {
    "gray": (128, 128, 128),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}
"""As in the authors' blend_rgba.py; kept here a second time on purpose."""

LIMITS = {"psnr_eps8": 1e-3, "ssim_pyiqa": 1e-4}
PYIQA = {"psnr_eps8": "psnr", "ssim_pyiqa": "ssim"}

Table = dict[tuple[str, str, str], float]
"""Value by reference file, view and metric."""


def main() -> int:
    """Run both sides and print the largest differences."""
    with tempfile.TemporaryDirectory(prefix="paper-parity-") as name:
        folder = Path(name)
        write_set(folder)
        ours = our_scores(folder / "reference", folder / "prediction")
        theirs = authors_steps(folder / "reference", folder / "prediction", folder / "blended")
    if set(ours) != set(theirs):
        print(f"the two sides do not cover the same values: {sorted(set(ours) ^ set(theirs))[:3]}")
        return 1
    print(f"{'sort':<12}{'view':<24}{'metric':<12}{'ours':>12}{'pyiqa':>12}{'difference':>12}{'allowed':>10}")
    worst = dict.fromkeys(LIMITS, 0.0)
    for sort in sorted({file.split("/")[0] for file, _, _ in ours}):
        for view in dict.fromkeys(view for _, view, _ in ours):
            for metric, limit in LIMITS.items():
                keys = [key for key in ours if key[0].startswith(f"{sort}/") and key[1:] == (view, metric)]
                key = max(keys, key=lambda key: abs(ours[key] - theirs[key]))
                gap = abs(ours[key] - theirs[key])
                worst[metric] = max(worst[metric], gap)
                print(
                    f"{sort:<12}{view:<24}{metric:<12}{ours[key]:>12.6f}{theirs[key]:>12.6f}{gap:>12.1e}{limit:>10.0e}"
                )
    images = len({file for file, _, _ in ours})
    print(
        f"{images} images, {len(ours)} values; largest differences: "
        f"{worst['psnr_eps8']:.1e} dB, {worst['ssim_pyiqa']:.1e} SSIM"
    )
    return int(any(worst[metric] > limit for metric, limit in LIMITS.items()))


def our_scores(reference: Path, prediction: Path) -> Table:
    """Score the folders as `alphabench score --protocol alpha-paper@1` does."""
    references, predictions = resolve_data(reference), resolve_data(prediction)
    pairing = pair_by_position(list(references), list(predictions), prediction_root=prediction)
    by_id = {sample.id: sample for sample in predictions}
    scorer = PaperScorer(load_protocol("alpha-paper@1"), torch.device("cpu"))
    table = {}
    for sample in references:
        scores = scorer.score(
            [predictions.read(by_id[pairing.pairs[sample.id]])],
            [references.read(sample)],
            [pairing.lossless.get(sample.id)],
        )
        for (view, metric), value in scores.values.items():
            if metric in LIMITS:
                table[(sample.path, view, metric)] = float(value)
    return table


def authors_steps(reference: Path, prediction: Path, blended: Path) -> Table:
    """Do what the authors' scripts do, up to the values of single images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyiqa

        metrics = {metric: pyiqa.create_metric(name, device="cpu") for metric, name in PYIQA.items()}
    for side in (reference, prediction):
        for colour, code in COLOURS.items():
            for source in sorted(side.rglob("*")):
                if source.name.lower().endswith(".png"):
                    target = blended / side.name / colour / source.relative_to(side)
                    blend(source, target.with_name(target.name.replace(".png", ".jpg")), code)
        shutil.copytree(side, blended / side.name / "rgba")
    table = {}
    for view in (*COLOURS, "rgba"):
        named = "straight-rgb-noalpha" if view == "rgba" else f"composite/{view}"
        root = blended / reference.name / view
        for leaf in sorted(path for path in root.glob("*/*") if path.is_dir()):
            other = blended / prediction.name / view / leaf.relative_to(root)
            originals = sorted(path.name for path in (reference / leaf.relative_to(root)).iterdir())
            for file, *pair in zip(originals, sorted(leaf.iterdir()), sorted(other.iterdir()), strict=True):
                for metric, function in metrics.items():
                    key = (str(leaf.relative_to(root) / file), named, metric)
                    table[key] = float(function(str(pair[0]), str(pair[1])))
    return table


def blend(source: Path, target: Path, colour: tuple[int, int, int]) -> None:
    """Put an image over a colour and save it, as the file's name says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.array(Image.open(source).convert("RGBA")).astype(np.float32) / 255.0
    colour_of, alpha = pixels[..., :3], pixels[..., 3:]
    behind = np.array(colour, dtype=np.float32).reshape(1, 1, 3) / 255.0
    composite = alpha * colour_of + (1 - alpha) * behind
    Image.fromarray(np.clip(composite * 255.0, 0, 255).astype(np.uint8)).save(target)


def write_set(folder: Path) -> None:
    """Write the references and the predictions, two folders deep; one file has an extension in capitals."""
    sorts: dict[str, Callable[[], Iterator[Pixels]]] = {
        "embedded": embedded,
        "hidden": hidden_colour,
        "natural": natural,
    }
    for number, (sort, images) in enumerate(sorts.items()):
        for index, pixels in enumerate(images()):
            name = f"{index:03d}.PNG" if (sort, index) == ("hidden", 3) else f"{index:03d}.png"
            for side, image in (
                ("reference", pixels),
                ("prediction", distorted(pixels, seed=10 * number + index, strength=index)),
            ):
                file = folder / side / sort / "leaf" / (name if side == "reference" else f"recon_{name}")
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(file)


def embedded() -> Iterator[Pixels]:
    """Four images of the embedded set, of four categories."""
    data = resolve_data("alpha-mini")
    first = {sample.category: sample for sample in reversed(list(data))}
    for category in sorted(first)[:4]:
        yield data.read(first[category]).permute(1, 2, 0).numpy()


def hidden_colour() -> Iterator[Pixels]:
    """Shapes with soft edges, and loud colour where alpha is 0."""
    for index in range(4):
        height, width = 96 + 16 * index, 160 - 8 * index
        y, x = np.mgrid[:height, :width]
        radius = np.hypot((y - height / 2) / height, (x - width / 2) / width)
        alpha = np.clip((0.3 + 0.04 * index - radius) * 20 / (index + 1), 0, 1)
        colour = np.stack([(7 * x + 3 * y) % 256, (5 * x + 11 * y) % 256, (x * y) % 256], axis=2)
        inside = np.stack([128 + 90 * np.sin(x / 9 + c) * np.cos(y / 7 - c) for c in range(3)], axis=2)
        yield to_codes(np.where(alpha[..., None] > 0, inside / 255, colour / 255), alpha)


def natural() -> Iterator[Pixels]:
    """Smooth noise of several octaves with gradients, alpha likewise."""
    for index in range(4):
        rng = np.random.default_rng(100 + index)
        height, width = 128, 96 + 32 * index
        layers = [octaves(rng, height, width) for _ in range(4)]
        slope = np.linspace(0, 1, width)[None, :]
        colour = np.stack([0.6 * layer + 0.4 * slope for layer in layers[:3]], axis=2)
        yield to_codes(colour, np.clip(1.8 * layers[3] - 0.3, 0, 1))


def octaves(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Return noise in [0,1] whose coarse parts are the stronger ones."""
    total = np.zeros((height, width))
    for octave in range(5):
        cells = rng.random((2 << octave, 2 << octave)).astype(np.float32)
        total += np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    return (total - total.min()) / (total.max() - total.min())


def distorted(pixels: Pixels, *, seed: int, strength: int) -> Pixels:
    """Return what a model might make of an image: noise, a tint, an alpha that is a little off."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.002 * 3**strength, pixels.shape)
    values = pixels / 255 + noise + np.array([0.004, -0.002, 0.003, -0.004]) * strength
    return to_codes(values[..., :3], values[..., 3])


def to_codes(colour: NDArray[np.float64], alpha: NDArray[np.float64]) -> Pixels:
    """Return straight colour and alpha in [0,1], clipped, as 8-bit pixels."""
    values = np.concatenate([colour, alpha[..., None]], axis=2)
    return np.floor(255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
