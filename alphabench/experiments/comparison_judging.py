"""Judge one finished checkpoint: rows by set, category and region, its cost, and what it left of its RGB parent."""

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from alphabench.errors import DataError
from alphabench.experiments.jobs import Outcome
from alphabench.experiments.judging import PSNR_CAP, Row, images_of, measured
from alphabench.experiments.plan import JudgedSet
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, to_float
from alphabench.image.compositing import composite, composite_over
from alphabench.image.regions import regions
from alphabench.image.types import Rgba
from alphabench.metrics.catalog import CATALOG
from alphabench.metrics.closed_form import psnr_from_mse
from alphabench.models.contract import HarmlessnessProbe, Reconstructor
from alphabench.tasks.harmlessness import measured as measured_latents

REGIONS = ("opaque", "semi", "edge", "transparent")
CATEGORY_MARK, REGION_MARK = ": ", ", "
"""How the places of rows are named: `set`, `set: category`, `set, region`."""

TIMED_IMAGES, TIMED_ROUNDS = 3, 3
MIB = 2.0**20

Report = Callable[[int, int, str], None]


def judge_checkpoint(
    model: Reconstructor,
    sets: Sequence[JudgedSet],
    timed: JudgedSet,
    *,
    data_root: Path,
    device: str,
    by_region: bool,
    report: Report = lambda done, total, note: None,
) -> Outcome:
    """Return every row of a model, and its seconds and memory per image, before anything else uses memory.

    Harmlessness is measured on the images of `timed`, made opaque over the first canonical background, where the
    model has an RGB parent.

    Raises:
        UsageError: a set is not there.
        DataError: an image cannot be read, or the model's answer is not finite or of another shape.
    """
    pictures = [to_float(codes)[None] for _, _, codes in _first(timed, data_root, TIMED_IMAGES)]
    numbers = dict(cost_of(model, pictures, device))
    rows: list[Row] = []
    for judged in sets:
        images = list(images_of(judged, data_root))
        split = len({category for _, category, _ in images}) > 1
        for done, (name, category, codes) in enumerate(images):
            reference = to_float(codes)[None]
            with torch.inference_mode():
                answer = model.reconstruct(reference.to(device)).cpu()
            if answer.shape != reference.shape or not bool(torch.isfinite(answer).all()):
                raise DataError(
                    f"the model's answer on {judged.name}/{name} is not finite or has another shape",
                    remedy="Give another checkpoint.",
                )
            prediction = to_float(quantise(answer))
            whole = measured(prediction, reference)
            places = [judged.name, *([f"{judged.name}{CATEGORY_MARK}{category}"] if split else [])]
            rows += [Row(place, name, category, key, value) for place in places for key, value in whole.items()]
            for region, values in (region_measures(prediction, reference) if by_region else {}).items():
                place = f"{judged.name}{REGION_MARK}{region}"
                rows += [Row(place, name, category, key, value) for key, value in values.items()]
            report(done + 1, len(images), judged.name)
    return Outcome(tuple(rows), numbers | harmlessness_of(model, timed, data_root, device))


def region_measures(prediction: Rgba, reference: Rgba) -> Mapping[str, Mapping[str, float]]:
    """Return composite PSNR and the mean alpha error of one image over each region that it has.

    Args:
        prediction: `(1, 4, height, width)` in [0,1].
        reference: the same shape; its alpha gives the regions.

    Returns:
        By region: `psnr`, the mean over the nine solid backgrounds of the PSNR over the region's pixels, each at
        most 100 dB, and `mad`.
    """
    masks = regions(reference[:, 3:])
    error = (composite_over(prediction, canonical_tensor()) - composite_over(reference, canonical_tensor()))[0]
    alpha = (prediction[:, 3] - reference[:, 3])[0].double().abs()
    found = {}
    for region in REGIONS:
        mask = getattr(masks, region)[0, 0]
        if bool(mask.any()):
            squares = error[..., mask].double().square().mean((1, 2))
            psnr = float(psnr_from_mse(squares).clamp(max=PSNR_CAP).mean())
            found[region] = {"psnr": psnr, "mad": float(alpha[mask].mean())}
    return found


def cost_of(model: Reconstructor, pictures: Sequence[Rgba], device: str) -> Mapping[str, float]:
    """Return the seconds and the additional memory that one image takes, one image at a time.

    Memory is the peak of the first call less what was held before it; it is left out where the system does not
    say. Seconds are the median over images and rounds after that call.
    """
    cuda = torch.device(device).type == "cuda"
    before = _start_of_peak(cuda=cuda)
    _run(model, pictures[0], device, cuda=cuda)
    peak = _peak(cuda=cuda)
    seconds = [_run(model, picture, device, cuda=cuda) for _ in range(TIMED_ROUNDS) for picture in pictures]
    numbers = {"seconds_per_image": statistics.median(seconds)}
    if before is not None and peak is not None:
        numbers["memory_per_image"] = (peak - before) / MIB
    return numbers


def harmlessness_of(model: Reconstructor, judged: JudgedSet, data_root: Path, device: str) -> dict[str, float]:
    """Return the means of the harmlessness metrics on opaque images; none where the model has no RGB parent."""
    if not isinstance(model, HarmlessnessProbe):
        return {}
    model.open_parent()
    columns: dict[str, list[float]] = {}
    for _, _, codes in images_of(judged, data_root):
        image = to_float(codes)[None]
        opaque = torch.cat([composite(image, canonical_tensor()[0]), torch.ones_like(image[:, 3:])], 1)
        with torch.inference_mode():
            found = measured_latents(model.probe(opaque.to(device)))
        for name, value in found.items():
            limit = PSNR_CAP if CATALOG[name].unit == "dB" else math.inf
            if not math.isnan(number := float(value)):  # else it does not apply to this image
                columns.setdefault(name, []).append(min(number, limit))
    return {name: statistics.fmean(values) for name, values in columns.items()}


def _first(judged: JudgedSet, data_root: Path, count: int) -> list[tuple[str, str, torch.Tensor]]:
    found = []
    for item in images_of(judged, data_root):
        found.append(item)
        if len(found) == count:
            break
    return found


def _run(model: Reconstructor, picture: Rgba, device: str, *, cuda: bool) -> float:
    image = picture.to(device)
    started = time.perf_counter()
    with torch.inference_mode():
        model.reconstruct(image)
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _start_of_peak(*, cuda: bool) -> float | None:
    """Forget the largest memory held so far and return what is held now, in bytes; None where unknown."""
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        return float(torch.cuda.memory_allocated())
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # not Linux, or not allowed: a peak from before would be taken for this one's
        return None
    return _status("VmRSS:")


def _peak(*, cuda: bool) -> float | None:
    return float(torch.cuda.max_memory_allocated()) if cuda else _status("VmHWM:")


def _status(name: str) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return 1024.0 * float(line.split()[1])
    return None
