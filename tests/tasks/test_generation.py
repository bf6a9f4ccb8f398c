"""What a run over prompts promises: each image from its own seed, files that say how, a resume that changes nothing."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alphabench.data.prompt_files import resolve_prompts
from alphabench.errors import DataError, IncompleteError, UsageError
from alphabench.image.codec import quantise, read_facts, read_rgba
from alphabench.models.contract import Unread
from alphabench.results.record import load_record
from alphabench.tasks import generation_sheet
from alphabench.tasks.generation import GenerationRequest, ImagesRequest, generate_set, parse_size, score_images
from alphabench.tasks.generation_plan import image_seed, planned_images
from tests.tasks.conftest import quiet


def notes_of(path: Path) -> dict[str, str]:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return dict(image.text)


def test_each_file_holds_what_the_bare_model_makes_of_its_prompt_and_its_seed(
    toy: Any, request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    generate_set(request_of(seed=5), quiet)
    model = toy.Toy()
    names = ["warm/00000", "warm/00001", "warm/00002", "cold/00000", "cold/00001"]
    texts = [line for line in toy.PROMPTS.splitlines() if not line.startswith("[")]
    assert len(toy.files_of(tmp_path / "run")) == 6
    for name, text in zip(names, texts, strict=True):
        digest = hashlib.sha256(f"alphabench.generation/1\n5\n{name}\n0".encode()).digest()
        seed = int.from_bytes(digest[:8], "big") // 2
        pixels = model.decode(model.sample([text], [seed], model.defaults))[0]
        path = tmp_path / "run" / "predictions" / f"{name}.png"
        assert torch.equal(read_rgba(path), quantise(pixels))
        assert notes_of(path)["seed"] == str(seed)


def test_a_file_says_how_it_was_made_and_stays_readable(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    outcome = generate_set(request_of(steps=4, guidance=2.5, size="16x24"), quiet)
    path = tmp_path / "run" / "predictions" / "warm" / "00001.png"
    model = outcome.record.document["model"]
    notes = notes_of(path)
    assert notes.pop("seed").isdigit()
    assert notes == {
        "prompt": 'a "fire" 🔥 in ../../a box',
        "id": "warm/00001",
        "image number": "0",
        "model": "tests/toy",
        "model hash": model["hash"],
        "steps": "4",
        "guidance": "2.5",
        "size": "16x24",
    }
    facts = read_facts(path)
    assert (facts.height, facts.width, facts.mode) == (16, 24, "RGBA")
    assert (facts.icc, facts.gamma, facts.exif_orientation) == (False, False, None)
    with Image.open(path) as image:
        assert np.array_equal(np.array(image), read_rgba(path).permute(1, 2, 0).numpy())
    assert b"tEXt" not in path.read_bytes()
    assert path.read_bytes().count(b"iTXt") == 9


def test_a_record_tells_what_the_model_does_not_read_of_its_prompts(
    toy: Any, request_of: Callable[..., GenerationRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "notes" not in generate_set(request_of(), quiet).record.document  # a model that cannot tell

    def unread(self: object, prompts: list[str]) -> list[Unread]:
        return [Unread(("fire",) if "fire" in prompt else (), cut="star" in prompt) for prompt in prompts]

    monkeypatch.setattr(toy.Toy, "unread", unread, raising=False)
    notes = generate_set(request_of(fresh=True, per_prompt=2), quiet).record.document["notes"]
    assert "1 of 5 prompts have words that the model does not know, first 'fire' in warm/00001" in notes
    assert "1 of 5 prompts are longer than the model reads, first cold/00000" in notes


def test_under_the_authors_rules_a_record_says_that_images_were_drawn_otherwise(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    generated = generate_set(request_of(protocol="alpha-t2i-paper@1"), quiet).record.document["deviations"]
    assert any("each image has a seed of its own" in sentence for sentence in generated)
    request = request_of()
    images = ImagesRequest(
        request.prompts, tmp_path / "run" / "predictions", protocol="alpha-t2i-paper@1", out=tmp_path / "scored"
    )
    scored = score_images(images, quiet).record.document["deviations"]  # who knows how these were drawn
    assert scored == [sentence for sentence in generated if "each image has a seed" not in sentence]


def test_the_record_holds_prompts_seeds_and_sampling(toy: Any, request_of: Callable[..., GenerationRequest]) -> None:
    outcome = generate_set(request_of(seed=7, per_prompt=2), quiet)
    document = outcome.record.document
    assert document["task"] == "generation"
    assert document["complete"]
    assert document["seeds"] == {"bootstrap": 12345, "generation": 7}
    assert document["model"]["config"] == {
        "width": 8,
        "rank": 2,
        "sampling": {"height": 24, "width": 32, "steps": 3, "guidance": 1.5},
    }
    data = document["data"]
    assert (data["name"], data["version"], data["split"]) == ("own-prompts", 1, "all")
    assert (data["samples"], data["categories"]) == (10, {"warm": 6, "cold": 4})
    texts = [line for line in toy.PROMPTS.splitlines() if not line.startswith("[")]
    ids = ["warm/00000", "warm/00001", "warm/00002", "cold/00000", "cold/00001"]
    members = {"images_per_prompt": 2, "prompts": [list(pair) for pair in zip(ids, texts, strict=True)]}
    canonical = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    assert data["manifest_hash"] == hashlib.sha256(canonical).hexdigest()
    samples = {row[0] for row in outcome.record.rows}
    assert samples == {f"{name}-{number}" for name in ids for number in (0, 1)}
    assert "2 images of each prompt" in document["notes"]


def test_other_sampling_is_another_model_and_its_weights_are_the_same(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    first, second = (
        generate_set(request_of(steps=steps, out=tmp_path / str(steps)), quiet).record.document["model"]
        for steps in (3, 4)
    )
    assert first["hash"] != second["hash"]
    assert first["name"] == second["name"]


def test_batch_size_changes_no_bit_of_files_and_rows(
    toy: Any, request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    for size in (1, 2, 7):
        generate_set(request_of(batch_size=size, out=tmp_path / str(size)), quiet)
    assert toy.files_of(tmp_path / "1") == toy.files_of(tmp_path / "2") == toy.files_of(tmp_path / "7")


def test_an_image_keeps_its_seed_whatever_is_made_beside_it(tmp_path: Path) -> None:
    from alphabench.data.prompts import Prompt

    prompts = [Prompt(f"all/{number:05}", "all", f"word {number}") for number in range(2000)]
    images = planned_images(prompts, seed=0, per_prompt=3)
    assert len({image.seed for image in images}) == len({image.id for image in images}) == 6000
    assert all(0 <= image.seed < 2**63 for image in images)
    assert max(image.seed for image in images) > 2**62
    (alone,) = planned_images(prompts[7:8], seed=0, per_prompt=1)
    assert alone.seed == images[21].seed == image_seed(0, "all/00007", 0)
    assert alone.id == "all/00007"
    assert [image.id for image in images[21:24]] == ["all/00007-0", "all/00007-1", "all/00007-2"]
    assert image_seed(1, "all/00007", 0) != image_seed(0, "all/00007", 0)


def test_a_limit_takes_the_first_images_and_the_record_says_so(request_of: Callable[..., GenerationRequest]) -> None:
    record = generate_set(request_of(limit=3), quiet).record
    assert sorted({row[0] for row in record.rows}) == ["warm/00000", "warm/00001", "warm/00002"]
    assert not record.complete
    assert "3 of 5" in record.document["incomplete_reasons"][0]


def test_the_same_request_again_returns_the_stored_record_and_asks_no_model(
    request_of: Callable[..., GenerationRequest], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generate_set(request_of(), quiet)
    model = toy.Toy()
    monkeypatch.setattr(toy, "load_toy", lambda request: model)
    again = generate_set(request_of(), quiet)
    assert again.stored
    assert not first.stored
    assert again.record.id == first.record.id
    assert model.asked == []
    assert not generate_set(request_of(fresh=True), quiet).stored
    assert len(model.asked) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "generation 0 there, 1 here"),
        ({"steps": 9}, "sampling.steps 3 there, 9 here"),
        ({"guidance": 3.0}, "sampling.guidance 1.5 there, 3.0 here"),
        ({"size": "32"}, "sampling.height 24 there, 32 here"),
        ({"per_prompt": 2}, "5 samples) there, own-prompts@1 ("),
        ({"model": "slow", "dtype": "bfloat16"}, "dtype float32 there, bfloat16 here"),
        ({"limit": 2}, "limit none there, 2 here"),
        ({"protocol": "alpha-t2i-mini@1"}, "protocol toy-t2i@1"),
        ({"prompts": "alpha-t2i@1"}, "alpha-t2i@1"),
    ],
)
def test_a_folder_of_other_settings_is_refused_and_the_difference_is_named(
    changes: dict[str, object], words: str, toy: Any, request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    generate_set(request_of(), quiet)
    before = toy.files_of(tmp_path / "run")
    with pytest.raises(DataError) as caught:
        generate_set(request_of(**changes), quiet)
    assert words in caught.value.message
    assert toy.files_of(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "ty"}, "toy"),
        ({"model": "opaque"}, "does reconstruction, not generation"),
        ({"checkpoint": Path("x")}, "no weights"),
        ({"protocol": "alpha-mini@1"}, "alpha-mini@1"),
        ({"device": "cuda:9"}, "device"),
        ({"dtype": "float8"}, "dtype"),
        ({"size": "20"}, "multiple of 8"),
        ({"size": "0x8"}, "no size"),
        ({"size": "8x8x8"}, "no size"),
        ({"size": "99999"}, "no size"),
        ({"guidance": float("nan")}, "guidance"),
        ({"seed": -1}, "seed"),
        ({"batch_size": 0}, "batch"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(
    changes: dict[str, object], words: str, request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        generate_set(request_of(**changes), quiet)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_sizes_are_height_by_width() -> None:
    assert parse_size("128") == (128, 128)
    assert parse_size("96X128") == (96, 128)


def test_a_model_that_breaks_its_contract_is_named(request_of: Callable[..., GenerationRequest]) -> None:
    with pytest.raises(DataError, match=r"'warm/00000' leaves \[0,1\]"):
        generate_set(request_of(model="broken"), quiet)
    with pytest.raises(DataError, match=r"models\.contract\.Generator"):
        generate_set(request_of(model="nothing"), quiet)


def test_a_latent_for_each_prompt_is_wanted(
    request_of: Callable[..., GenerationRequest], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = toy.Toy.sample
    monkeypatch.setattr(toy.Toy, "sample", lambda self, *call: real(self, *call)[:1])
    with pytest.raises(DataError, match="for 2 prompts, first 'warm/00000'"):
        generate_set(request_of(), quiet)


def test_judging_the_files_again_gives_the_same_rows(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    made = generate_set(request_of(per_prompt=2), quiet)
    request = ImagesRequest(
        prompts=str(tmp_path / "own_prompts.txt"),
        prediction=tmp_path / "run" / "predictions",
        per_prompt=2,
        protocol=str(tmp_path / "toy.toml"),
        out=tmp_path / "again",
        device="cpu",
    )
    again = score_images(request, quiet)
    assert again.record.rows == made.record.rows
    assert again.record.document["task"] == "scoring"
    assert again.record.document["seeds"] == {"bootstrap": 12345}
    assert not (tmp_path / "again" / "predictions").exists()
    assert again.sheet is not None


def test_images_that_are_missing_or_belong_to_no_prompt_are_named(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    generate_set(request_of(), quiet)
    images = tmp_path / "run" / "predictions"
    request = ImagesRequest(
        str(tmp_path / "own_prompts.txt"), images, protocol=str(tmp_path / "toy.toml"), out=tmp_path / "a", device="cpu"
    )
    (images / "warm" / "00001.png").unlink()
    record = score_images(request, quiet).record
    assert not record.complete
    assert "1 of 5 images are missing, first 'warm/00001'" in record.document["incomplete_reasons"]
    (images / "warm" / "00000.png").rename(images / "warm" / "heart.png")
    with pytest.raises(DataError, match=r"1 of 4 images belong to no prompt, first 'warm/heart'"):
        score_images(dataclasses.replace(request, out=tmp_path / "b"), quiet)
    with pytest.raises(IncompleteError, match="none of the 10 images"):
        score_images(dataclasses.replace(request, per_prompt=2, out=tmp_path / "c"), quiet)
    (images / "warm" / "heart.png").unlink()
    with pytest.raises(DataError, match="one inside the other"):
        score_images(dataclasses.replace(request, out=images / "inside"), quiet)


def test_many_images_take_several_sheets_and_starting_over_removes_them(
    request_of: Callable[..., GenerationRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_sheet, "ROWS", 1)
    monkeypatch.setattr(generation_sheet, "COLUMNS", 2)
    outcome = generate_set(request_of(), quiet)
    names = ["contact_sheet.png", "contact_sheet-02.png", "contact_sheet-03.png"]
    assert outcome.sheet == tmp_path / "run" / names[0]
    assert outcome.more_sheets == tuple(tmp_path / "run" / name for name in names[1:])
    with Image.open(outcome.sheet) as sheet:
        assert sheet.size == (20 * 2 + 4 * 168 + 3 * 10, sheet.height)
    monkeypatch.setattr(generation_sheet, "ROWS", 12)
    again = generate_set(request_of(fresh=True), quiet)
    assert again.more_sheets == ()
    assert sorted(path.name for path in (tmp_path / "run").glob("*.png")) == ["contact_sheet.png"]


def test_sheets_end_at_their_limit_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from alphabench.data.prompts import Prompt

    said: list[tuple[str, Any]] = []

    def drawn(title: str, subtitle: str, columns: Any, rows: Any) -> bytes:
        said.append((subtitle, rows))
        return b""

    monkeypatch.setattr(generation_sheet, "contact_sheet", drawn)
    monkeypatch.setattr(generation_sheet, "MAX_SHEETS", 2)
    prompts = [Prompt(f"{name}/{number:05}", name, f"{name} {number}") for name in "ab" for number in range(145)]
    images = planned_images(prompts, seed=0, per_prompt=1)
    pixel = torch.zeros((4, 1, 1), dtype=torch.uint8)
    names = [name for name, _ in generation_sheet.image_sheets("t", "p@1", images, lambda image: pixel)]
    assert names == ["contact_sheet.png", "contact_sheet-02.png"]
    assert [subtitle for subtitle, _ in said] == [
        "p@1; sheet 1 of 2; 235 of 290 images",
        "p@1; sheet 2 of 2; 235 of 290 images",
    ]
    assert [len(row.tiles) for _, rows in said for row in rows] == [10] * 14 + [5] + [10] * 9
    assert said[1][1][2].caption == "a/00140 to a/00144"
    assert list(said[1][1][3].labels)[:2] == ["b 0", "b 1"]


def test_features_of_sets_are_kept_for_each_image_alone(
    request_of: Callable[..., GenerationRequest], tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    outcome = generate_set(request_of(protocol="alpha-t2i-mini@1", limit=3, batch_size=2), quiet)
    shapes = [load_file(path)["random-features"].shape for path in sorted((tmp_path / "run" / "features").iterdir())]
    assert shapes == [(2, 1, 9, 960), (1, 1, 9, 960)]
    assert outcome.record.aggregates["kid-rand"]["state"] == "ok"
    assert "3 generated images against 48 references" in outcome.record.document["notes"]
    assert "reference:alpha-mini@1" in outcome.record.document["environment"]["libraries"]
    assert load_record(tmp_path / "run").id == outcome.record.id


def test_more_images_than_a_run_can_hold_are_refused_before_they_are_planned() -> None:
    prompts = resolve_prompts("alpha_t2i.txt").prompts
    with pytest.raises(UsageError, match="200 prompts with 6,000 images each are more than 1,000,000"):
        planned_images(prompts, seed=0, per_prompt=6000)
