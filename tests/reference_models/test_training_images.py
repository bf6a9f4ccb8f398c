"""Procedural images, crops and seeds: what a training sees."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alphabench.errors import DataError, UsageError
from reference_models.training import procedural
from reference_models.training.data_config import DataConfig, SourceConfig
from reference_models.training.images import ImagePool, flattened, halved
from reference_models.training.procedural.canvas import Layer, over, to_codes
from reference_models.training.streams import array_stream, tensor_stream

EVERY_FAMILY = {name: family for name, (family, _) in procedural.FAMILIES.items()} | dict(procedural.HELD_OUT)


@pytest.mark.parametrize("name", list(EVERY_FAMILY))
def test_a_family_draws_the_same_visible_image_from_the_same_seed(name: str) -> None:
    drawn = [to_codes(EVERY_FAMILY[name](array_stream(3, 1, "test"), 48)) for _ in range(2)]
    assert drawn[0].shape == (4, 48, 48)
    assert drawn[0].dtype == np.uint8
    assert np.array_equal(*drawn)
    assert drawn[0][3].max() > 0
    assert not drawn[0][:3][np.broadcast_to(drawn[0][3:] == 0, (3, 48, 48))].any()


def test_no_training_image_comes_from_a_held_out_family() -> None:
    assert not set(procedural.FAMILIES) & set(procedural.HELD_OUT)


def test_over_agrees_with_the_formula_on_one_pixel() -> None:
    top = Layer(np.full((1, 1, 3), 1.0), np.full((1, 1), 0.5))
    bottom = Layer(np.zeros((1, 1, 3)), np.full((1, 1), 0.5))
    both = over(top, bottom)
    assert both.alpha[0, 0] == pytest.approx(0.75)
    assert both.colour[0, 0, 0] == pytest.approx(0.5 / 0.75)


def test_streams_differ_by_seed_step_name_and_rank_and_repeat() -> None:
    keys = [(0, 0, "a", 0), (1, 0, "a", 0), (0, 1, "a", 0), (0, 0, "b", 0), (0, 0, "a", 1)]
    draws = [torch.randn(4, generator=tensor_stream(*key)) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)
    assert torch.equal(draws[0], torch.randn(4, generator=tensor_stream(*keys[0])))
    assert array_stream(*keys[0]).random() == array_stream(*keys[0]).random()


def test_halving_weighs_colours_by_alpha() -> None:
    codes = np.zeros((4, 2, 2), np.uint8)
    codes[:, 0, 0] = (200, 100, 50, 255)
    codes[:3, 1, 1] = 99  # hidden
    assert halved(codes).ravel().tolist() == [200, 100, 50, 64]


def test_flattened_images_are_opaque_and_take_one_of_27_colours() -> None:
    codes = np.zeros((4, 3, 3), np.uint8)
    codes[:, 1, 1] = (10, 20, 30, 255)
    seen = set()
    for step in range(60):
        flat = flattened(array_stream(0, step, "flat"), codes)
        assert (flat[3] == 255).all()
        assert flat[:3, 1, 1].tolist() == [10, 20, 30]
        seen.add(tuple(flat[:3, 0, 0].tolist()))
    assert len(seen) > 15
    assert {level for colour in seen for level in colour} == {0, 128, 255}


def config(root: Path, **changes: object) -> DataConfig:
    values: dict[str, object] = {"root": str(root), "size": 32, "batch": 4}
    return DataConfig(sources=(SourceConfig("set/train", 1.0),), **(values | changes))  # type: ignore[arg-type]


def test_a_batch_is_a_function_of_seed_step_and_rank(training_root: Path) -> None:
    pool = ImagePool(config(training_root), progress=lambda _: None)
    batch = pool.batch(0, 5, rank=0, count=4)
    assert batch.shape == (4, 4, 32, 32)
    assert torch.equal(batch, pool.batch(0, 5, rank=0, count=4))
    assert not torch.equal(batch, pool.batch(0, 6, rank=0, count=4))
    assert not torch.equal(batch, pool.batch(0, 5, rank=1, count=4))


def test_a_batch_that_cannot_be_shared_is_refused(training_root: Path) -> None:
    pool = ImagePool(config(training_root), progress=lambda _: None)
    assert pool.count(2) == 2
    with pytest.raises(UsageError, match="cannot be shared by 3"):
        pool.count(3)


@pytest.mark.parametrize("changes", [{"size": 30}, {"batch": 0}, {"repaint_probability": 0.1}])
def test_impossible_settings_are_refused(training_root: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        config(training_root, **changes)


def test_probability_one_flattens_every_crop(training_root: Path) -> None:
    pool = ImagePool(config(training_root, flatten_probability=1.0), progress=lambda _: None)
    assert int(pool.batch(0, 0, rank=0, count=8)[:, 3].min()) == 255


def test_images_smaller_than_the_crop_are_padded_with_nothing(training_root: Path) -> None:
    pool = ImagePool(config(training_root, size=96), progress=lambda _: None)
    assert pool.batch(0, 0, rank=0, count=2).shape == (2, 4, 96, 96)


def test_an_empty_folder_is_refused(training_root: Path) -> None:
    with pytest.raises(DataError, match="no training images"):
        ImagePool(config(training_root / "set"), progress=lambda _: None)
