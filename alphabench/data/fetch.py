"""Fetching files of weights over the network: the only place that uses it.

A file counts only when its SHA-256 begins with the digits known for it; until then it has another name, so
a download that breaks off leaves nothing that could be taken for the file.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from alphabench.errors import DataError
from alphabench.files import sha256_of
from alphabench.runtime import weights_dir


@runtime_checkable
class RemoteFile(Protocol):
    """What must be known of a file before it is fetched."""

    @property
    def name(self) -> str:
        """Return what the user calls it."""
        ...

    @property
    def filename(self) -> str:
        """Return its name in the weights folder."""
        ...

    @property
    def url(self) -> str:
        """Return where it lies; empty for a file that comes with a package."""
        ...

    @property
    def sha256_prefix(self) -> str:
        """Return the hexadecimal digits with which its SHA-256 must begin."""
        ...


Download = Callable[[str, Path], None]
"""Brings the content of an address to a path."""


def fetch_weights(file: RemoteFile, *, progress: Any = False, download: Download | None = None) -> Path:
    """Fetch a file of weights into `runtime.weights_dir()` and return its path.

    A right file that lies there already is kept and nothing is downloaded.

    Args:
        file: name, file name, address and SHA-256 prefix.
        progress: True for a bar of `tqdm`, or an object with `total`, `update(bytes)`, `reset()` and
            `close()`, as pooch wants it.
        download: brings an address to a path; default: pooch.

    Raises:
        DataError: the file has no address, the address cannot be reached, the content is another file, or
            the folder cannot be written. Nothing is left behind.
    """
    if not file.url:
        raise DataError(
            f"{file.name!r} has no address: it comes with an installed package",
            remedy="Reinstall the package; `alphabench doctor` names it.",
        )
    target = weights_dir() / file.filename
    by_hand = f"Download {file.url} by hand and place it at {target}"
    if target.is_file() and sha256_of(target).startswith(file.sha256_prefix):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
            arrived = Path(folder) / "content"
            if download is None:
                _download(file, arrived, progress=progress)
            else:
                download(file.url, arrived)
            digest = sha256_of(arrived)
            if not digest.startswith(file.sha256_prefix):
                raise DataError(
                    f"{file.url} gave another file than {file.name!r}: its SHA-256 begins with "
                    f"{digest[: len(file.sha256_prefix)]}, not with {file.sha256_prefix}",
                    remedy=f"Try again, perhaps from another network. {by_hand}",
                )
            os.replace(arrived, target)  # noqa: PTH105 (atomic, and replaces a wrong file)
    except OSError as error:
        raise DataError(
            f"{file.name!r} could not be fetched: {error}",
            remedy=f"Check the network and the folder {target.parent}. {by_hand}",
        ) from error
    return target


def _download(file: RemoteFile, arrived: Path, *, progress: Any) -> None:
    import pooch

    answers: list[Any] = []  # pooch leaves the connection of a refused request open
    downloader = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=1 << 20,
        timeout=60,
        hooks={"response": lambda answer, *_, **__: answers.append(answer)},
    )
    try:
        downloader(file.url, str(arrived), None)
    finally:
        for answer in answers:
            answer.close()
