"""The LAION aesthetic score: CLIP features of one image, and five linear layers that rate them.

Facts: `christophschuhmann/improved-aesthetic-predictor`, and `chaofengc/IQA-PyTorch`,
`pyiqa/archs/laion_aes_arch.py`, release 0.1.16, whose preprocessing of tensors this follows. CLIP's image
encoder is built by pyiqa, the extra `paper`; two files of weights are needed.
"""

import functools
import importlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transform

from alphabench.errors import DataError
from alphabench.image.types import Rgb
from alphabench.metrics.check import check_image
from alphabench.metrics.weights import WeightsMissing, locate, read_state
from alphabench.runtime import exact_matmul

# CLIP's own mean and deviation: openai/CLIP `clip/clip.py`.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)

_WIDTHS = (768, 1024, 128, 64, 16, 1)
_PLACES = (0, 2, 4, 6, 7)  # where the linear layers stand in the file, dropout between them


Encode = Callable[[Float[Tensor, "batch 3 side side"]], Float[Tensor, "batch 768"]]
"""An image encoder: one embedding per image."""


class Aesthetics:
    """A CLIP image encoder with the linear layers that rate its embeddings.

    Args:
        encode: the image encoder, in float32.
        side: height and width of the images that it takes.
        head: weight and bias of the five layers, by their names in the released file.
        device: where to compute.

    Raises:
        DataError: the head is another one.
    """

    def __init__(self, encode: Encode, side: int, head: Mapping[str, Tensor], device: torch.device | str) -> None:
        self.device = torch.device(device)
        self._encode = encode
        self._side = side
        self._layers = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(_WIDTHS)))
        renamed = {
            f"{index}.{part}": f"layers.{place}.{part}"
            for index, place in enumerate(_PLACES)
            for part in ("weight", "bias")
        }
        own = self._layers.state_dict()
        wrong = [name for key, name in renamed.items() if name not in head or head[name].shape != own[key].shape]
        if wrong or len(head) != len(renamed):
            raise DataError(
                "the head of the aesthetic score does not fit, first "
                f"{wrong[0] if wrong else sorted(set(head) - set(renamed.values()))[0]!r}",
                remedy="Fetch the file again: alphabench weights fetch laion-head",
            )
        self._layers.load_state_dict({key: head[name].float() for key, name in renamed.items()})
        self._layers.to(self.device).eval()

    def __call__(self, images: Rgb) -> Float64[Tensor, " batch"]:
        """Return the score of each image."""
        images = check_image(images, "images", channels=3).to(self.device, torch.float32)
        with torch.inference_mode(), exact_matmul():
            return torch.cat([self._one(image) for image in images.split(1)]).double()

    def _one(self, image: Rgb) -> Float[Tensor, " 1"]:
        small = transform.resize(image, self._side, interpolation=InterpolationMode.BICUBIC, antialias=True)
        seen = transform.normalize(transform.center_crop(small, self._side), CLIP_MEAN, CLIP_DEVIATION)
        embedding = nn.functional.normalize(self._encode(seen).float(), p=2, dim=-1)
        rating: Tensor = self._layers(embedding)
        return rating[:, 0]


def clip_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[Encode, int]:
    """Return the image encoder of a released CLIP file in float32, and the side of its images.

    Raises:
        WeightsMissing: pyiqa is not installed.
    """
    model = clip_model(path, device)
    # pyiqa's encoder leaves the positions out unless it is told otherwise.
    return functools.partial(model.encode_image, pos_embedding=True), int(model.visual.input_resolution)


def clip_model(path: Path, device: torch.device | str = "cpu") -> Any:
    """Return the CLIP of a released file in float32, as pyiqa builds it.

    Raises:
        WeightsMissing: pyiqa is not installed.
    """
    try:
        module = importlib.import_module("pyiqa.archs.clip_model")
    except ImportError as error:
        raise WeightsMissing(
            f"CLIP needs the package pyiqa, which cannot be imported: {error}",
            remedy='Run: pip install "alphabench[paper]"',
        ) from error
    return module.load(str(path), device=str(device)).float()


@functools.lru_cache(maxsize=2)
def aesthetics(device: str = "cpu") -> Aesthetics:
    """Return the scorer with the released weights, loaded once per process and device.

    Raises:
        WeightsMissing: pyiqa or a file of weights is not on this machine.
        DataError: a file is another one.
    """
    backbone, head = locate("clip-vit-l14"), read_state(locate("laion-head"))
    with torch.inference_mode(mode=False):
        return Aesthetics(*clip_encoder(backbone, device), head, device)


def laion_aes(images: Rgb) -> Float64[Tensor, " batch"]:
    """Return the LAION aesthetic score of opaque images in [0,1], about 1 to 10, higher is better.

    Args:
        images: `(batch, 3, height, width)`; the shorter side is resized to 224, then the centre is taken.

    Raises:
        WeightsMissing: pyiqa or a file of weights is not on this machine.
        DataError: another shape, or values that are not in [0,1].
    """
    return aesthetics(str(images.device))(images)
