"""Damage of known kind and graded strength, and changes that are no damage.

Every function takes a straight RGBA image `(1, 4, height, width)` in float64, a strength and a seed, and returns the
changed image, or None where the image offers nothing to damage. A stronger damage contains the weaker one of
the same seed. Lengths are in pixels of images of 128 pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from alphabench.image.compositing import premultiply, unpremultiply
from alphabench.image.resizing import resize_premultiplied
from alphabench.image.types import AnyRgba, Rgba

Mask = NDArray[np.bool_]
Colour = tuple[float, float, float]

HALF = 127.5 / 255
"""What belongs to the object's mask: 8-bit code 128 and up."""
VISIBLE = 12.5 / 255
BACKGROUNDS: tuple[Colour, ...] = (
    (1.0, 1.0, 1.0), (0.1, 0.7, 0.2), (0.2, 0.3, 0.9), (0.5, 0.5, 0.5), (0.9, 0.8, 0.6), (0.1, 0.1, 0.15),
)  # fmt: skip
"""Solid backgrounds that may be left in: paper, green screen, blue screen, gray, sand, night."""
HOLE_RADIUS, HOLE_SPACING, HOLES_AT_LEAST, HOLED_AT_MOST = 1.5, 5, 5, 0.25
HALO_WIDTH, HALO_CONTRAST = 2.5, 0.25
SPECK_ROOM = 4


@dataclass(frozen=True)
class Damage:
    """One kind of damage, or of harmless change.

    Attributes:
        name: what tables call it.
        strengths: rising strengths; 0 is the undamaged image and is not among them.
        unit: unit of the strength.
        words: what is done.
        apply: the function, see the module.
        harmless: whether the image is as good as before.
    """

    name: str
    strengths: tuple[float, ...]
    unit: str
    words: str
    apply: Callable[[Rgba, float, int], AnyRgba | None]
    harmless: bool = False


def holes(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Punch small round holes into a share of the places inside the mask where one fits."""
    mask = _mask(image)
    room = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > HOLE_RADIUS + 1.5
    places = _scattered(room, HOLE_SPACING, seed)
    hole = int(_disc(HOLE_RADIUS).sum())
    places = places[: int(HOLED_AT_MOST * mask.sum() / hole)]
    if len(places) < HOLES_AT_LEAST:
        return None
    punched = np.zeros_like(mask)
    for row, column in places[: round(strength * len(places))]:
        punched[row, column] = True
    return _with_alpha(image, np.where(ndimage.binary_dilation(punched, _disc(HOLE_RADIUS)), 0.0, _alpha(image)))


def halo_light(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Lay a white rim of this opacity around the mask."""
    return _halo(image, strength, 1.0)


def halo_dark(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Lay a black rim of this opacity around the mask."""
    return _halo(image, strength, 0.0)


def shrink(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Erode alpha by so many pixels."""
    return _with_alpha(image, _between(_alpha(image), strength, ndimage.grey_erosion))


def grow(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Dilate alpha by so many pixels; what appears has the colour of the nearest visible pixel."""
    alpha = _alpha(image)
    seen = alpha >= VISIBLE
    if not seen.any():
        return None
    nearest = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
    colour = image[:, :3][:, :, torch.from_numpy(nearest[0]), torch.from_numpy(nearest[1])]
    return _with_alpha(torch.cat([colour, image[:, 3:]], 1), _between(alpha, strength, ndimage.grey_dilation))


def threshold(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Raise the contrast of alpha around a half; the greatest strength is a hard threshold."""
    return _with_alpha(image, np.clip((_alpha(image) - HALF) * strength + HALF, 0, 1))


def feather(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Blur premultiplied colour and alpha with a Gaussian of this sigma, in pixels."""
    planes = torch.cat([premultiply(image), image[:, 3:]], 1)[0].numpy()
    blurred = torch.from_numpy(ndimage.gaussian_filter(planes, (0, strength, strength), mode="nearest"))[None]
    return unpremultiply(torch.minimum(blurred[:, :3], blurred[:, 3:]), blurred[:, 3:])


def fade(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Take this share of the opacity away everywhere."""
    return _with_alpha(image, _alpha(image) * (1 - strength))


def veil(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Leave a solid background in, with this opacity, under the whole image."""
    background = torch.tensor([*BACKGROUNDS[seed % len(BACKGROUNDS)], strength], dtype=image.dtype)
    return _over(image, background.view(1, 4, 1, 1).expand_as(image))


def spill(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Leave this share of a solid background in the colour of soft pixels, and alpha as it is."""
    background = torch.tensor(BACKGROUNDS[seed % len(BACKGROUNDS)], dtype=image.dtype).view(1, 3, 1, 1)
    colour, alpha = image[:, :3], image[:, 3:]
    return torch.cat([colour + strength * (1 - alpha) * (background - colour), alpha], 1)


def cut(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Move the object out of the frame by this share of its extent, to a side that the seed chooses."""
    seen = _alpha(image) >= VISIBLE
    if not seen.any() or seen[[0, -1]].any() or seen[:, [0, -1]].any():
        return None  # it runs off the frame as it is
    turned = torch.rot90(image, seed % 4, (2, 3))
    rows = np.flatnonzero((_alpha(turned) >= VISIBLE).any(1))
    step = int(rows[0]) + round(strength * int(rows[-1] - rows[0] + 1))
    moved = torch.zeros_like(turned)
    moved[:, :, : turned.shape[2] - step] = turned[:, :, step:]
    return torch.rot90(moved, -(seed % 4), (2, 3))


def specks(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Scatter so many opaque specks of 2 x 2 pixels and of any colour where the image is clear."""
    clear = ndimage.binary_erosion(_alpha(image) < VISIBLE, _disc(float(SPECK_ROOM)), border_value=1)
    clear[-1], clear[:, -1] = False, False
    places = _scattered(clear, SPECK_ROOM, seed)
    if len(places) < strength:
        return None
    speckled = image.clone()
    colours = torch.from_numpy(np.random.default_rng(seed).random((len(places), 3)))
    for (row, column), colour in zip(places[: round(strength)], colours, strict=False):
        spot = speckled[0, :, row : row + 2, column : column + 2]
        spot[:3], spot[3] = colour.view(3, 1, 1), 1
    return speckled


def recolour(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Turn all hues by so many degrees."""
    return turned_hue(image, strength)


def turned_hue(image: Rgba, degrees: float) -> Rgba:
    """Return the images with colours turned around the gray axis of the colour cube, clipped to it."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = torch.from_numpy(cosine * np.eye(3) + sine * across + (1 - cosine) / 3)
    return torch.cat([torch.einsum("ij,bjhw->bihw", turn, image[:, :3]).clamp(0, 1), image[:, 3:]], 1)


def enlarge(image: Rgba, strength: float, seed: int) -> AnyRgba | None:
    """Resize the image by 1 plus the strength."""
    return resize_premultiplied(image, *(round(side * (1 + strength)) for side in image.shape[2:]))


def smaller(image: Rgba, strength: float, seed: int) -> Rgba | None:
    """Show the object smaller by this share, in the middle of the same frame."""
    height, width = image.shape[2:]
    rows, columns = (2 * round(side * (1 - strength) / 2) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    framed = torch.zeros_like(image)
    framed[:, :, top : top + rows, left : left + columns] = resize_premultiplied(image, rows, columns)
    return framed


_FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
_HALO = (0.15, 0.3, 0.45, 0.6, 0.75)
_PIXELS = (0.5, 1.0, 1.5, 2.0, 2.5)

_DAMAGES = (
    Damage("holes", _FIFTHS, "share of places", "small round holes punched into the object", holes),
    Damage("halo_light", _HALO, "opacity", "white rim of 2.5 pixels around the object", halo_light),
    Damage("halo_dark", _HALO, "opacity", "black rim of 2.5 pixels around the object", halo_dark),
    Damage("shrink", _PIXELS, "pixel", "alpha eroded", shrink),
    Damage("grow", _PIXELS, "pixel", "alpha dilated, the object's own colour in what appears", grow),
    Damage(
        "threshold", (1.5, 2.0, 3.0, 5.0, 1e6), "gain", "contrast of alpha raised up to a hard threshold", threshold
    ),
    Damage("feather", (0.5, 1.0, 1.5, 2.0, 3.0), "pixel", "image blurred", feather),
    Damage("fade", (0.1, 0.2, 0.3, 0.4, 0.48), "share", "opacity taken away everywhere", fade),
    Damage("veil", (0.02, 0.05, 0.1, 0.2, 0.35), "opacity", "a solid background left in under all of it", veil),
    Damage("spill", (0.1, 0.25, 0.45, 0.7, 1.0), "share", "a background's colour left in soft pixels", spill),
    Damage("cut", (0.08, 0.16, 0.24, 0.32, 0.4), "share of extent", "object moved out of the frame", cut),
    Damage("specks", (4.0, 8.0, 16.0, 24.0, 40.0), "speck", "opaque specks scattered where it was clear", specks),
    Damage("recolour", (60.0, 120.0, 180.0, 240.0, 300.0), "degree", "hues turned", recolour, harmless=True),
    Damage("enlarge", _FIFTHS, "share", "image resized, up to twice its size", enlarge, harmless=True),
    Damage("smaller", (0.1, 0.2, 0.3, 0.4, 0.5), "share", "object smaller in the same frame", smaller, harmless=True),
)

DAMAGES: Mapping[str, Damage] = MappingProxyType({damage.name: damage for damage in _DAMAGES})
"""Every damage and harmless change by name."""


def _alpha(image: Rgba) -> NDArray[np.float64]:
    return image[0, 3].numpy().astype(np.float64)


def _mask(image: Rgba) -> Mask:
    return _alpha(image) >= HALF


def _with_alpha(image: Rgba, alpha: NDArray[np.float64]) -> Rgba:
    return torch.cat([image[:, :3], torch.from_numpy(np.ascontiguousarray(alpha))[None, None]], 1)


def _over(top: Rgba, bottom: Rgba) -> Rgba:
    """Return one straight RGBA image over another."""
    through = 1 - top[:, 3:]
    alpha = top[:, 3:] + bottom[:, 3:] * through
    return unpremultiply(torch.minimum(premultiply(top) + premultiply(bottom) * through, alpha), alpha)


def _halo(image: Rgba, opacity: float, level: float) -> Rgba | None:
    mask = _mask(image)
    edge = mask & ~ndimage.binary_erosion(mask)
    if not edge.any() or abs(image[0, :3].numpy()[:, edge] - level).mean() < HALO_CONTRAST:
        return None  # a white rim around white is none
    cover = np.clip(HALO_WIDTH + 0.5 - ndimage.distance_transform_edt(~mask), 0, 1) * ~mask
    return _over(image, _with_alpha(torch.full_like(image, level), opacity * cover))


def _disc(radius: float) -> Mask:
    reach = np.arange(-int(radius), int(radius) + 1)
    return np.hypot(*np.meshgrid(reach, reach)) <= radius


def _between(
    alpha: NDArray[np.float64], radius: float, filtered: Callable[..., NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return `alpha` filtered over discs, between two whole radii as their mixture."""
    low = int(radius)
    steps = [alpha if whole == 0 else filtered(alpha, footprint=_disc(float(whole))) for whole in (low, low + 1)]
    return steps[0] + (radius - low) * (steps[1] - steps[0])


def _scattered(allowed: Mask, spacing: int, seed: int) -> list[tuple[int, int]]:
    """Return allowed pixels in random order, none nearer than `spacing` to another."""
    places = np.argwhere(allowed)
    free = allowed.copy()
    chosen = []
    for row, column in np.random.default_rng(seed).permutation(places):
        if free[row, column]:
            chosen.append((int(row), int(column)))
            top, left = max(0, row - spacing + 1), max(0, column - spacing + 1)
            free[top : row + spacing, left : column + spacing] = False
    return chosen
