"""Latents between an autoencoder and a generator: normalised, and packed into tokens."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from alphabench.errors import DataError

Latents = Float[Tensor, "batch latent rows columns"]
Tokens = Float[Tensor, "batch token number"]

PATCH = 2
"""Latent positions of one token, along each side (arXiv 2507.09308 trains FLUX.1-dev, which packs so)."""


def normalised(latents: Latents, config: Any) -> Latents:
    """Return (latents − shift)·scale, what a generator is trained on.

    Args:
        latents: of the autoencoder.
        config: of the autoencoder, with `scaling_factor` and `shift_factor`; a shift of None means 0, as in
            SDXL, whose config has none.
    """
    return (latents - float(config.shift_factor or 0.0)) * float(config.scaling_factor)


def denormalised(latents: Latents, config: Any) -> Latents:
    """Return latents / scale + shift, what the autoencoder decodes: the inverse of `normalised`."""
    return latents / float(config.scaling_factor) + float(config.shift_factor or 0.0)


def packed(latents: Latents) -> Tokens:
    """Return one token for each 2×2 positions, row by row; inside a token channel, row, column.

    Raises:
        DataError: an odd number of rows or columns.
    """
    batch, channels, rows, columns = latents.shape
    if rows % PATCH or columns % PATCH:
        raise DataError(
            f"latents of {rows}x{columns} positions cannot be packed in squares of {PATCH}",
            remedy="Use images whose sides are multiples of twice the autoencoder's factor.",
        )
    squares = latents.reshape(batch, channels, rows // PATCH, PATCH, columns // PATCH, PATCH)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH**2)


def unpacked(tokens: Tokens, *, rows: int, columns: int) -> Latents:
    """Return the latents of `rows` by `columns` positions that `packed` made the tokens of."""
    batch, _, numbers = tokens.shape
    squares = tokens.reshape(batch, rows // PATCH, columns // PATCH, numbers // PATCH**2, PATCH, PATCH)
    return squares.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, rows, columns)
