"""SSIM on any number of solid backgrounds from one set of filtered maps.

SSIM (Wang et al. 2004) needs the luminance and covariance of two composites K = P + b·T, where P is
premultiplied colour and T = 1 − alpha. Written with their sum and difference, u = K_y + K_x and
v = K_y − K_x,

    SSIM = (ū² − v̄² + 2·C1)·(var u − var v + 2·C2) / ((ū² + v̄² + 2·C1)·(var u + var v + 2·C2)),

so identical images give exactly 1. Both u and v are again of the form P± + b·T±, hence linear in b, and
their variances are quadratics in b. Filtering the means of P± and T± and of their products is therefore
enough for all backgrounds: 22 maps for RGB, two more for luma, whatever the number of backgrounds. RGB
SSIM is the mean of the channels, so each channel is evaluated once per distinct level of the backgrounds:
the nine canonical ones take three levels, 0, 128/255 and 1.

Variances are taken after a shift by the mean of the image: without it the difference E[u²] − ū² loses the
digits that count where an image is bright and smooth.
"""

from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgba
from alphabench.metrics.blocks import one_thread, sample_chunks, sum_over_stripes
from alphabench.metrics.check import check_backgrounds, check_pair
from alphabench.metrics.closed_form import (
    PairMoments,
    moments_of_difference,
    mse_on_solid,
    premultiplied_difference,
    psnr_from_mse,
)
from alphabench.metrics.gaussian_window import HALO, TAPS, ValidWindow
from alphabench.metrics.similarity import (
    LUMA_WEIGHTS,
    SumAndDifference,
    Windowed,
    similarity_map,
    weighted_luma,
)
from alphabench.runtime import exact_matmul

MAPS = 24
"""Filtered maps of RGB and luma together."""


@dataclass(frozen=True)
class SolidScores:
    """PSNR and both SSIMs of each composite, and the sums that further PSNRs follow from.

    Attributes:
        psnr: in dB, float64 `(batch, background)`.
        ssim_rgb: mean of the three channels' SSIM, float64 `(batch, background)`; NaN below 11 pixels.
        ssim_luma: SSIM of the luma, float64 `(batch, background)`; NaN below 11 pixels.
        moments: the seven sums of each pair.
    """

    psnr: Float64[Tensor, "batch background"]
    ssim_rgb: Float64[Tensor, "batch background"]
    ssim_luma: Float64[Tensor, "batch background"]
    moments: PairMoments


def composite_ssim(
    prediction: Rgba, reference: Rgba, backgrounds: Float[Tensor, "background 3"]
) -> Float64[Tensor, "batch background"]:
    """Return the RGB SSIM of the composites on each solid background.

    Args:
        prediction: straight RGBA in [0,1], `(batch, 4, height, width)`, float32 or float64.
        reference: the same shape, dtype and device.
        backgrounds: colours in [0,1], `(background, 3)`.

    Returns:
        `(batch, background)` in [−1,1]; NaN (not applicable) where a side is shorter than 11 pixels.
        Gaussian window of 11 taps, sigma 1.5, `valid` borders, biased covariances, no clamp.
        Differentiable in both images.

    Raises:
        DataError: see `alphabench.metrics.check`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    return _solid_similarity(prediction, reference, check_backgrounds(backgrounds), rgb=True, luma=False)[0]


def composite_ssim_luma(
    prediction: Rgba, reference: Rgba, backgrounds: Float[Tensor, "background 3"]
) -> Float64[Tensor, "batch background"]:
    """Return the SSIM of the composites' unrounded luma; everything else as in `composite_ssim`."""
    prediction, reference = check_pair(prediction, reference, channels=4)
    return _solid_similarity(prediction, reference, check_backgrounds(backgrounds), rgb=False, luma=True)[1]


def composite_psnr_ssim(
    prediction: Rgba, reference: Rgba, backgrounds: Float[Tensor, "background 3"]
) -> tuple[Float64[Tensor, "batch background"], Float64[Tensor, "batch background"]]:
    """Return what `composite_psnr` and `composite_ssim` return, checking the images once."""
    prediction, reference = check_pair(prediction, reference, channels=4)
    levels = check_backgrounds(backgrounds)
    pair = moments_of_difference(premultiplied_difference(prediction, reference))
    ssim, _ = _solid_similarity(prediction, reference, levels, rgb=True, luma=False)
    return psnr_from_mse(mse_on_solid(pair, levels)), ssim


def composite_all(prediction: Rgba, reference: Rgba, backgrounds: Float[Tensor, "background 3"]) -> SolidScores:
    """Return PSNR, RGB SSIM and luma SSIM on each solid background from one set of 24 filtered maps.

    Arguments and errors as in `composite_ssim`.
    """
    prediction, reference = check_pair(prediction, reference, channels=4)
    levels = check_backgrounds(backgrounds)
    pair = moments_of_difference(premultiplied_difference(prediction, reference))
    rgb, luma = _solid_similarity(prediction, reference, levels, rgb=True, luma=True)
    return SolidScores(psnr_from_mse(mse_on_solid(pair, levels)), rgb, luma, pair)


def ssim_worst9(prediction: Rgba, reference: Rgba) -> Float64[Tensor, " batch"]:
    """Return the smallest RGB SSIM over the nine canonical backgrounds; arguments as in `composite_ssim`."""
    return composite_ssim(prediction, reference, canonical_tensor(dtype=torch.float64)).amin(1)


class _Question(NamedTuple):
    """One-channel SSIMs of neighbouring channels on one background level, which are worked out together."""

    kind: Literal["rgb", "luma"]
    channels: slice
    level: float


class _Plan(NamedTuple):
    """Which one-channel SSIMs answer all backgrounds.

    Attributes:
        questions: each gives one row of the table for each of its channels, in order.
        rgb: for each background the three rows whose mean is its RGB SSIM.
        luma: for each background the row that is its luma SSIM.
    """

    questions: list[_Question]
    rgb: list[list[int]]
    luma: list[int]


def _plan(levels: Float64[Tensor, "background 3"], *, rgb: bool, luma: bool) -> _Plan:
    """Return the distinct questions that the backgrounds pose."""
    colours: list[list[float]] = levels.tolist()
    lumas = [sum(w * level for w, level in zip(LUMA_WEIGHTS, colour, strict=True)) for colour in colours]
    questions: list[_Question] = []
    places: dict[tuple[str, int, float], int] = {}

    def ask(kind: Literal["rgb", "luma"], channel: int, level: float) -> None:
        if (kind, channel, level) in places:
            return
        last = questions[-1] if questions else None
        if last and (last.kind, last.level, last.channels.stop) == (kind, level, channel):
            questions[-1] = last._replace(channels=slice(last.channels.start, channel + 1))
        else:
            questions.append(_Question(kind, slice(channel, channel + 1), level))
        places[(kind, channel, level)] = len(places)

    for level in dict.fromkeys(level for colour in colours for level in colour) if rgb else ():
        for channel in range(3):
            if any(colour[channel] == level for colour in colours):
                ask("rgb", channel, level)
    for level in lumas if luma else ():
        ask("luma", 0, level)
    return _Plan(
        questions,
        [[places[("rgb", channel, colour[channel])] for channel in range(3)] for colour in colours] if rgb else [],
        [places[("luma", 0, level)] for level in lumas] if luma else [],
    )


def _solid_similarity(
    prediction: Tensor, reference: Tensor, levels: Tensor, *, rgb: bool, luma: bool
) -> tuple[Tensor, Tensor]:
    """Return RGB and luma SSIM `(batch, background)` of checked images; what is not asked for is empty."""
    batch, _, height, width = prediction.shape
    if min(height, width) < TAPS:
        absent = torch.full((batch, len(levels)), torch.nan, dtype=torch.float64, device=prediction.device)
        return absent, absent.clone()
    plan = _plan(levels, rgb=rgb, luma=luma)
    window = ValidWindow(width, prediction)
    totals = []
    with exact_matmul():
        for chunk in sample_chunks(batch, MAPS * prediction[0, 0].nbytes, prediction.device):
            stacked = _planes(prediction[chunk], reference[chunk], plan.questions)
            work = partial(_totals, stacked, plan.questions, window)
            totals.append(sum_over_stripes(work, height - HALO, width, prediction.device))
    table = torch.cat(totals, dim=1) / ((height - HALO) * (width - HALO))
    rgb_rows = torch.tensor(plan.rgb, dtype=torch.long, device=table.device).reshape(-1, 3)
    luma_rows = torch.tensor(plan.luma, dtype=torch.long, device=table.device)
    return table[rgb_rows].mean(1).T, table[luma_rows].T


@one_thread()
def _planes(prediction: Tensor, reference: Tensor, questions: list[_Question]) -> SumAndDifference:
    """Return premultiplied colours (of luma alone: premultiplied luma) and T = 1 − alpha of both images."""
    colour = premultiply if any(question.kind == "rgb" for question in questions) else _luma_of
    images = (torch.cat([colour(image), 1 - image[:, 3:]], dim=1) for image in (prediction, reference))
    return SumAndDifference(*images)


def _totals(
    stacked: SumAndDifference, questions: list[_Question], window: ValidWindow, rows: slice
) -> Float64[Tensor, "row batch"]:
    """Return the sums over some rows of outputs of the SSIM maps that the questions ask for."""
    kinds = {question.kind for question in questions}
    u, v = stacked.at(rows)
    plus = _fields(u, stacked.plus_offset, window, kinds)
    minus = _fields(v, stacked.minus_offset, window, kinds)
    images = (similarity_map(plus[each.kind].at(each), minus[each.kind].at(each)) for each in questions)
    return torch.cat([window.total(image) for image in images])


@dataclass(frozen=True)
class _Field:
    """Filtered P + b·T of some channels; each attribute holds the coefficients of a polynomial in b.

    A coefficient is `(channel, block, batch, rows, columns)`; those of T alone have one channel for all.
    """

    mean: tuple[Tensor, Tensor]
    square: tuple[Tensor, Tensor, Tensor]
    offset: tuple[Tensor, Tensor]

    def at(self, question: _Question) -> Windowed:
        """Return the maps of the channels on the background level asked for."""
        return Windowed(*(_polynomial(each, question) for each in (self.mean, self.square, self.offset)))


def _polynomial(coefficients: tuple[Tensor, ...], question: _Question) -> Tensor:
    """Return c0 + b·(c1 + b·(c2 + …)) of the channels asked for."""
    *lower, value = coefficients if question.level else coefficients[:1]
    value = value if value.shape[0] == 1 else value[question.channels]
    for coefficient in reversed(lower):
        value = torch.add(coefficient[question.channels], value, alpha=question.level)
    return value


def _fields(plane: Tensor, offset: Tensor, window: ValidWindow, kinds: Set[str]) -> dict[str, _Field]:
    """Return the filtered maps of one stripe.

    Args:
        plane: centred colours, then centred T, `(batch, colours + 1, rows, width)`.
        offset: what was taken off, `(colours + 1, 1, batch, 1, 1)`.
        window: the filter.
        kinds: what is asked for. Where it is both, the mean of luma and its product with T follow from
            those of the colours, and only its square is filtered besides.
    """
    colours, veil = plane[:, :-1], plane[:, -1:]
    mean, square = window(plane), window(plane.square())
    cross = window(colours * (2 * veil))
    own = _Field((mean[:-1], mean[-1:]), (square[:-1], cross, square[-1:]), (offset[:-1], offset[-1:]))
    if len(kinds) == 1:
        return dict.fromkeys(kinds, own)
    luma = _Field(
        (weighted_luma(mean[:-1].split(1)), mean[-1:]),
        (
            window(weighted_luma(colours.split(1, dim=1)).square()),
            weighted_luma(cross.split(1)),
            square[-1:],
        ),
        (weighted_luma(offset[:-1].split(1)), offset[-1:]),
    )
    return {"rgb": own, "luma": luma}


def _luma_of(image: Rgba) -> Tensor:
    """Return the premultiplied luma `(batch, 1, height, width)`."""
    return weighted_luma(premultiply(image).split(1, dim=1))
