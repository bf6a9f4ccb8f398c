import dataclasses
from pathlib import Path

import pytest

from alphabench.data.manifest import Manifest, Sample, manifest_folder
from alphabench.data.manifest_file import load_manifest, write_manifest
from alphabench.errors import DataError, UsageError


def sample(number: int, **changes: str) -> Sample:
    row = Sample(
        id=f"cat/{number:04d}",
        category="cat",
        subset="cat",
        subtype="all",
        path=f"cat/{number:04d}.png",
        sha256=f"{number:064x}",
        width=7,
        height=5,
        caption='with "quotes", a comma, ü and \\',
    )
    return dataclasses.replace(row, **changes)


def manifest(count: int) -> Manifest:
    return Manifest(
        name="pets",
        version=2,
        split="test",
        licence="CC0-1.0",
        source="a shelf",
        status="built",
        samples=tuple(sample(number) for number in range(count)),
        expected={"cat": count, "Hündchen": 1},
        expected_samples=count + 1,
        title="some pets",
        notes={"remark": "line one\nline two"},
    )


@pytest.mark.parametrize(("count", "files"), [(3, 1), (200, 1), (201, 2)])
def test_writing_and_reading_gives_the_same_manifest(tmp_path: Path, count: int, files: int) -> None:
    written = write_manifest(manifest(count), tmp_path / "pets.toml")
    assert len(written) == files
    assert load_manifest(tmp_path / "pets.toml") == manifest(count)


def test_hash_ignores_the_order_of_rows() -> None:
    forward = manifest(5)
    backward = dataclasses.replace(forward, samples=forward.samples[::-1])
    assert forward.hash == backward.hash
    assert forward.hash != manifest(4).hash


def test_counts_that_differ_from_the_published_ones_are_named() -> None:
    assert manifest(3).deviations() == [
        "3 samples, expected 4",
        "category 'Hündchen': 0 samples, expected 1",
    ]


def edited(path: Path, old: str, new: str) -> Path:
    write_manifest(manifest(2), path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("licence =", "license =", "manifest.license", "'licence'"),
        ("caption =", "captoin =", "samples.0.captoin", "'caption'"),
        ("[expected]", "[expectd]", "expectd", "'expected'"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_one(
    tmp_path: Path, old: str, new: str, key: str, nearest: str
) -> None:
    path = edited(tmp_path / "pets.toml", old, new)
    if new == "[expectd]":
        path.write_text(path.read_text().replace("[expected.categories]", "[expectd.categories]"))
    with pytest.raises(UsageError, match=key) as caught:
        load_manifest(path)
    assert nearest in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "pets"', 'name = "Pets"'),
        ("version = 2", 'version = "2"'),
        ("version = 2", "version = 0"),
        ('status = "built"', 'status = "done"'),
        ('path = "cat/0000.png"', 'path = "../0000.png"'),
        ('path = "cat/0000.png"', 'path = "/etc/0000.png"'),
        ('sample = "cat/0000"', 'sample = "cat 0000"'),
        ("width = 7", "width = -7"),
        (f'sha256 = "{0:064x}"', 'sha256 = "00"'),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(DataError, match="wrong values"):
        load_manifest(edited(tmp_path / "pets.toml", old, new))


def test_broken_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[manifest\n")
    with pytest.raises(DataError, match="no valid TOML"):
        load_manifest(tmp_path / "x.toml")


def test_an_absent_manifest_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_manifest(tmp_path / "absent.toml")


def test_rows_that_changed_beside_the_manifest_are_refused(tmp_path: Path) -> None:
    write_manifest(manifest(300), tmp_path / "pets.toml")
    rows = tmp_path / "pets.csv"
    rows.write_text(rows.read_text().replace("0001.png", "0002.png"))
    with pytest.raises(DataError, match="SHA-256 differs"):
        load_manifest(tmp_path / "pets.toml")
    rows.unlink()
    with pytest.raises(DataError, match=r"pets\.csv, which cannot be read"):
        load_manifest(tmp_path / "pets.toml")


def test_sample_ids_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    twins = dataclasses.replace(manifest(1), samples=(sample(1), sample(2, id="CAT/0001")))
    write_manifest(twins, tmp_path / "pets.toml")
    with pytest.raises(DataError, match="share their sample id"):
        load_manifest(tmp_path / "pets.toml")


def test_a_built_manifest_without_rows_is_refused(tmp_path: Path) -> None:
    write_manifest(dataclasses.replace(manifest(1), samples=()), tmp_path / "pets.toml")
    with pytest.raises(DataError, match="has no rows"):
        load_manifest(tmp_path / "pets.toml")


def test_a_manifest_is_written_as_toml_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TOML"):
        write_manifest(manifest(1), tmp_path / "pets.csv")


@pytest.mark.parametrize("path", sorted(manifest_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_manifest_loads_under_its_own_name(path: Path) -> None:
    found = load_manifest(path)
    assert found.name == path.stem
    assert found.licence
    assert found.source
    assert sum(found.expected.values()) in {0, found.expected_samples}
    assert (found.status == "built") == bool(found.samples)
