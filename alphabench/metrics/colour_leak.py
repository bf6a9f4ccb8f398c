"""How much of an old background's colour is left in the soft rim of a cut-out.

A pixel of opacity α that was photographed over a background b shows αF + (1 − α)b. A cut-out should keep the
object's own colour F there; one that keeps the photographed colour shows a seam over every other background.
Between the two lies a share λ of the way: C = F + λ(1 − α)(b − F). What tells it from a drawn outline or an even
halo is that it grows with the transparency. As in `alphabench.metrics.halo`, F is taken from the nearest pixel of
the solid core, so images without one are not judged.
"""

import itertools

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from alphabench.image.types import Rgba
from alphabench.metrics.halo import Rim, per_rim

CORNERS: NDArray[np.float64] = np.array(list(itertools.product((0.0, 1.0), repeat=3))).T
"""The eight corners of the colour cube, `(3, 8)`: every colour is a mixture of them."""

PREFERENCE = 1e-6
"""How strongly the smaller of two equally good shares is preferred, against a squared error of 1 per pixel."""


def colour_leak(prediction: Rgba) -> Float64[Tensor, " batch"]:
    """Return the share of one background's colour that is left in the soft rim.

    The rim's colour is explained as C = F + λ(1 − α)(b − F) + μ(h − F): a leak of the background b that grows with
    the transparency, and an outline of colour h that does not. One b, λ, h and μ per image are fitted by least
    squares in premultiplied colour, which is how far composites are wrong. b is a mixture of the corners of the
    colour cube with weights m_j ≥ 0 whose sum is λ, and h likewise, so the fit is a non-negative least squares
    problem. Where the core has one colour only, a small share of a far background and a large share of a near
    one look alike: the smallest share is taken. Where the rim has one opacity only, leak and outline look alike:
    each is taken to cause half.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.

    Returns:
        λ, `(batch,)` in [0,1], a pure number: 0 where the rim has the colours of the core, 1 where it holds the
        colours of the picture it was cut from, or foreign ones beyond that; NaN (not applicable) where there is
        no core, no rim, or none near the other. Lower is better. A drawn shadow or glow of another colour raises
        it as well: read it against the same measure of real images.

    Raises:
        DataError: see `alphabench.metrics.check.check_image`.

    Source: own definition on the compositing equation of Porter and Duff 1984; solver of Lawson and Hanson 1974,
    "Solving Least Squares Problems", chapter 23.
    """
    return per_rim(prediction, _share)


def _share(rim: Rim) -> float:
    composite = rim.alpha[None, :, None]
    outline = composite * (CORNERS[:, None, :] - rim.core[:, :, None])
    leak = (1 - composite) * outline
    jump = composite[..., 0] * (rim.colour - rim.core)
    rows = [part.reshape(jump.size, -1) for part in (leak, outline, jump)]
    small: NDArray[np.float64] = np.zeros((2, 17))
    small[0, :8] = np.sqrt(PREFERENCE * np.square(rim.alpha * (1 - rim.alpha)).sum())
    small[1, 8:16] = np.sqrt(PREFERENCE * np.square(rim.alpha).sum())
    # The same problem with 17 rows instead of three for each pixel.
    triangle = np.asarray(np.linalg.qr(np.concatenate([np.concatenate(rows, axis=1), small]), mode="r"))
    mixture, _ = nnls(triangle[:, :16], triangle[:, 16])
    return float(min(mixture[:8].sum(), 1.0))
