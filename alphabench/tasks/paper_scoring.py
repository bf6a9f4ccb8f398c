"""Scoring as the AlphaVAE authors' scripts do: 8-bit composites through JPEG, then the metrics of pyiqa.

Per pair and background the composite of each side is formed in float32, truncated to 8 bits, and sent
through JPEG; for the `rgba` rows of the scripts, here `straight-rgb-noalpha`, alpha is dropped instead.
PSNR, SSIM, LPIPS and the aesthetic score see the 8-bit result, and FID its features, one set per leaf.

Source: repository `o0o0o00o0/AlphaVAE`, `validation_pipeline/scripts/` and `inference/infer_vae.py`;
pyiqa 0.1.16.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from alphabench.errors import DataError
from alphabench.image.codec import to_float
from alphabench.image.jpeg import bf16_save_codes, jpeg_round_trip, truncated_composite
from alphabench.image.types import Codes, Rgba
from alphabench.metrics.aesthetic import aesthetics
from alphabench.metrics.alexnet import alexnet
from alphabench.metrics.inception import inception
from alphabench.metrics.perceptual import lpips
from alphabench.metrics.pyiqa_compatible import psnr_eps8, ssim_pyiqa
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable, unavailable_metrics
from alphabench.tasks.paper_pairing import Lossless
from alphabench.tasks.scoring import Scores, Values

FEATURES = "inception"
"""Name of the features that FID is made of."""

FEATURE_DIM = 2048

Image = UInt8[Tensor, "4 _ _"]
"""One RGBA image as 8-bit codes, `(4, height, width)`; the images of a batch may differ in size."""

Picture = UInt8[Tensor, "1 3 height width"]
"""One opaque image as 8-bit codes: what pyiqa reads from a file."""


class Look(NamedTuple):
    """One way of looking at a pair of images.

    Attributes:
        view: name of the view of the pair.
        set_view: name of the same view of a set.
        reference_view: name of the same view of the reference alone.
        background: 8-bit colour behind the images; None where alpha is dropped.
    """

    view: str
    set_view: str
    reference_view: str
    background: tuple[int, int, int] | None


class PaperScorer:
    """Scores pairs under a protocol whose composites go through JPEG, such as `alpha-paper@1`.

    Args:
        protocol: which backgrounds and metrics.
        device: where metrics are computed; JPEG runs on the CPU.

    Attributes:
        unavailable: the metrics of the protocol that cannot be computed here.
    """

    def __init__(self, protocol: Protocol, device: torch.device) -> None:
        self.protocol = protocol
        self.device = device
        self.unavailable: Mapping[str, Unavailable] = unavailable_metrics(protocol)
        self._keys = [key for key in protocol.sample_keys() if key[1] not in self.unavailable]
        self._asked = frozenset(self._keys)
        self._set_views = () if "fid" in self.unavailable else protocol.set_views()

    @property
    def networks(self) -> tuple[str, ...]:
        """Return the names of the networks whose features `score` gives."""
        return (FEATURES,) if self._set_views else ()

    def score(
        self,
        predictions: Sequence[Image | None],
        references: Sequence[Image],
        lossless: Sequence[Lossless | None] = (),
    ) -> Scores:
        """Return the scores of each pair of 8-bit images, `(4, height, width)`.

        The features, where FID can be computed, have one background for each of `protocol.set_views()`.

        Args:
            predictions: the image that each reference is paired with; None for a reference of a skipped
                leaf, whose values and features are NaN.
            references: the references, sizes as they come.
            lossless: for each pair the composites that are stored without JPEG; empty where none is.

        Raises:
            DataError: the sizes of a pair differ.
        """
        kinds = lossless or [None] * len(references)
        scored = [
            self._pair(prediction, reference, kind or Lossless())
            for prediction, reference, kind in zip(predictions, references, kinds, strict=True)
        ]
        values: Values = {
            key: torch.tensor([pair.get(key, math.nan) for pair, _ in scored], dtype=torch.float64)
            for key in self._keys
        }
        if not self._set_views:
            return Scores(values)
        return Scores(values, {FEATURES: torch.stack([features for _, features in scored])})

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """Return how each pair is looked at: over each background, then without alpha where asked for."""
        named = [self.protocol.group_views(group) for group in ("composite", "set", "reference")]
        solids = [Look(*views) for views in zip(*named, self.protocol.backgrounds.values(), strict=True)]
        if not self.protocol.views.straight_rgb_noalpha:
            return tuple(solids)
        bare = self.protocol.group_views("straight-rgb-noalpha")[0]
        return (*solids, Look(bare, f"set/{bare}", f"reference/{bare}", None))

    def _pair(
        self, prediction: Image | None, reference: Image, lossless: Lossless
    ) -> tuple[dict[tuple[str, str], float], Float32[Tensor, "2 background dim"]]:
        """Return the values of one pair, and its features."""
        features = torch.full((2, len(self._set_views), FEATURE_DIM), torch.nan)
        if prediction is None:
            return {}, features
        if prediction.shape != reference.shape:
            raise DataError(
                f"a prediction has {_size(prediction)} pixels, its reference {_size(reference)}",
                remedy="Predict at the reference's size: scoring never resizes.",
            )
        values: dict[tuple[str, str], float] = {}
        for look in self.looks:
            ours = picture(prediction, look.background, lossless=lossless.prediction).to(self.device)
            theirs = picture(reference, look.background, lossless=lossless.reference).to(self.device)
            for metric, compare in self._comparisons.items():
                if (look.view, metric) in self._asked:
                    values[(look.view, metric)] = float(compare(ours, theirs))
            for view, image in ((look.view, ours), (look.reference_view, theirs)):
                if (view, "laion_aes") in self._asked:
                    values[(view, "laion_aes")] = float(aesthetics(str(self.device))(to_float(image)))
            if look.set_view in self._set_views:
                place = self._set_views.index(look.set_view)
                pooled = inception(str(self.device)).pooled(to_float(torch.cat([ours, theirs])))
                features[:, place] = pooled.float().cpu()
        return values, features

    @cached_property
    def _comparisons(self) -> dict[str, Callable[[Picture, Picture], Tensor]]:
        def distance(ours: Picture, theirs: Picture) -> Tensor:
            return lpips(to_float(ours), to_float(theirs), alexnet(str(self.device)))

        return {"psnr_eps8": psnr_eps8, "ssim_pyiqa": ssim_pyiqa, "lpips": distance}


def picture(codes: Image, background: tuple[int, int, int] | None, *, lossless: bool = False) -> Picture:
    """Return the opaque image that pyiqa reads for one RGBA image.

    Args:
        codes: `(4, height, width)`.
        background: 8-bit colour; None drops alpha and shows the straight colour, hidden colour included.
        lossless: whether the composite's file is a PNG instead of a JPEG.
    """
    if background is None:
        return codes[None, :3]
    composite = truncated_composite(codes, background)
    return (composite if lossless else jpeg_round_trip(composite))[None]


def saved_as_authors(output: Rgba) -> list[Codes]:
    """Return a model's output as the authors' inference script saves it, the codec `av-bf16-save`.

    Their model answers in bfloat16 in [-1,1] and all arithmetic up to the file stays there: every code of
    128 and more becomes even, except 255. The answer of a model that ran in bfloat16 passes unchanged.

    Args:
        output: straight-alpha images in [0,1], any float dtype.
    """
    answer = ((output.float() - 0.5) / 0.5).to(torch.bfloat16)
    saved = bf16_save_codes((answer * 0.5 + 0.5).clamp(0, 1))
    return list(saved.cpu())


def _size(image: Image) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
