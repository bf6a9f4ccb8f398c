"""Files that a card names at a hub: brought by their path, up to their limit, from the hub's own hosts."""

import contextlib
import io
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pack_forge import Ordinary, edit_card

from alphabench.data import hub
from alphabench.errors import DataError
from alphabench.leaderboard.submission import fetching, limits, validation
from alphabench.leaderboard.submission.ground import Ground
from alphabench.leaderboard.submission.validation import validated

REVISION = "a" * 40
SOURCE = {"hub": "acme/tiny", "revision": REVISION}


@contextlib.contextmanager
def answer(data: bytes) -> Iterator[io.BytesIO]:
    yield io.BytesIO(data)


def hub_of(files: dict[str, bytes], asked: list[str]) -> hub.Open:
    def opened(address: str) -> contextlib.AbstractContextManager[io.BytesIO]:
        asked.append(address)
        path = address.split(f"{REVISION}/")[1]
        if path not in files:
            raise urllib.error.URLError("not found")
        return answer(files[path])

    return opened


@pytest.fixture
def elsewhere(pack_of: Callable[[str], Path]) -> Path:
    """A pack whose weights are at a hub."""
    pack = pack_of("bare")
    edit_card(pack, source=SOURCE)
    (pack / "model.safetensors").unlink()
    return pack


def serve(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(hub, "_open", hub_of(files, asked))
    return asked


def test_listed_files_are_fetched_by_path_only_when_asked_for(
    elsewhere: Path, ordinary: Ordinary, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = (ordinary.packs["bare"] / "model.safetensors").read_bytes()
    asked = serve(monkeypatch, {"model.safetensors": weights})
    with validated(elsewhere, on=ground) as found:
        assert [(item.code, item.path) for item in found.findings] == [("E_MISSING", "model.safetensors")]
        assert "--fetch" in found.findings[0].remedy
    assert asked == []
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert found.ok, found.findings
    assert asked == [f"https://huggingface.co/acme/tiny/resolve/{REVISION}/model.safetensors"]


def test_a_fetched_file_passes_the_same_checks(
    elsewhere: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, {"model.safetensors": b"another file"})
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert [item.code for item in found.findings] == ["E_HASH"]


def test_an_endless_answer_is_cut_at_its_limit_and_nothing_is_left(
    elsewhere: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve(monkeypatch, {"model.safetensors": bytes(4096)})
    monkeypatch.setattr(limits, "FETCHED_FILE_BYTES", 1000)
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert [item.code for item in found.findings] == ["E_FETCH"]
        assert "more than 1000 bytes" in found.findings[0].fact
        assert not (found.copy / "model.safetensors").exists()


def test_a_file_that_cannot_be_had_is_named(elsewhere: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, {})
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert [(item.code, item.path) for item in found.findings] == [("E_FETCH", "model.safetensors")]


def test_a_card_with_too_many_files_fetches_none(
    elsewhere: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = serve(monkeypatch, {})
    monkeypatch.setattr(fetching.limits, "FILES", 3)
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert [item.code for item in found.findings] == ["E_BUDGET"]
    assert asked == []
    monkeypatch.setattr(fetching, "check_number", lambda *_: [])
    with validated(elsewhere, on=ground, fetch=True) as found:
        assert [item.code for item in found.findings] == ["E_FETCH"]
    assert validation.fetch_listed is fetching.fetch_listed


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("https://huggingface.co/x", True),
        ("https://cdn-lfs.hf.co/x", True),
        ("http://huggingface.co/x", False),
        ("https://huggingface.co.evil.example/x", False),
        ("https://evilhf.co/x", False),
        ("https://user@huggingface.co/x", False),
        ("https://huggingface.co:8443/x", False),
        ("file:///etc/passwd", False),
        ("https://127.0.0.1/x", False),
    ],
)
def test_only_the_hubs_own_hosts_are_trusted(address: str, trusted: bool) -> None:
    assert hub.is_trusted(address) is trusted
    follow = hub._OwnHosts()
    request = hub.urllib.request.Request("https://huggingface.co/x")
    if trusted:
        assert follow.redirect_request(request, None, 302, "", {}, address).full_url == address
    else:
        with pytest.raises(urllib.error.URLError, match="not trusted"):
            follow.redirect_request(request, None, 302, "", {}, address)


def test_an_address_that_is_refused_leaves_no_file(tmp_path: Path) -> None:
    def refused(address: str) -> contextlib.AbstractContextManager[io.BytesIO]:
        raise urllib.error.URLError("it is redirected to evil.example, which is not trusted")

    with pytest.raises(DataError, match="not trusted"):
        hub.fetch_from_hub("acme/tiny", REVISION, "a", tmp_path / "a", limit=10, open_address=refused)
    assert not (tmp_path / "a").exists()
