from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphabench.data.builders import build_manifest
from alphabench.data.dataset import DataSet, resolve_data
from alphabench.data.manifest_file import load_manifest, write_manifest
from alphabench.errors import DataError, UsageError

Maker = Callable[..., Path]


@pytest.fixture
def archive(make: Maker, tmp_path: Path) -> Path:
    """Make a small tree in the layout of the AlphaTest archive."""
    names = ("PPM-100/portrait/p1", "PPM-100/portrait/p2", "AIM/animal/o_0b7228ec", "AIM/transparent/o_1")
    for seed, name in enumerate(names):
        make(f"copy/data/VAE_test_data/{name}.png", seed=seed)
    make("copy/data/Diffusion_test_data/images/toy/00000.png")
    (tmp_path / "copy/data/Diffusion_test_data/prompts/toy").mkdir(parents=True)
    (tmp_path / "copy/data/Diffusion_test_data/prompts/toy/prompt.txt").write_text("a toy\n")
    return tmp_path / "copy"


@pytest.mark.parametrize("inner", ["", "data", "data/VAE_test_data"])
def test_alphatest_is_found_at_any_level_of_the_archive(archive: Path, inner: str) -> None:
    built = build_manifest("alphatest", archive / inner)
    rows = [(sample.id, sample.category, sample.subset, sample.subtype) for sample in built.manifest.samples]
    assert rows == [
        ("AIM/animal/o_0b7228ec", "AIM", "AIM", "animal"),
        ("AIM/transparent/o_1", "AIM", "AIM", "transparent"),
        ("PPM-100/portrait/p1", "PPM-100", "PPM-100", "portrait"),
        ("PPM-100/portrait/p2", "PPM-100", "PPM-100", "portrait"),
    ]
    assert (built.manifest.id, built.manifest.status, built.manifest.split) == ("alpha-test@1", "built", "test")


def test_alphatest_warns_of_counts_and_sizes_that_differ(archive: Path) -> None:
    warnings = build_manifest("alphatest", archive).warnings
    assert warnings[0] == "4 samples, expected 402"
    assert warnings[1] == "4 of 4 images are not 1024 x 1024, first 'AIM/animal/o_0b7228ec' (8 x 8)"


def test_alphatest_warns_of_equal_files(archive: Path, make: Maker) -> None:
    make("copy/data/VAE_test_data/AIM/animal/again.png", seed=0)
    assert "1 files have the content of another" in build_manifest("alphatest", archive).warnings[1]


def test_alphatest_refuses_images_at_another_depth(archive: Path, make: Maker) -> None:
    make("copy/data/VAE_test_data/AIM/stray.png")
    with pytest.raises(DataError, match=r"1 of 5 images .* <subset>/<subtype>/<name>, first 'AIM/stray.png'"):
        build_manifest("alphatest", archive)


def test_alphatest_refuses_fully_opaque_images(archive: Path, make: Maker) -> None:
    make("copy/data/VAE_test_data/AIM/animal/solid.png", alpha=255)
    with pytest.raises(DataError, match=r"1 of 5 images .* fully opaque, first 'AIM/animal/solid.png'"):
        build_manifest("alphatest", archive)


def test_alphatest_refuses_images_without_alpha(archive: Path, make: Maker) -> None:
    make("copy/data/VAE_test_data/AIM/animal/flat.png", mode="RGB")
    with pytest.raises(DataError, match=r"flat\.png"):
        build_manifest("alphatest", archive)


def test_a_built_alphatest_is_found_by_its_name(archive: Path, own_cache: Path) -> None:
    write_manifest(build_manifest("alphatest", archive).manifest, own_cache / "data" / "alpha-test.toml")
    found = resolve_data("alpha-test@1")
    assert len(found) == 4
    assert found.verify().ok


@pytest.fixture
def photographs(make: Maker, tmp_path: Path) -> Path:
    """Make a small copy in the layout of AIM-500: photographs, mattes and trimaps."""
    for seed, stem in enumerate(("o_1", "o_2")):
        make(f"aim/original/{stem}.jpg", mode="RGB", seed=seed, size=(12, 9))
        make(f"aim/mask/{stem}.png", mode="L", seed=seed + 10, size=(12, 9))
        make(f"aim/trimap/{stem}.png", mode="L", seed=seed + 20, size=(12, 9))
    return tmp_path / "aim"


def aim(copy: Path, **options: Path) -> DataSet:
    built = build_manifest("aim500", rgb=copy / "original", alpha=copy / "mask", out_images=copy / "joined", **options)
    return DataSet(built.manifest, built.root)


def test_aim500_joins_the_photographs_colour_with_the_matte(photographs: Path) -> None:
    found = aim(photographs, trimap=photographs / "trimap")
    assert [(sample.id, sample.category) for sample in found] == [("all/o_1", "all"), ("all/o_2", "all")]
    codes = found.read(found.manifest.samples[0]).numpy()
    assert np.array_equal(codes[:3].transpose(1, 2, 0), np.asarray(Image.open(photographs / "original/o_1.jpg")))
    assert np.array_equal(codes[3], np.asarray(Image.open(photographs / "mask/o_1.png")))


def test_aim500_takes_categories_from_the_list(photographs: Path) -> None:
    listing = photographs / "list.txt"
    listing.write_text("# name category\no_1.jpg,animal\no_2\tfruit\n")
    assert aim(photographs, categories=listing).manifest.categories == {"animal": 1, "fruit": 1}


def test_aim500_refuses_images_that_are_not_in_the_list(photographs: Path) -> None:
    (photographs / "list.txt").write_text("o_1 animal\n")
    with pytest.raises(DataError, match="1 of 2 images are not in the list"):
        aim(photographs, categories=photographs / "list.txt")


@pytest.mark.parametrize("folder", ["mask", "trimap"])
def test_aim500_refuses_unequal_sizes(photographs: Path, make: Maker, folder: str) -> None:
    make(f"aim/{folder}/o_2.png", mode="L", size=(9, 12))
    with pytest.raises(DataError, match="the files of 'o_2' differ in size"):
        aim(photographs, trimap=photographs / "trimap")


def test_aim500_refuses_photographs_without_matte(photographs: Path) -> None:
    (photographs / "mask/o_2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images have no partner .* first 'o_2'"):
        aim(photographs)


def test_aim500_refuses_mattes_in_colour(photographs: Path, make: Maker) -> None:
    make("aim/mask/o_2.png", mode="RGB", size=(12, 9))
    with pytest.raises(DataError, match="is not gray"):
        aim(photographs)


def test_aim500_writes_into_an_empty_folder_only(photographs: Path) -> None:
    aim(photographs)
    with pytest.raises(DataError, match="is not empty"):
        aim(photographs)


def test_aim500_compares_the_published_counts(photographs: Path) -> None:
    built = build_manifest(
        "aim500", rgb=photographs / "original", alpha=photographs / "mask", out_images=photographs / "joined"
    )
    assert built.warnings[0] == "2 samples, expected 500"


@pytest.mark.parametrize(("layout", "categories"), [("flat", {"all": 2}), ("category", {"cat": 1, "dog": 1})])
def test_own_folders_are_built_flat_or_by_category(
    make: Maker, tmp_path: Path, layout: str, categories: dict[str, int]
) -> None:
    make("pets/cat/a.png", seed=1)
    make("pets/dog/b.png", seed=2)
    built = build_manifest(layout, tmp_path / "pets")
    assert built.manifest.categories == categories
    assert built.warnings == ()
    write_manifest(built.manifest, tmp_path / "pets.toml")
    assert load_manifest(tmp_path / "pets.toml").hash == resolve_data(tmp_path / "pets").manifest.hash


def test_layouts_refuse_folders_that_do_not_fit(tmp_path: Path) -> None:
    for layout, folder, options in (
        ("aim500", tmp_path, {}),
        ("aim500", None, {"rgb": tmp_path}),
        ("flat", None, {}),
        ("alphatest", tmp_path, {"rgb": tmp_path}),
        ("flatt", tmp_path, {}),
    ):
        with pytest.raises(UsageError):
            build_manifest(layout, folder, **options)
