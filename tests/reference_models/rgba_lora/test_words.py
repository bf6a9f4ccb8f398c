"""Colour words and captions: what is said of an image is true of it."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from alphabench.errors import DataError
from reference_models.rgba_lora.captions import Entry, coloured, phrase, read_entries
from reference_models.rgba_lora.colours import HUES, colour_word, turned_to
from reference_models.rgba_lora.config import CaptionConfig


def square(colour: tuple[int, int, int], alpha: int = 255, side: int = 8) -> np.ndarray:
    codes = np.zeros((4, side, side), np.uint8)
    codes[:3, 2:6, 2:6] = np.array(colour, np.uint8)[:, None, None]
    codes[3, 2:6, 2:6] = alpha
    return codes


@pytest.mark.parametrize(
    ("colour", "word"),
    [
        ((220, 20, 30), "red"),
        ((250, 130, 20), "orange"),
        ((250, 210, 30), "yellow"),
        ((30, 170, 60), "green"),
        ((30, 90, 230), "blue"),
        ((130, 50, 200), "purple"),
        ((250, 150, 180), "pink"),
        ((110, 70, 40), "brown"),
        ((250, 250, 250), "white"),
        ((15, 15, 15), "black"),
        ((128, 128, 128), "grey"),
    ],
)
def test_plain_colours_have_their_words(colour: tuple[int, int, int], word: str) -> None:
    assert colour_word(square(colour)) == word


def test_what_has_two_hues_or_shows_nothing_has_no_word() -> None:
    two = square((220, 20, 30))
    two[:3, 2:6, 2:4] = np.array((30, 90, 230), np.uint8)[:, None, None]
    assert colour_word(two) == ""
    assert turned_to(two, "green") is None
    assert colour_word(square((220, 20, 30), alpha=0)) == ""
    assert turned_to(square((128, 128, 128)), "green") is None


@pytest.mark.parametrize("word", list(HUES))
def test_a_turned_thing_has_the_word_it_was_turned_to_and_its_alpha(word: str) -> None:
    codes = square((220, 30, 40), alpha=200)
    turned = turned_to(codes, word)
    assert turned is not None
    assert colour_word(turned) == word
    assert np.array_equal(turned[3], codes[3])


def test_a_colour_replaces_the_one_that_is_named_or_comes_first() -> None:
    assert coloured("red heart", "blue") == "blue heart"
    assert coloured("racing car", "yellow") == "yellow racing car"
    assert coloured("Large Red square", "green") == "Large green square"


def test_phrases_are_names_rare_keywords_and_captions_with_the_colour_that_was_turned() -> None:
    entry = Entry(Path("x"), "an icon of a red car", "automobile", ("car",), "Travel")
    config = CaptionConfig(table="any")
    rng = np.random.default_rng(0)
    said = Counter(phrase(entry, config, rng, colour="red", turned=False) for _ in range(2000))
    assert set(said) == {"automobile", "car", "red automobile", "red car", "an icon of a red car"}
    assert 0.05 < said["an icon of a red car"] / 2000 < 0.15
    turned = {phrase(entry, config, rng, colour="blue", turned=True) for _ in range(500)}
    assert turned == {"blue automobile", "blue car"}


def test_captions_alone_are_said_as_they_stand() -> None:
    config = CaptionConfig(table="any", words="caption")
    rng = np.random.default_rng(0)
    assert phrase(Entry(Path("x"), " A glass. ", "glass"), config, rng, colour="red", turned=False) == "A glass."
    assert phrase(Entry(Path("x"), "", "glass"), config, rng, colour="", turned=False) == "RGBA"


def test_tables_of_both_kinds_are_read(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image", "caption"], ["a/b.png", "one, with a comma"], ["c.png", ""]])
    found = read_entries(CaptionConfig(table="t.csv"), tmp_path)
    assert found == [Entry(tmp_path / "a/b.png", "one, with a comma"), Entry(tmp_path / "c.png", "")]

    rows = [{"file": f"{i}.png", "split": "train", "name": f"n{i}", "keywords": ["common", f"k{i}"]} for i in range(13)]
    rows.append({"file": "v.png", "split": "val", "name": "v"})
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_entries(CaptionConfig(table="t.jsonl", split="train"), tmp_path)
    assert len(found) == 13
    assert found[3].keywords == ("k3",)  # a keyword of thirteen images stands for none of them
    assert len(read_entries(CaptionConfig(table="t.jsonl"), tmp_path)) == 14


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.jsonl", '{"file": "a.png"}\nno json\n', "line 2"),
        ("t.jsonl", '{"caption": "no file"}\n', "'file'"),
        ("t.jsonl", "", "names no image"),
        ("t.csv", "picture,words\na.png,b\n", "'image'"),
        ("other.csv", "image,caption\n", "there is no caption table"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    table = "t.csv" if name == "other.csv" else name
    with pytest.raises(DataError, match=told):
        read_entries(CaptionConfig(table=table), tmp_path)


def test_a_recipe_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        CaptionConfig(table="t", size=100)
    with pytest.raises(ValueError, match="prompt_dropout"):
        CaptionConfig(table="t", prompt_dropout=1.5)
