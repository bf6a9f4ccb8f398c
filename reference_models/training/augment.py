"""What happens to the codes of one image between the file and the batch: resizing, crops, colours."""

import numpy as np
import torch
from jaxtyping import UInt8
from scipy import ndimage
from torch.nn.functional import interpolate

from reference_models.training.data_config import HiddenColour

CropCodes = UInt8[np.ndarray, "channel height width"]


def resized(codes: CropCodes, size: int) -> np.ndarray:
    """Return the image with its shortest side at `size`: bilinear with antialias, premultiplied.

    The longer side is `int(size·long/short)`, as torchvision's `Resize` has it. Colour is 0 where the alpha
    rounds to 0; an image of that size already is returned as it is, its hidden colours included, so that a
    policy for hidden colours must follow.
    """
    _, height, width = codes.shape
    shorter = min(height, width)
    if shorter == size:
        return codes
    planes = torch.from_numpy(np.ascontiguousarray(codes)).float()[None] / 255
    planes[:, :3] *= planes[:, 3:]
    extent = (int(size * height / shorter), int(size * width / shorter))
    planes = interpolate(planes, extent, mode="bilinear", antialias=True, align_corners=False)[0]
    alpha = planes[3:].clamp(0, 1)
    colour = torch.minimum(planes[:3].clamp(min=0), alpha) / alpha.clamp(min=1e-6)
    return cleared(torch.cat([colour, alpha]).mul(255).add(0.5).floor().to(torch.uint8).numpy())


def cleared(codes: CropCodes) -> np.ndarray:
    """Return the image with colour 0 wherever alpha is 0."""
    return np.concatenate([codes[:3] * (codes[3:] > 0), codes[3:]])


def bled(codes: CropCodes) -> np.ndarray:
    """Return the image with the colour of the nearest visible pixel wherever alpha is 0."""
    hidden = codes[3] == 0
    if not hidden.any() or hidden.all():
        return cleared(codes)
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return np.concatenate([codes[:3, nearest[0], nearest[1]], codes[3:]])


def with_hidden_colour(codes: CropCodes, policy: HiddenColour) -> np.ndarray:
    """Return the image with its colours under alpha 0 as `policy` says; what is visible stays as it is."""
    if policy == "keep":
        return codes
    return cleared(codes) if policy == "zero" else bled(codes)


def halved(codes: CropCodes) -> np.ndarray:
    """Return the image at half the resolution, averaged with its colours weighed by alpha."""
    channels, height, width = codes.shape
    boxes = codes.astype(np.float32).reshape(channels, height // 2, 2, width // 2, 2)
    alpha = boxes[3:].sum((2, 4))
    colour = (boxes[:3] * boxes[3:]).sum((2, 4)) / np.maximum(alpha, 1)
    return np.floor(np.concatenate([colour, alpha / 4]) + 0.5).astype(np.uint8)


def padded(codes: CropCodes, side: int) -> np.ndarray:
    """Return the image with transparency at its right and lower edge, so that both sides have `side` pixels."""
    _, height, width = codes.shape
    if height >= side and width >= side:
        return codes
    return np.pad(codes, ((0, 0), (0, max(0, side - height)), (0, max(0, side - width))))


def centre_crop(codes: CropCodes, side: int) -> np.ndarray:
    """Return the central square of the image, which is at least `side` pixels high and wide."""
    top, left = ((extent - side) // 2 for extent in codes.shape[1:])
    return codes[:, top : top + side, left : left + side]


def over_colour(codes: CropCodes, background: np.ndarray, *, truncate: bool = False) -> np.ndarray:
    """Return the colour codes `(3, height, width)` of the image over a colour `(3, 1, 1)` in code units."""
    alpha = codes[3:].astype(np.float64) / 255
    colour = codes[:3] * alpha + background * (1 - alpha)
    # Sums that are whole in exact arithmetic must not fall below themselves by an error of rounding.
    return np.floor(colour + (1e-9 if truncate else 0.5)).astype(np.uint8)


def flattened(rng: np.random.Generator, codes: CropCodes, *, truncate: bool = False) -> np.ndarray:
    """Return the image over one of the 27 colours of levels 0, 1/2 and 1, opaque.

    Args:
        rng: draws the colour.
        codes: the image.
        truncate: cut the result off to 8 bits instead of rounding it, so that the middle level is 127 where
            it else is 128 (the released training code of AlphaVAE, arXiv 2507.09308).
    """
    levels = np.array([0, 127.5, 255] if truncate else [0, 128, 255])
    background = rng.choice(levels, 3).reshape(3, 1, 1)
    return np.concatenate([over_colour(codes, background, truncate=truncate), np.full_like(codes[3:], 255)])


def on_white(codes: CropCodes, *, keep_alpha: bool) -> np.ndarray:
    """Return the image with its colour replaced by the composite on white, opaque unless `keep_alpha`."""
    colour = over_colour(codes, np.full((3, 1, 1), 255.0))
    return np.concatenate([colour, codes[3:] if keep_alpha else np.full_like(codes[3:], 255)])


def turned(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Return a square image in one of its eight orientations."""
    if rng.random() < 0.5:
        codes = codes[:, :, ::-1]
    if rng.random() < 0.5:
        codes = codes[:, ::-1]
    return codes.transpose(0, 2, 1) if rng.random() < 0.5 else codes


def recoloured(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Exchange the colour channels, sometimes invert the colours: new colours at no cost."""
    if rng.random() < 0.5:
        codes = codes[np.append(rng.permutation(3), 3)]
    if rng.random() < 0.1:
        codes = np.concatenate([255 - codes[:3], codes[3:]])
    return codes


def faded(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Return the image with its alpha multiplied by one number between 0.1 and 0.95."""
    alpha = np.round(codes[3:] * rng.uniform(0.1, 0.95)).astype(np.uint8)
    return np.concatenate([codes[:3], alpha])
