"""Scoring of generated images: one by one, and as sets against a reference set, with independent arithmetic."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg

from alphabench.data.builders import build_manifest, described
from alphabench.data.dataset import EMBEDDED, resolve_data
from alphabench.data.manifest_file import write_manifest
from alphabench.data.prompts import Prompt
from alphabench.errors import DataError, UsageError
from alphabench.metrics.halo import fringe
from alphabench.metrics.random_features import random_features
from alphabench.metrics.reference_free import border_cut, semi_share
from alphabench.protocols import load_protocol, parse_protocol
from alphabench.results.aggregate import aggregate
from alphabench.tasks import generated_scoring, generated_views
from alphabench.tasks.generated_references import References, find_references
from alphabench.tasks.generated_scoring import GenerationScorer
from alphabench.tasks.paper_fid import paper_fid
from alphabench.tasks.paper_scoring import picture

CPU = torch.device("cpu")


def blob(seed, height=40, width=32):
    """Return a soft image with hidden colour and a transparent rim, 8-bit codes."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    alpha = np.clip(300 - random.uniform(18, 30) * np.hypot(x - width / 2, y - height / 2), 0, 255)
    colour = 128 + 100 * np.sin(random.uniform(0.1, 0.6, (3, 1, 1)) * x + random.uniform(0.1, 0.6, (3, 1, 1)) * y)
    return torch.from_numpy(np.concatenate([colour, alpha[None]]).round().astype(np.uint8))


def prompts(*categories):
    return [Prompt(f"{name}/{index:05}", name, f"a {name}") for index, name in enumerate(categories, start=1)]


def kept(scorer, asked, images):
    """Return features and groups as a run's store gives them back."""
    scores = scorer.score(asked, images)
    names = tuple(prompt.id for prompt in asked)
    return {name: (names, array.numpy()) for name, array in scores.features.items()}, {
        prompt.id: prompt.category for prompt in asked
    }


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home of data sets."""
    monkeypatch.setenv("ALPHABENCH_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("ALPHABENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def held(home, data_folder):
    """Build a reference set as the remedy says: `animal` and `mixed`, three small images each."""

    def build(name="alpha-test-t2i", *, categories=("animal", "mixed"), count=3):
        built = build_manifest("category", data_folder("copy", categories=categories, count=count))
        manifest = described(built.manifest, name=name, licence=None, source=None, split=None)
        write_manifest(manifest, home / f"{name}.toml")
        (home / name).symlink_to(built.root)
        return manifest

    return build


def small(held, **reference):
    """Return a protocol with random features over two backgrounds against a small held set."""
    manifest = held("tiny")
    rand = {"version": 1, "views": ["set"], "weights_sha256": load_sha(), "scope": "all"}
    tables = {
        "protocol": {"name": "small", "version": 1, "task": "generation"},
        "reference": {"data": manifest.id, "size": "square", "side": 32, **reference},
        "views": {"backgrounds": [{"name": "gray", "rgb": [128, 128, 128]}, {"name": "red", "rgb": [255, 0, 0]}]},
        "metrics": {"kid-rand": rand, "fid-rand": rand, "border_cut": {"version": 1, "views": ["prediction"]}},
    }
    return parse_protocol(tables, name="small"), manifest


def load_sha():
    return load_protocol("alpha-t2i-mini").metrics["kid-rand"].weights_sha256


def witness(codes, colour):
    """Composite with NumPy in float64 after halving premultiplied, and return the network's features."""
    image = codes.astype(np.float64) / 255
    pre = np.concatenate([image[:3] * image[3:], image[3:]])
    pre = pre.reshape(4, pre.shape[1] // 2, 2, pre.shape[2] // 2, 2).mean(axis=(2, 4))
    composite = pre[:3] + np.array(colour)[:, None, None] / 255 * (1 - pre[3:])
    return random_features("cpu").pooled(torch.from_numpy(composite[None]).float())[0].double().numpy()


def loop_kid(x, y):
    def kernel(u, v):
        return (sum(a * b for a, b in zip(u, v, strict=True)) / len(u) + 1) ** 3

    n, m = len(x), len(y)
    within = [
        sum(kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j)
        / (len(rows) * (len(rows) - 1))
        for rows in (x, y)
    ]
    return within[0] + within[1] - 2 * sum(kernel(u, v) for u in x for v in y) / (n * m)


def root_fid(x, y):
    """Eigenvalues of the product, in the space that the vectors span: an isometry changes no distance."""
    basis = np.linalg.qr(np.concatenate([x, y]).T)[0]
    x, y = x @ basis, y @ basis
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(0) - y.mean(0)
    roots = np.sqrt(linalg.eigvals(first @ second).real.clip(0))
    return gap @ gap + np.trace(first) + np.trace(second) - 2 * roots.sum()


def test_fid_and_kid_of_random_features_agree_with_a_double_loop_and_a_matrix_root(held):
    ruler, manifest = small(held)
    scorer = GenerationScorer(ruler, CPU)
    images = [blob(seed, 64, 64) for seed in range(3)]
    features, groups = kept(scorer, prompts("b", "a", "b"), images)
    found = scorer.set_values(features, groups)
    data = resolve_data(manifest.id)
    theirs = [Image.open(data.path(sample)).convert("RGBA") for sample in data]
    assert {picture.size for picture in theirs} == {(32, 24)}
    for name, colour in ruler.backgrounds.items():
        x = np.stack([witness(image.numpy(), colour) for image in images])
        own = scorer._reference_features["random-features"].array[:, list(ruler.backgrounds).index(name)]
        assert found["kid-rand"]["all"][name] == pytest.approx(loop_kid(x, own.astype(np.float64)), rel=1e-4)
        assert found["fid-rand"]["all"][name] == pytest.approx(root_fid(x, own.astype(np.float64)), rel=1e-3)


def test_references_are_brought_to_the_side_like_generated_images():
    """The embedded set halves to 128 by plain averages of four premultiplied pixels."""
    ruler = load_protocol("alpha-t2i-mini")
    viewed = generated_views.Viewed(ruler, CPU)
    path = sorted(EMBEDDED["alpha-mini"].glob("glass/*.png"))[0]
    codes = np.asarray(Image.open(path)).transpose(2, 0, 1)
    own = viewed.features(torch.from_numpy(codes.copy()), "random-features")
    for place in (0, 3):
        colour = list(ruler.backgrounds.values())[place]
        assert np.allclose(own[place].numpy(), witness(codes, colour), atol=2e-5)


def test_a_set_against_itself_has_distance_zero(held):
    ruler, manifest = small(held)
    scorer = GenerationScorer(ruler, CPU)
    data = resolve_data(manifest.id)
    asked = prompts(*(sample.category for sample in data))
    found = scorer.set_values(*kept(scorer, asked, [data.read(sample) for sample in data]))
    assert found["fid-rand"]["all"]["gray"] == pytest.approx(0, abs=1e-9)


def test_the_default_protocol_scores_every_row_and_keeps_the_images_features():
    ruler = load_protocol("alpha-t2i-mini")
    scorer = GenerationScorer(ruler, CPU)
    assert scorer.unavailable == {}
    assert scorer.networks == ("random-features",)
    images = [blob(1), blob(2, 24, 48), blob(3)]
    asked = prompts("a", "b", "a")
    scores = scorer.score(asked, images)
    assert set(scores.values) == set(ruler.sample_keys())
    assert tuple(scores.features["random-features"].shape) == (3, 1, 9, 960)
    for metric, function in (("border_cut", border_cut), ("semi_share", semi_share), ("fringe", fringe)):
        for place, image in enumerate(images):
            expected = float(function(image.float()[None] / 255))
            assert float(scores.values["prediction", metric][place]) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    alone = scorer.score(asked[1:2], images[1:2])
    for key, value in alone.values.items():
        assert torch.equal(value[0].nan_to_num(9), scores.values[key][1].nan_to_num(9)), key
    assert torch.equal(alone.features["random-features"][0], scores.features["random-features"][1])


def test_hidden_colour_changes_nothing(held):
    ruler = load_protocol("alpha-t2i-mini")
    scorer = GenerationScorer(ruler, CPU)
    image = blob(4)
    other = image.clone()
    other[:3, image[3] == 0] = 0
    first, second = (scorer.score(prompts("a"), [codes]) for codes in (image, other))
    moved = {
        metric
        for (_, metric), value in first.values.items()
        if not torch.equal(value, second.values["prediction", metric])
    }
    assert not moved
    assert torch.equal(first.features["random-features"], second.features["random-features"])


def test_one_image_is_no_set_which_is_said_and_leaves_the_record_whole(held):
    ruler, _ = small(held)
    scorer = GenerationScorer(ruler, CPU)
    asked = prompts("all")
    features, groups = kept(scorer, asked, [blob(1)])
    values = scorer.set_values(features, groups)
    assert "two samples" in values["kid-rand"]["all"]["gray"]
    rows = [(asked[0].id, "all", "prediction", "border_cut", 0.0)]
    metrics = aggregate(ruler, list(groups.items()), rows, [], set_values=values)
    assert [(item["name"], item["state"]) for item in metrics] == [("border_cut", "ok")]
    assert [line.split(" is ")[0] for line in scorer.deviations(groups, metrics)] == ["kid-rand", "fid-rand"]
    assert scorer.notes(groups) == ""


def test_counts_and_identity_of_both_sides_are_told(held):
    ruler, manifest = small(held)
    scorer = GenerationScorer(ruler, CPU)
    words = scorer.notes({"a/1": "a", "b/1": "b"})
    assert f"kid-rand, fid-rand: 2 generated images against 6 references of {manifest.id}" in words
    assert "random features against synthetic images: only comparable within this protocol" in words
    assert scorer.libraries == {"reference:tiny@1": manifest.hash}
    assert scorer.deviations({"a/1": "a", "b/1": "b"}) == ()


def test_what_applied_to_no_image_is_told():
    scorer = GenerationScorer(load_protocol("alpha-t2i-mini"), CPU)
    there = [{"name": name} for name in scorer.protocol.metrics if name != "fringe"]
    (line,) = scorer.deviations({"a/1": "a", "a/2": "a"}, there)
    assert line.startswith("fringe is not applicable: none of the 2 images")


def test_without_weights_and_copy_nothing_is_replaced_and_the_commands_are_named():
    scorer = GenerationScorer(load_protocol("alpha-t2i"), CPU)
    assert set(scorer.unavailable) == {"kid", "fid", "clipscore", "laion_aes"}
    assert scorer.networks == ()
    assert scorer.libraries == {}
    assert scorer.unavailable["kid"].remedy == "Run: alphabench weights fetch inception"
    for name in ("clipscore", "laion_aes"):
        assert (
            "weights fetch" in scorer.unavailable[name].remedy or "alphabench[paper]" in scorer.unavailable[name].remedy
        )
    scores = scorer.score(prompts("animal"), [blob(1)])
    assert {view for view, _ in scores.values} == {"prediction"}
    assert scorer.set_values({}, {}) == {}


@pytest.fixture
def learned(monkeypatch):
    """Stand-ins for the learned networks: four moments instead of 2048, brightness instead of a judgement."""

    class Moments:
        name = "moments"

        def pooled(self, images):
            seen.append(images)
            return torch.stack([images[:, 0].mean((1, 2)), images[:, 1].mean((1, 2)), images.flatten(1).std(1)], dim=1)

    seen: list[torch.Tensor] = []
    monkeypatch.setattr(generated_scoring, "unavailable_metrics", lambda _: {})
    monkeypatch.setattr(generated_views, "inception", lambda _: Moments())
    monkeypatch.setitem(generated_scoring.DIMENSIONS, "inception", 3)
    monkeypatch.setattr(generated_scoring, "laion_aes", lambda images: images.mean((1, 2, 3)).double())
    monkeypatch.setattr(
        generated_scoring, "clipscore", lambda images, texts: images[:, 0].mean((1, 2)).double() + len(texts[0])
    )
    return seen


def test_a_missing_copy_is_named_with_a_command_that_mends_it(learned, held):
    lacking = find_references(load_protocol("alpha-t2i"))
    assert lacking.reason == "the reference set alpha-test-t2i@1 is not on this machine"
    assert "alphabench data manifest build --layout category DIR --name alpha-test-t2i" in lacking.remedy
    assert GenerationScorer(load_protocol("alpha-t2i"), CPU).unavailable == {"kid": lacking, "fid": lacking}
    held()
    found = find_references(load_protocol("alpha-t2i"))
    assert isinstance(found, References)
    assert found.counts == {"animal": 3, "mixed": 3}
    assert GenerationScorer(load_protocol("alpha-t2i"), CPU).unavailable == {}


def test_a_copy_that_is_not_the_set_is_refused(held):
    ruler, manifest = small(held)
    data = resolve_data(manifest.id)
    data.path(data.manifest.samples[0]).unlink()
    lacking = GenerationScorer(ruler, CPU).unavailable["kid-rand"]
    assert "1 missing" in lacking.reason
    assert "data verify tiny@1" in lacking.remedy


def test_another_set_of_the_same_name_is_refused(held):
    ruler, _ = small(held, manifest_hash="0" * 64)
    assert "instead of 00000000" in GenerationScorer(ruler, CPU).unavailable["fid-rand"].reason


def test_categories_are_compared_with_their_own_references_and_others_have_a_reason(learned, held):
    held()
    scorer = GenerationScorer(load_protocol("alpha-t2i"), CPU)
    asked = prompts("animal", "animal", "animal", "smoke", "smoke", "mixed")
    features, groups = kept(scorer, asked, [blob(seed) for seed in range(6)])
    found = scorer.set_values(features, groups)
    assert found["kid"]["smoke"]["gray"] == "the reference set alpha-test-t2i@1 has no category 'smoke'"
    assert "two samples" in found["fid"]["mixed"]["gray"]
    own = features["inception"][1][:3, 0, 1].astype(np.float64)
    theirs = scorer._reference_features["inception"].of("animal")[:, 1].double().numpy()
    assert len(theirs) == 3
    assert found["kid"]["animal"]["black"] == pytest.approx(loop_kid(own, theirs), abs=1e-9)
    assert found["fid"]["animal"]["black"] == pytest.approx(root_fid(own, theirs), abs=1e-7)
    assert "animal 3 against 3, mixed 1 against 3 of" in scorer.notes(groups)


def test_learned_scores_see_float_composites_on_gray_and_white_with_the_prompt(learned, held):
    held()
    scorer = GenerationScorer(load_protocol("alpha-t2i"), CPU)
    image = blob(5)
    values = scorer.score(prompts("animal"), [image]).values
    rgba = image.numpy().astype(np.float64) / 255
    for name, level in (("gray", 128 / 255), ("white", 1.0)):
        seen = rgba[:3] * rgba[3:] + level * (1 - rgba[3:])
        assert float(values[f"composite/{name}", "laion_aes"]) == pytest.approx(seen.mean(), abs=1e-6)
        assert float(values[f"composite/{name}", "clipscore"]) == pytest.approx(seen[0].mean() + 8, abs=1e-5)


def test_the_authors_rule_sees_jpegs_leaves_foreign_categories_out_and_clips(learned, held):
    held()
    scorer = GenerationScorer(load_protocol("alpha-t2i-paper"), CPU)
    asked = prompts("animal", "smoke", "animal", "mixed", "mixed")
    images = [blob(seed) for seed in range(5)]
    scores = scorer.score(asked, images)
    jpeg = picture(images[0], (255, 0, 0)).float() / 255
    assert float(scores.values["composite/red", "laion_aes"][0]) == pytest.approx(float(jpeg.mean()), abs=1e-6)
    bare = images[0][:3].float() / 255
    assert float(scores.values["straight-rgb-noalpha", "laion_aes"][0]) == pytest.approx(float(bare.mean()), abs=1e-6)
    assert any(torch.equal(one, jpeg) for one in learned if one.shape == jpeg.shape)
    assert all(
        bool(value[1].isnan()) and bool(value[[0, 2, 3, 4]].isfinite().all()) for value in scores.values.values()
    )
    features, groups = kept(scorer, asked, images)
    found = scorer.set_values(features, groups)["fid"]
    assert set(found) == {"animal", "mixed"}
    assert len(found["animal"]) == 10
    place = list(found["animal"]).index("red")
    own = torch.from_numpy(features["inception"][1][[0, 2], 0, place])
    theirs = scorer._reference_features["inception"].of("animal")[:, place]
    assert found["animal"]["red"] == paper_fid(own, theirs) >= 0
    told = scorer.deviations(groups)
    assert told == (
        "category 'smoke' is not one of the reference set: its 1 images are left out, as the authors' scripts do",
    )
    assert "category 'mixed' has no image" in scorer.deviations({"a": "animal"})[0]


def test_the_authors_rule_leaves_the_same_prompts_out_where_the_references_are_not_here(learned):
    scorer = GenerationScorer(load_protocol("alpha-t2i-paper"), CPU)
    assert set(scorer.unavailable) == {"fid"}
    values = scorer.score(prompts("animal", "smoke"), [blob(1), blob(2)]).values
    assert {bool(value[1].isnan()) for value in values.values()} == {True}
    assert {bool(value[0].isnan()) for value in values.values()} == {False}


def test_wrong_input_is_refused():
    with pytest.raises(UsageError, match="is for reconstruction, not for generation"):
        GenerationScorer(load_protocol("alpha-mini"), CPU)
    scorer = GenerationScorer(load_protocol("alpha-t2i-mini"), CPU)
    with pytest.raises(DataError, match="1 images came of 2 prompts"):
        scorer.score(prompts("a", "b"), [blob(1)])
    with pytest.raises(DataError, match="3 channels"):
        scorer.score(prompts("a"), [blob(1)[:3]])
