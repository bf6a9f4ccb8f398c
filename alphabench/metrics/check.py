"""The one gate of the metrics: shape, dtype, device, finiteness and range are checked here."""

import torch
from torch import Tensor

from alphabench.errors import DataError
from alphabench.metrics.blocks import one_thread

RANGE_TOLERANCE = 1e-6
"""How far outside [0,1] a value may lie before it is an error; nearer ones are clamped."""

_FLOATS = (torch.float32, torch.float64)
_AXES = ("sample", "channel", "row", "column")


@one_thread()
def check_image(image: Tensor, name: str, *, channels: int | None = None) -> Tensor:
    """Return `image` clamped to [0,1] after checking that a metric can use it.

    Args:
        image: `(batch, channel, height, width)`, float32 or float64, in [0,1] within `RANGE_TOLERANCE`.
        name: what the image is called in messages, for instance `prediction`.
        channels: the number of channels it must have; any number when None.

    Raises:
        DataError: another shape or dtype, no pixel, a NaN, an infinity, or a value out of range; the
            message has the first wrong value and its index.
    """
    if image.ndim != 4 or (channels is not None and image.shape[1] != channels):
        wanted = f"(batch, {channels or 'channel'}, height, width)"
        raise DataError(
            f"the {name} has the shape {tuple(image.shape)}, not {wanted}",
            remedy="Give a batch of images with the channels on the second axis.",
        )
    if image.dtype not in _FLOATS:
        raise DataError(
            f"the {name} has the dtype {image.dtype}, metrics take float32 or float64 in [0,1]",
            remedy="Divide 8-bit codes by 255, and cast half precision with .float(), before scoring.",
        )
    if image.numel() == 0:
        raise DataError(
            f"the {name} has no pixels: its shape is {tuple(image.shape)}",
            remedy="Leave empty images and empty batches out.",
        )
    lowest, highest = (float(bound) for bound in image.detach().aminmax())
    if not (lowest >= -RANGE_TOLERANCE and highest <= 1 + RANGE_TOLERANCE):  # a NaN fails both
        _refuse_values(image.detach(), name)
    return image.clamp(0.0, 1.0) if lowest < 0 or highest > 1 else image


def check_pair(prediction: Tensor, reference: Tensor, *, channels: int | None = None) -> tuple[Tensor, Tensor]:
    """Return both images clamped to [0,1] after checking each and that they belong together.

    Args:
        prediction: `(batch, channel, height, width)`, see `check_image`.
        reference: the same shape, dtype and device.
        channels: the number of channels both must have; any number when None.

    Raises:
        DataError: an image that `check_image` refuses, or two that differ in shape, dtype or device.
    """
    for fact in ("shape", "dtype", "device"):
        ours, theirs = getattr(prediction, fact), getattr(reference, fact)
        if ours != theirs:
            shown = [tuple(value) if fact == "shape" else value for value in (ours, theirs)]
            raise DataError(
                f"prediction and reference differ in {fact}: {shown[0]} against {shown[1]}",
                remedy="Metrics never resize, cast or move images: bring both to the same first.",
            )
    return (
        check_image(prediction, "prediction", channels=channels),
        check_image(reference, "reference", channels=channels),
    )


def check_backgrounds(backgrounds: Tensor) -> Tensor:
    """Return solid backgrounds `(background, 3)` as float64 on the CPU, clamped to [0,1].

    Raises:
        DataError: another shape, an integer dtype, no row, or a value that is not in [0,1].
    """
    if backgrounds.ndim != 2 or backgrounds.shape[1] != 3 or backgrounds.shape[0] == 0:
        raise DataError(
            f"backgrounds have the shape {tuple(backgrounds.shape)}, not (background, 3)",
            remedy="Give one row of red, green, blue per solid background, at least one.",
        )
    if not backgrounds.is_floating_point():
        raise DataError(
            f"backgrounds have the dtype {backgrounds.dtype}, not a float in [0,1]",
            remedy="Divide 8-bit codes by 255.",
        )
    levels = backgrounds.detach().to("cpu", torch.float64)
    wrong = ~((levels >= -RANGE_TOLERANCE) & (levels <= 1 + RANGE_TOLERANCE))
    if bool(wrong.any()):
        row, channel = (int(index) for index in wrong.nonzero()[0])
        raise DataError(
            f"background {row} has the value {float(levels[row, channel])!r} in channel {channel}",
            remedy="Solid backgrounds are colours in [0,1].",
        )
    return levels.clamp(0.0, 1.0)


def check_region(region: Tensor, image: Tensor) -> Tensor:
    """Return the mask `region` `(batch, 1, height, width)` after checking that it fits `image`.

    Raises:
        DataError: a mask that is not boolean, or of another size, batch or device than `image`.
    """
    wanted = (image.shape[0], 1, *image.shape[2:])
    if region.dtype != torch.bool or tuple(region.shape) != wanted or region.device != image.device:
        raise DataError(
            f"the region is {region.dtype} of shape {tuple(region.shape)} on {region.device}, "
            f"the images need torch.bool of shape {wanted} on {image.device}",
            remedy="Give one boolean mask per sample, at the size of the images.",
        )
    return region


def _refuse_values(image: Tensor, name: str) -> None:
    """Raise the error that names the first value of `image` that is not in [0,1]."""
    wrong = ~((image >= -RANGE_TOLERANCE) & (image <= 1 + RANGE_TOLERANCE))
    places = wrong.nonzero()
    first = tuple(int(index) for index in places[0])
    where = ", ".join(f"{axis} {index}" for axis, index in zip(_AXES, first, strict=True))
    raise DataError(
        f"the {name} has {len(places)} values that are not in [0,1], the first is {float(image[first])!r} at {where}",
        remedy="Clamp the output of the model inside its adapter, and mend what makes it NaN or infinite.",
    )
