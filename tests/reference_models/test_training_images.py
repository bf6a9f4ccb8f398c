"""Procedural images, crops and seeds: what a training sees."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alphabench.errors import UsageError
from reference_models.training import procedural
from reference_models.training.data_config import DataConfig, SourceConfig
from reference_models.training.images import ImagePool
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


def config(root: Path, **changes: object) -> DataConfig:
    values: dict[str, object] = {"root": str(root), "size": 32, "batch": 4}
    return DataConfig(sources=(SourceConfig("set/train", 1.0),), **(values | changes))  # type: ignore[arg-type]


def pool_of(settings: DataConfig) -> ImagePool:
    return ImagePool(settings, progress=lambda _: None)


def test_a_sample_is_a_function_of_seed_and_global_number(training_root: Path) -> None:
    pool = pool_of(config(training_root))
    batch = pool.batch(0, 5)
    assert batch.shape == (4, 4, 32, 32)
    assert torch.equal(batch, pool.batch(0, 5))
    assert torch.equal(batch, pool.samples(0, range(20, 24)))
    assert not torch.equal(batch, pool.batch(0, 6))
    assert not torch.equal(batch, pool.batch(1, 5))
    assert not torch.equal(batch, pool.samples(0, range(20, 24), "statistics"))


@pytest.mark.parametrize("workers", [0, 2])
def test_two_processes_draw_together_what_one_draws_alone(training_root: Path, workers: int) -> None:
    settings = config(training_root, workers=workers)
    alone, ranks = pool_of(settings), [pool_of(settings), pool_of(settings)]
    for step in range(3):
        parts = [ranks[rank].batch(0, step, first=2 * rank, count=2) for rank in range(2)]
        assert torch.equal(torch.cat(parts), alone.batch(0, step))
        micro = [alone.batch(0, step, first=first, count=1) for first in range(4)]
        assert torch.equal(torch.cat(micro), alone.batch(0, step))


def test_samples_outside_of_the_batch_are_refused(training_root: Path) -> None:
    with pytest.raises(UsageError, match="do not lie in a batch of 4"):
        pool_of(config(training_root)).batch(0, 0, first=3, count=2)


def test_a_batch_that_cannot_be_shared_is_refused(training_root: Path) -> None:
    pool = pool_of(config(training_root))
    assert pool.count(2) == 2
    assert pool.count(2, accumulate=2) == 1
    with pytest.raises(UsageError, match="cannot be shared by 3 processes"):
        pool.count(3)
    with pytest.raises(UsageError, match="2 processes in 3 parts"):
        pool.count(2, accumulate=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 30},
        {"batch": 0},
        {"repaint_probability": 0.1},
        {"flatten_probability": 1.5},
        {"limit": -1},
        {"white_share": 0.5},
        {"white": "flattened"},
        {"procedural_weight": 1.0, "procedural_images": 3, "procedural_size": 16},
        {"procedural_images": 3},
        {"procedural_weight": -1.0},
        {"visible_share": 2.0},
    ],
)
def test_impossible_settings_are_refused(training_root: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=list(changes)[-1]):
        config(training_root, **changes)


@pytest.mark.parametrize("values", [{}, {"folder": "a", "manifest": "b"}, {"folder": "a", "weight": -1.0}])
def test_impossible_sources_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"either folder or manifest|weight"):
        SourceConfig(**values)  # type: ignore[arg-type]


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="weights of all sources"):
        DataConfig(sources=(SourceConfig("a", 0.0),))


def test_probability_one_flattens_every_crop_and_zero_none(training_root: Path) -> None:
    plain = {"recolour": False, "flips": False, "fade_probability": 0.0}
    flat = pool_of(config(training_root, flatten_probability=1.0, **plain)).batch(0, 0)
    assert int(flat[:, 3].min()) == 255
    pool = pool_of(config(training_root, half_scale_probability=0.0, **plain))
    stored = [pool.sources[0].fetch(index) for index in range(4)]
    for sample in pool.batch(0, 0).numpy():
        windows = [np.lib.stride_tricks.sliding_window_view(image, (4, 32, 32)) for image in stored]
        assert any((window == sample).all((-3, -2, -1)).any() for window in windows)
