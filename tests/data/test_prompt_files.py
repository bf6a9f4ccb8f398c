"""What a file of prompts may hold, what is refused and how it is said, and the shipped set."""

import csv
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphabench.data import prompt_files
from alphabench.data.naming import SAMPLE_ID
from alphabench.data.prompt_files import read_prompts, resolve_prompts
from alphabench.errors import AlphabenchError, DataError, UsageError

HOSTILE = [
    "../../etc/passwd",
    'a "quoted" cat\'s \\ backslash, comma',
    "con",
    "🍦 a woman 👩🏽‍🎨 painting",
    "קוף ירוק עם כובע",
    "=HYPERLINK(1)",
    "{}[]<script>",
    "# no comment",
    "[half a heading",
    "x" * 2000,
]


def written(folder: Path, content: str | bytes, name: str = "mine.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_text_csv_and_json_lines_of_the_same_prompts_are_one_set(tmp_path: Path) -> None:
    pairs = [("warm", "red heart"), ("warm", "fire, small"), ("cold", "red heart"), ("warm", "sun")]
    text = "[warm]\n red heart \nfire, small\n[cold]\nred heart\n[warm]\nsun\n"
    table = "category,prompt\n" + "".join(f'{category},"{prompt}"\n' for category, prompt in pairs)
    lines = "".join(json.dumps({"prompt": prompt, "category": category}) + "\n" for category, prompt in pairs)
    sets = [
        read_prompts(written(tmp_path, content, f"my_set{suffix}"))
        for suffix, content in ((".txt", text), (".csv", table), (".jsonl", lines))
    ]
    assert [prompt.id for prompt in sets[0].prompts] == ["warm/00000", "warm/00001", "cold/00000", "warm/00002"]
    assert [prompt.text for prompt in sets[0].prompts] == [prompt for _, prompt in pairs]
    assert sets[0] == sets[1] == sets[2]
    assert sets[0].id == "my-set@1"
    assert sets[0].categories == {"warm": 3, "cold": 1}


@pytest.mark.parametrize("name", ["a.txt", "a.TXT"])
def test_without_categories_the_category_is_all(tmp_path: Path, name: str) -> None:
    (first, second) = read_prompts(written(tmp_path, "a cat\na dog", name)).prompts
    assert (first.id, second.id) == ("all/00000", "all/00001")
    assert first.category == "all"


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_a_prompt(tmp_path: Path) -> None:
    for name, content in (
        ("a.txt", b"\xef\xbb\xbfa cat\r\na dog\r\n"),
        ("a.csv", b"\xef\xbb\xbfprompt\r\na cat\r\na dog\r\n"),
        ("a.jsonl", b'\xef\xbb\xbf{"prompt": "a cat"}\r\n{"prompt": "a dog"}\r\n'),
    ):
        assert [prompt.text for prompt in read_prompts(written(tmp_path, content, name)).prompts] == ["a cat", "a dog"]


def test_prompts_with_tricks_are_prompts_and_never_become_paths(tmp_path: Path) -> None:
    prompts = read_prompts(written(tmp_path, "\n".join(HOSTILE))).prompts
    assert [prompt.text for prompt in prompts] == HOSTILE
    assert [prompt.id for prompt in prompts] == [f"all/{number:05}" for number in range(len(HOSTILE))]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=30
).map(str.strip)


@given(texts=st.lists(WORDS.filter(lambda text: text and not text.startswith(("[", "\ufeff"))), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_plain_text_comes_back_from_every_format_with_a_safe_id(tmp_path: Path, texts: list[str]) -> None:
    import unicodedata

    texts = list({unicodedata.normalize("NFC", text): text for text in texts}.values())
    table = io.StringIO(newline="")
    csv.writer(table).writerows([["prompt"], *([text] for text in texts)])
    contents = {
        ".txt": "\n".join(texts),
        ".csv": table.getvalue(),
        ".jsonl": "\n".join(json.dumps({"prompt": text}) for text in texts),
    }
    for suffix, content in contents.items():
        prompts = read_prompts(written(tmp_path, content, f"a{suffix}")).prompts
        assert [prompt.text for prompt in prompts] == texts
        assert all(SAMPLE_ID.fullmatch(prompt.id) for prompt in prompts)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"", "holds no prompt"),
        ("a.csv", b"prompt\n", "holds no prompt"),
        ("a.txt", b"\n", "line 1: the line is blank"),
        ("a.txt", b"a cat\n \t\na dog\n", "line 2: the line is blank"),
        ("a.txt", b"a cat\n\n", "line 2: the line is blank"),
        ("a.csv", b"prompt\na cat\n\na dog\n", "line 3: the line is blank"),
        ("a.jsonl", b'{"prompt": "a cat"}\n\n', "line 2: the line is blank"),
        ("a.txt", b"a\0cat", "byte 1 is NUL"),
        ("a.txt", b"a cat\nna\xefve", "byte 8 is 0xef"),
        ("a.txt", b"\xef\xbb\xbfa\xff", "byte 4 is 0xff"),
        ("a.txt", "a cat".encode("utf-16"), "UTF-16"),
        ("a.txt", b"x" * 2**20 + b"y", "1,048,577 bytes, more than 1,048,576"),
        ("a.txt", b"x" * 2001, "2,001 characters, more than 2,000"),
        ("a.txt", b"a\x1b[31mcat", "character 2 of the prompt is the control character U+001B"),
        ("a.txt", "a\u2028cat".encode(), "U+2028"),
        ("a.jsonl", b'{"prompt": "a\\ud800"}', "U+D800"),
        ("a.jsonl", b'{"prompt": "a\\ncat"}', "U+000A"),
        ("a.csv", b'prompt\n"a\ncat"\n', "U+000A"),
        ("a.txt", b"a cat\na dog\na cat\n", "line 3: the prompt 'a cat' of category 'all' stands in line 1 already"),
        ("a.txt", "\u00e9\ne\u0301".encode(), "stands in line 1 already"),
        ("a.txt", b"[Semi Transparent]\na", "'semi-transparent'"),
        ("a.txt", b"[]\na", "cannot name a category"),
        ("a.txt", b"[con]\na", "cannot name a category"),
        ("a.txt", b"[../up]\na", "cannot name a category"),
        ("a.txt", b"[a]\n[b]\nx", "line 1: the category 'a' has no prompt"),
        ("a.txt", b"[a]\nx\n[b]\n", "line 3: the category 'b' has no prompt"),
        ("a.txt", b"x\n[b]\ny", "line 1: a prompt stands before the first category"),
        ("a.txt", "a cat\n\u200b\u200d\n".encode(), "line 2: the prompt has no visible character"),
        ("a.txt", "a \u202etac\n".encode(), "U+202E"),
        ("a.csv", b"text,category\na cat,b\n", "the column 'prompt' is missing"),
        ("a.csv", b"prompt,id\na cat,1\n", "'id' is unknown"),
        ("a.csv", b"prompt,prompt\na,b\n", "stands there twice"),
        ("a.csv", b"prompt\na cat, sitting\n", "2 cells in 1 columns"),
        ("a.csv", b'prompt\n"a cat\n', "no valid CSV"),
        ("a.csv", b"prompt,category\na cat,\n", "cannot name a category"),
        ("a.csv", b"prompt,category\n,b\n", "the prompt is empty"),
        ("a.jsonl", b"a cat\n", "line 1: it is no JSON"),
        ("a.jsonl", b"[1]\n", "no JSON object"),
        ("a.jsonl", b"[" * 100_000, "line 1: it is no JSON"),
        ("a.jsonl", b'{"prompt": 3}\n', "'prompt' is no text"),
        ("a.jsonl", b'{"prompt": "a", "category": {}}\n', "'category' is no text"),
        ("a.jsonl", b'{"promt": "a"}\n', "the key 'prompt' is missing"),
        ("a.jsonl", b'{"prompt": "a", "prompt": "b"}\n', "stands there twice"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt": "b", "category": "c"}', "line 2: some prompts have a category"),
    ],
)
def test_content_that_is_no_list_of_prompts_is_refused_with_its_place(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_prompts(written(tmp_path, content, name))
    assert words in str(caught.value)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.remedy


def test_too_many_prompts_or_categories_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_files, "MAX_PROMPTS", 3)
    monkeypatch.setattr(prompt_files, "MAX_CATEGORIES", 2)
    assert len(read_prompts(written(tmp_path, "a\nb\nc")).prompts) == 3
    with pytest.raises(DataError, match="4 prompts, more than 3"):
        read_prompts(written(tmp_path, "a\nb\nc\nd"))
    with pytest.raises(DataError, match="3 categories, a record holds 2"):
        read_prompts(written(tmp_path, "[a]\nx\n[b]\nx\n[c]\nx"))


def test_what_is_no_prompt_file_is_a_mistake_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "a cat", "prompts.txt")
    (tmp_path / "folder.txt").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, words in (
        ("promts.txt", "Did you mean 'prompts.txt'?"),
        ("alpha_t2i.tx", "Did you mean 'alpha_t2i.txt'?"),
        ("nowhere/zzz", "alpha_t2i.txt"),
        ("prompts.txt/inside", "there is no prompt file"),
        ("folder.txt", "is a folder"),
        (str(written(tmp_path, "a", "a.docx")), "is no prompt file by its name"),
        ("~nobody-of-this-name/prompts.txt", "there is no prompt file '~nobody"),
    ):
        with pytest.raises(UsageError) as caught:
            resolve_prompts(name)
        assert words in str(caught.value)
    with pytest.raises(AlphabenchError, match="cannot be read"):
        resolve_prompts("a" * 300 + ".txt")


@pytest.mark.parametrize("name", ["alpha_t2i.txt", "alpha_t2i", "alpha-t2i", "alpha-t2i@1"])
def test_the_shipped_prompts_are_found_by_name_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = resolve_prompts(name)
    assert shipped.id == "alpha-t2i@1"
    texts = [prompt.text for prompt in shipped.prompts]
    assert len(texts) == len({text.casefold() for text in texts}) == 200
    names = ["opaque", "semi-transparent", "glass", "smoke", "hair", "text", "light"]
    assert list(shipped.categories) == names
    assert set(shipped.categories.values()) == {28, 29}
    plain = Counter(prompt.category for prompt in shipped.prompts if len(prompt.text.split()) <= 3)
    assert 60 <= plain.total() <= 75
    assert plain["opaque"] >= 20
    assert {"red heart", "blue star", "fire", "green apple", "white cloud", "yellow car"} <= set(texts)


def test_the_shipped_prompts_are_those_of_their_version() -> None:
    # Other prompts are another set: raise the version, and then this hash.
    wanted = "a8ec486f9244e7b6836bdeafab6366c954f75fe1b79822f87a50a107088f4d3a"
    assert resolve_prompts("alpha-t2i@1").hash(1) == wanted


def test_a_file_of_ones_own_never_hides_behind_the_name_of_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = resolve_prompts("alpha_t2i.txt")
    monkeypatch.chdir(tmp_path)
    own = written(tmp_path, "a cat", "alpha_t2i.txt")
    with pytest.raises(UsageError, match="other prompts"):
        resolve_prompts("alpha_t2i.txt")
    assert len(resolve_prompts("./alpha_t2i.txt").prompts) == 1
    own.write_bytes(prompt_files.shipped_prompts()["alpha_t2i.txt"].read_bytes())
    assert resolve_prompts("alpha_t2i.txt") == shipped


def test_the_identity_of_a_set_is_that_of_its_words_and_of_the_count(tmp_path: Path) -> None:
    prompts = read_prompts(written(tmp_path, "[x]\ncafé\n"))
    canonical = '{"images_per_prompt":2,"prompts":[["x/00000","café"]]}'
    assert prompts.hash(2) == hashlib.sha256(canonical.encode()).hexdigest()
    renamed = read_prompts(written(tmp_path, "[x]\ncafé\n", "other.txt"))
    assert renamed.hash(2) == prompts.hash(2)
    others = [read_prompts(written(tmp_path, text)) for text in ("[x]\ncafe\n", "[y]\ncafé\n")]
    assert len({prompts.hash(1), prompts.hash(2), *(other.hash(1) for other in others)}) == 4
