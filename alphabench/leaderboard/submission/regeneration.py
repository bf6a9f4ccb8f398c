"""A checkpoint's own images against the predictions that came with it."""

from collections.abc import Sequence

import torch

from alphabench.image.codec import to_float
from alphabench.leaderboard.submission.ground import Ground
from alphabench.models.predictions import PredictionFolder
from alphabench.tasks.judged import JudgedModel
from alphabench.tasks.reconstruction import own_pairing
from alphabench.tasks.scorers import make_scorer

Differences = dict[str, dict[str, float]]
"""By sample: `share` of codes that differ, `largest` and `mean` absolute difference in codes, and the mean
PSNR over the protocol's composites of what was made anew (`psnr`) and of what was delivered (`psnr_delivered`)."""


def differences(model: JudgedModel, delivered: PredictionFolder, ground: Ground, subset: Sequence[str]) -> Differences:
    """Return how far the checkpoint's images are from the delivered ones, in 8-bit codes and in PSNR.

    Args:
        model: the checkpoint on the CPU in float32.
        delivered: the pack's predictions.
        ground: protocol and images.
        subset: samples to make anew.
    """
    protocol, data = ground.protocol, ground.data
    scorer = make_scorer(protocol, torch.device("cpu"), own_pairing(protocol, data))
    by_id = {sample.id: sample for sample in data.manifest.samples}
    found: Differences = {}
    for name in subset:
        sample = by_id[name]
        reference = data.read(sample)
        (made,), _ = model.predict([sample], [to_float(reference)[None]])
        there = delivered.read(name)
        assert made is not None
        off = (made.int() - there.int()).abs().double()
        values = [scorer.score([sample], [image], [reference]).values for image in (made, there)]
        cap = protocol.mean_cap("psnr")
        levels = [
            torch.stack([value[0] for (view, metric), value in table.items() if _is_composite(view, metric)])
            for table in values
        ]
        means = [float(level.clamp(max=cap).mean()) for level in levels]
        found[name] = {
            "share": float((off > 0).double().mean()),
            "largest": float(off.max()),
            "mean": float(off.mean()),
            "psnr": means[0],
            "psnr_delivered": means[1],
        }
    return found


def _is_composite(view: str, metric: str) -> bool:
    return metric.startswith("psnr") and view.startswith("composite/")
