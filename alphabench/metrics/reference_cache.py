"""Features of references kept between models, so that the second model scored costs half the passes."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from alphabench.metrics.features import Pooled

DEFAULT_BYTES = 2 << 30
"""How much a cache holds unless told otherwise: 2 GiB."""


@dataclass(frozen=True)
class Encoded:
    """What one pass over some composites of one sample gives.

    Attributes:
        stages: normalised feature maps, one row per composite.
        pooled: one vector per composite, or None for a network without them.
    """

    stages: list[Tensor]
    pooled: Pooled | None

    @property
    def size(self) -> int:
        """Return the bytes of all tensors."""
        tensors = self.stages if self.pooled is None else [*self.stages, self.pooled]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class ReferenceCache:
    """Keeps encoded references up to a bound in bytes; what does not fit is computed again each time.

    A cache changes no value: it holds exactly what the pass gave.

    Args:
        max_bytes: the bound.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._held: dict[Hashable, Encoded] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable, encode: Callable[[], Encoded]) -> Encoded:
        """Return what is held under `key`, else what `encode()` gives, held from now on if it fits."""
        found = self._held.get(key)
        if found is not None:
            return found
        encoded = encode()
        if self.used_bytes + encoded.size <= self.max_bytes:
            self._held[key] = encoded
            self.used_bytes += encoded.size
        return encoded
