"""Judge one trained model: rows of measures, image by image, with the functions of `alphabench.metrics`.

This is a lighter way than `alphabench.tasks`, on purpose. An experiment has dozens of models, needs parts of
images, and asks for measures that no protocol has (noise of several frequencies, signed errors of soft
pixels); a record with its provenance, contact sheet and set distances for each of them would cost more than
the training. What is shared is what makes a number comparable: the registry's loader, 8-bit rounding of the
answer, compositing and every metric that the catalog names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from alphabench.data.dataset import resolve_data
from alphabench.data.folder import list_folder
from alphabench.errors import DataError
from alphabench.experiments.measures import NOISE_CELLS, PERCEPTUAL_BACKGROUNDS
from alphabench.experiments.plan import JudgedSet
from alphabench.image.backgrounds import CANONICAL_BACKGROUNDS, canonical_tensor, photograph, portable_noise
from alphabench.image.codec import quantise, read_rgba, to_float
from alphabench.image.compositing import composite, premultiply
from alphabench.image.regions import regions
from alphabench.image.types import Codes, Rgba
from alphabench.metrics.alpha_errors import mad, sad
from alphabench.metrics.closed_form import composite_psnr, psnr_worst_solid
from alphabench.metrics.perceptual import composite_distance
from alphabench.metrics.pixel import psnr
from alphabench.metrics.random_features import random_features
from alphabench.models.contract import Reconstructor

ItemT = TypeVar("ItemT")

PSNR_CAP = 100.0  # dB; equal images would be infinite and swallow every mean, as in the protocols


@dataclass(frozen=True)
class Row:
    """One measure of one image.

    Attributes:
        judged: name of the judged set.
        sample: name of the image in it.
        category: its group; `all` where there are none.
        measure: name of the measure.
        value: its value, finite.
    """

    judged: str
    sample: str
    category: str
    measure: str
    value: float


def judge(
    model: Reconstructor, sets: Sequence[JudgedSet], *, data_root: Path, photographs: str = "", device: str = "cpu"
) -> list[Row]:
    """Return the rows of a model on all judged sets.

    Args:
        model: the model.
        sets: what it reconstructs.
        data_root: what folders of the sets are relative to.
        photographs: folder of opaque photographs under `data_root`, or empty.
        device: device of the model.

    Raises:
        UsageError: a folder or data set is not there.
        DataError: an image cannot be read, a set is empty, or the model's answer is not finite or of another
            shape.
    """
    pictures = _photographs(data_root / photographs) if photographs else ()
    rows: list[Row] = []
    for judged in sets:
        for name, category, codes in images_of(judged, data_root):
            reference = to_float(codes)[None]
            answer = model.reconstruct(reference.to(device)).cpu()
            if answer.shape != reference.shape or not bool(torch.isfinite(answer).all()):
                raise DataError(
                    f"the model's answer on {judged.name}/{name} is not finite or has another shape",
                    remedy="Train with a lower learning rate, or leave this arm out.",
                )
            values = measured(to_float(quantise(answer)), reference, pictures)
            rows += [Row(judged.name, name, category, measure, value) for measure, value in values.items()]
    return rows


def images_of(judged: JudgedSet, data_root: Path) -> Iterator[tuple[str, str, Codes]]:
    """Yield name, category and codes of the images of a set, evenly spaced in order.

    Raises:
        UsageError: the folder or data set is not there.
        DataError: it is empty, or an image cannot be read.
    """
    if judged.data:
        data = resolve_data(judged.data)
        samples = list(data)
        for sample in spaced(samples, judged.images):
            yield sample.id, sample.category, _centre(data.read(sample), judged.side)
        return
    folder = data_root / judged.folder
    paths = list_folder(folder).images
    if not paths:
        raise DataError(f"there are no images in {folder}", remedy="Name another folder in [[judged]].")
    for path in spaced(paths, judged.images):
        category = path.split("/")[0] if "/" in path else "all"
        yield path, category, _centre(read_rgba(folder / path), judged.side)


def measured(prediction: Rgba, reference: Rgba, photographs: Sequence[Path] = ()) -> Mapping[str, float]:
    """Return every measure of one image that is defined for it.

    Args:
        prediction: one image as a user would receive it, `(1, 4, height, width)` in [0,1].
        reference: the same shape.
        photographs: opaque pictures to be placed behind both.

    Returns:
        Values by name, all finite; PSNR is capped at 100 dB, and measures of soft pixels are left out where
        there are none.
    """
    height, width = reference.shape[-2:]
    solid = composite_psnr(prediction, reference, canonical_tensor())[0].clamp(max=PSNR_CAP)
    values = {"psnr": float(solid.mean()), "psnr_worst_solid": _capped(psnr_worst_solid(prediction, reference))}
    values |= {f"psnr_{name}": float(value) for name, value in zip(CANONICAL_BACKGROUNDS, solid, strict=True)}
    noises = {f"psnr_noise{cell}": _over(prediction, reference, noise(cell, height, width)) for cell in NOISE_CELLS}
    values |= noises | {"psnr_textured": sum(noises.values()) / len(noises)}
    if photographs:
        seen = [_over(prediction, reference, photograph(path, height, width)) for path in photographs]
        values["psnr_photographs"] = sum(seen) / len(seen)
    distances = composite_distance(prediction, reference, _perceptual_backgrounds(), random_features("cpu"))
    values["lpips-rand"] = float(distances.mean())
    alphas = prediction[:, 3:], reference[:, 3:]
    values |= {"mad": float(mad(*alphas)), "sad": float(sad(*alphas))}
    soft = regions(reference[:, 3:], radius=0).semi[0, 0]
    if bool(soft.any()):
        colour = 255 * (premultiply(prediction) - premultiply(reference))[0][:, soft].double()
        values["alpha_bias"] = float(255 * (alphas[0] - alphas[1])[0, 0][soft].double().mean())
        values["colour_bias"] = float(colour.mean())
        values["colour_error"] = float(colour.abs().mean())
    return values


def noise(cell: int, height: int, width: int) -> Float[Tensor, "3 {height} {width}"]:
    """Return white noise in square cells of `cell` pixels, in [0,1): the larger, the lower the frequency."""
    rows, columns = torch.arange(height) // cell, torch.arange(width) // cell
    return portable_noise(columns[None, None], rows[None, :, None], torch.arange(3)[:, None, None]).float()


def _perceptual_backgrounds() -> Float[Tensor, "background 3"]:
    return torch.tensor([CANONICAL_BACKGROUNDS[name] for name in PERCEPTUAL_BACKGROUNDS])


def _over(prediction: Rgba, reference: Rgba, background: Tensor) -> float:
    return _capped(psnr(composite(prediction, background), composite(reference, background)))


def _capped(value: Tensor) -> float:
    return min(float(value), PSNR_CAP)


def spaced(items: Sequence[ItemT], count: int) -> list[ItemT]:
    """Return `count` items, evenly spaced in order; all of them for 0."""
    wanted = min(count or len(items), len(items))
    return [items[index * len(items) // wanted] for index in range(wanted)]


def _centre(codes: Codes, side: int) -> UInt8[Tensor, "4 rows columns"]:
    height, width = codes.shape[-2:]
    if not side:
        return codes
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return codes[:, top : top + side, left : left + side]


def _photographs(folder: Path) -> tuple[Path, ...]:
    paths = tuple(folder / path for path in list_folder(folder, opaque=True).images)
    if not paths:
        raise DataError(f"there are no photographs in {folder}", remedy="Name another folder in `photographs`.")
    return paths
