"""Folders, manifests, limits and files that cannot be read: what a training finds on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alphabench.data.folder import manifest_of_folder
from alphabench.data.manifest_file import write_manifest
from alphabench.errors import DataError, UsageError
from alphabench.image.codec import encode_webp, write_png
from reference_models.training import images as images_module
from reference_models.training import procedural
from reference_models.training.data_config import DataConfig, HiddenColour, SourceConfig
from reference_models.training.images import ImagePool, validation_images
from reference_models.training.sources import ImageFile, limited
from reference_models.training.streams import array_stream

PLAIN: dict[str, Any] = {
    "size": 16,
    "batch": 4,
    "recolour": False,
    "flips": False,
    "fade_probability": 0.0,
    "half_scale_probability": 0.0,
    "visible_share": 0.0,
}


def write(path: Path, colour: tuple[int, int, int, int], height: int = 16, width: int = 16) -> None:
    """Write an image whose upper half has one straight colour and whose lower half is hidden red."""
    codes = torch.tensor(colour, dtype=torch.uint8)[:, None, None].repeat(1, height, width)
    if colour[3] < 255:
        codes[:, height // 2 :] = torch.tensor([255, 0, 0, 0], dtype=torch.uint8)[:, None, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, codes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight images whose first code is their number, two of them in inner folders."""
    for index in range(8):
        folder = "set/inner/deep" if index > 5 else "set"
        write(tmp_path / folder / f"{index}.png", (index, 100, 200, 128))
    return tmp_path


def config(root: Path, **changes: Any) -> DataConfig:
    values = {"root": str(root), "sources": (SourceConfig("set"),)} | PLAIN | changes
    return DataConfig(**values)


def pool(root: Path, said: list[str] | None = None, **changes: Any) -> ImagePool:
    heard = [] if said is None else said
    hidden = changes.pop("hidden_colour", "keep")
    return ImagePool(config(root, **changes), progress=heard.append, hidden_colour=hidden)


def firsts(found: ImagePool, steps: int = 40) -> set[int]:
    """Return the first codes of the images that are drawn: their numbers."""
    return {int(code) for step in range(steps) for code in found.batch(0, step)[:, 0, 0, 0]}


def test_inner_folders_belong_to_a_source(root: Path) -> None:
    assert firsts(pool(root)) == set(range(8))


def test_files_beside_the_images_are_left_alone(root: Path) -> None:
    (root / "set" / "LICENSE").write_text("free", encoding="utf-8")
    (root / "set" / ".hidden.png").write_bytes(b"junk")
    said: list[str] = []
    assert pool(root, said).facts == {"images": 8, "procedural": 0, "skipped": 0}
    assert said == ["read 8 images of set"]


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_damaged_files_are_told_once_counted_and_never_drawn(root: Path, cache_mib: int) -> None:
    whole = (root / "set" / "3.png").read_bytes()
    (root / "set" / "3.png").write_bytes(whole[: len(whole) // 2])
    (root / "set" / "5.png").write_bytes(b"")
    said: list[str] = []
    found = pool(root, said, cache_mib=cache_mib)
    assert firsts(found) == {0, 1, 2, 4, 6, 7}
    found.close()
    assert found.facts == {"images": 6, "procedural": 0, "skipped": 2}
    assert [sum(text.startswith(f"left out set/{name}.png") for text in said) for name in (3, 5)] == [1, 1]
    assert said[-1].startswith("2 of 8 files could not be read: first set/3.png")


def test_a_file_that_vanishes_during_the_training_is_told_once_and_another_one_drawn(root: Path) -> None:
    said: list[str] = []
    found = pool(root, said, cache_mib=0, workers=0)
    (root / "set" / "2.png").unlink()
    assert firsts(found) == {0, 1, 3, 4, 5, 6, 7}
    assert sum("2.png" in text for text in said) == 1
    for path in (root / "set").rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"can no longer be read; . of 8"):
        firsts(found)


def test_another_process_than_the_first_warns_of_damaged_files(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "set" / "5.png").write_bytes(b"")
    monkeypatch.setattr(images_module, "is_main_process", lambda: False)
    pool(root)
    assert "left out set/5.png" in caplog.text


def test_a_source_of_damaged_files_only_is_refused(root: Path) -> None:
    for path in (root / "set").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 8 files of set can be read; the first: "):
        pool(root)


def test_an_absent_or_empty_folder_is_refused_with_the_variable_that_mends_it(root: Path) -> None:
    (root / "empty").mkdir()
    for folder in ("empty", "absent"):
        with pytest.raises(DataError, match="no training images") as refusal:
            pool(root, sources=(SourceConfig(folder),))
        assert "ALPHABENCH_TRAIN_DATA" in refusal.value.remedy


def test_photographs_need_to_be_called_opaque(tmp_path: Path) -> None:
    for index in range(2):
        write(tmp_path / "photographs" / f"{index}.png", (index, 9, 9, 255))
    with pytest.raises(DataError, match="all 2 images of photographs are opaque") as refusal:
        pool(tmp_path, sources=(SourceConfig("photographs"),))
    assert "opaque = true" in refusal.value.remedy
    assert pool(tmp_path, sources=(SourceConfig("photographs", opaque=True),)).facts["images"] == 2


def test_some_opaque_images_among_others_are_counted(root: Path) -> None:
    write(root / "set" / "8.png", (8, 1, 1, 255))
    said: list[str] = []
    assert 8 in firsts(pool(root, said))
    assert said == ["read 9 images of set, 1 of them are opaque"]


def test_a_folder_of_unread_formats_says_so(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"only 1 in formats that are not read, first a\.jpg"):
        pool(tmp_path)


def test_webp_and_tiff_are_read(root: Path, tmp_path: Path) -> None:
    codes = torch.full((4, 16, 16), 90, dtype=torch.uint8)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.webp").write_bytes(encode_webp(codes, 100))
    assert pool(tmp_path, sources=(SourceConfig("other"),)).batch(0, 0).shape == (4, 4, 16, 16)


@pytest.mark.parametrize(("small", "images"), [("skip", 8), ("pad", 9), ("resize", 9)])
def test_images_smaller_than_the_crop_are_refused_unless_a_rule_is_given(root: Path, small: str, images: int) -> None:
    write(root / "set" / "8.png", (8, 1, 1, 128), height=12, width=20)
    with pytest.raises(DataError, match=r"1 of 9 images of set are smaller than the crop of 16 .* 8\.png \(20x12\)"):
        pool(root)
    said: list[str] = []
    found = pool(root, said, small=small)
    assert found.facts["images"] == images
    assert (8 in firsts(found)) == (small != "skip")
    assert sum("smaller than the crop" in text for text in said) == 1


def test_a_source_of_small_images_only_is_refused_even_where_they_are_skipped(root: Path) -> None:
    with pytest.raises(DataError, match="8 of 8 images"):
        pool(root, size=32, small="skip")
    padded = pool(root, size=32, small="pad").batch(0, 0)
    assert not padded[:, 3, 16:].any()
    assert not padded[:, 3, :, 16:].any()


def test_the_shortest_side_is_resized_and_a_square_cut_out(tmp_path: Path) -> None:
    write(tmp_path / "set" / "wide.png", (10, 20, 30, 200), height=40, width=80)
    write(tmp_path / "set" / "tiny.png", (10, 20, 30, 200), height=8, width=8)
    said: list[str] = []
    found = pool(tmp_path, said, resize="shortest_side", hidden_colour="zero")
    batch = torch.cat([found.batch(0, step) for step in range(4)])
    assert batch.shape == (16, 4, 16, 16)
    assert (batch[:, 3, 0] == 200).all()
    assert not batch[:, :, -1].any()
    assert any("enlarged" in text for text in said)


@pytest.mark.parametrize("changes", [{"resize": "shortest_side", "size": 8}, {"hidden_colour": "bleed"}, {}])
def test_reading_when_needed_gives_the_samples_of_memory(root: Path, changes: dict[str, Any]) -> None:
    whole = {"flips": True, "recolour": True, "fade_probability": 0.5, "procedural_images": 3, "procedural_weight": 1.0}
    settings = whole | {"procedural_size": 32} | changes
    said: list[str] = []
    lazy = pool(root, said, cache_mib=0, **settings)
    assert any("8 of them do not fit into cache_mib" in text for text in said)
    held = pool(root, **settings)
    serial = pool(root, cache_mib=0, workers=0, **settings)
    for step in range(6):
        assert torch.equal(lazy.batch(0, step), held.batch(0, step))
        assert torch.equal(serial.batch(0, step), held.batch(0, step))
    assert lazy.sha256() == held.sha256()


def test_smaller_limits_take_subsets_that_another_file_does_not_move(root: Path) -> None:
    files = [ImageFile(f"{index}.png", root) for index in range(50)]
    taken = [{file.name for file in limited(files, limit)} for limit in (5, 20, 0)]
    assert [len(names) for names in taken] == [5, 20, 50]
    assert taken[0] < taken[1] < taken[2]
    more = {file.name for file in limited([*files, ImageFile("new.png", root)], 20)}
    assert len(more & taken[1]) >= 19
    assert pool(root, limit=3).facts["images"] == 3
    assert firsts(pool(root, limit=3)) < firsts(pool(root, limit=5))


def test_held_out_files_are_never_drawn_and_are_the_validation_images(root: Path) -> None:
    settings = {"hold_out": 2, "flatten_probability": 1.0}
    assert firsts(pool(root, hold_out=2)) == set(range(6))
    held = validation_images(config(root, **settings))
    assert [int(codes[0, 0, 0]) for codes in held] == [6, 7]
    assert all(int(codes[3].min()) == 0 for codes in held)  # never flattened
    with pytest.raises(DataError, match="leave nothing to train on"):
        pool(root, hold_out=8)


def test_validation_images_are_the_stored_ones_whatever_befalls_the_samples(root: Path) -> None:
    changes = {"flatten_probability": 1.0, "white": "flattened", "white_share": 1.0, "fade_probability": 1.0}
    found = validation_images(config(root, validation="set", validation_images=4, **changes))
    assert [int(codes[0, 0, 0]) for codes in found] == [0, 2, 4, 6]
    assert {tuple(codes[:, 0, 0].tolist()[1:]) for codes in found} == {(100, 200, 128)}


@pytest.mark.parametrize(("policy", "under"), [("keep", [255, 0, 0]), ("zero", [0, 0, 0]), ("bleed", [3, 100, 200])])
def test_validation_images_hide_what_the_samples_hide(root: Path, policy: HiddenColour, under: list[int]) -> None:
    codes = validation_images(config(root, validation="set"), hidden_colour=policy)[3]
    assert codes[:3, -1, 0].tolist() == under
    assert codes[:, 0, 0].tolist() == [3, 100, 200, 128]


def test_damaged_validation_images_are_told(root: Path) -> None:
    (root / "set" / "0.png").write_bytes(b"")
    said: list[str] = []
    assert len(validation_images(config(root, validation="set"), progress=said.append)) == 7
    assert said[0].startswith("1 of 8 validation images could not be read")
    for path in (root / "set").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="8 of 8 validation images"):
        validation_images(config(root, validation="set"))


def test_a_share_of_the_images_is_contaminated_with_white_and_a_smaller_share_is_a_subset(tmp_path: Path) -> None:
    clean = {index: (20 * index, 100, 200, 51) for index in range(8)}
    # alpha 0.2: colour/5 + 204
    white = {index: (4 * index + 204, 224, 244, 51) for index in range(8)}
    for index, colour in clean.items():
        write(tmp_path / "set" / f"{index}.png", colour)

    def touched(share: float) -> set[int]:
        found = pool(tmp_path, white="contaminated", white_share=share)
        batch = torch.cat([found.batch(0, step) for step in range(40)])
        seen = {tuple(pixel) for pixel in batch[:, :, 0, 0].tolist()}
        assert len(seen) == 8
        assert seen <= {*clean.values(), *white.values()}
        return {index for index, colour in white.items() if colour in seen}

    half, most = touched(0.4), touched(0.9)
    assert 0 < len(half) < 8
    assert half < most
    assert touched(1.0) == set(range(8))


def test_flattened_on_white_means_opaque(root: Path) -> None:
    batch = pool(root, white="flattened", white_share=1.0).batch(0, 0)
    assert (batch[:, 3] == 255).all()
    assert (batch[:, :3, -1] == 255).all()


def test_hidden_colours_of_the_samples_follow_the_policy(root: Path) -> None:
    lower = {policy: pool(root, hidden_colour=policy).batch(0, 0)[:, :3, -1] for policy in ("keep", "zero", "bleed")}
    assert (lower["keep"][:, 0] == 255).all()
    assert not lower["zero"].any()
    assert (lower["bleed"][:, 1] == 100).all()


def test_a_manifest_is_a_source_and_only_its_files_count(root: Path) -> None:
    manifest = manifest_of_folder(root / "set")
    write_manifest(manifest, root / "set" / "list.toml")
    write(root / "set" / "8.png", (8, 1, 1, 128))
    write(root / "set" / "1.png", (99, 1, 1, 128))
    said: list[str] = []
    found = pool(root, said, sources=(SourceConfig(manifest="set/list.toml"),))
    assert firsts(found) == {0, 2, 3, 4, 5, 6, 7}
    assert "1.png is not the file of the manifest" in said[1]


def test_the_embedded_set_is_a_source_by_its_name(tmp_path: Path) -> None:
    found = pool(tmp_path, sources=(SourceConfig(manifest="alpha-mini"),), limit=4)
    assert found.batch(0, 0).shape == (4, 4, 16, 16)
    with pytest.raises(UsageError, match="alpha-mimi"):
        pool(tmp_path, sources=(SourceConfig(manifest="alpha-mimi"),))


def test_the_digest_names_the_files_and_not_how_they_are_read(root: Path) -> None:
    before = pool(root).sha256()
    assert pool(root, cache_mib=0, recolour=True).sha256() == before
    assert pool(root, limit=7).sha256() != before
    write(root / "set" / "3.png", (3, 100, 201, 128))
    assert pool(root).sha256() != before
    drawn = {"procedural_images": 2, "procedural_size": 32, "procedural_weight": 1.0}
    assert pool(root, **drawn).sha256() != pool(root, **drawn, procedural_seed=8).sha256()
    assert pool(root, **drawn).sha256() != pool(root, **drawn, procedural_families=("hair",)).sha256()


def test_procedural_images_are_drawn_from_the_named_families(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(name: str, family: procedural.Family) -> procedural.Family:
        return lambda rng, size: (asked.append(name), family(rng, size))[1]

    families = {name: (noted(name, family), share) for name, (family, share) in procedural.FAMILIES.items()}
    monkeypatch.setattr(procedural, "FAMILIES", families)
    for index in range(30):
        procedural.image(array_stream(0, index, "test"), 32, ("hair", "mesh"))
    assert set(asked) == {"hair", "mesh"}
    assert asked.count("hair") > asked.count("mesh")  # 3 to 1, as among all
    with pytest.raises(ValueError, match="there is no 'wool', only hard_shapes"):
        DataConfig(procedural_images=2, procedural_weight=1.0, procedural_families=("wool",))


def test_samples_are_drawn_by_the_weights(root: Path) -> None:
    write(root / "rare" / "9.png", (90, 0, 0, 128))
    sources = (SourceConfig("set", 0.75), SourceConfig("rare", 0.25))
    found = pool(root, sources=sources)
    drawn = np.concatenate([found.batch(0, step)[:, 0, 0, 0].numpy() for step in range(250)])
    assert abs((drawn == 90).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1000)
