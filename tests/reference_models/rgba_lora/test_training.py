"""Whole trainings in seconds: base, adapter, all weights; resumes; and the checkpoints that come of them."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from alphabench.errors import DataError, UsageError
from alphabench.experiments.jobs import Job, job_of
from alphabench.experiments.plan import find_experiment
from alphabench.files import sha256_of
from alphabench.models.contract import Generator, Sampling
from alphabench.models.spec import LoadRequest, TrainRequest
from reference_models.alphavae.convert import convert
from reference_models.rgba_lora import lora
from reference_models.rgba_lora.adapter import load
from reference_models.rgba_lora.components import Components
from reference_models.rgba_lora.inputs import model_digests
from reference_models.rgba_lora.pipeline import save_components, words_sha256
from reference_models.rgba_lora.train import run
from reference_models.training.progress import TrainProgress

Make = Callable[..., TrainRequest]
SMALL = Sampling(32, 32, 2, 2.0)


def quiet(_: object) -> None:
    """Take a report and say nothing."""


@pytest.fixture
def base(recipes: Path, request_for: Make, tmp_path: Path) -> str:
    """Train a tiny base and return the name that recipes give it."""
    made = run(recipes / "mini-base.toml", request_for("base"), quiet)
    shutil.copytree(made, tmp_path / "tiny-base")
    return "tiny-base"


def test_base_then_adapter_then_images(base: str, recipes: Path, request_for: Make, tmp_path: Path) -> None:
    weights = tmp_path / base / "transformer" / "diffusion_pytorch_model.safetensors"
    before = sha256_of(weights)
    folder = run(recipes / "mini.toml", request_for("lora", base=base, lora={"rank": 2}), quiet)
    assert sha256_of(weights) == before
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["mode"], config["base"], config["base_sha256"]) == ("lora", base, before)
    assert config["base_words_sha256"] == words_sha256(tmp_path / base)
    state = load_file(folder / lora.FILE)
    assert all(tensor.dtype == torch.float16 for tensor in state.values())
    assert any(float(t.abs().max()) > 0 for name, t in state.items() if "lora_B" in name)
    assert (tmp_path / "lora" / "samples" / "step_0000004.png").is_file()
    log = [json.loads(line) for line in (tmp_path / "lora" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert log[-1]["flow_held_out"] > 0

    model = load(LoadRequest(checkpoint=folder))
    assert isinstance(model, Generator)
    assert model.info.config["rank"] == 2
    roles = {role for role, *_ in model.info.checkpoints}
    networks = {"transformer", "text-encoder", "text-encoder-2"}
    words = {f"{part}-tokenizer{of}-json" for part in ("tokenizer", "tokenizer-2") for of in ("", "-config")}
    assert roles == {"lora", "scheduler"} | networks | {f"{network}-config" for network in networks} | words
    assert model.info.trained_on == ("set",)
    assert model.defaults == Sampling(32, 32, 2, 3.0)
    images = model.decode(model.sample(["red disc", "blue disc"], [1, 2], SMALL))
    assert images.shape == (2, 4, 32, 32)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_a_base_is_trained_on_from_a_base(base: str, recipes: Path, request_for: Make, tmp_path: Path) -> None:
    still = {"lr": 1e-12, "weight_decay": 0.0}
    folder = run(recipes / "mini-base-finish.toml", request_for("still", base=base, optimizer=still), quiet)
    moved = run(recipes / "mini-base-finish.toml", request_for("moved", base=base), quiet)
    for part in ("transformer/diffusion_pytorch_model", "text_encoder/model", "text_encoder_2/model"):
        before, same, other = (load_file(place / f"{part}.safetensors") for place in (tmp_path / base, folder, moved))
        assert all(torch.equal(same[name], tensor) for name, tensor in before.items())
        assert any(not torch.equal(other[name], tensor) for name, tensor in before.items())
    weights = tmp_path / base / "transformer" / "diffusion_pytorch_model.safetensors"
    assert f'base_sha256 = "{sha256_of(weights)}"' in (folder / "alphabench.toml").read_text(encoding="utf-8")
    assert all(str(tmp_path) not in path.read_text(encoding="utf-8") for path in folder.rglob("*.json"))


def test_a_file_that_cannot_be_read_is_named_once_and_the_training_goes_on(
    recipes: Path, request_for: Make, captioned: Path
) -> None:
    (captioned / "set" / "train" / "red.png").write_bytes(b"no image")
    said: list[str] = []

    def listen(progress: TrainProgress) -> None:
        said.extend([progress.message] if progress.message else [])

    folder = run(recipes / "mini-base.toml", request_for("base"), listen)
    (line,) = [line for line in said if "red.png" in line]
    assert line.startswith("left out")
    assert (folder / "model_index.json").is_file()


def test_all_weights_can_be_trained_and_are_loaded(base: str, recipes: Path, request_for: Make) -> None:
    folder = run(recipes / "mini-full.toml", request_for("full", base=base), quiet)
    model = load(LoadRequest(checkpoint=folder))
    assert "rank" not in model.info.config
    assert model.decode(model.sample(["red disc"], [1], SMALL)).shape == (1, 4, 32, 32)


@pytest.mark.parametrize("name", ["adamw", "prodigy"])
def test_a_resumed_adapter_is_that_of_an_unbroken_run(base: str, recipes: Path, request_for: Make, name: str) -> None:
    changes = {"base": base, "lora": {"rank": 2}, "optimizer": {"name": name, "lr": 1.0 if name == "prodigy" else 1e-3}}
    whole = run(recipes / "mini.toml", request_for("whole", **changes), quiet)

    class StopError(Exception):
        pass

    def stop(progress: object) -> None:
        if getattr(progress, "step", 0) == 3:
            raise StopError

    with pytest.raises(StopError):
        run(recipes / "mini.toml", request_for("broken", **changes), stop)
    resumed = run(recipes / "mini.toml", request_for("broken", resume=True, **changes), quiet)
    assert sha256_of(resumed / lora.FILE) == sha256_of(whole / lora.FILE)
    assert sha256_of(whole.parent / "checkpoints" / "step_0000004" / "state.safetensors") == sha256_of(
        resumed.parent / "checkpoints" / "step_0000004" / "state.safetensors"
    )


def test_a_checkpoint_of_another_autoencoder_or_base_is_refused(
    base: str, recipes: Path, request_for: Make, tmp_path: Path
) -> None:
    folder = run(recipes / "mini.toml", request_for("lora", base=base, lora={"rank": 2}), quiet)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def spoilt(**changes: str) -> Path:
        (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
        return folder

    with pytest.raises(DataError, match="trained with the autoencoder 'alphavae-mini' of sha256 0000"):
        load(LoadRequest(checkpoint=spoilt(vae_sha256="0" * 64)))
    with pytest.raises(DataError, match="trained with the base pipeline 'tiny-base' of sha256 0000"):
        load(LoadRequest(checkpoint=spoilt(base_sha256="0" * 64)))
    with pytest.raises(DataError, match="unknown key 'trust'"):
        load(LoadRequest(checkpoint=spoilt(trust="me")))
    shutil.rmtree(tmp_path / base)
    with pytest.raises(UsageError, match="'tiny-base'"):
        load(LoadRequest(checkpoint=spoilt()))


def test_a_base_with_other_latent_channels_is_refused(
    components: Components, recipes: Path, request_for: Make, tmp_path: Path, layouts: ModuleType
) -> None:
    save_components(components, tmp_path / "sixteen", torch.float32)
    layouts.write_folder(tmp_path / "sdxl", "sdxl")
    convert(tmp_path / "sdxl", tmp_path / "four")
    request = request_for("lora", base="sixteen", vae="four", lora={"rank": 2})
    with pytest.raises(DataError, match="latents of 16 channels, and the autoencoder 'four' has 4"):
        run(recipes / "mini.toml", request, quiet)
    opaque = request_for("lora", base="sixteen", vae="rgb_vae-mini", lora={"rank": 2})
    with pytest.raises(DataError, match="keeps no alpha"):
        run(recipes / "mini.toml", opaque, quiet)


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        (Sampling(40, 32, 2, 1.0), "height 40"),
        (Sampling(32, 8192, 2, 1.0), "width 8192"),
        (Sampling(32, 32, 0, 1.0), "0 steps"),
        (Sampling(32, 32, 2, float("nan")), "guidance of nan"),
        (Sampling(32, 32, 2, -1.0), "guidance of -1.0"),
        (Sampling(32, 32, 2, 0.5), "guidance of 0.5"),
    ],
)
def test_a_sampling_out_of_range_is_refused(
    base: str, recipes: Path, request_for: Make, tmp_path: Path, sampling: Sampling, told: str
) -> None:
    model = load(LoadRequest(checkpoint=tmp_path / "base" / "model"))
    model.check(SMALL)
    with pytest.raises(UsageError, match=told):
        model.check(sampling)


def test_the_published_recipe_trains_a_tiny_network_of_the_true_layout(
    components: Components, recipes: Path, request_for: Make, tmp_path: Path, layouts: ModuleType
) -> None:
    from diffusers import FluxTransformer2DModel

    config = dict(components.transformer.config) | {"guidance_embeds": True}
    torch.manual_seed(0)
    guided = FluxTransformer2DModel.from_config(config)
    pipeline = Components(**{**vars(components), "transformer": guided})
    save_components(pipeline, tmp_path / "FLUX.1-dev", torch.float32)
    layouts.write_folder(tmp_path / "flux", "flux")
    convert(tmp_path / "flux", tmp_path / "alphavae-flux")
    root = tmp_path / "data"
    lines = ["image,caption", *(f"set/train/{name}.png,a {name} disc" for name in ("red", "green", "blue"))]
    (root / "train_qwen_caption.csv").write_text("\n".join(lines), encoding="utf-8")
    changes = {"data": {"table": "train_qwen_caption.csv", "size": 32, "batch": 2, "variants": 0, "weights": []}}
    request = request_for("paper", lora={"rank": 4}, sampler={"prompts": []}, run={"precision": "bf16"}, **changes)
    folder = run(recipes / "paper-flux.toml", request, quiet)
    state = load_file(folder / lora.FILE)
    assert len(state) == 30  # the published targets: q, k, v of single blocks, and their ends nowhere
    model = load(LoadRequest(checkpoint=folder))
    assert model.checkpoint.components.guided
    assert model.decode(model.sample(["a red disc"], [1], Sampling(32, 32, 2, 3.5))).shape == (1, 4, 32, 32)


def test_a_frozen_base_of_half_precision_trains_a_whole_adapter(base: str, recipes: Path, request_for: Make) -> None:
    halves = {"base": base, "lora": {"rank": 2}, "base_dtype": "bfloat16", "gradient_checkpointing": True}
    folder = run(recipes / "mini.toml", request_for("halves", run={"precision": "bf16"}, **halves), quiet)
    assert any(float(tensor.abs().max()) > 0 for name, tensor in load_file(folder / lora.FILE).items() if "_B" in name)
    moments = load_file(folder.parent / "checkpoints" / "step_0000004" / "state.safetensors")
    assert {tensor.dtype for name, tensor in moments.items() if "lora" in name} == {torch.float32}
    with pytest.raises(UsageError, match=r"base_dtype .* needs mode .* and run.precision"):
        run(recipes / "mini.toml", request_for("whole", **halves), quiet)


def test_checkpointed_gradients_train_the_same_adapter(base: str, recipes: Path, request_for: Make) -> None:
    changes = {"base": base, "lora": {"rank": 2}}
    plain = run(recipes / "mini.toml", request_for("plain", **changes), quiet)
    twice = run(recipes / "mini.toml", request_for("twice", gradient_checkpointing=True, **changes), quiet)
    assert sha256_of(plain / lora.FILE) == sha256_of(twice / lora.FILE)


def test_a_checkpoint_finds_its_base_from_any_folder(
    base: str, recipes: Path, request_for: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALPHABENCH_BASE_MODELS")
    monkeypatch.chdir(tmp_path)
    folder = run(recipes / "mini.toml", request_for("lora", base=base, lora={"rank": 2}), quiet)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["base"], config["base_words_sha256"]) == ("../../tiny-base", words_sha256(tmp_path / base))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load(LoadRequest(checkpoint=folder)).info.config["rank"] == 2


def test_an_edited_schedule_is_another_model(base: str, tmp_path: Path) -> None:
    before = load(LoadRequest(checkpoint=tmp_path / base)).info.checkpoints
    path = tmp_path / base / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"shift": 3.0', '"shift": 2.0'), encoding="utf-8")
    after = load(LoadRequest(checkpoint=tmp_path / base)).info.checkpoints
    assert [one[0] for one, other in zip(before, after, strict=True) if one != other] == ["scheduler"]
    assert model_digests(tmp_path / "any.toml", {"base": base, "vae": "absent"}).keys() == {"base"}


def test_experiments_tell_a_base_from_another_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = set()
    for content in (b"one", b"other"):
        place = tmp_path / content.decode() / "some-base"
        place.mkdir(parents=True)
        (place / "model.safetensors").write_bytes(content)
        monkeypatch.setenv("ALPHABENCH_BASE_MODELS", str(place.parent))
        experiment = dataclasses.replace(find_experiment("autoencoder"), changes={"base": "some-base"})
        job = job_of(experiment, experiment.arms[0], 1, "screening")
        assert Job.from_json(job.to_json()).address == job.address
        addresses.add(job.address)
    assert len(addresses) == 2
