"""Judge the latents of a model beside those of its RGB parent, where a protocol asks for that."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alphabench.data.manifest import Sample
from alphabench.errors import DataError, UsageError
from alphabench.image.codec import to_float
from alphabench.image.compositing import composite
from alphabench.image.types import AnyCodes, AnyRgba, Rgba
from alphabench.metrics.harmlessness import harm_drop, harm_psnr, kl_of_moments, latent_moments
from alphabench.metrics.latents import latent_shift, posterior_kl
from alphabench.models.contract import HarmlessnessProbe, ParentComparison, Reconstructor
from alphabench.models.spec import ModelInfo
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable
from alphabench.tasks.scoring import Scores

OPAQUE, TRANSPARENT = "opaque", "transparent"
FEATURES = "latents"
"""Name under which the store keeps each sample's moments, `(side, view, number)`; sides are new and old."""


@dataclass
class JudgedLatents:
    """A model whose latents are judged; it predicts nothing.

    Attributes:
        info: who the model is.
        probe: the same model.
        device: where it is called.
    """

    info: ModelInfo
    probe: HarmlessnessProbe
    device: torch.device
    writes: bool = False
    seconds: float = 0.0

    def predict(
        self, samples: Sequence[Sample], references: Sequence[AnyRgba]
    ) -> tuple[list[AnyCodes | None], list[dict[str, Any]]]:
        """Return no prediction for any sample."""
        return [None for _ in samples], [{} for _ in samples]

    def compare(self, images: Rgba) -> ParentComparison:
        """Return both codes of `images`, and count the seconds.

        Raises:
            DataError: a latent or decoded image is not finite.
        """
        started = time.perf_counter()
        with torch.inference_mode():
            found = self.probe.probe(images.to(self.device))
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - started
        return found


def judged_latents(model: Reconstructor, protocol: Protocol, device: torch.device, dtype: str) -> JudgedLatents:
    """Return the model as one whose latents are judged, its RGB parent loaded.

    Raises:
        UsageError: the model has no RGB parent, or was asked to work in another precision than float32.
        AlphabenchError: its parent is unknown, absent, or does not fit.
    """
    if not isinstance(model, HarmlessnessProbe):
        raise UsageError(
            f"{protocol.id} compares a model's latents with those of the RGB autoencoder it was made from, "
            f"and {model.info.name!r} has none",
            remedy="Judge a model such as layerdiffuse or alphavae, or take another protocol.",
        )
    if dtype != "float32":
        raise UsageError(f"{protocol.id} is measured in float32, not in {dtype}", remedy="Leave --dtype out.")
    model.open_parent()
    return JudgedLatents(model.info, model, device)


def refuse_predictions(protocol: Protocol) -> None:
    """Refuse a protocol that needs the model itself, where there are only images.

    Raises:
        UsageError: the protocol judges latents.
    """
    if protocol.judges_latents:
        raise UsageError(
            f"{protocol.id} judges latents, which images do not show",
            remedy="Let the model run: `alphabench reconstruct --model NAME --protocol " + protocol.id + "`.",
        )


class HarmlessnessScorer:
    """Scores latents and what the RGB parent makes of them, one image at a time.

    Args:
        protocol: which metrics and views, and over which background images are made opaque.
        judged: whose latents.
    """

    def __init__(self, protocol: Protocol, judged: JudgedLatents) -> None:
        self.protocol = protocol
        self.judged = judged
        self.unavailable: Mapping[str, Unavailable] = {}
        self.networks = (FEATURES,) if protocol.set_metrics() else ()
        (self.background,) = protocol.backgrounds.values()

    def score(
        self, samples: Sequence[Sample], predictions: Sequence[AnyCodes | None], references: Sequence[AnyCodes]
    ) -> Scores:
        """Return the scores of each reference; predictions, of which there are none, are not looked at.

        Raises:
            DataError: the model's latents are not finite, or differ in shape from its parent's.
        """
        tables = [self._one(sample, reference) for sample, reference in zip(samples, references, strict=True)]
        values = {
            key: torch.tensor([table.get(key, torch.nan) for table, _ in tables], dtype=torch.float64)
            for key in self.protocol.sample_keys()
        }
        features = {FEATURES: torch.stack([moments for _, moments in tables])} if self.networks else {}
        return Scores(values, features)

    def _one(self, sample: Sample, reference: AnyCodes) -> tuple[dict[tuple[str, str], float], Tensor]:
        image = to_float(reference)[None]
        colour = torch.tensor(self.background, dtype=image.dtype) / 255
        opaque = torch.cat([composite(image, colour), torch.ones_like(image[:, 3:])], 1)
        feeds = {OPAQUE: opaque} | ({TRANSPARENT: image} if self.judged.probe.parent_sees_transparency else {})
        values: dict[tuple[str, str], float] = {}
        moments: dict[str, Tensor] = {}
        for view, feed in feeds.items():
            try:
                found = self.judged.compare(feed)
                values |= {(view, metric): float(value) for metric, value in measured(found).items()}
                sides = latent_moments(found.shifted_mean), latent_moments(found.original_mean)
            except DataError as error:
                raise DataError(f"{sample.id}, {view}: {error.message}", remedy=error.remedy) from error
            moments[f"set/{view}"] = torch.cat(sides).cpu()
        absent = torch.full_like(moments[f"set/{OPAQUE}"], torch.nan)
        asked = self.protocol.set_views()
        table = torch.stack([moments.get(view, absent) for view in asked], 1) if asked else absent
        return values, table


def measured(found: ParentComparison) -> Mapping[str, Tensor]:
    """Return every row metric of one comparison, `(batch,)` each."""
    shifted, original = found.shifted_decode.cpu(), found.original_decode.cpu()
    return {
        "harm_psnr": harm_psnr(shifted, original),
        "harm_drop": harm_drop(shifted, original, found.image.cpu()),
        "latent_shift": latent_shift(found.shifted_mean, found.original_mean),
        "posterior_kl": posterior_kl(
            found.shifted_mean, found.shifted_log_variance, found.original_mean, found.original_log_variance
        ),
    }


def latent_values(protocol: Protocol, array: NDArray[np.float32]) -> dict[str, dict[str, float | str]]:
    """Return `latent_kl` by view, under the group `all`: a number, or the reason why there is none.

    A view without a single sample is left out.

    Args:
        protocol: which views, in which order.
        array: moments, `(sample, side, view, number)`; NaN where a sample has none.
    """
    values: dict[str, float | str] = {}
    for index, view in enumerate(protocol.set_views()):
        sides = torch.from_numpy(np.ascontiguousarray(array[:, :, index]))
        present = sides[sides.isfinite().all(2).all(1)]
        if not len(present):
            continue
        try:
            values[view.removeprefix("set/")] = kl_of_moments(present[:, 0], present[:, 1])
        except DataError as error:
            values[view.removeprefix("set/")] = error.message
    return {"all": values}
