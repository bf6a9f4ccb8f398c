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

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.compositing import premultiply
from alphabench.image.types import Rgba
from alphabench.metrics.blocks import one_thread, sample_chunks, stripe_rows
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
    Windowed,
    padded_sum_and_difference,
    similarity_map,
    weighted_luma,
)
from alphabench.runtime import exact_matmul

LUMA = 3
"""The place of luma after the channels 0, 1, 2."""

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


@dataclass(frozen=True)
class _Questions:
    """Which one-channel SSIMs answer all backgrounds.

    Attributes:
        asked: distinct (channel, level) pairs; channel 3 is luma.
        rgb: for each background the three entries of `asked` whose mean is its RGB SSIM.
        luma: for each background the entry of `asked` that is its luma SSIM.
    """

    asked: list[tuple[int, float]]
    rgb: list[list[int]]
    luma: list[int]


def _questions(levels: Float64[Tensor, "background 3"], *, rgb: bool, luma: bool) -> _Questions:
    """Return the distinct questions that the backgrounds pose."""
    places: dict[tuple[int, float], int] = {}

    def place(channel: int, level: float) -> int:
        return places.setdefault((channel, level), len(places))

    colours: list[list[float]] = levels.tolist()
    return _Questions(
        rgb=[[place(channel, level) for channel, level in enumerate(colour)] for colour in colours] if rgb else [],
        luma=[place(LUMA, _luma(colour)) for colour in colours] if luma else [],
        asked=list(places),
    )


def _luma(colour: list[float]) -> float:
    """Return the luma of one colour."""
    return sum(weight * level for weight, level in zip(LUMA_WEIGHTS, colour, strict=True))


@one_thread()
def _solid_similarity(
    prediction: Tensor, reference: Tensor, levels: Tensor, *, rgb: bool, luma: bool
) -> tuple[Tensor, Tensor]:
    """Return RGB and luma SSIM `(batch, background)` of checked images; what is not asked for is empty."""
    batch, _, height, width = prediction.shape
    questions = _questions(levels, rgb=rgb, luma=luma)
    if min(height, width) < TAPS:
        absent = torch.full((batch, len(levels)), torch.nan, dtype=torch.float64, device=prediction.device)
        return absent, absent.clone()
    window = ValidWindow(width, prediction)
    with exact_matmul():
        totals = [
            _totals(prediction[chunk], reference[chunk], questions.asked, window)
            for chunk in sample_chunks(batch, MAPS * prediction[0, 0].nbytes, prediction.device)
        ]
    table = torch.cat(totals, dim=1) / ((height - HALO) * (width - HALO))
    rgb_entries = torch.tensor(questions.rgb, dtype=torch.long, device=table.device).reshape(-1, 3)
    luma_entries = torch.tensor(questions.luma, dtype=torch.long, device=table.device)
    return table[rgb_entries].mean(1).T, table[luma_entries].T


def _totals(
    prediction: Tensor, reference: Tensor, asked: list[tuple[int, float]], window: ValidWindow
) -> Float64[Tensor, "question batch"]:
    """Return the sum over pixels of each asked one-channel SSIM map."""
    height, width = prediction.shape[2:]
    channels = sorted({channel for channel, _ in asked})
    colour = _luma_of if channels == [LUMA] else premultiply
    images = [torch.cat([colour(image), 1 - image[:, 3:]], dim=1) for image in (prediction, reference)]
    plus, minus = padded_sum_and_difference(*images)
    step = stripe_rows(height - HALO, width, prediction.device)
    totals = prediction.new_zeros((len(asked), prediction.shape[0]), dtype=torch.float64)
    for top in range(0, height - HALO, step):
        rows = slice(top, top + step + HALO)
        sums, differences = (_filtered(plane[:, :, rows], offset, window, channels) for plane, offset in (plus, minus))
        stripe = [
            window.total(similarity_map(sums[channel].at(level), differences[channel].at(level)))
            for channel, level in asked
        ]
        totals = totals + torch.stack(stripe)
    return totals


@dataclass(frozen=True)
class _Channel:
    """Filtered P + b·T of one channel, each attribute the coefficients of a polynomial in b."""

    mean: tuple[Tensor, Tensor]
    square: tuple[Tensor, Tensor, Tensor]
    offset: tuple[Tensor, Tensor]

    def at(self, level: float) -> Windowed:
        """Return the maps on the background level b."""
        return Windowed(*(_polynomial(each, level) for each in (self.mean, self.square, self.offset)))


def _polynomial(coefficients: tuple[Tensor, ...], level: float) -> Tensor:
    """Return c0 + b·(c1 + b·(c2 + …))."""
    if level == 0:
        return coefficients[0]
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = torch.add(coefficient, value, alpha=level)
    return value


def _filtered(plane: Tensor, offset: Tensor, window: ValidWindow, channels: list[int]) -> dict[int, _Channel]:
    """Return the filtered maps of one stripe, by channel.

    Args:
        plane: centred colours, then centred T, `(batch, colours + 1, rows, width)`.
        offset: what was taken off, `(batch, colours + 1, 1, 1)`.
        window: the filter.
        channels: which channels are asked for; when luma is among colours, its mean and its product with
            T follow from theirs, and only its square is filtered besides.
    """
    colours = plane[:, :-1]
    count = colours.shape[1]
    joined = LUMA in channels and count > 1
    maps = [plane, plane.square(), colours * (2 * plane[:, -1:])]
    if joined:
        maps.append(weighted_luma(colours.unbind(1)).unsqueeze(1).square())
    filtered = window(torch.cat(maps, dim=1)).unbind(0)
    means, veil = filtered[:count], filtered[count]
    squares, veil_square = filtered[count + 1 : 2 * count + 1], filtered[2 * count + 1]
    crosses = filtered[2 * count + 2 : 3 * count + 2]
    offsets = offset.unbind(1)
    if joined:
        means = (*means, weighted_luma(means))
        squares = (*squares, filtered[-1])
        crosses = (*crosses, weighted_luma(crosses))
        offsets = (*offsets[:-1], weighted_luma(offsets[:-1]), offsets[-1])
    return {
        channel: _Channel((mean, veil), (square, cross, veil_square), (shift, offsets[-1]))
        for channel, mean, square, cross, shift in zip(
            channels if count == 1 else range(len(means)), means, squares, crosses, offsets[:-1], strict=True
        )
    }


def _luma_of(image: Rgba) -> Tensor:
    """Return the premultiplied luma `(batch, 1, height, width)`."""
    return weighted_luma(premultiply(image).unbind(1)).unsqueeze(1)
