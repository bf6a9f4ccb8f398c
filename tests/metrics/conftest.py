import hashlib
import importlib
import sys
import types
import warnings

import packaging.version
import pytest
import torch

from alphabench.image.backgrounds import canonical_tensor

REFERENCE_SHA256 = "18c83ad7889f306f39426c30c63859728f63eb25dba5e5afba4d29166a4e4b23"
PREDICTION_SHA256 = "378d9e0b7eef9f85cf48102939d17bb8f3c6c48ca5b877bd4e10ce2464f1441b"


@pytest.fixture
def exact_f32(f32_codes):
    """The fixture `F32` as (prediction, reference), float64 batches of one, its checksums verified."""
    pair = []
    for name, sha256 in (("prediction", PREDICTION_SHA256), ("reference", REFERENCE_SHA256)):
        assert hashlib.sha256(f32_codes[name].permute(1, 2, 0).numpy().tobytes()).hexdigest() == sha256
        pair.append(f32_codes[name][None].double() / 255)
    return tuple(pair)


@pytest.fixture(scope="session")
def nine():
    """The nine canonical backgrounds in float64."""
    return canonical_tensor(dtype=torch.float64)


@pytest.fixture
def random_pair():
    """Make pairs of random images that look a little like matted objects: soft alpha, noisy prediction."""

    def make(batch=1, height=24, width=32, *, seed=0, noise=0.05, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand((batch, 4, 4, 4), generator=generator, dtype=torch.float64)
        reference = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
        reference[:, 3] = (2 * reference[:, 3] - 0.5).clamp(0, 1)
        shift = noise * torch.randn(reference.shape, generator=generator, dtype=torch.float64)
        return (reference + shift).clamp(0, 1).to(dtype), reference.to(dtype)

    return make


@pytest.fixture
def pyiqa_room(monkeypatch):
    """Import a module of pyiqa, or of the CLIP that comes with it, which asks for a part of old setuptools."""
    old = types.ModuleType("pkg_resources")
    old.packaging = packaging
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their dependencies, at import only
        pytest.importorskip("pyiqa", exc_type=ImportError)
        monkeypatch.setitem(sys.modules, "pkg_resources", old)
        yield importlib.import_module


@pytest.fixture
def released_clip(pyiqa_room):
    """Write a small CLIP as it was released, and return it as the original's class."""

    def write(path, *, width, words):
        room = pyiqa_room("clip.model")
        clip = room.CLIP(width, 32, 2, 64, 8, 77, words, 64, 1, 1).half().float().eval()  # as released: fp16
        # The released file is a TorchScript archive, which is going away.
        torch.jit.trace_module(clip, {"encode_image": torch.rand(2, 3, 32, 32)}).save(path)
        return clip

    return write
