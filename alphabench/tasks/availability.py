"""Which metrics can be computed on this machine, and how to mend those that cannot."""

import importlib.util
from dataclasses import dataclass

from alphabench.errors import AlphabenchError
from alphabench.metrics.weights import WEIGHT_FILES, WeightFile, WeightsMissing, locate
from alphabench.protocols import Protocol

PACKAGES = {"laion_aes": "pyiqa", "clipscore": "pyiqa", "fid": "pyiqa"}
"""Metrics that a package of the extra `paper` computes, or whose arithmetic is that of the package."""


@dataclass(frozen=True)
class Unavailable:
    """Why a metric cannot be computed here, and the command that mends it."""

    reason: str
    remedy: str


def unavailable(metric: str, recipe: str = "pyiqa") -> Unavailable | None:
    """Return why `metric` cannot be computed here; None where it can.

    Args:
        metric: its name.
        recipe: the protocol's recipe for it: our own arithmetic needs no package.
    """
    package = PACKAGES.get(metric) if recipe == "pyiqa" else None
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
    reasons = {
        metric: unavailable(metric, getattr(settings, "recipe", "pyiqa"))
        for metric, settings in protocol.metrics.items()
    }
    return {metric: reason for metric, reason in reasons.items() if reason is not None}


def _lacking(file: WeightFile, error: AlphabenchError) -> Unavailable:
    """Say what lacks without a path of this machine: a record holds it."""
    if file.package:
        return Unavailable(f"the {file.purpose} are not those of the package {file.package}", error.remedy)
    fault = "not on this machine" if isinstance(error, WeightsMissing) else "another file than they should be"
    return Unavailable(
        f"the weights {file.name!r} ({file.purpose}) are {fault}", f"Run: alphabench weights fetch {file.name}"
    )
