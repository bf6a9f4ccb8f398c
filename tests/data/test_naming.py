import json
import re
from pathlib import Path

import pytest

from alphabench.data.naming import LABEL, SAMPLE_ID, SLUG, sample_id_of, slug_of

SLUG_PATTERN = re.compile(r"^(?!.*__)[a-z0-9][a-z0-9._-]{0,62}$")
SAMPLE_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")

AWKWARD = [
    "Meine Bilder",
    "Äpfel & Öl",
    "a__b___c",
    "..hidden..",
    "x" * 300,
    "日本",
    "con",
    "LPT1.txt",
    "con." + "x" * 80,
    "Thumbs.db",
    "-dash-",
    "_under_",
    "",
    "end.",
    "tab\tnew\nline",
    "ﬁgure",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_every_name_becomes_a_slug(name: str) -> None:
    slug = slug_of(name)
    assert SLUG_PATTERN.match(slug)
    assert not slug.endswith(".")
    assert SLUG.fullmatch(slug)


def test_slugs_of_known_names() -> None:
    assert slug_of("Meine Bilder") == "meine-bilder"
    assert slug_of("Straße_7.v2") == "strasse_7.v2"
    assert slug_of("日本") == "data"
    assert slug_of("NUL", fallback="model") == "model-nul"
    assert slug_of("Thumbs.db") == "data-thumbs.db"


@pytest.mark.parametrize("name", [name for name in AWKWARD if name])
def test_every_path_becomes_a_sample_id(name: str) -> None:
    identifier = sample_id_of(f"{name}/{name}")
    assert SAMPLE_PATTERN.match(identifier)
    assert SAMPLE_ID.fullmatch(identifier)


def test_a_path_that_fits_is_its_own_sample_id() -> None:
    assert sample_id_of("portrait/o_0b7228ec") == "portrait/o_0b7228ec"
    assert sample_id_of("a/B-2/c.d_e") == "a/B-2/c.d_e"


def test_decomposed_and_composed_letters_give_one_sample_id() -> None:
    assert sample_id_of("mu\u0308he") == sample_id_of("m\u00fche") == "muhe"


def test_letters_of_other_scripts_stay_distinct() -> None:
    assert sample_id_of("猫") == "u732b"
    assert sample_id_of("猫") != sample_id_of("犬")


def test_long_paths_that_differ_at_the_end_stay_distinct() -> None:
    first, second = sample_id_of("a" * 250 + "1"), sample_id_of("a" * 250 + "2")
    assert first != second
    assert len(first) == 200


@pytest.mark.parametrize("bad", ["", "/a", "a/", "a//b", "a/../b", "./a", "a b", "é", "a\n", "-a", "a" * 201])
def test_what_is_no_sample_id_is_seen(bad: str) -> None:
    assert SAMPLE_ID.fullmatch(bad) is None


@pytest.mark.parametrize("bad", ["", "A", "a__b", "a.", "-a", "a b", "a" * 64, "a\n"])
def test_what_is_no_slug_is_seen(bad: str) -> None:
    assert SLUG.fullmatch(bad) is None


def test_labels_allow_every_script_and_no_control_character() -> None:
    assert LABEL.fullmatch("Haar, 猫")
    assert LABEL.fullmatch("a\tb") is None


def test_patterns_agree_with_the_record_schema() -> None:
    found = list(Path(__file__).parents[2].glob("alphabench/results/**/record.schema.json"))
    if found:
        rules = json.loads(found[0].read_text())["$defs"]
        for name in ("a", "a.b/c-d_e", "Z9"):
            assert re.match(rules["sample"]["pattern"], name)
            assert SAMPLE_ID.fullmatch(name)
