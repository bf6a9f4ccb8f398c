"""The diagnosis of a run: what is kept of each sample, what a category shows, where it can be read."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from alphabench.image.contact_sheet import ALARM, CAPTION, GAP, Note, SheetRow, contact_sheet
from alphabench.tasks.diagnosis import (
    CODES,
    FACT,
    PAGE,
    SIGNATURES,
    CategoryDiagnosis,
    Diagnosis,
    Signature,
    described,
    diagnose,
    read_diagnosis,
    sample_faults,
    shown_value,
)
from alphabench.tasks.reconstruction import ReconstructionRequest, reconstruct_set
from tests.tasks.conftest import quiet

Folder = Callable[..., Path]


def codes(alpha: int, colour: int = 100) -> torch.Tensor:
    image = torch.full((4, 6, 8), colour, dtype=torch.uint8)
    image[3] = alpha
    return image


def faults(kept: float | None, bias: list[float] | None = None) -> dict[str, object]:
    return {FACT: {"alpha_kept": kept, "alpha_spill": 0.0, "semi_alpha_bias": None, "colour_bias": bias}}


def test_the_faults_of_a_sample_are_those_of_its_two_images() -> None:
    found = sample_faults(codes(102, colour=110), codes(204))[FACT]
    assert found["alpha_kept"] == pytest.approx(0.5)
    assert found["alpha_spill"] == 0
    assert found["semi_alpha_bias"] == pytest.approx(-0.4)
    assert found["colour_bias"] == pytest.approx([10 / 255] * 3)
    json.dumps(found, allow_nan=False)


def test_what_does_not_apply_is_none_and_pairs_that_do_not_fit_have_no_faults() -> None:
    found = sample_faults(codes(255), codes(0))[FACT]
    assert found == {"alpha_kept": None, "alpha_spill": None, "semi_alpha_bias": None, "colour_bias": None}
    assert sample_faults(None, codes(255)) == {}
    assert sample_faults(codes(255)[:, 1:], codes(255)) == {}
    assert sample_faults(codes(255)[:3], codes(255)[:3]) == {}


def test_a_category_is_the_mean_of_its_samples_that_have_a_value() -> None:
    groups = {"a": "hair", "b": "hair", "c": "hair", "d": "glass", "e": "glass"}
    facts = {
        "a": faults(0.9, [0.03, 0.0, 0.04]),
        "b": faults(1.0, [-0.03, 0.0, -0.04]),
        "c": faults(None),
        "d": faults(0.5),
        "e": {},
    }
    found = diagnose(groups, facts, {}, {}, None)
    assert found is not None
    hair, glass = found.categories
    assert (hair.category, hair.samples, glass.category, glass.samples) == ("hair", 3, "glass", 1)
    assert hair.alpha_kept == pytest.approx(0.95)
    # Casts of opposite sign leave no mean colour, but each image has one of length 0.05.
    assert hair.colour_bias == pytest.approx((0, 0, 0))
    assert hair.colour_cast == pytest.approx(0.05)
    assert glass.colour_cast is None
    assert found.perceptual is None
    assert diagnose(groups, {"a": {}}, {}, {}, None) is None


def test_low_error_with_high_perceptual_distance_shows_in_the_category_that_has_it() -> None:
    groups = {f"{category}/{index}": category for category in ("blurred", "noisy") for index in range(6)}
    facts = {name: faults(1.0) for name in groups}
    # Blurred images have a third of the others' squared error, and twice their perceptual distance.
    errors = {name: (1.0 if "blurred" in name else 3.0) + int(name[-1]) / 10 for name in groups}
    distances = {name: (2.0 if "blurred" in name else 1.0) + int(name[-1]) / 10 for name in groups}
    found = diagnose(groups, facts, errors, distances, "lpips")
    assert found is not None
    assert found.perceptual == "lpips"
    (name,), (((signature, place),),) = found.signatures().keys(), found.signatures().values()
    assert (name, place.category) == ("low error, high perceptual distance", "blurred")
    assert place.perceptual_excess == pytest.approx(6 / 11)
    assert shown_value(signature, place) == "+0.55 of all ranks"
    # The other way round the noisy images rank worse by distance than by error, if at all, but score badly.
    reverse = diagnose(groups, facts, errors, {name: 9 - value for name, value in distances.items()}, "lpips")
    assert reverse is not None
    assert reverse.signatures() == {}


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: f"{signature.name}-{signature.measure}")
def test_a_signature_shows_beyond_its_limit_and_not_before(signature: Signature) -> None:
    step = 1e-6 if signature.above else -1e-6

    def category(value: float, samples: int = 8) -> CategoryDiagnosis:
        return CategoryDiagnosis("x", samples, error_rank=0.2, **{signature.measure: value})

    assert signature.shown_by(category(signature.limit + step))
    assert not signature.shown_by(category(signature.limit - step))
    assert not signature.shown_by(CategoryDiagnosis("x", 8))
    if signature.samples > 1:
        assert not signature.shown_by(category(signature.limit + step, signature.samples - 1))
    assert signature.reason
    assert signature.meaning


def test_a_category_is_named_once_for_a_failure_with_two_measures() -> None:
    both = CategoryDiagnosis("hair", 3, alpha_kept=0.5, alpha_spill=0.0, semi_alpha_bias=-0.5)
    ((_, places),) = Diagnosis(None, (both,)).signatures().items()
    assert [(signature.measure, place.category) for signature, place in places] == [("semi_alpha_bias", "hair")]


def test_a_diagnosis_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    first = CategoryDiagnosis("hair", 3, 0.9, 0.01, -0.02, (0.1, 0.0, -0.1), 0.15, 0.4, 0.3)
    found = Diagnosis("lpips-rand", (first, CategoryDiagnosis("empty", 1)))
    (tmp_path / PAGE).write_bytes(found.to_json())
    assert read_diagnosis(tmp_path) == found
    document = json.loads(found.to_json())
    assert document["categories"][0]["signatures"] == ["alpha shrinkage", "colour cast"]
    assert set(document["units"]) < set(document["categories"][0])
    for text in ("{", '{"schema": "alphabench.diagnosis/9"}', '{"schema": "alphabench.diagnosis/1"}', "[]"):
        (tmp_path / PAGE).write_text(text, encoding="utf-8")
        assert read_diagnosis(tmp_path) is None


def test_numbers_are_told_in_codes_and_per_cent() -> None:
    found = CategoryDiagnosis("hair", 3, 0.973, 0.031, -2 / CODES, (1 / CODES, 0.0, -1 / CODES), 1.4 / CODES)
    assert described(found) == (
        "alpha kept 97.3 % and spilt 3.1 %, semi-transparent alpha -2.0 codes, "
        "colour cast 1.4 codes (R +1.0 G +0.0 B -1.0)"
    )


def test_a_run_is_diagnosed_beside_its_record_and_again_when_it_is_stored(
    data_folder: Folder, small_protocol: Path, tmp_path: Path
) -> None:
    def reconstructed(model: str) -> tuple[ReconstructionRequest, Diagnosis | None]:
        request = ReconstructionRequest(
            model=model, data=str(data), protocol=str(small_protocol), out=tmp_path / model, device="cpu"
        )
        return request, reconstruct_set(request, quiet).diagnosis

    data = data_folder(count=3)
    request, opaque = reconstructed("opaque")
    assert opaque is not None
    assert {place.category for _, place in opaque.signatures()["alpha growth"]} == {"glass", "animal"}
    assert all(found.semi_alpha_bias is not None and found.semi_alpha_bias > 0.1 for found in opaque.categories)
    assert all(found.colour_cast == 0 for found in opaque.categories)
    again = reconstruct_set(request, quiet)
    assert again.stored
    assert again.diagnosis == opaque
    assert (tmp_path / "opaque" / PAGE).is_file()
    assert "diagnosis" not in (tmp_path / "opaque" / "record" / "record.json").read_text(encoding="utf-8")
    _, identity = reconstructed("identity")
    assert identity is not None
    assert identity.signatures() == {}
    assert {found.alpha_kept for found in identity.categories} == {1.0}


def test_notes_stand_below_their_row_and_alarms_are_seen() -> None:
    tile = torch.full((3, 20, 20), 0.5)

    def drawn(*notes: Note) -> Image.Image:
        rows = [SheetRow("first", [tile], notes), SheetRow("second", [tile])]
        return Image.open(io.BytesIO(contact_sheet("title", "", ["tile"], rows))).convert("RGB")

    plain, quiet_note, alarm = drawn(), drawn(Note("hair")), drawn(Note("hair"), Note("alpha shrinkage", alarm=True))
    assert quiet_note.height == plain.height + CAPTION + GAP
    assert alarm.height == plain.height + 2 * CAPTION + GAP
    seen = {colour for _, colour in alarm.getcolors(1 << 20) or []}
    assert ALARM in seen
    assert ALARM not in {colour for _, colour in quiet_note.getcolors(1 << 20) or []}
