"""CLIPScore: how well an opaque image fits a text, by CLIP ViT-B/32.

Facts: Hessel et al. 2021, arXiv 2104.08718; `openai/CLIP`, `clip/clip.py` (tokens, context of 77). CLIP is
built by pyiqa and its words are split by the tokenizer that comes with it, both of the extra `paper`; one
file of weights is needed.
"""

import functools
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transform

from alphabench.errors import DataError
from alphabench.image.types import Rgb
from alphabench.metrics.aesthetic import CLIP_DEVIATION, CLIP_MEAN, clip_model
from alphabench.metrics.check import check_image
from alphabench.metrics.weights import WeightsMissing, locate
from alphabench.runtime import exact_matmul

PREFIX = "A photo depicts "
WEIGHT = 2.5
CONTEXT = 77

EncodeImage = Callable[[Float[Tensor, "1 3 side side"]], Float[Tensor, "1 dim"]]
EncodeText = Callable[[Int[Tensor, "1 context"]], Float[Tensor, "1 dim"]]


class ClipScorer:
    """The two encoders of CLIP and what lies between them.

    Args:
        encode_image: one embedding for an image, float32.
        encode_text: one embedding for the tokens of a text, in the same space.
        side: height and width of the images that it takes.
    """

    def __init__(self, encode_image: EncodeImage, encode_text: EncodeText, side: int) -> None:
        self._encode_image = encode_image
        self._encode_text = encode_text
        self._side = side

    def __call__(self, images: Rgb, texts: Sequence[str]) -> Float64[Tensor, " batch"]:
        """Return the score of each image with its own text."""
        images = check_image(images, "images", channels=3).to(torch.float32)
        if len(texts) != len(images):
            raise DataError(f"{len(images)} images have {len(texts)} texts", remedy="Give each image one text.")
        with torch.inference_mode(), exact_matmul():
            pairs = zip(images.split(1), texts, strict=True)
            return torch.stack([self._one(image, text) for image, text in pairs]).double()

    def _one(self, image: Rgb, text: str) -> Float[Tensor, ""]:
        small = transform.resize(image, self._side, interpolation=InterpolationMode.BICUBIC, antialias=True)
        seen = transform.normalize(transform.center_crop(small, self._side), CLIP_MEAN, CLIP_DEVIATION)
        tokens = tokenise(PREFIX + text).to(image.device)
        pair = (self._encode_image(seen).float(), self._encode_text(tokens).float())
        cosine = nn.functional.cosine_similarity(*pair)[0]
        return WEIGHT * cosine.clamp_min(0)


def tokenise(text: str) -> Int[Tensor, "1 77"]:
    """Return the tokens of a text with start and end marks, cut to CLIP's context and filled with zeros.

    Raises:
        WeightsMissing: the package that holds CLIP's vocabulary is not installed.
    """
    tokenizer = _tokenizer()
    words: list[int] = tokenizer.encode(text)
    first, last = tokenizer.encoder["<|startoftext|>"], tokenizer.encoder["<|endoftext|>"]
    tokens = torch.zeros(1, CONTEXT, dtype=torch.int64)
    kept = [first, *words[: CONTEXT - 2], last]
    tokens[0, : len(kept)] = torch.tensor(kept)
    return tokens


def clipscore(images: Rgb, texts: Sequence[str]) -> Float64[Tensor, " batch"]:
    """Return `2.5 · max(cos, 0)` between each opaque image in [0,1] and its text, higher is better.

    Args:
        images: `(batch, 3, height, width)`; the shorter side is resized to 224, then the centre is taken.
        texts: one text for each image, without the prefix "A photo depicts".

    Raises:
        WeightsMissing: pyiqa or the file of weights is not on this machine.
        DataError: another shape, values that are not in [0,1], or another number of texts.
    """
    return clip_scorer(str(images.device))(images, texts)


@functools.lru_cache(maxsize=2)
def clip_scorer(device: str = "cpu") -> ClipScorer:
    """Return the scorer with the released weights in float32, loaded once per process and device.

    Raises:
        WeightsMissing: pyiqa or the file of weights is not on this machine.
        DataError: the file is another one.
    """
    model = clip_model(locate("clip-vit-b32"), device)
    encode_image = functools.partial(model.encode_image, pos_embedding=True)
    return ClipScorer(encode_image, model.encode_text, int(model.visual.input_resolution))


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Any:
    """Load the tokenizer's own file: the package around it imports what newer setuptools no longer has."""
    found = importlib.util.find_spec("clip")
    if found is None or not found.submodule_search_locations:
        raise WeightsMissing(
            "CLIPScore needs the vocabulary of CLIP, which comes with pyiqa's package openai-clip",
            remedy='Run: pip install "alphabench[paper]"',
        )
    module = _module(Path(found.submodule_search_locations[0]) / "simple_tokenizer.py")
    return module.SimpleTokenizer()


def _module(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("clip_simple_tokenizer", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
