"""Fetching weights: from a local server through pooch, checked before they count."""

import functools
import hashlib
import http.server
import threading
from dataclasses import dataclass

import pytest

from alphabench.data.fetch import fetch_weights
from alphabench.errors import DataError


@dataclass(frozen=True)
class Remote:
    name: str
    filename: str
    url: str
    sha256_prefix: str


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "weights"


@pytest.fixture
def address(tmp_path):
    """The address of a server that has one file of weights."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "net.pth").write_bytes(b"the weights")
    handler = functools.partial(QuietHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def remote(address: str, name: str = "net.pth", content: bytes = b"the weights") -> Remote:
    return Remote("net", "net.pth", f"{address}/{name}", hashlib.sha256(content).hexdigest()[:8])


def refuse(url, target):
    raise AssertionError(f"nothing may be downloaded, asked for {url}")


def test_a_file_is_fetched_once(weights, address):
    file = remote(address)
    assert fetch_weights(file) == weights / "net.pth"
    assert (weights / "net.pth").read_bytes() == b"the weights"
    assert fetch_weights(file, download=refuse) == weights / "net.pth"


def test_a_wrong_file_in_place_is_replaced(weights, address):
    weights.mkdir(parents=True)
    (weights / "net.pth").write_bytes(b"something else")
    fetch_weights(remote(address))
    assert (weights / "net.pth").read_bytes() == b"the weights"


def test_another_content_is_refused_and_leaves_nothing(weights, address):
    with pytest.raises(DataError, match="gave another file"):
        fetch_weights(remote(address, content=b"what was promised"))
    assert list(weights.iterdir()) == []


def test_an_absent_address_says_how_to_place_the_file_by_hand(weights, address):
    file = remote(address, name="absent.pth")
    with pytest.raises(DataError, match="could not be fetched") as caught:
        fetch_weights(file)
    assert f"Download {file.url} by hand and place it at {weights / 'net.pth'}" in caught.value.remedy
    assert list(weights.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(weights):
    def breaks_off(url, target):
        target.write_bytes(b"the wei")
        raise ConnectionResetError("connection reset by peer")

    with pytest.raises(DataError, match="connection reset by peer"):
        fetch_weights(remote("https://example.org"), download=breaks_off)
    assert list(weights.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(weights):
    weights.parent.parent.mkdir(exist_ok=True)
    weights.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match="could not be fetched") as caught:
        fetch_weights(remote("https://example.org"), download=refuse)
    assert str(weights) in caught.value.remedy


def test_weights_of_a_package_are_not_fetched(weights):
    with pytest.raises(DataError, match="comes with an installed package"):
        fetch_weights(Remote("heads", "a.pth", "", "00"))
