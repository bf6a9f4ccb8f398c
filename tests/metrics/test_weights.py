"""Files of learned weights: found by SHA-256, refused when they are others."""

import hashlib

import pytest
import torch

from alphabench.errors import DataError, UsageError
from alphabench.metrics.weights import (
    WEIGHT_FILES,
    WeightFile,
    WeightsMissing,
    locate,
    read_state,
    sha256_of,
    status,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def file_of(content: bytes) -> WeightFile:
    prefix = hashlib.sha256(content).hexdigest()[:8]
    return WeightFile("mine", "mine.pth", prefix, "a test", "https://example.org/mine.pth", ("rfid",))


def test_the_heads_of_lpips_come_with_its_package():
    path = locate("lpips-heads")
    assert sha256_of(path) == "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
    heads = read_state(path)
    assert [tuple(tensor.shape)[1] for tensor in heads.values()] == [64, 192, 384, 256, 256]
    assert all(bool((tensor >= 0).all()) for tensor in heads.values())


def test_an_absent_file_is_missing_and_the_remedy_names_command_address_and_place(folder):
    with pytest.raises(WeightsMissing) as caught:
        locate("inception")
    assert caught.value.exit_code == 4
    assert "alphabench weights fetch inception" in caught.value.remedy
    assert WEIGHT_FILES["inception"].url in caught.value.remedy
    assert str(folder / "pt_inception-2015-12-05-6726825d.pth") in caught.value.remedy


def test_the_right_file_is_found_and_another_one_refused(folder):
    file = file_of(b"right")
    (folder / "mine.pth").write_bytes(b"right")
    assert locate(file) == folder / "mine.pth"
    (folder / "mine.pth").write_bytes(b"wrong one")
    with pytest.raises(DataError, match=f"not with {file.sha256_prefix}"):
        locate(file)


def test_the_status_tells_present_missing_and_wrong_apart(folder):
    here, gone, wrong = file_of(b"here"), file_of(b"gone"), file_of(b"wanted")
    files = {
        name: WeightFile(name, f"{name}.pth", file.sha256_prefix, "a test", file.url, ("rfid",))
        for name, file in (("here", here), ("gone", gone), ("wrong", wrong))
    }
    (folder / "here.pth").write_bytes(b"here")
    (folder / "wrong.pth").write_bytes(b"something else")
    states = status(files)
    assert [entry.state for entry in states] == ["present", "missing", "wrong"]
    assert states[0].sha256 == hashlib.sha256(b"here").hexdigest()
    assert states[0].remedy == ""
    assert "fetch gone" in states[1].remedy
    assert "Delete it" in states[2].remedy


def test_a_package_that_is_not_installed_is_missing_weights():
    file = WeightFile("heads", "a.pth", "00", "heads", "", ("lpips",), package="no_such_package_here")
    with pytest.raises(WeightsMissing, match="not installed") as caught:
        locate(file)
    assert caught.value.remedy == "Run: pip install no_such_package_here"
    assert status({"heads": file})[0].state == "missing"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="no weights called 'vgg'") as caught:
        locate("vgg")
    assert "alexnet" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"not a file of PyTorch", b"PK\x03\x04 cut off"])
def test_a_broken_file_of_weights_is_refused(tmp_path, content):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as PyTorch weights"):
        read_state(path)


def test_a_file_without_named_tensors_is_refused(tmp_path):
    path = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(DataError, match="something else than named tensors"):
        read_state(path)


def test_every_file_has_an_address_or_a_package_and_is_needed():
    for name, file in WEIGHT_FILES.items():
        assert file.name == name
        assert bool(file.url) != bool(file.package)
        assert file.url.startswith("https://") or file.package
        assert len(file.sha256_prefix) in {8, 64}
        assert file.needed_by
