"""PSNR and SSIM with the conventions of the package pyiqa, for results of its users; own code, own tests.

Facts: `chaofengc/IQA-PyTorch`, `pyiqa/archs/psnr_arch.py` and `ssim_arch.py`, release 0.1.16. Images are
8-bit RGB, as they are read from a file.
"""

from functools import partial

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from alphabench.errors import DataError
from alphabench.metrics.blocks import one_thread, sum_over_stripes
from alphabench.metrics.gaussian_window import HALO, TAPS, ValidWindow, padded_width, window
from alphabench.runtime import exact_matmul

PSNR_EPSILON = 1e-8
"""Added to the mean squared error: identical images score 80 dB."""

_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_LUMA = (0.299, 0.587, 0.114)

RgbCodes = UInt8[Tensor, "batch 3 height width"]
"""Opaque images as 8-bit codes."""


@one_thread()
def psnr_eps8(prediction: RgbCodes, reference: RgbCodes) -> Float64[Tensor, " batch"]:
    """Return the PSNR in dB with 1e-8 added to the mean squared error, means in float32.

    Args:
        prediction: 8-bit RGB, `(batch, 3, height, width)`.
        reference: the same shape and device.

    Raises:
        DataError: another dtype, or shapes or devices that differ.
    """
    check_codes(prediction, reference)
    difference = prediction.float() / 255 - reference.float() / 255
    mse = torch.stack([each.square().mean() for each in difference])
    return (10 * torch.log10(1 / (mse + PSNR_EPSILON))).double()


def ssim_pyiqa(prediction: RgbCodes, reference: RgbCodes) -> Float64[Tensor, " batch"]:
    """Return the SSIM of luma rounded to whole codes, with contrast · structure clamped at 0 per pixel.

    Luma in float32, rounded half to even; the rest in float64. Borders and constants are those of
    `alphabench.metrics.similarity`; the weights of the window sum to what its float32 form sums to, which
    makes the agreement better than 1e-9.

    Args:
        prediction: 8-bit RGB, `(batch, 3, height, width)`.
        reference: the same shape and device.

    Returns:
        `(batch,)`; NaN (not applicable) where a side is shorter than 11 pixels.

    Raises:
        DataError: another dtype, or shapes or devices that differ.
    """
    check_codes(prediction, reference)
    height, width = prediction.shape[2:]
    if min(height, width) < TAPS:
        return torch.full((len(prediction),), torch.nan, dtype=torch.float64, device=prediction.device)
    with exact_matmul():
        return torch.stack([_ssim(x, y) for x, y in zip(prediction, reference, strict=True)])


def check_codes(prediction: Tensor, reference: Tensor) -> None:
    """Refuse what are not two equal batches of 8-bit RGB images.

    Raises:
        DataError: another dtype, or shapes or devices that differ.
    """
    for name, image in (("prediction", prediction), ("reference", reference)):
        if image.dtype != torch.uint8 or image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
            raise DataError(
                f"the {name} is {image.dtype} of shape {tuple(image.shape)}, not uint8 (batch, 3, h, w)",
                remedy="Give the 8-bit codes as they were read from the file.",
            )
    if prediction.shape != reference.shape or prediction.device != reference.device:
        raise DataError(
            f"prediction and reference differ: {tuple(prediction.shape)} on {prediction.device} against "
            f"{tuple(reference.shape)} on {reference.device}",
            remedy="Metrics never resize or move images: bring both to the same first.",
        )


def _ssim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the SSIM of one pair of 8-bit images `(3, height, width)`."""
    x, y = _luma_codes(prediction), _luma_codes(reference)
    height, width = x.shape
    taps = window(torch.float64, x.device)
    gain = torch.outer(taps, taps).float().double().sum()  # of float32 weights: 6e-9 short of 1, and it shows
    valid = ValidWindow(width, x)
    planes = torch.nn.functional.pad(torch.stack([x + y, x - y]), (0, padded_width(width) - width))
    work = partial(_total, planes, gain, valid)
    return sum_over_stripes(work, height - HALO, width, x.device) / ((height - HALO) * (width - HALO))


def _total(planes: Tensor, gain: Tensor, valid: ValidWindow, rows: slice) -> Tensor:
    """Return the sum of the SSIM map over some rows of outputs, from the sum and difference of two lumas."""
    stripe = planes[None, :, rows.start : rows.stop + HALO]
    (plus, minus), (plus_square, minus_square) = gain * valid(stripe), gain * valid(stripe.square())
    bright, differ = plus.square(), minus.square()
    varied, strange = plus_square - bright + 2 * _C2, minus_square - differ
    bright = bright + 2 * _C1
    structure = ((varied - strange) / (varied + strange)).clamp_min(0.0)
    return valid.total(((bright - differ) / (bright + differ) * structure)[None])[0, 0]


@one_thread()
def _luma_codes(codes: Tensor) -> Float64[Tensor, "height width"]:
    """Return luma as whole numbers 0…255 in float64."""
    weights = torch.tensor(_LUMA, dtype=torch.float32, device=codes.device)
    luma = torch.matmul(codes.float().div(255).permute(1, 2, 0), weights[:, None])[..., 0]
    return (luma * 255).round().double()
