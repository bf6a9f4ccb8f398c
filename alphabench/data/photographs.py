"""Folders of opaque photographs: the backgrounds that a loss is told about."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from alphabench.data.folder import list_folder
from alphabench.errors import DataError
from alphabench.image.codec import read_rgba, to_float
from alphabench.image.moments import ColourMoments, colour_moments


@dataclass(frozen=True)
class MeasuredPhotographs:
    """What was measured of a folder.

    Attributes:
        moments: of all images that could be read.
        unreadable: path and reason of each file that could not.
    """

    moments: ColourMoments
    unreadable: tuple[tuple[str, str], ...]


def measured_photographs(folder: Path) -> MeasuredPhotographs:
    """Return the colour moments of the images in a folder and below it, one image in memory at a time.

    Raises:
        UsageError: there is no such folder.
        DataError: it holds no readable image, or an image that is not opaque.
    """
    listing = list_folder(folder, opaque=True)
    if not listing.images:
        raise DataError(
            f"the folder {folder} holds no images that can be read",
            remedy="Put PNG, JPEG, WebP or TIFF photographs into it.",
        )
    unreadable: list[tuple[str, str]] = []

    def images() -> Iterator[Tensor]:
        for path in listing.images:
            try:
                codes = read_rgba(folder / path, allow_opaque=True)
            except DataError as error:
                unreadable.append((path, error.message))
                continue
            if int(codes[3].min()) < 255:
                raise DataError(
                    f"{folder / path} is not opaque, and a background is",
                    remedy="Place it over a colour first, or take it out of the folder.",
                )
            yield to_float(codes[:3])
        if len(unreadable) == len(listing.images):
            raise DataError(
                f"none of the {len(listing.images)} images in {folder} can be read, the first: {unreadable[0][1]}",
                remedy="Give a folder of sound photographs.",
            )

    moments = colour_moments(images())
    return MeasuredPhotographs(moments, tuple(unreadable))
