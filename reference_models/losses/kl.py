"""Kullback-Leibler divergences of Gaussian posteriors, in nats, summed over the latent of each image."""

import torch
from jaxtyping import Float
from torch import Tensor

Latent = Float[Tensor, "batch latent height width"]


def kl_to_standard(mean: Latent, log_variance: Latent) -> Float[Tensor, " batch"]:
    """Return KL(N(mean, exp(log_variance)) ‖ N(0, 1)) of each image (Kingma and Welling 2014)."""
    terms = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return terms.flatten(1).sum(1)


def kl_between(
    mean: Latent, log_variance: Latent, reference_mean: Latent, reference_log_variance: Latent
) -> Float[Tensor, " batch"]:
    """Return KL(trained posterior ‖ reference posterior) of each image (arXiv 2507.09308, reference KL).

    A posterior equal to its reference, bit for bit, gives exactly 0.
    """
    difference = log_variance - reference_log_variance
    terms = 0.5 * (
        (mean - reference_mean).square() * torch.exp(-reference_log_variance) + torch.exp(difference) - 1 - difference
    )
    return terms.flatten(1).sum(1)
