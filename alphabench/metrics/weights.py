"""The files of learned weights that some metrics need: which, where, and whether they are the right ones.

Nothing is downloaded here. A file lies in `runtime.weights_dir()` or inside an installed package, and is
used only when its SHA-256 begins with the digits known for it. A metric whose file is absent is
`unavailable` and says which command mends that; it is never replaced by another network.
"""

import functools
import importlib.util
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from alphabench import files
from alphabench.errors import DataError, IncompleteError, UsageError
from alphabench.runtime import weights_dir

if TYPE_CHECKING:
    import torch


class WeightsMissing(IncompleteError):
    """A file of learned weights is not on this machine: its metrics are unavailable (exit code 4)."""

    code: ClassVar[str] = "weights-missing"


@dataclass(frozen=True)
class WeightFile:
    """One file of learned weights, known by the beginning of its SHA-256.

    Attributes:
        name: what the user calls it, as in `alphabench weights fetch NAME`.
        filename: name of the file in the weights folder, or its path inside `package`.
        sha256_prefix: hexadecimal digits with which the SHA-256 must begin.
        purpose: what the file holds, in a few words.
        url: where it can be fetched; empty for a file of a package.
        needed_by: the metrics of the catalog, or the loss of a recipe, that need it.
        size: bytes, rounded, for a message before a download; 0 where it is not known.
        package: the installed package that carries the file, or empty.
    """

    name: str
    filename: str
    sha256_prefix: str
    purpose: str
    url: str
    needed_by: tuple[str, ...]
    size: int = 0
    package: str = ""

    @property
    def path(self) -> Path:
        """Return where the file must lie; it need not exist.

        Raises:
            WeightsMissing: the package that carries the file is not installed.
        """
        if not self.package:
            return weights_dir() / self.filename
        found = importlib.util.find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            raise WeightsMissing(
                f"the {self.purpose} ({self.name}) come with the package {self.package!r}, which is not installed",
                remedy=f"Run: pip install {self.package}",
            )
        return Path(found.submodule_search_locations[0]) / self.filename

    @property
    def remedy(self) -> str:
        """Return how to bring the file to this machine."""
        if self.package:
            return f"Run: pip install --force-reinstall --no-deps {self.package}"
        return (
            f"Run: alphabench weights fetch {self.name}\n"
            f"Without network here: download {self.url} elsewhere and place it at {self.path}"
        )


_CLIP = "https://openaipublic.azureedge.net/clip/models"
_CLIP_B32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"

# The last eight characters of a PyTorch file name are the first digits of its SHA-256. The CLIP digits are
# those in the addresses of openai/CLIP `clip/clip.py`.
_FILES = (
    WeightFile(
        name="lpips-heads",
        filename="weights/v0.1/alex.pth",
        sha256_prefix="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        purpose="linear heads of LPIPS 0.1",
        url="",
        needed_by=("lpips",),
        size=6_009,
        package="lpips",
    ),
    WeightFile(
        name="alexnet",
        filename="alexnet-owt-7be5be79.pth",
        sha256_prefix="7be5be79",
        purpose="AlexNet of torchvision, the features of LPIPS",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        needed_by=("lpips",),
        size=245_000_000,
    ),
    WeightFile(
        name="vgg16",
        filename="vgg16-397923af.pth",
        sha256_prefix="397923af",
        purpose="VGG-16 of torchvision, the features of LPIPS as a training loss",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        needed_by=("lpips-vgg",),
        size=553_000_000,
    ),
    WeightFile(
        name="inception",
        filename="pt_inception-2015-12-05-6726825d.pth",
        sha256_prefix="6726825d",
        purpose="Inception of the original FID",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        needed_by=("rfid", "kid", "fid"),
        size=95_600_000,
    ),
    WeightFile(
        name="clip-vit-b32",
        filename="ViT-B-32.pt",
        sha256_prefix=_CLIP_B32,
        purpose="CLIP ViT-B/32, the features of CLIPScore",
        url=f"{_CLIP}/{_CLIP_B32}/ViT-B-32.pt",
        needed_by=("clipscore",),
        size=354_000_000,
    ),
    WeightFile(
        name="clip-vit-l14",
        filename="ViT-L-14.pt",
        sha256_prefix=_CLIP_L14,
        purpose="CLIP ViT-L/14, the features of the LAION aesthetic score",
        url=f"{_CLIP}/{_CLIP_L14}/ViT-L-14.pt",
        needed_by=("laion_aes",),
        size=933_000_000,
    ),
    WeightFile(
        name="laion-head",
        filename="sac+logos+ava1-l14-linearMSE.pth",
        sha256_prefix="21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
        purpose="head of the LAION aesthetic score",
        url="https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/main/"
        "sac%2Blogos%2Bava1-l14-linearMSE.pth",
        needed_by=("laion_aes",),
        size=3_714_759,
    ),
)

WEIGHT_FILES: Mapping[str, WeightFile] = MappingProxyType({file.name: file for file in _FILES})
"""Every file of learned weights that a metric of the catalog or a training loss may need, by name."""


def weight_file(name: str) -> WeightFile:
    """Return the facts of one file of weights.

    Raises:
        UsageError: no file has this name.
    """
    try:
        return WEIGHT_FILES[name]
    except KeyError:
        raise UsageError(
            f"there are no weights called {name!r}", remedy=f"Use one of: {', '.join(WEIGHT_FILES)}."
        ) from None


def locate(weights: str | WeightFile) -> Path:
    """Return the path of a file of weights whose SHA-256 has been checked.

    Args:
        weights: a name of `WEIGHT_FILES`, or the facts of a file.

    Raises:
        UsageError: no file has this name.
        WeightsMissing: the file is not on this machine.
        DataError: a file lies there, but it is another one.
    """
    file = weight_file(weights) if isinstance(weights, str) else weights
    path = file.path
    if not path.is_file():
        raise WeightsMissing(
            f"the weights {file.name!r} ({file.purpose}) are not on this machine, looked for {path}",
            remedy=file.remedy,
        )
    digest = sha256_of(path)
    if not digest.startswith(file.sha256_prefix):
        raise DataError(
            f"{path} is not the file {file.name!r}: its SHA-256 begins with "
            f"{digest[: len(file.sha256_prefix)]}, not with {file.sha256_prefix}",
            remedy=f"Delete it, then:\n{file.remedy}",
        )
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits; an unchanged file is read once per process."""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


def read_state(path: Path) -> "dict[str, torch.Tensor]":
    """Return the tensors of a PyTorch file, on the CPU, read without running any code of it.

    Raises:
        DataError: the file is no such file, or holds something else than named tensors.
    """
    import torch

    remedy = f"Delete {path} and fetch it again."
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        first = str(error).strip().splitlines()
        raise DataError(
            f"{path} cannot be read as PyTorch weights: {first[0] if first else type(error).__name__}",
            remedy=remedy,
        ) from error
    named = isinstance(state, Mapping) and all(isinstance(value, torch.Tensor) for value in state.values())
    if not named:
        raise DataError(f"{path} holds something else than named tensors", remedy=remedy)
    return dict(state)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int) -> str:
    return files.sha256_of(path)


@dataclass(frozen=True)
class WeightStatus:
    """Whether one file of weights can be used on this machine.

    Attributes:
        file: the facts of the file.
        state: `present` (right SHA-256), `missing`, or `wrong` (another file lies there).
        sha256: the full SHA-256 of the file, for the provenance of a record; None unless present.
        reason: why it cannot be used; empty when present.
        remedy: how to mend it; empty when present.
    """

    file: WeightFile
    state: Literal["present", "missing", "wrong"]
    sha256: str | None = None
    reason: str = ""
    remedy: str = ""


def status(files: Mapping[str, WeightFile] = WEIGHT_FILES) -> list[WeightStatus]:
    """Return for each file of weights whether it is here and the right one, in the order of `files`."""
    return [_status(file) for file in files.values()]


def _status(file: WeightFile) -> WeightStatus:
    try:
        path = locate(file)
    except WeightsMissing as error:
        return WeightStatus(file, "missing", reason=error.message, remedy=error.remedy)
    except DataError as error:
        return WeightStatus(file, "wrong", reason=error.message, remedy=error.remedy)
    return WeightStatus(file, "present", sha256=sha256_of(path))
