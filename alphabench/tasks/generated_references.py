"""The reference set of generated images: whether it is on this machine, and the features of its composites."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from alphabench.data.dataset import DATA_VARIABLE, DataSet, find_manifest, resolve_data
from alphabench.errors import AlphabenchError
from alphabench.protocols import Protocol
from alphabench.tasks.availability import Unavailable
from alphabench.tasks.generated_views import Viewed


@dataclass(frozen=True)
class References:
    """The reference set of a protocol, its copy on this machine checked file by file.

    Attributes:
        data: the set.
    """

    data: DataSet

    @property
    def id(self) -> str:
        """Return `name@version`."""
        return self.data.manifest.id

    @property
    def hash(self) -> str:
        """Return the identity of the set."""
        return self.data.full_hash

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of references in each category."""
        return dict(Counter(sample.category for sample in self.data))

    def features(self, viewed: Viewed, network: str) -> "ReferenceFeatures":
        """Return the features of every reference, as those of generated images are made.

        Raises:
            DataError: a file was removed or changed since it was checked.
        """
        arrays = [viewed.features(image, network) for image in self._images()]
        categories = tuple(sample.category for sample in self.data)
        return ReferenceFeatures(categories, torch.stack(arrays).numpy())

    def _images(self) -> Iterator[Tensor]:
        for sample in self.data:
            yield self.data.read(sample)


@dataclass(frozen=True)
class ReferenceFeatures:
    """Features of the references' composites.

    Attributes:
        categories: the category of each reference.
        array: `(reference, background, dim)`.
    """

    categories: tuple[str, ...]
    array: NDArray[np.float32]

    def of(self, category: str | None) -> Float32[Tensor, "reference background dim"] | None:
        """Return the features of a category, of all references for None; None where there is no reference."""
        chosen = [place for place, name in enumerate(self.categories) if category in {None, name}]
        return torch.from_numpy(self.array[chosen]) if chosen else None


def find_references(protocol: Protocol) -> References | Unavailable | None:
    """Return the reference set of a protocol, why there is none here, or None where the protocol wants none."""
    name = protocol.reference.data
    if name is None:
        return None
    try:
        data = resolve_data(name)
    except AlphabenchError:
        return _absent(name)
    wanted = protocol.reference.manifest_hash
    if wanted is not None and data.full_hash != wanted:
        return Unavailable(
            f"the reference set {name} here is another one: {data.full_hash[:8]} instead of {wanted[:8]}",
            f"Take the manifest of {name} that belongs to {protocol.id}.",
        )
    found = data.verify()
    if found.missing or found.changed:
        return Unavailable(
            f"the copy of the reference set {name} is not the set: {found.describe()}"[:500],
            f"Restore the files, or build the manifest anew; `alphabench data verify {name}` names them.",
        )
    return References(data)


def _absent(name: str) -> Unavailable:
    """Say how to come by a set, without a path of this machine: a record holds it."""
    reason = f"the reference set {name} is not on this machine"
    try:
        manifest = find_manifest(name)
    except AlphabenchError as error:
        return Unavailable(reason, error.remedy)
    stem = name.partition("@")[0]
    if manifest is None:
        return Unavailable(reason, f"Build its manifest as {stem}.toml in the folder ${DATA_VARIABLE}.")
    if manifest.status == "built":
        return Unavailable(reason, f"Place its images in ${DATA_VARIABLE}/{stem}.")
    named = f"--name {stem} " if manifest.layout in {"category", "flat"} else ""
    return Unavailable(
        reason,
        f"Get a copy from {manifest.source}, then run: alphabench data manifest build --layout {manifest.layout} DIR "
        f"{named}--out ${DATA_VARIABLE}/{stem}.toml",
    )
