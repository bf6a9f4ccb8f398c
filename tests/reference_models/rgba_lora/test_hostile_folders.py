"""Folders that nobody vouches for: what is wrong is refused by its name, no code in them runs, strays do no harm."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5TokenizerFast

from alphabench.data.naming import SLUG
from alphabench.errors import AlphabenchError, DataError, UsageError
from alphabench.files import sha256_of
from alphabench.results.document import schema_of
from alphabench.results.migrations import NEWEST
from reference_models.alphavae.folder import BASES_VARIABLE, base_folder
from reference_models.identity import model_info
from reference_models.rgba_lora import lora
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.config import GeneratorConfig, TextConfig
from reference_models.rgba_lora.folder import load_checkpoint, save_adapter
from reference_models.rgba_lora.parts import load_tokenizer, tokenizer_files
from reference_models.rgba_lora.pipeline import (
    identity_files,
    load_components,
    save_components,
    transformer_sha256,
    words_sha256,
)
from reference_models.rgba_lora.text import pooled_encoder, sequence_encoder
from reference_models.weights import BUNDLED

Spoil = Callable[[Path], object]

CLIP, T5 = "text_encoder/config.json", "text_encoder_2/config.json"
TRANSFORMER, SCHEDULER = "transformer/config.json", "scheduler/scheduler_config.json"
WORDS, VOCABULARY = "tokenizer/tokenizer_config.json", "tokenizer/tokenizer.json"
NESTED = "[" * 100_000
AUTO_MAP = {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}
ADAPTER = "pytorch_lora_weights.safetensors"


def change(name: str, **values: object) -> Spoil:
    """Set keys of a JSON file; None takes them away."""

    def spoil(folder: Path) -> None:
        document = json.loads((folder / name).read_text(encoding="utf-8")) | values
        kept = {key: value for key, value in document.items() if value is not None}
        (folder / name).write_text(json.dumps(kept), encoding="utf-8")

    return spoil


def write(name: str, content: str | bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def cut(name: str, kept: int) -> Spoil:
    return lambda folder: write(name, (folder / name).read_bytes()[:kept])(folder)


def remove(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink() if (folder / name).is_file() else shutil.rmtree(folder / name)


def in_vocabulary(**values: object) -> Spoil:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        document["model"]["vocab"] |= values
        write(VOCABULARY, json.dumps(document))(folder)

    return spoil


@pytest.fixture
def base(components: Components, tmp_path: Path) -> Path:
    """A sound pipeline."""
    save_components(components, tmp_path / "base", torch.float32)
    return tmp_path / "base"


@pytest.fixture
def adapted(components: Components, base: Path, tmp_path: Path) -> Path:
    """An adapter over the pipeline."""
    lora.add_adapter(components.transformer, 2, lora.PUBLISHED_TARGETS)
    vae = BUNDLED / "alphavae-mini" / "diffusion_pytorch_model.safetensors"
    config = GeneratorConfig("lora", "alphavae-mini", sha256_of(vae), 32, 2, 2.0, base="../base")
    config = dataclasses.replace(config, base_sha256=transformer_sha256(base))
    save_adapter(tmp_path / "adapted", lora.AdapterParameters(components.transformer), config, "")
    return tmp_path / "adapted"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut("text_encoder/model.safetensors", 1000), "text_encoder/model.safetensors is truncated"),
        (cut("text_encoder_2/model.safetensors", 0), "text_encoder_2/model.safetensors is truncated"),
        (write("text_encoder/model.safetensors", b"garbage" * 9), "text_encoder/model.safetensors is truncated"),
        (write(TRANSFORMER, NESTED), "transformer/config.json is not readable JSON"),
        (write("model_index.json", NESTED), "model_index.json is not readable JSON"),
        (change(CLIP, num_attention_heads=0), "its text_encoder is unsound: ZeroDivisionError"),
        (change(CLIP, hidden_size="a"), "its text_encoder is unsound: .*'hidden_size'"),
        (change(CLIP, hidden_size=32), r"text_encoder is unsound: \d+ tensors have another shape .* instead of"),
        (change(CLIP, num_hidden_layers=2), "text_encoder is unsound: it lacks 16 tensors"),
        (change(CLIP, return_dict=False), "text_encoder is unsound"),
        (change(CLIP, layer_norm_eps=float("nan")), "text_encoder is unsound: it tells numbers that are not finite"),
        (change(T5, dtype="floatx"), "text_encoder_2 is unsound: .*floatx"),
        (change(T5, attn_implementation="flash_attention_2"), "sets attn_implementation, which is not supported"),
        (change(T5, attn_implementation="someone/kernel"), "sets attn_implementation, which is not supported"),
        (change(TRANSFORMER, quantization_config={"quant_method": "x"}), "transformer is .* sets quantization_config"),
        (write("text_encoder/adapter_config.json", "{}"), "text_encoder is unsound: it holds adapter_config.json"),
        (change(TRANSFORMER, axes_dims_rope=[2, 2, 2]), r"transformer is unsound: axes_dims_rope is \[2, 2, 2\]"),
        (change(TRANSFORMER, axes_dims_rope=5), "transformer is unsound: axes_dims_rope is 5"),
        (change(TRANSFORMER, in_channels=65), "transformer is unsound"),
        (change(SCHEDULER, num_train_timesteps=0), "scheduler is unsound: .* num_train_timesteps to 0"),
        (change(SCHEDULER, shift=0), "scheduler is unsound: its levels of noise are not finite"),
        (change(SCHEDULER, max_image_seq_len=256), "scheduler is unsound"),
        (write(WORDS, "{}"), "names the tokenizer_class None"),
        (write(WORDS, "[]"), "tokenizer_config.json holds no JSON object"),
        (change(WORDS, tokenizer_class=5), "names the tokenizer_class 5"),
        (change(WORDS, tokenizer_class="BertTokenizer"), "names the tokenizer_class 'BertTokenizer'"),
        (change(WORDS, auto_map=AUTO_MAP), "sets auto_map, which is not supported"),
        (change(WORDS, fast_tokenizer_files=["../x.json"]), "sets fast_tokenizer_files, which is not supported"),
        (change(WORDS, model_max_length=None), "model_max_length is absent or more than the 8 tokens"),
        (change(WORDS, model_max_length=1000), "model_max_length is absent or more than the 8 tokens"),
        (change(WORDS, model_max_length="x"), "sets model_max_length to 'x'"),
        (change(WORDS, model_max_length=-3), "sets model_max_length to -3"),
        (change(WORDS, pad_token=None), "tokenizer is unsound: .*padding token"),
        (in_vocabulary(zzz=1_000_000), "tokenizer is unsound: it numbers tokens up to 1000000"),
        (write(VOCABULARY, ""), "tokenizer.json is absent or empty"),
        (write(VOCABULARY, NESTED), "tokenizer is unsound: RecursionError"),
    ],
)
def test_a_damaged_part_is_refused_by_its_name(base: Path, spoil: Spoil, told: str) -> None:
    spoil(base)
    with pytest.raises(DataError, match=told) as refusal:
        load_components(base)
    assert str(base) in refusal.value.message
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "name",
    ["text_encoder", "tokenizer", "scheduler", "model_index.json", WORDS, CLIP, "text_encoder/model.safetensors"],
)
def test_an_absent_part_is_named_and_nobody_is_called(base: Path, name: str) -> None:
    remove(name)(base)
    with pytest.raises(DataError, match=f"is not a whole FLUX pipeline: .*{Path(name).parts[0]}"):
        load_components(base)


def test_weights_outside_the_folder_are_refused(base: Path, tmp_path: Path) -> None:
    weights = base / "text_encoder" / "model.safetensors"
    names = load_file(weights)
    weights.rename(tmp_path / "other.safetensors")
    save_file({"nothing": torch.zeros(1)}, weights.with_name("model-00001-of-00001.safetensors"))
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../../other.safetensors")}
    write("text_encoder/model.safetensors.index.json", json.dumps(index))(base)
    with pytest.raises(DataError, match=r"names the file ../../other\.safetensors, which is not beside it"):
        load_components(base)


def test_parts_of_different_models_are_refused(components: Components, tmp_path: Path) -> None:
    words = len(components.pooled_tokenizer)
    other = TextConfig(length=8, width=64, layers=1, heads=2, pooled_width=128, pooled_layers=1)
    misfits = {
        "text_encoder is unsound: it tells 128 numbers, and the transformer reads 64": {
            "pooled": pooled_encoder(other, words)
        },
        "text_encoder_2 is unsound: it tells 64 numbers, and the transformer reads 32": {
            "sequence": sequence_encoder(other, words)
        },
        f"tokenizer_2 is unsound: it numbers tokens up to {words - 1}, and its encoder knows {words - 1}": {
            "sequence": sequence_encoder(TextConfig(length=8, width=32, layers=1, heads=2), words - 1)
        },
    }
    for number, (told, parts) in enumerate(misfits.items()):
        folder = tmp_path / str(number)
        save_components(dataclasses.replace(components, **parts), folder, torch.float32)
        with pytest.raises(DataError, match=told):
            load_components(folder)


def test_no_code_in_a_folder_runs(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    code = f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\nTokenizer = Config = None\n"
    for part in ("tokenizer", "text_encoder"):
        write(f"{part}/evil.py", code)(base)
    write("tokenizer/config.json", json.dumps({"auto_map": {"AutoConfig": "evil.Config"}}))(base)
    load_components(base)
    for spoil in (change(CLIP, auto_map={"AutoModel": "evil.Tokenizer"}), change(WORDS, auto_map=AUTO_MAP)):
        spoil(base)
        with pytest.raises(DataError, match="auto_map"):
            load_components(base)
        change(CLIP, auto_map=None)(base)
    assert not (tmp_path / "ran").exists()


def test_other_files_beside_a_tokenizer_mean_nothing(base: Path) -> None:
    roles = identity_files(base)
    for name in (".DS_Store", "Thumbs.db", "tokenizer (copy).json", "README.md", "модель.txt", "tokenizer.model"):
        write(f"tokenizer/{name}", b"\x00")(base)
    (base / "tokenizer_2" / "old" / "deep").mkdir(parents=True)
    write("tokenizer_2/old/deep/x.json", "{")(base)
    assert identity_files(base) == roles
    assert all(SLUG.fullmatch(role) for role in roles)
    load_components(base)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Folders with the files of FLUX's own tokenizers, which know few words."""
    first, last = "<|startoftext|>", "<|endoftext|>"
    words = [*"abcdeghrst", *(f"{letter}</w>" for letter in "abcdeghrst"), "re", "red</w>", first, last]
    token = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": True}
    settings = {
        "added_tokens_decoder": {str(words.index(name)): token | {"content": name} for name in (first, last)},
        "model_max_length": 8,
        "tokenizer_class": "CLIPTokenizer",
    }
    (tmp_path / "tokenizer").mkdir()
    write(WORDS, json.dumps(settings))(tmp_path)
    write("tokenizer/vocab.json", json.dumps({word: number for number, word in enumerate(words)}))(tmp_path)
    write("tokenizer/merges.txt", "#version: 0.2\nr e\nre d</w>\n")(tmp_path)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -1.0), ("\u2581", -2.0), ("\u2581red", -3.0), ("heart", -4.0)]
    T5TokenizerFast(vocab=pieces, extra_ids=0).save_pretrained(tmp_path / "tokenizer_2")
    change("tokenizer_2/tokenizer_config.json", added_tokens_decoder={"0": token | {"content": "<pad>"}})(tmp_path)
    for unread in (
        "tokenizer/special_tokens_map.json",
        "tokenizer_2/special_tokens_map.json",
        "tokenizer_2/spiece.model",
    ):
        write(unread, b"unread")(tmp_path)
    return tmp_path


def test_the_published_tokenizers_are_read_from_these_files_alone(published: Path) -> None:
    clip, t5 = published / "tokenizer", published / "tokenizer_2"
    assert [path.name for path in tokenizer_files(clip)] == ["merges.txt", "tokenizer_config.json", "vocab.json"]
    assert [path.name for path in tokenizer_files(t5)] == ["tokenizer.json", "tokenizer_config.json"]
    first, *_, last = load_tokenizer(clip)("red heart").input_ids
    assert load_tokenizer(clip).convert_ids_to_tokens([first, last]) == ["<|startoftext|>", "<|endoftext|>"]
    assert load_tokenizer(t5)("red heart").input_ids == [4, 3, 5, 1]
    change(WORDS, added_tokens_decoder=None)(published)
    assert "special_tokens_map.json" in {path.name for path in tokenizer_files(clip)}


def test_the_files_of_the_published_pipeline_and_of_an_adapter_fit_into_a_record(published: Path) -> None:
    weights = {"transformer": 3, "text_encoder": 1, "text_encoder_2": 2}
    files = [f"{part}/{number}.safetensors" for part, count in weights.items() for number in range(count)]
    for name in (*files, *(f"{part}/config.json" for part in weights), SCHEDULER, "model_index.json"):
        (published / name).parent.mkdir(exist_ok=True)
        (published / name).touch()
    roles = ["lora", *identity_files(published)]
    assert {"transformer-shard-3", "text-encoder-2-config", "tokenizer-merges-txt", "scheduler"} < set(roles)
    assert len(roles) <= schema_of(NEWEST)["properties"]["model"]["properties"]["checkpoints"]["maxItems"]


def test_another_text_encoder_or_vocabulary_is_another_base(adapted: Path, base: Path) -> None:
    config = json.loads((adapted / "config.json").read_text(encoding="utf-8"))
    assert config["base_words_sha256"] == words_sha256(base)
    load_checkpoint(adapted)
    weights = base / "text_encoder_2" / "model.safetensors"
    sound = weights.read_bytes()
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights, metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"the text encoders and tokenizers of the base pipeline '../base' of sha256"):
        load_checkpoint(adapted)
    weights.write_bytes(sound)
    load_checkpoint(adapted)
    write(VOCABULARY, (base / VOCABULARY).read_text(encoding="utf-8").replace("heart", "hearz"))(base)
    with pytest.raises(DataError, match="the text encoders and tokenizers"):
        load_checkpoint(adapted)
    change("config.json", base_words_sha256=None)(adapted)
    load_checkpoint(adapted)  # an adapter of before the digest was told


def test_an_adapter_is_saved_though_its_base_is_gone(components: Components, tmp_path: Path) -> None:
    lora.add_adapter(components.transformer, 2, lora.PUBLISHED_TARGETS)
    config = GeneratorConfig("lora", "alphavae-mini", "0", 32, 2, 2.0, base="nowhere", base_sha256="0")
    save_adapter(tmp_path / "adapted", lora.AdapterParameters(components.transformer), config, "")
    assert json.loads((tmp_path / "adapted" / "config.json").read_text(encoding="utf-8"))["base_words_sha256"] == ""


@pytest.mark.parametrize(
    "values",
    [{"vae": "~nobodyx"}, {"vae": "x" * 300}, {"base": "x" * 300}, {"base": "a\0b"}, {"guidance": 10**400}],
    ids=str,
)
def test_a_config_that_names_what_cannot_be_is_refused(adapted: Path, values: dict[str, object]) -> None:
    change("config.json", **values)(adapted)
    with pytest.raises(AlphabenchError, match=r"config\.json") as refusal:
        load_checkpoint(adapted)
    assert refusal.value.remedy


def test_a_folder_of_bases_of_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASES_VARIABLE, "~nobodyx")
    with pytest.raises(UsageError, match="'~nobodyx/some-base'"):
        base_folder("some-base", tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("модель", "model"),
        ("É", "e"),
        ("My__LoRA", "my_lora"),
        ("_x", "x"),
        ("a" * 80, "a" * 63),
        ("my.lora-2", "my.lora-2"),
    ],
)
def test_a_folder_of_any_name_holds_a_model_with_a_lawful_name(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    info = model_info(tmp_path / folder, {}, architecture="x", config={}, parameters=0, latent_numbers_per_pixel=None)
    assert info.name == name
    assert SLUG.fullmatch(info.name)
