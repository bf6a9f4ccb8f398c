import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphabench.data.dataset import resolve_data
from alphabench.data.folder import manifest_of_folder
from alphabench.data.manifest_file import write_manifest
from alphabench.errors import DataError, UsageError

Maker = Callable[..., Path]


def test_reading_gives_the_codes_of_the_file(make: Maker, tmp_path: Path) -> None:
    path = make("set/a.png", size=(5, 3))
    found = resolve_data(tmp_path / "set")
    codes = found.read(found.manifest.samples[0])
    assert np.array_equal(codes.numpy().transpose(1, 2, 0), np.asarray(Image.open(path)))


def test_reading_a_file_that_changed_is_refused(make: Maker, tmp_path: Path) -> None:
    make("set/a.png", seed=1)
    found = resolve_data(tmp_path / "set")
    make("set/a.png", seed=2)
    with pytest.raises(DataError, match="'a' of set@1 has changed"):
        found.read(found.manifest.samples[0])


def test_reading_a_file_that_vanished_is_refused(make: Maker, tmp_path: Path) -> None:
    path = make("set/a.png")
    found = resolve_data(tmp_path / "set")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        found.read(found.manifest.samples[0])


def test_a_limit_takes_the_first_samples_and_knows_the_whole() -> None:
    whole = resolve_data("alpha-mini")
    first = whole.limit(3)
    assert [sample.id for sample in first] == [sample.id for sample in whole][:3]
    assert (len(first), first.total, first.full_hash) == (3, 48, whole.manifest.hash)
    assert len(whole.limit(1000)) == 48


@pytest.mark.parametrize("count", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="leaves nothing"):
        resolve_data("alpha-mini").limit(count)


def test_verifying_counts_missing_changed_and_extra_files(make: Maker, tmp_path: Path) -> None:
    for name in "abcd":
        make(f"set/{name}.png", seed=ord(name))
    found = resolve_data(tmp_path / "set")
    assert found.verify().ok
    (tmp_path / "set" / "a.png").unlink()
    make("set/b.png", seed=99)
    make("set/z.png")
    report = found.verify()
    assert (report.missing, report.changed, report.extra) == (("a.png",), ("b.png",), ("z.png",))
    assert report.describe() == "1 missing (first 'a.png'), 1 changed (first 'b.png'), 1 extra (first 'z.png')"
    assert not report.ok


@pytest.mark.parametrize("name", ["alpha-mini", "alpha-mini@1"])
def test_the_embedded_set_needs_no_folder(name: str) -> None:
    found = resolve_data(name)
    assert (found.manifest.id, len(found)) == ("alpha-mini@1", 48)
    assert found.verify().ok


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_data("alpha-minni")
    assert "alpha-mini" in caught.value.remedy


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(UsageError, match="alpha-mini@2"):
        resolve_data("alpha-mini@2")


def test_an_unbuilt_set_names_the_command_that_builds_it() -> None:
    with pytest.raises(DataError) as caught:
        resolve_data("alpha-test@1")
    assert "alphabench data manifest build --layout alphatest" in caught.value.remedy
    assert resolve_data("alpha-test", allow_unbuilt=True).manifest.expected_samples == 402


def test_a_manifest_built_into_the_data_folder_is_found_by_name(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("home/pets/cat/a.png")
    monkeypatch.setenv("ALPHABENCH_DATA", str(tmp_path / "home"))
    manifest = dataclasses.replace(manifest_of_folder(tmp_path / "home" / "pets"), root="")
    write_manifest(manifest, tmp_path / "home" / "pets.toml")
    found = resolve_data("pets@1")
    assert found.root == tmp_path / "home" / "pets"
    assert found.verify().ok


def test_a_known_set_whose_images_are_nowhere_says_where_they_belong(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("pets/a.png")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("ALPHABENCH_DATA", str(tmp_path / "home"))
    write_manifest(dataclasses.replace(manifest_of_folder(tmp_path / "pets"), root=""), tmp_path / "home" / "pets.toml")
    with pytest.raises(DataError, match="the images of pets@1 are not at"):
        resolve_data("pets")
    assert len(resolve_data("pets", root=tmp_path / "pets")) == 1


def test_a_toml_file_is_a_set_beside_its_images(make: Maker, tmp_path: Path) -> None:
    make("pets/a.png")
    manifest = dataclasses.replace(manifest_of_folder(tmp_path / "pets"), root="pets")
    write_manifest(manifest, tmp_path / "mine.toml")
    found = resolve_data(str(tmp_path / "mine.toml"))
    assert found.verify().ok
    assert found.manifest.hash == manifest.hash


def test_a_known_name_comes_before_a_folder_of_that_name(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("alpha-mini/a.png")
    monkeypatch.chdir(tmp_path)
    assert len(resolve_data("alpha-mini")) == 48
    assert len(resolve_data("./alpha-mini")) == 1
