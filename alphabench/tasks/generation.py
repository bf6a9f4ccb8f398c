"""Let a model make images from words, and judge what came of it; or judge a folder of finished images."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from alphabench.data.dataset import resolve_data
from alphabench.data.naming import slug_of
from alphabench.data.prompt_files import resolve_prompts
from alphabench.errors import DataError, IncompleteError, UsageError
from alphabench.models.contract import Sampling
from alphabench.models.predictions import prediction_folder
from alphabench.models.registry import load_generator
from alphabench.models.spec import LoadRequest
from alphabench.protocols import load_protocol
from alphabench.runtime import resolve_device, resolve_dtype, world
from alphabench.tasks.generation_execution import execute_generation
from alphabench.tasks.generation_job import GenerationJob
from alphabench.tasks.generation_plan import planned_images
from alphabench.tasks.generation_sources import FolderSource, GeneratorSource
from alphabench.tasks.job import Outcome, Report
from alphabench.tasks.resumable_run import SEEDS, refuse_work_folder

MAX_SEED = 2**53 - 1
"""The largest whole number that every reader of JSON keeps."""

MAX_SIDE = 16384
_SIZE = re.compile(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?")


@dataclass(frozen=True)
class GenerationRequest:
    """What `alphabench generate` was asked for; see its help for each field. None takes the model's own value."""

    prompts: str
    model: str = "rgba-lora"
    checkpoint: Path | None = None
    seed: int = 0
    per_prompt: int = 1
    steps: int | None = None
    guidance: float | None = None
    size: str | None = None
    protocol: str = "alpha-t2i-mini@1"
    out: Path | None = None
    limit: int | None = None
    batch_size: int = 8
    device: str = "auto"
    dtype: str = "float32"
    fresh: bool = False


@dataclass(frozen=True)
class ImagesRequest:
    """What `alphabench score --prompts` was asked for; see its help for each field."""

    prompts: str
    prediction: Path
    per_prompt: int = 1
    protocol: str = "alpha-t2i-mini@1"
    out: Path | None = None
    name: str | None = None
    org: str = "local"
    licence: str = "unknown"
    batch_size: int = 8
    device: str = "auto"
    fresh: bool = False


def generate_set(request: GenerationRequest, report: Report) -> Outcome:
    """Run the request and return the finished record.

    Raises:
        UsageError: unknown model, protocol, prompt file, device or dtype; a sampling that the model cannot do.
        DataError: a prompt file, checkpoint, work folder or model output that is wrong.
        Interrupted: stopped by the user; the same request goes on.
    """
    world()
    if not 0 <= request.seed <= MAX_SEED:
        raise UsageError(f"the seed {request.seed} is out of range", remedy=f"Use 0 to {MAX_SEED}.")
    prompts = resolve_prompts(request.prompts)
    protocol = load_protocol(request.protocol)
    protocol.require_task("generation")
    resolve_dtype(request.dtype)
    device = resolve_device(request.device)
    images = planned_images(prompts.prompts, seed=request.seed, per_prompt=request.per_prompt)
    chosen = images if request.limit is None else images[: request.limit]
    model = load_generator(request.model, LoadRequest(request.checkpoint, str(device), request.dtype))
    sampling = _sampling(request, model.defaults)
    model.check(sampling)
    job = GenerationJob(
        task="generation",
        protocol=protocol,
        prompts=prompts,
        per_prompt=request.per_prompt,
        images=chosen,
        source=GeneratorSource(model, sampling, device),
        seeds={**SEEDS, "generation": request.seed},
        device=device,
        dtype=request.dtype,
        batch_size=request.batch_size,
        out=request.out,
        fresh=request.fresh,
        limit=None if len(chosen) == len(images) else len(chosen),
    )
    return execute_generation(job, report)


def score_images(request: ImagesRequest, report: Report) -> Outcome:
    """Judge a folder of finished images, tied to the prompts by their ids.

    Raises:
        UsageError: unknown protocol, prompt file or device, or a run's work folder instead of its images.
        IncompleteError: no prompt has an image.
        DataError: images that belong to no prompt, that are unreadable, or lie in the work folder.
        Interrupted: stopped by the user; the same request goes on.
    """
    world()
    prompts = resolve_prompts(request.prompts)
    protocol = load_protocol(request.protocol)
    protocol.require_task("generation")
    device = resolve_device(request.device)
    refuse_work_folder(request.prediction)
    found = resolve_data(str(request.prediction))
    samples = {sample.id: sample for sample in found.manifest.samples}
    images = planned_images(prompts.prompts, seed=0, per_prompt=request.per_prompt)
    wanted = [image.id for image in images]
    absent = tuple(image for image in wanted if image not in samples)
    extra = sorted(samples.keys() - set(wanted))
    named = "Name each image by its prompt: <category>/<five digits>.png, with -0, -1, … for several of one prompt."
    if len(absent) == len(wanted):
        raise IncompleteError(
            f"none of the {len(wanted)} images is in {request.prediction}: the first should be {wanted[0]!r}, "
            f"there is {extra[0]!r}",
            remedy=named,
        )
    if extra:
        raise DataError(
            f"{len(extra)} of {len(samples)} images belong to no prompt, first {extra[0]!r} (in {found.root})",
            remedy=named,
        )
    present = [image for image in images if image.id in samples]
    folder = prediction_folder(
        {image.id: found.path(samples[image.id]) for image in present},
        {image.id: samples[image.id].sha256 for image in present},
        name=slug_of(request.name or request.prediction.resolve().name),
        org=slug_of(request.org),
        licence=request.licence,
    )
    job = GenerationJob(
        task="scoring",
        protocol=protocol,
        prompts=prompts,
        per_prompt=request.per_prompt,
        images=present,
        source=FolderSource(folder),
        seeds=SEEDS,
        device=device,
        dtype="external",
        batch_size=request.batch_size,
        out=request.out,
        fresh=request.fresh,
        absent=absent,
        folder=found.root,
    )
    return execute_generation(job, report)


def _sampling(request: GenerationRequest, defaults: Sampling) -> Sampling:
    """Return the model's own sampling with what the user asked for instead."""
    if request.guidance is not None and not math.isfinite(request.guidance):
        raise UsageError(f"a guidance of {request.guidance} is no number", remedy="Use 1 or more.")
    height, width = (defaults.height, defaults.width) if request.size is None else parse_size(request.size)
    return Sampling(
        height=height,
        width=width,
        steps=defaults.steps if request.steps is None else request.steps,
        guidance=defaults.guidance if request.guidance is None else request.guidance,
    )


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of `128` or `96x128` (height first).

    Raises:
        UsageError: it is neither, or a side is larger than `MAX_SIDE`.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    sides = [int(side) for side in (match[1], match[2] or match[1])] if match else []
    if not sides or max(sides) > MAX_SIDE:
        raise UsageError(
            f"{text!r} is no size of an image",
            remedy=f"Write one number for a square, or HEIGHTxWIDTH, as in 96x128; at most {MAX_SIDE} pixels a side.",
        )
    return sides[0], sides[1]
