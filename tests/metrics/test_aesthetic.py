"""The LAION aesthetic score, with a small encoder in the place of CLIP's."""

import types

import pytest
import torch
from torch import nn

from alphabench.errors import DataError
from alphabench.metrics.aesthetic import Aesthetics, clip_encoder, laion_aes
from alphabench.metrics.weights import WeightsMissing

SIDE = 16


class Encoder(nn.Module):
    """What pyiqa's score asks of CLIP: a resolution, and embeddings of 768 numbers."""

    def __init__(self):
        super().__init__()
        self.visual = types.SimpleNamespace(input_resolution=SIDE, output_dim=768)
        self.linear = nn.Linear(3 * SIDE * SIDE, 768)

    def encode_image(self, image):
        return self.linear(image.flatten(1))


def head():
    layers = nn.Sequential(*(nn.Linear(*sides) for sides in ((768, 1024), (1024, 128), (128, 64), (64, 16), (16, 1))))
    places = (0, 2, 4, 6, 7)
    return {
        f"layers.{places[int(key.split('.')[0])]}.{key.split('.')[1]}": value
        for key, value in layers.state_dict().items()
    }


def images(count=2, height=40, width=28):
    return torch.rand(count, 3, height, width)


def test_it_is_the_score_of_pyiqa(pyiqa_room):
    laion = pyiqa_room("pyiqa.archs.laion_aes_arch")
    encoder, state, seen = Encoder().eval(), head(), images()
    theirs = laion.LAIONAes.__new__(laion.LAIONAes)
    nn.Module.__init__(theirs)
    theirs.mlp = laion.MLP(768)
    theirs.mlp.load_state_dict(state)
    theirs.clip_model = [encoder]
    with torch.no_grad():
        expected = theirs.eval()(seen)[:, 0]
    ours = Aesthetics(encoder.encode_image, SIDE, state, "cpu")(seen)
    assert ours.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_clip_file_gives_the_embeddings_of_the_original_clip(released_clip, tmp_path):
    clip, seen = released_clip(tmp_path / "clip.pt", width=768, words=100), torch.rand(2, 3, 32, 32)
    encode, side = clip_encoder(tmp_path / "clip.pt")
    with torch.no_grad():
        assert side == 32
        torch.testing.assert_close(encode(seen), clip.encode_image(seen), atol=1e-5, rtol=0)


def test_a_value_does_not_depend_on_its_batch():
    scorer, seen = Aesthetics(Encoder().encode_image, SIDE, head(), "cpu"), images(5)
    together = scorer(seen)
    assert together.dtype == torch.float64
    assert together.tolist() == [float(scorer(image)) for image in seen.split(1)]


def test_a_head_of_another_shape_or_name_is_refused():
    state = head()
    with pytest.raises(DataError, match=r"first 'layers\.0\.weight'"):
        Aesthetics(Encoder(), SIDE, {**state, "layers.0.weight": torch.zeros(3, 3)}, "cpu")
    with pytest.raises(DataError, match="first 'other'"):
        Aesthetics(Encoder(), SIDE, {**state, "other": torch.zeros(1)}, "cpu")


def test_without_its_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr("alphabench.metrics.weights.weights_dir", lambda: tmp_path)
    with pytest.raises(WeightsMissing) as caught:
        laion_aes(images())
    assert "alphabench weights fetch clip-vit-l14" in caught.value.remedy
