"""The numbers on the card of a LayerDiffuse checkpoint: PSNR by set, floors, where the error sits, the offset's part.

    ALPHABENCH_TRAIN_DATA=data python benchmarks/layerdiffuse_card.py [--checkpoint DIR]

PSNR in dB, mean of the nine canonical backgrounds, 8-bit output, mean of images; float32. Sets of the recipe's
data that are not there are left out. On one core it takes about ten minutes.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from alphabench.data.dataset import resolve_data
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, read_rgba, to_float
from alphabench.metrics.closed_form import composite_psnr
from alphabench.metrics.harmlessness import harm_drop, harm_psnr
from alphabench.metrics.latents import latent_shift, posterior_kl
from alphabench.models.spec import LoadRequest
from reference_models.layerdiffuse.adapter import LayerDiffuseReconstructor, load
from reference_models.layerdiffuse.train import grey_psnr
from reference_models.training import procedural
from reference_models.training.procedural.canvas import to_codes
from reference_models.training.streams import array_stream

SETS = {
    "Fluent emoji 3D, validation part": "fluent3d/val",
    "Kenney particles, validation part": "kenney_particles/val",
    "VFX light bursts, validation part": "vfx_rpicster/val",
}


def psnr(made: Tensor, given: Tensor) -> float:
    """Return the mean PSNR of one image over the nine backgrounds."""
    return float(composite_psnr(to_float(quantise(made)), given, canonical_tensor()).mean())


def mean(values: list[float]) -> float:
    """Return the mean."""
    return statistics.fmean(values)


def row(*cells: object) -> None:
    """Print one row of a table."""
    print(f"| {' | '.join(f'{c:.2f}' if isinstance(c, float) else str(c) for c in cells)} |", flush=True)


def once(model: LayerDiffuseReconstructor) -> Callable[[Tensor], Tensor]:
    """Return reconstruction by a single pass."""

    def made(image: Tensor) -> Tensor:
        inner = model.model
        before, inner.config = inner.config, dataclasses.replace(inner.config, ensemble=1)
        try:
            return model.reconstruct(image)
        finally:
            inner.config = before

    return made


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--limit", type=int, default=10**9, help="images of each set")
    arguments = parser.parse_args()
    model = load(LoadRequest(checkpoint=arguments.checkpoint))
    inner, single = model.model, once(model)

    data = list(whole := resolve_data("alpha-mini@1"))[: arguments.limit]
    mini = [to_float(whole.read(sample))[None] for sample in data]
    names = [sample.category for sample in data]
    made = [model.reconstruct(image) for image in mini]
    scores = [psnr(m, i) for m, i in zip(made, mini, strict=True)]
    row(f"alpha-mini ({len(mini)}), eight passes", mean(scores))
    row(f"alpha-mini, first of each category ({len(scores[::8])}), eight passes", mean(scores[::8]))
    row(f"alpha-mini ({len(mini)}), one pass", mean([psnr(single(image), image) for image in mini]))
    for name in dict.fromkeys(names):
        row(
            f"alpha-mini `{name}` ({names.count(name)})",
            mean([s for s, n in zip(scores, names, strict=True) if n == name]),
        )
    pairs = list(zip(made, mini, strict=True))
    row("alpha-mini, true alpha", mean([psnr(torch.cat([m[:, :3], i[:, 3:]], 1), i) for m, i in pairs]))
    row("alpha-mini, true colour", mean([psnr(torch.cat([i[:, :3], m[:, 3:]], 1), i) for m, i in pairs]))
    codes = [inner.encode(image) for image in mini]
    plain = [inner.frozen_decode(code.mean).clamp(0, 1) for code in codes]
    floors = {
        "floor: alpha 1, frozen decode": [torch.cat([p, torch.ones_like(p[:, :1])], 1) for p in plain],
        "floor: grey, true alpha": [torch.cat([torch.full_like(i[:, :3], 0.5), i[:, 3:]], 1) for i in mini],
    }
    for name, images in floors.items():
        row(name, mean([psnr(f, i) for f, i in zip(images, mini, strict=True)]))
    row("base on grey composites", mean([grey_psnr(inner.base, image) for image in mini]))
    deaf = [inner.decode(code.mean) for code in codes]
    errors = [mean([float((m - i)[:, 3:].abs().mean()) for m, i in zip(x, mini, strict=True)]) for x in (made, deaf)]
    print(f"| alpha error (mean absolute), with and without the offset | {errors[0]:.4f}, {errors[1]:.4f} |")

    for view in ("opaque", "transparent"):
        feeds = (
            mini if view == "transparent" else [torch.cat([c.grey, torch.ones_like(c.grey[:, :1])], 1) for c in codes]
        )
        found = [model.probe(feed) for feed in feeds]
        numbers = {
            "harm_psnr": [float(harm_psnr(f.shifted_decode, f.original_decode)) for f in found],
            "harm_drop": [float(harm_drop(f.shifted_decode, f.original_decode, f.image)) for f in found],
            "latent_shift": [float(latent_shift(f.shifted_mean, f.original_mean)) for f in found],
            "posterior_kl": [
                float(posterior_kl(f.shifted_mean, f.shifted_log_variance, f.original_mean, f.original_log_variance))
                for f in found
            ],
        }
        for name, values in numbers.items():
            print(f"| {name}, {view}, alpha-mini | {mean(values):.4g} |", flush=True)

    for family in procedural.HELD_OUT:
        images = [
            to_float(torch.from_numpy(to_codes(procedural.HELD_OUT[family](array_stream(0, index, "held out"), 256))))[
                None
            ]
            for index in range(3)
        ]
        row(f"procedural `{family}`, never trained on (3)", mean([psnr(model.reconstruct(i), i) for i in images]))

    root = Path(os.environ.get("ALPHABENCH_TRAIN_DATA", "data"))
    for name, folder in SETS.items():
        files = sorted((root / folder).glob("*.png"))[: arguments.limit]
        if not files:
            continue
        images = [to_float(read_rgba(path))[None] for path in files]
        began = time.process_time()
        eight = mean([psnr(model.reconstruct(image), image) for image in images])
        seconds = (time.process_time() - began) / len(images)
        row(f"{name} ({len(images)}), eight passes", eight, f"{seconds:.2f} processor seconds an image")
        row(f"{name} ({len(images)}), one pass", mean([psnr(single(image), image) for image in images]))


if __name__ == "__main__":
    main()
