import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alphabench.data.dataset import resolve_data
from alphabench.data.folder import list_folder, manifest_of_folder
from alphabench.errors import DataError, UsageError

Maker = Callable[..., Path]


def test_category_is_the_first_level_and_all_above_it(make: Maker, tmp_path: Path) -> None:
    for name in ("set/top.png", "set/cat/a.png", "set/dog/small/b.png", "set/dog/small/wet/c.png"):
        make(name)
    found = manifest_of_folder(tmp_path / "set")
    rows = {sample.id: (sample.category, sample.subset, sample.subtype, sample.depth) for sample in found.samples}
    assert rows == {
        "top": ("all", "all", "all", 0),
        "cat/a": ("cat", "cat", "all", 1),
        "dog/small/b": ("dog", "dog", "small", 2),
        "dog/small/wet/c": ("dog", "dog", "small/wet", 3),
    }
    assert found.categories == {"cat": 1, "dog": 2, "all": 1}


def test_flat_layout_has_one_category(make: Maker, tmp_path: Path) -> None:
    make("set/cat/a.png")
    make("set/dog/b.png")
    assert manifest_of_folder(tmp_path / "set", layout="flat").categories == {"all": 2}


def test_id_is_the_slug_of_the_folder_at_one(make: Maker, tmp_path: Path) -> None:
    make("My Pictures/a.png")
    found = resolve_data(tmp_path / "My Pictures")
    assert (found.manifest.id, found.manifest.split) == ("my-pictures@1", "all")


def test_a_folder_given_as_a_dot_keeps_its_name(make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("pictures/a.png")
    monkeypatch.chdir(tmp_path / "pictures")
    assert resolve_data(".").manifest.name == "pictures"


def test_hash_is_the_sorted_lines_of_id_and_sha256(make: Maker, tmp_path: Path) -> None:
    first, second = make("set/b.png", seed=1), make("set/a.png", seed=2)
    lines = (
        f"a\t{hashlib.sha256(second.read_bytes()).hexdigest()}\nb\t{hashlib.sha256(first.read_bytes()).hexdigest()}\n"
    )
    assert manifest_of_folder(tmp_path / "set").hash == hashlib.sha256(lines.encode()).hexdigest()


def test_hash_knows_no_place_and_no_date(make: Maker, tmp_path: Path) -> None:
    path = make("one/a.png")
    copy = tmp_path / "other" / "a.png"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (1, 1))
    assert manifest_of_folder(tmp_path / "one").hash == manifest_of_folder(tmp_path / "other").hash


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.webp", "a.tif", "a.TIFF"])
def test_png_webp_and_tiff_of_any_case_are_read(make: Maker, tmp_path: Path, name: str) -> None:
    make(f"set/{name}")
    assert [sample.id for sample in manifest_of_folder(tmp_path / "set").samples] == ["a"]


def test_hidden_files_and_junk_of_other_systems_are_ignored(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    for name in (".DS_Store", "Thumbs.db", "__MACOSX/._a.png", ".cache/x.png", "._a.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = list_folder(tmp_path / "set")
    assert (found.images, found.ignored, found.refused) == (("a.png",), (), ())


def test_texts_beside_the_images_are_ignored_and_counted(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    (tmp_path / "set" / "LICENSE").write_text("x")
    (tmp_path / "set" / "a.txt").write_text("x")
    assert list_folder(tmp_path / "set").ignored == ("LICENSE", "a.txt")
    assert len(resolve_data(tmp_path / "set")) == 1


def test_images_of_other_formats_are_refused_by_name(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    make("set/b.jpg", mode="RGB")
    with pytest.raises(DataError, match=r"1 images in formats that are not read, first 'b.jpg'"):
        resolve_data(tmp_path / "set")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        resolve_data(tmp_path / "set")


@pytest.mark.parametrize("inner", ["dog", "cat/deep"])
def test_an_empty_category_is_refused(make: Maker, tmp_path: Path, inner: str) -> None:
    make("set/cat/a.png")
    (tmp_path / "set" / inner).mkdir()
    with pytest.raises(DataError, match=rf"1 folders without images, first '{inner}'"):
        resolve_data(tmp_path / "set")


@pytest.mark.parametrize("names", [("a.png", "a.webp"), ("A.png", "a.png"), ("a b.png", "a-b.png")])
def test_two_files_of_one_sample_are_refused(make: Maker, tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        make(f"set/{name}")
    with pytest.raises(DataError, match="1 files share their sample id with another"):
        resolve_data(tmp_path / "set")


def test_awkward_names_are_fitted_and_still_found(make: Maker, tmp_path: Path) -> None:
    make("set/Schöne Bilder/große Kuh.png")
    found = resolve_data(tmp_path / "set")
    (sample,) = found
    assert sample.id == "Schone-Bilder/groudfe-Kuh"
    assert sample.category == "Schöne Bilder"
    assert found.read(sample).shape == (4, 8, 8)


def test_images_without_alpha_are_refused_with_their_count(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    make("set/b.png", mode="RGB")
    make("set/c.png", mode="RGB")
    with pytest.raises(DataError, match=r"2 of 3 files .* the first: .*b\.png"):
        resolve_data(tmp_path / "set")


def test_a_set_of_opaque_images_reads_them_as_opaque(make: Maker, tmp_path: Path) -> None:
    make("set/b.png", mode="RGB")
    make("set/c.jpg", mode="RGB")
    found = manifest_of_folder(tmp_path / "set", alpha="opaque")
    assert [sample.id for sample in found.samples] == ["b", "c"]


def test_a_link_to_a_folder_above_is_refused_and_does_not_hang(make: Maker, tmp_path: Path) -> None:
    make("set/cat/a.png")
    (tmp_path / "set" / "cat" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
    with pytest.raises(DataError, match="leads to a folder above itself"):
        resolve_data(tmp_path / "set")


def test_a_link_that_leads_nowhere_is_refused(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(DataError, match="leads nowhere"):
        resolve_data(tmp_path / "set")


def test_a_link_to_itself_is_refused(make: Maker, tmp_path: Path) -> None:
    make("set/a.png")
    (tmp_path / "set" / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="leads to itself"):
        resolve_data(tmp_path / "set")


def test_linked_folders_and_files_are_followed(make: Maker, tmp_path: Path) -> None:
    make("store/cat/a.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "store" / "cat", target_is_directory=True)
    assert [sample.id for sample in resolve_data(tmp_path / "set")] == ["cat/a"]


def test_a_missing_folder_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        list_folder(tmp_path / "absent")


def test_files_with_the_same_stem_in_two_categories_are_two_samples(make: Maker, tmp_path: Path) -> None:
    make("set/cat/a.png")
    make("set/dog/a.png")
    assert len(resolve_data(tmp_path / "set")) == 2
