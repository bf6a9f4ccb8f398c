"""The request: what names a run, and what does not."""

import dataclasses

import pytest

from alphabench.errors import DataError
from alphabench.models.spec import ModelInfo
from alphabench.results import RunRequest, model_document
from alphabench.results.canonical import sha256_json
from alphabench.results.workfolder import default_folder


def test_a_request_survives_its_file(small):
    request = small.request(small.protocol(), 12)
    again = RunRequest.from_json(request.to_json(), name="request.json")
    assert again == request
    assert again.run_hash == request.run_hash
    assert str(default_folder(request)).replace("\\", "/") == f"runs/{request.run_hash[:16]}"


def test_the_run_hash_is_that_of_the_listed_members(small):
    request = small.request(small.protocol(), 12)
    assert request.run_hash == sha256_json(
        {
            "protocol.hash": request.protocol_hash,
            "data.manifest_hash": "b" * 64,
            "model.hash": request.model["hash"],
            "task": "reconstruction",
            "seeds": {"bootstrap": 12345},
            "dtype": "float32",
            "device.kind": "cpu",
        }
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol_hash": "1" * 64}, "protocol small@1"),
        ({"manifest_hash": "c" * 64}, "data tiny@1 (bbbbbbbb) there, tiny@1 (cccccccc) here"),
        ({"task": "scoring"}, "task reconstruction there, scoring here"),
        ({"dtype": "bfloat16"}, "dtype float32 there, bfloat16 here"),
        ({"device_kind": "cuda"}, "device cpu there, cuda here"),
        ({"seeds": {"bootstrap": 1}}, "seeds"),
        ({"limit": 3}, "limit none there, 3 here"),
    ],
)
def test_each_member_changes_the_run_and_is_named(small, change, words):
    ruler = small.protocol()
    before, after = small.request(ruler, 12), small.request(ruler, 12, **change)
    assert before.run_hash != after.run_hash
    (said,) = before.differences(after)
    assert words in said


def test_names_and_splits_do_not_change_the_run(small):
    ruler = small.protocol()
    before = small.request(ruler, 12)
    after = small.request(ruler, 12, data_id="copy@1", split="test", protocol_id="other@1")
    assert before.run_hash == after.run_hash
    assert before.differences(after) == []


def test_an_edited_request_is_refused(small):
    data = small.request(small.protocol(), 12).to_json()
    with pytest.raises(DataError, match="states the run hash"):
        RunRequest.from_json(data.replace(b'"cpu"', b'"cuda"'), name="request.json")
    with pytest.raises(DataError, match="not a request"):
        RunRequest.from_json(b"{}", name="request.json")
    with pytest.raises(DataError, match="not a request"):
        RunRequest.from_json(b"[]", name="request.json")
    with pytest.raises(DataError, match="another version"):
        RunRequest.from_json(b'{"schema":"alphabench.request/2"}', name="request.json")


CHECKPOINT = ModelInfo(
    name="net",
    org="tests",
    licence="MIT",
    kind="checkpoint",
    architecture="vae",
    config={"width": 8, "scale": 1.0},
    checkpoints=(("model", "d" * 64, 10), ("discriminator", "e" * 64, 20)),
)


def test_the_hash_of_a_checkpoint_is_that_of_architecture_config_and_files():
    document = model_document(CHECKPOINT)
    config_hash = sha256_json({"scale": 1, "width": 8})
    assert document["config_hash"] == config_hash
    assert document["hash"] == sha256_json(
        {
            "architecture": "vae",
            "config_hash": config_hash,
            "checkpoints": [["discriminator", "e" * 64], ["model", "d" * 64]],
        }
    )
    swapped = dataclasses.replace(CHECKPOINT, checkpoints=CHECKPOINT.checkpoints[::-1])
    renamed = dataclasses.replace(CHECKPOINT, name="other", licence="unknown", parameters=3)
    assert model_document(swapped)["hash"] == model_document(renamed)["hash"] == document["hash"]


def test_the_hash_of_predictions_is_that_of_their_files():
    info = ModelInfo(name="p", org="o", licence="unknown", kind="predictions", predictions_hash="f" * 64)
    assert model_document(info)["hash"] == sha256_json({"predictions_hash": "f" * 64})


def test_the_hash_of_a_builtin_has_no_files():
    info = ModelInfo(name="i", org="o", licence="MIT", kind="builtin", architecture="identity")
    wanted = {"architecture": "identity", "config_hash": sha256_json({})}
    assert model_document(info)["hash"] == sha256_json(wanted)
