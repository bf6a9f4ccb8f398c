"""The bundled mini model: as good as its card says, better than the floors, its offset alive.

Numbers are read from the card, so that card and weights cannot drift apart. Six images of the embedded set, one a
category, keep it short; the whole set is slow.
"""

import dataclasses
import functools
import re

import pytest
import torch
from torch import Tensor

from alphabench.data.dataset import resolve_data
from alphabench.image.backgrounds import canonical_tensor
from alphabench.image.codec import quantise, to_float
from alphabench.metrics.closed_form import composite_psnr
from alphabench.models.spec import LoadRequest
from reference_models.layerdiffuse.adapter import MINI, LayerDiffuseReconstructor, load

EVERY = 8  # images of a category in the embedded set: every eighth is the first of its category


@functools.cache
def model() -> LayerDiffuseReconstructor:
    return load(LoadRequest())


def images(step: int = EVERY) -> list[Tensor]:
    data = resolve_data("alpha-mini@1")
    return [to_float(data.read(sample))[None] for sample in list(data)[::step]]


@functools.cache
def reconstructions() -> list[Tensor]:
    return [model().reconstruct(image) for image in images()]


def psnr(made: list[Tensor], given: list[Tensor]) -> float:
    """Mean over images of the mean over the nine backgrounds, 8-bit output, dB."""
    values = [
        composite_psnr(to_float(quantise(prediction)), reference, canonical_tensor()).mean()
        for prediction, reference in zip(made, given, strict=True)
    ]
    return float(torch.stack(values).mean())


def said(row: str) -> float:
    """The number that the card gives in the row that starts so."""
    text = (MINI / "card.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| {re.escape(row)} \| \**([0-9.]+)", text, re.MULTILINE)
    assert found is not None, f"the card has no row {row!r}"
    return float(found[1])


def test_the_model_says_who_it_is() -> None:
    info = model().info
    assert (info.name, info.org, info.licence, info.architecture) == (
        "layerdiffuse-mini",
        "alphabench",
        "Apache-2.0",
        "layerdiffuse",
    )
    assert info.latent_numbers_per_pixel == 0.25
    assert [role for role, _, _ in info.checkpoints] == ["transparent_encoder", "transparent_decoder", "base"]
    assert sum(size for role, _, size in info.checkpoints if role != "base") <= 16 * 2**20
    assert "fluent3d" in info.trained_on


def test_it_is_as_good_as_its_card_says() -> None:
    found = psnr(reconstructions(), images())
    assert found == pytest.approx(said("alpha-mini, first of each category (6), eight passes"), abs=0.3)


@pytest.mark.slow
def test_it_is_as_good_as_its_card_says_on_the_whole_set() -> None:
    everything = images(1)
    found = psnr([model().reconstruct(image) for image in everything], everything)
    assert found == pytest.approx(said("alpha-mini (48), eight passes"), abs=0.3)


def test_it_is_better_than_both_floors() -> None:
    inner = model().model
    opaque, grey = [], []
    with torch.inference_mode():
        for image in images():
            decoded = inner.frozen_decode(inner.encode(image).mean).clamp(0, 1)
            opaque.append(torch.cat([decoded, torch.ones_like(image[:, 3:])], 1))
            grey.append(torch.cat([torch.full_like(image[:, :3], 0.5), image[:, 3:]], 1))
    found = psnr(reconstructions(), images())
    assert found > psnr(opaque, images()) + 3
    assert found > psnr(grey, images()) + 3


def test_another_channel_order_is_seen_at_once() -> None:
    inner = model().model
    before = inner.config
    try:
        inner.config = dataclasses.replace(before, channel_order="RGBA", ensemble=1)
        swapped = [model().reconstruct(image) for image in images()[:2]]
    finally:
        inner.config = before
    assert psnr(swapped, images()[:2]) < psnr(reconstructions()[:2], images()[:2]) - 5


def grey_object() -> Tensor:
    """A grey disc and a grey half-transparent one, over which a grey composite shows nothing."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    alpha = (((x - 40) ** 2 + (y - 60) ** 2) < 900).float() + 0.5 * (((x - 95) ** 2 + (y - 80) ** 2) < 600).float()
    return torch.cat([torch.full((1, 3, 128, 128), 128 / 255), alpha[None, None]], 1)


def test_the_offset_tells_what_grey_hides() -> None:
    inner, image = model().model, grey_object()
    with torch.inference_mode():
        encoding = inner.encode(image)
        with_offset, without = inner.decode(encoding.latents), inner.decode(encoding.mean)
    error = (with_offset - image)[:, 3:].abs().mean()
    assert float(error) < 0.5 * float((without - image)[:, 3:].abs().mean())


def test_hidden_colour_changes_no_bit() -> None:
    image = images()[0][..., :64, :96].clone()
    hidden = (image[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert bool(hidden.any())
    other = image.clone()
    other[:, :3][hidden] = torch.rand(int(hidden.sum()))
    assert torch.equal(model().reconstruct(other), model().reconstruct(image))
