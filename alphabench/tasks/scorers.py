"""Which scorer a protocol wants, and the set metrics of the features it keeps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, runtime_checkable
from typing import Protocol as Interface

import numpy as np
import torch
from numpy.typing import NDArray

from alphabench.data.manifest import Sample
from alphabench.errors import DataError
from alphabench.image.types import AnyCodes
from alphabench.metrics.set_distance import TooFewSamples, frechet_distance, kernel_distance
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable
from alphabench.tasks.harmlessness import FEATURES as LATENTS
from alphabench.tasks.harmlessness import HarmlessnessScorer, JudgedLatents, latent_values, refuse_predictions
from alphabench.tasks.judged import Judged
from alphabench.tasks.paper_fid import paper_fid
from alphabench.tasks.paper_pairing import PaperPairing
from alphabench.tasks.paper_scoring import FEATURES, PaperScorer
from alphabench.tasks.scoring import ExactScorer, Scores

Features = Mapping[str, tuple[tuple[str, ...], NDArray[np.float32]]]
"""For each network the sample ids and their features, `(sample, side, background, dim)`."""

NETWORK_OF = {
    "rfid": "inception",
    "kid": "inception",
    "rfid-rand": "random-features",
    "kid-rand": "random-features",
    "fid": FEATURES,
    "latent_kl": LATENTS,
}
DISTANCES: Mapping[str, Callable[..., Any]] = {
    "rfid": frechet_distance,
    "rfid-rand": frechet_distance,
    "kid": kernel_distance,
    "kid-rand": kernel_distance,
    "fid": paper_fid,
}


@runtime_checkable
class Scorer(Interface):
    """Scores pairs of images under one protocol."""

    @property
    def unavailable(self) -> Mapping[str, Unavailable]:
        """Return the metrics of the protocol that cannot be computed here, with reason and remedy."""
        ...

    @property
    def networks(self) -> tuple[str, ...]:
        """Return the networks whose features every sample keeps."""
        ...

    def score(
        self, samples: Sequence[Sample], predictions: Sequence[AnyCodes | None], references: Sequence[AnyCodes]
    ) -> Scores:
        """Return the scores of each pair; None where a protocol lets a reference have no prediction."""
        ...


def make_scorer(
    protocol: Protocol, device: torch.device, pairing: PaperPairing | None, judged: Judged | None = None
) -> Scorer:
    """Return the scorer of `protocol`.

    Args:
        protocol: the ruler.
        device: where to compute.
        pairing: how the authors' scripts would join the files.
        judged: who predicts; only a protocol that judges latents looks at it.

    Raises:
        UsageError: latents are judged, and there is no model.
    """
    if isinstance(judged, JudgedLatents):
        return HarmlessnessScorer(protocol, judged)
    refuse_predictions(protocol)
    if protocol.views.composite == "float32":
        return _Exact(ExactScorer(protocol, device))
    assert pairing is not None
    return _Paper(PaperScorer(protocol, device), pairing)


@dataclass(frozen=True)
class _Exact:
    scorer: ExactScorer

    @property
    def unavailable(self) -> Mapping[str, Unavailable]:
        return self.scorer.unavailable

    @property
    def networks(self) -> tuple[str, ...]:
        return _networks(self.scorer.protocol, self.unavailable)

    def score(
        self, samples: Sequence[Sample], predictions: Sequence[AnyCodes | None], references: Sequence[AnyCodes]
    ) -> Scores:
        present = [prediction for prediction in predictions if prediction is not None]
        if len(present) < len(predictions):
            raise DataError("a sample has no prediction", remedy="Predict every sample.")
        return self.scorer.score(present, references)


@dataclass(frozen=True)
class _Paper:
    scorer: PaperScorer
    pairing: PaperPairing

    @property
    def unavailable(self) -> Mapping[str, Unavailable]:
        return self.scorer.unavailable

    @property
    def networks(self) -> tuple[str, ...]:
        return _networks(self.scorer.protocol, self.unavailable)

    def score(
        self, samples: Sequence[Sample], predictions: Sequence[AnyCodes | None], references: Sequence[AnyCodes]
    ) -> Scores:
        joined = [
            prediction if sample.id in self.pairing.pairs else None
            for sample, prediction in zip(samples, predictions, strict=True)
        ]
        lossless = [self.pairing.lossless.get(sample.id) for sample in samples]
        return self.scorer.score(joined, references, lossless)


def set_values(
    protocol: Protocol, features: Features, groups: Mapping[str, str], unavailable: Mapping[str, Unavailable]
) -> dict[str, dict[str, dict[str, float | str]]]:
    """Return each set metric by group and background: a number, or the reason why there is none.

    Args:
        protocol: which set metrics, over which groups.
        features: what scoring kept.
        groups: the category, or leaf, of each sample.
        unavailable: metrics that were not computed.
    """
    values: dict[str, dict[str, dict[str, float | str]]] = {}
    for metric in protocol.set_metrics():
        if metric in unavailable:
            continue
        if protocol.judges_latents:
            values[metric] = latent_values(protocol, features[LATENTS][1])
            continue
        names, array = _present(*features[NETWORK_OF[metric]])
        views = protocol.metric_views(metric)
        members = _members(names, groups, everything=protocol.scope(metric) == "all")
        values[metric] = {
            group: {
                view.removeprefix("set/"): _distance(metric, array[indices], protocol.set_views().index(view))
                for view in views
            }
            for group, indices in members.items()
        }
    return values


def _present(names: Sequence[str], array: NDArray[np.float32]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Leave out the samples of skipped leaves, whose features are NaN."""
    finite = [index for index, one in enumerate(array) if np.isfinite(one).all()]
    return tuple(names[index] for index in finite), array[finite]


def _members(names: Sequence[str], groups: Mapping[str, str], *, everything: bool) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        members.setdefault("all" if everything else groups[name], []).append(index)
    return members


def _distance(metric: str, features: NDArray[np.float32], background: int) -> float | str:
    sides = torch.from_numpy(features[:, :, background].astype(np.float64))
    try:
        return float(DISTANCES[metric](sides[:, 0], sides[:, 1]))
    except TooFewSamples as error:
        return error.message


def _networks(protocol: Protocol, unavailable: Mapping[str, Unavailable]) -> tuple[str, ...]:
    wanted = (NETWORK_OF[metric] for metric in protocol.set_metrics() if metric not in unavailable)
    return tuple(dict.fromkeys(wanted))
