"""Which metrics can be computed on this machine, and how to mend those that cannot."""

import importlib.util
from dataclasses import dataclass

from alphabench.errors import AlphabenchError
from alphabench.metrics.weights import WEIGHT_FILES, WeightFile, WeightsMissing, locate
from alphabench.protocols import Protocol

PACKAGES = {"laion_aes": "pyiqa", "clipscore": "pyiqa", "fid": "pyiqa"}
"""Metrics that are computed by a package of the extra `paper`."""


@dataclass(frozen=True)
class Unavailable:
    """Why a metric cannot be computed here, and the command that mends it."""

    reason: str
    remedy: str


def unavailable(metric: str) -> Unavailable | None:
    """Return why `metric` cannot be computed here; None where it can."""
    package = PACKAGES.get(metric)
    if package is not None and importlib.util.find_spec(package) is None:
        return Unavailable(f"the package {package} is not installed", 'Run: pip install "alphabench[paper]"')
    for file in WEIGHT_FILES.values():
        if metric in file.needed_by:
            try:
                locate(file)
            except AlphabenchError as error:
                return _lacking(file, error)
    return None


def unavailable_metrics(protocol: Protocol) -> dict[str, Unavailable]:
    """Return the metrics of `protocol` that cannot be computed here, each with its reason."""
    reasons = {metric: unavailable(metric) for metric in protocol.metrics}
    return {metric: reason for metric, reason in reasons.items() if reason is not None}


def _lacking(file: WeightFile, error: AlphabenchError) -> Unavailable:
    """Say what lacks without a path of this machine: a record holds it."""
    if file.package:
        return Unavailable(f"the {file.purpose} are not those of the package {file.package}", error.remedy)
    fault = "not on this machine" if isinstance(error, WeightsMissing) else "another file than they should be"
    return Unavailable(
        f"the weights {file.name!r} ({file.purpose}) are {fault}", f"Run: alphabench weights fetch {file.name}"
    )
