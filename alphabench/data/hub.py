"""Fetching listed files of a model hub's repository at one revision, without trusting what answers."""

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

from alphabench.errors import DataError

HOST = "huggingface.co"
TRUSTED = (".huggingface.co", ".hf.co")
TIMEOUT_S = 60.0
_BLOCK = 1 << 20

Open = Callable[[str], AbstractContextManager[IO[bytes]]]
"""Opens an address for reading."""


def fetch_from_hub(
    repository: str, revision: str, path: str, target: Path, *, limit: int, open_address: Open | None = None
) -> tuple[int, str]:
    """Bring one file to `target` and return its number of bytes and its SHA-256.

    Args:
        repository: `org/name`.
        revision: 40 hexadecimal digits of a commit.
        path: of the file in the repository.
        target: where it goes; its folder exists, itself it does not.
        limit: most bytes that are taken; a longer answer is not read to its end.
        open_address: opens an address; default: over https, with redirects inside the hub's own hosts only.

    Raises:
        DataError: the file cannot be had, or is longer than `limit`; nothing is left at `target`.
    """
    address = f"https://{HOST}/{quote(repository)}/resolve/{revision}/{quote(path)}"
    digest, size = hashlib.sha256(), 0
    remedy = "Check the network, and [source] and [files] in the card."
    try:
        with (open_address or _open)(address) as answer, target.open("xb") as file:
            while block := answer.read(_BLOCK):
                size += len(block)
                if size > limit:
                    raise DataError(
                        f"{path} at {repository} has more than {limit} bytes", remedy="Submit smaller files."
                    )
                digest.update(block)
                file.write(block)
    except (OSError, http.client.HTTPException, ValueError) as error:
        target.unlink(missing_ok=True)
        raise DataError(f"{path} cannot be fetched from {repository}: {error}", remedy=remedy) from error
    except DataError:
        target.unlink(missing_ok=True)
        raise
    return size, digest.hexdigest()


def is_trusted(address: str) -> bool:
    """Say whether an address is one of the hub's own, over https."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    plain = parts.username is None and parts.password is None and parts.port in {None, 443}
    return parts.scheme == "https" and plain and (host == HOST or host.endswith(TRUSTED))


class _OwnHosts(urllib.request.HTTPRedirectHandler):
    """Follows redirects inside the hub's own hosts only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the next request.

        Raises:
            URLError: the address is another's.
        """
        if not is_trusted(newurl):
            raise urllib.error.URLError(f"it is redirected to {urlsplit(newurl).hostname}, which is not trusted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def _open(address: str) -> Iterator[IO[bytes]]:
    if not is_trusted(address):
        raise urllib.error.URLError("the address is not trusted")
    opener = urllib.request.build_opener(_OwnHosts)
    with opener.open(address, timeout=TIMEOUT_S) as answer:
        yield answer
