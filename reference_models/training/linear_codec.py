"""Principal components of image patches: the best linear codec, where every net here starts."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Patches = Float[Tensor, "patch values"]


def patches_of(images: Float[Tensor, "batch channel height width"], side: int) -> Patches:
    """Return all `side`×`side` patches, flattened in the order (channel, row, column)."""
    columns = functional.unfold(images, side, stride=side)
    return columns.transpose(1, 2).flatten(0, 1)


class PatchStatistics:
    """Mean and covariance of patches, gathered batch by batch in float64."""

    def __init__(self, values: int) -> None:
        self.count = 0
        self.total = torch.zeros(values, dtype=torch.float64)
        self.products = torch.zeros(values, values, dtype=torch.float64)

    def add(self, patches: Patches) -> None:
        """Take more patches into account."""
        exact = patches.double()
        self.count += len(exact)
        self.total += exact.sum(0)
        self.products += exact.T @ exact

    def components(
        self, latent: int
    ) -> tuple[Float[Tensor, " values"], Float[Tensor, "values latent"], Float[Tensor, " latent"]]:
        """Return the mean patch, the leading eigenvectors as columns, and their standard deviations.

        The sign of a vector is chosen so that its largest entry is positive, hence the same everywhere.
        """
        mean = self.total / self.count
        covariance = self.products / self.count - torch.outer(mean, mean)
        values, vectors = torch.linalg.eigh(covariance)
        order = torch.argsort(values, descending=True)[:latent]
        basis = vectors[:, order]
        largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
        basis = basis * torch.sign(largest)
        return mean.float(), basis.float(), values[order].clamp_min(1e-12).sqrt().float()
