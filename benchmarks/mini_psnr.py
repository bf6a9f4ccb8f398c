"""The PSNR table on the card of a mini model: image sets, categories and procedural families, with intervals.

    ALPHABENCH_TRAIN_DATA=data python benchmarks/mini_psnr.py alphavae pca rgb-vae-twice

PSNR in dB, mean of the nine canonical backgrounds, 8-bit output, mean of images; float32. The interval of 95 % is
the BCa bootstrap over images of the first model's mean. Sets that are not there are left out, and so are those whose
title has none of the words after `--only`. A model may be named with a checkpoint, as `alphavae=runs/mine/model`.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.stats import bootstrap
from torch import Tensor

from alphabench.data.dataset import resolve_data
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, read_rgba, to_float
from alphabench.metrics.closed_form import composite_psnr
from alphabench.models.registry import load_model
from alphabench.models.spec import LoadRequest
from reference_models.training import procedural
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.streams import array_stream

SETS = {
    "Fluent emoji 3D, validation part": "fluent3d/val",
    "Kenney particles, validation part": "kenney_particles/val",
    "VFX light bursts, validation part": "vfx_rpicster/val",
    "opaque photographs, validation part": "backgrounds/val",
}
FAMILY_IMAGES, FAMILY_SIDE = 12, 256


def sets() -> Iterator[tuple[str, list[Tensor]]]:
    """Yield name and images of each set, `(1, 4, height, width)` straight in [0,1]."""
    root = Path(os.environ.get("ALPHABENCH_TRAIN_DATA", "data"))
    for name, folder in SETS.items():
        if files := sorted((root / folder).glob("*.png")):
            yield name, [to_float(read_rgba(path, allow_opaque=True))[None] for path in files]
    mini = resolve_data("alpha-mini@1")
    for category in dict.fromkeys(sample.category for sample in mini):
        chosen = [sample for sample in mini if sample.category == category]
        yield f"alpha-mini `{category}`", [to_float(mini.read(sample))[None] for sample in chosen]
    trained = {name: family for name, (family, _) in procedural.FAMILIES.items()}
    for title, families in (("never trained on", procedural.HELD_OUT), ("new seeds", trained)):
        for name, family in families.items():
            drawn = [to_codes(family(array_stream(1, i, "card"), FAMILY_SIDE)) for i in range(FAMILY_IMAGES)]
            yield f"procedural `{name}`, {title}", [to_float(torch.from_numpy(codes))[None] for codes in drawn]


def interval(values: list[float]) -> str:
    """Return the interval of the mean as text, or a dash where there are too few values."""
    if len(values) < 5 or np.ptp(values) == 0:
        return "–"
    found = bootstrap((np.array(values),), np.mean, rng=np.random.default_rng(12345)).confidence_interval
    return f"{found.low:.1f} to {found.high:.1f}"


@torch.inference_mode()
def main() -> None:
    """Print one row for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--only", nargs="+", default=[""], help="words of which a set's title must have one")
    options = parser.parse_args()
    models = {}
    for name in options.models:
        model, _, folder = name.partition("=")
        models[name] = load_model(model, LoadRequest(checkpoint=Path(folder) if folder else None))
    backgrounds = canonical_tensor()
    print(f"| images (how many) | {next(iter(models))}, 95 % | {' | '.join(models)} |")
    print(f"|---|---|{'---|' * len(models)}")
    for title, images in sets():
        if not any(word in title for word in options.only):
            continue
        found: dict[str, list[float]] = {}
        for name, model in models.items():
            made = [to_float(quantise(model.reconstruct(image))) for image in images]
            found[name] = [float(composite_psnr(m, i, backgrounds).mean()) for m, i in zip(made, images, strict=True)]
        first = next(iter(found.values()))
        means = " | ".join(f"{np.mean(values):.1f}" for values in found.values())
        print(f"| {title} ({len(images)}) | {interval(first)} | {means} |", flush=True)


if __name__ == "__main__":
    main()
