"""Pairs by position: the authors' faults are kept, and said."""

import numpy as np
import pytest
import torch

from alphabench.data.dataset import resolve_data
from alphabench.data.manifest import Sample
from alphabench.errors import DataError, IncompleteError
from alphabench.image.codec import write_png
from alphabench.protocols import load_protocol
from alphabench.results.paper_average import paper_aggregates
from alphabench.tasks.paper_pairing import (
    MAX_LENGTH,
    MAX_SENTENCES,
    Leaf,
    Lossless,
    composite_name,
    leaf_of,
    pair_by_position,
    stays_png,
)
from alphabench.tasks.paper_scoring import PaperScorer


def sample(path):
    folders = path.split("/")[:-1]
    subset, subtype = (folders[0] if folders else "all"), ("/".join(folders[1:]) or "all")
    return Sample(path.rsplit(".", 1)[0], subset, subset, subtype, path, "0" * 64, 8, 8)


def samples(*paths):
    return [sample(path) for path in paths]


def leaf(names, *, prefix="", folder="set/kind"):
    return samples(*(f"{folder}/{prefix}{name}" for name in names))


def test_equal_names_make_equal_pairs_and_no_deviation():
    references = leaf(["b.png", "a.png", "c.png"])
    pairing = pair_by_position(references, list(reversed(references)))
    assert pairing.pairs == {sample.id: sample.id for sample in references}
    assert list(pairing.pairs) == [sample.id for sample in references]
    assert (pairing.skipped, pairing.deviations, pairing.lossless) == ((), (), {})
    assert set(pairing.leaves.values()) == {Leaf("set", "kind")}


@pytest.mark.parametrize(
    ("references", "predictions"),
    [
        (["cat.png", "dog.png", "eel.png"], ["recon_cat.png", "recon_dog.png", "recon_eel.png"]),
        (["input_1.png", "input_2.png"], ["1.png", "2.png"]),
        (["gt_1.png", "gt_2.png"], ["pred_1.png", "pred_2.png"]),
        (["1.png", "10.png", "11.png", "2.png"], [f"x{n}.png" for n in (1, 10, 11, 2)]),
    ],
)
def test_a_prefix_shared_by_all_names_is_no_deviation(references, predictions):
    pairing = pair_by_position(leaf(references), leaf(predictions))
    assert pairing.deviations == ()
    assert list(pairing.pairs.values()) == [sample.id for sample in leaf(predictions)]


def test_a_renamed_file_shifts_the_pairs_behind_it_and_is_said():
    pairing = pair_by_position(leaf(["a.png", "b.png", "c.png", "d.png"]), leaf(["a.png", "c.png", "d.png", "e.png"]))
    assert pairing.pairs["set/kind/b"] == "set/kind/c"
    assert pairing.pairs["set/kind/d"] == "set/kind/e"
    (sentence,) = pairing.deviations
    assert "shifted pairs in the leaf 'set/kind': 3 of 4 join different names" in sentence
    assert "'set/kind/b.png' with 'set/kind/c.png'" in sentence


def test_a_shift_is_seen_behind_a_prefix_and_behind_a_common_beginning():
    numbers = ["img_1.png", "img_2.png", "img_3.png"]
    moved = ["recon_img_2.png", "recon_img_3.png", "recon_img_4.png"]
    (sentence,) = pair_by_position(leaf(numbers), leaf(moved)).deviations
    assert "3 of 3 join different names" in sentence


def test_a_leaf_of_different_counts_is_skipped_with_all_its_references():
    references = [*leaf(["a.png", "b.png"]), *leaf(["c.png", "d.png"], folder="set/other")]
    pairing = pair_by_position(references, [*references[:1], *references[2:]])
    assert pairing.skipped == ("set/kind/a", "set/kind/b")
    assert list(pairing.pairs) == ["set/other/c", "set/other/d"]
    assert set(pairing.leaves) == {sample.id for sample in references}
    (sentence,) = pairing.deviations
    assert sentence.startswith("the leaf 'set/kind' is skipped")
    assert sentence.endswith("2 references, 1 predictions")


def test_a_missing_folder_of_predictions_is_an_error_and_an_empty_one_a_skipped_leaf(tmp_path):
    references = [*leaf(["a.png"]), *leaf(["b.png"], folder="set/other")]
    with pytest.raises(DataError, match="1 of 2 folders of references have no folder of predictions"):
        pair_by_position(references, references[:1])
    with pytest.raises(DataError, match="first 'set/other'"):
        pair_by_position(references, references[:1], prediction_root=tmp_path)
    (tmp_path / "set" / "other").mkdir(parents=True)
    assert pair_by_position(references, references[:1], prediction_root=tmp_path).skipped == ("set/other/b",)


def test_nothing_left_to_score_is_said_instead_of_averaged():
    with pytest.raises(IncompleteError, match="2 references, 1 predictions"):
        pair_by_position(leaf(["a.png", "b.png"]), leaf(["a.png"]))


def test_an_extension_in_capitals_keeps_the_composite_lossless_on_its_side():
    pairing = pair_by_position(leaf(["a.PNG", "b.png"]), leaf(["recon_a.png", "recon_b.Png"]))
    assert pairing.lossless == {
        "set/kind/a": Lossless(prediction=False, reference=True),
        "set/kind/b": Lossless(prediction=True, reference=False),
    }
    first, second = pairing.deviations
    assert "1 of 2 references have an extension in capitals, first 'set/kind/a.PNG'" in first
    assert "1 of 2 predictions have an extension in capitals, first 'set/kind/recon_b.Png'" in second


@pytest.mark.parametrize(
    ("path", "composite", "lossless"),
    [
        ("s/k/a.png", "s/k/a.jpg", False),
        ("s/k/a.PNG", "s/k/a.PNG", True),
        ("s/k/a.png.png", "s/k/a.jpg.jpg", False),
        ("s/k/a.png.PNG", "s/k/a.jpg.PNG", True),
        ("s.png/k/a.png", "s.png/k/a.jpg", False),
    ],
)
def test_the_composite_takes_the_name_that_the_script_gives_it(path, composite, lossless):
    assert composite_name(path) == composite
    assert stays_png(path) is lossless


def test_pairs_follow_the_order_of_the_composites_not_of_the_files():
    """`x.l.png` sorts before `x.png`, `x.l.jpg` behind `x.jpg`; with `.png` inside a name this can matter."""
    references = leaf(["x.png", "x.l.png"])
    pairing = pair_by_position(references, leaf(["1.png", "2.png"]))
    assert pairing.pairs == {"set/kind/x": "set/kind/1", "set/kind/x.l": "set/kind/2"}
    named = pair_by_position(leaf(["a.png.png", "b.png"]), leaf(["a.png.png", "b.png"]))
    assert len(named.deviations) == 2
    assert ".png inside their name" in named.deviations[0]


def test_two_files_that_become_one_composite_are_refused():
    twins = leaf(["a.jpg.png", "a.png.png"])
    with pytest.raises(DataError, match=r"would become one composite, set/kind/a.jpg.jpg"):
        pair_by_position(twins, twins)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.png", "all/all"), ("s/a.png", "s/all"), ("s/k/a.png", "s/k"), ("s/k/l/m/a.png", "s/k/l/m")],
)
def test_every_depth_has_a_leaf_and_all_but_two_are_said(path, expected):
    (reference,) = samples(path)
    pairing = pair_by_position([reference], [reference])
    assert str(leaf_of(reference)) == expected
    assert len(pairing.pairs) == 1
    assert len(pairing.deviations) == (0 if path.count("/") == 2 else 1)
    assert all("do not lie two folders deep" in sentence for sentence in pairing.deviations)


def test_files_that_the_script_does_not_blend_get_no_value():
    references = leaf(["a.png", "b.webp"])
    pairing = pair_by_position(references, references)
    assert pairing.skipped == ("set/kind/b",)
    assert "1 of 2 references are not named .png, first 'set/kind/b.webp'" in pairing.deviations[0]


def test_predictions_in_folders_without_references_are_ignored_and_said():
    references = leaf(["a.png"])
    pairing = pair_by_position(references, [*references, *leaf(["z.png"], folder="set/new")])
    assert list(pairing.pairs) == ["set/kind/a"]
    assert "1 folders of predictions have no references" in pairing.deviations[0]


def test_deviations_fit_into_a_record():
    references, predictions = [], []
    for number in range(MAX_SENTENCES + 40):
        folder = f"{'long' * 60}/{number}\n"
        references += leaf(["a.png", "b.png"], folder=folder)
        predictions += leaf(["a.png"], folder=folder)
    references += leaf(["a.png"])
    predictions += leaf(["a.png"])
    deviations = pair_by_position(references, predictions).deviations
    assert len(deviations) == MAX_SENTENCES + 1
    assert deviations[-1] == "and 40 more deviations of these kinds"
    assert all(len(sentence) <= MAX_LENGTH and sentence.isprintable() for sentence in deviations)


def test_leaf_and_subset_means_are_rounded_as_the_authors_round_them():
    """Leaf a: 30, 31, 32.00015 -> 31.0; leaf b: 20; subset 25.5; the exact category mean is 28.2500375."""
    references = [*leaf(["1.png", "2.png", "3.png"], folder="s/a"), *leaf(["4.png"], folder="s/b")]
    pairing = pair_by_position(references, references)
    values = dict(zip(pairing.pairs, (30.0, 31.0, 32.00015, 20.0), strict=True))
    protocol = load_protocol("alpha-paper@1")
    groups = {name: str(leaf) for name, leaf in pairing.leaves.items()}
    views = dict.fromkeys(protocol.metric_views("psnr_eps8"), values)
    entries = paper_aggregates(protocol, "psnr_eps8", groups, views)
    on_gray = {entry.get("category"): entry["value"] for entry in entries if entry["view"] == "composite/gray"}
    assert on_gray == {"s/a": 31.0, "s/b": 20.0, "s": 25.5, None: 25.5}
    assert float(np.mean(list(values.values()))) == pytest.approx(28.2500375)


@pytest.fixture
def folders(tmp_path):
    """References and predictions of two leaves with three images each, two folders deep."""
    rng = np.random.default_rng(5)
    for kind in ("animal", "glass"):
        for number in range(3):
            image = rng.integers(0, 256, (4, 24, 24))
            moved = np.clip(image + rng.integers(-6, 7, image.shape), 0, 255)
            for side, codes in (("reference", image), ("prediction", moved)):
                path = tmp_path / side / "set" / kind / f"{number}.png"
                write_png(path, torch.from_numpy(codes.astype(np.uint8)))
    return tmp_path / "reference", tmp_path / "prediction"


def scored(folders):
    """Return the pairing of two folders and the PSNR on gray of each reference that has one."""
    references, predictions = (resolve_data(folder) for folder in folders)
    pairing = pair_by_position(list(references), list(predictions), prediction_root=folders[1])
    by_id = {sample.id: predictions.read(sample) for sample in predictions}
    images = [by_id.get(pairing.pairs.get(sample.id, "")) for sample in references]
    judge = PaperScorer(load_protocol("alpha-paper@1"), torch.device("cpu"))
    values = judge.score(images, [references.read(sample) for sample in references]).values
    column = values[("composite/gray", "psnr_eps8")].tolist()
    names = [sample.id for sample in references]
    return pairing, {name: value for name, value in zip(names, column, strict=True) if value == value}


def test_a_removed_prediction_takes_its_leaf_out_and_leaves_the_others_alone(folders):
    _, before = scored(folders)
    (folders[1] / "set" / "animal" / "1.png").unlink()
    pairing, after = scored(folders)
    assert after == {name: value for name, value in before.items() if name.startswith("set/glass/")}
    assert "the leaf 'set/animal' is skipped" in pairing.deviations[0]


def test_a_renamed_prediction_moves_values_without_notice_but_for_the_deviation(folders):
    clean, before = scored(folders)
    assert clean.deviations == ()
    (folders[1] / "set" / "animal" / "0.png").rename(folders[1] / "set" / "animal" / "9.png")
    pairing, after = scored(folders)
    assert set(after) == set(before)
    assert all(after[name] < before[name] - 5 for name in before if name.startswith("set/animal/"))
    assert all(after[name] == before[name] for name in before if name.startswith("set/glass/"))
    (sentence,) = pairing.deviations
    assert "shifted pairs in the leaf 'set/animal': 3 of 3" in sentence
