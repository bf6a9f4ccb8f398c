"""The step of the training loop: accumulation, the adversary's part in it, and what happens when it diverges."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import Tensor, nn

from alphabench.errors import DataError, DiskFullError, Interrupted, UsageError
from alphabench.models.spec import TrainRequest
from reference_models.losses.adversarial import PatchDiscriminator
from reference_models.training import checkpoint, loop
from reference_models.training.adversary import FAKE, REAL, Adversary
from reference_models.training.config import OptimizerConfig, RunConfig
from reference_models.training.loop import Recipe, train
from reference_models.training.progress import TrainProgress
from reference_models.training.streams import sample_normals


class Squares(nn.Module):
    """Copy an image through one convolution; images for an adversary beside the loss."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        made = self.model(batch["images"])
        error = (made - batch["images"]).square().flatten(1).sum(1).mean()
        return {"mse": error, "loss": error * 2, REAL: batch["images"], FAKE: made}


class Toy:
    """A task that takes milliseconds a step."""

    def __init__(self, *, start: int | None = None, weight: float = 1.0, adaptive: bool = True, count: int = 4) -> None:
        torch.manual_seed(0)
        self.count = count
        self.model: nn.Module = nn.Conv2d(4, 4, 3, padding=1)
        self.objective: nn.Module = Squares(self.model)
        self.adversary: Adversary | None = None
        if start is not None:
            network = PatchDiscriminator(width=2, layers=1, generator=torch.Generator().manual_seed(1))
            last = self.model.weight if adaptive else None
            assert isinstance(last, nn.Parameter | None)
            self.adversary = Adversary(network=network, start=start, weight=weight, last_layer=last)

    def batch(self, index: int, rank: int, ranks: int) -> dict[str, Tensor]:
        return {"images": sample_normals(3, "toy", first=index * self.count, shape=(self.count, 4, 8, 8))}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        return {"norm": float(sum(parameter.square().sum() for parameter in model.parameters()))}

    def samples(self, model: nn.Module) -> None:
        return None

    def export(self, model: nn.Module, folder: Path, step: int) -> None:
        folder.mkdir()


class Faulty(Toy):
    """A task whose image `when` is spoilt while `broken`."""

    def __init__(self, when: int, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.when, self.value, self.broken = when, value, True

    def batch(self, index: int, rank: int, ranks: int) -> dict[str, Tensor]:
        batch = super().batch(index, rank, ranks)
        if self.broken and index == self.when:
            batch["images"][0, 0, 0, 0] = self.value
        return batch


def recipe(steps: int = 6, settings: str = "", **optimizer: Any) -> Recipe:
    table = OptimizerConfig(lr=1e-2, warmup=2, **optimizer)
    return Recipe(table, RunConfig(steps, precision="float32", checkpoint_every=2, validate_every=3), settings)


def ignore(_: TrainProgress) -> None:
    """Take no notice."""


def trained(task: Toy, out: Path, wanted: Recipe | None = None, *, resume: bool = False) -> list[dict[str, float]]:
    train(task, wanted or recipe(), TrainRequest(out=out, device="cpu", resume=resume), ignore)
    return [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]


def timeless(log: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in log]


def stop_after(step: int) -> Callable[[TrainProgress], None]:
    def report(progress: TrainProgress) -> None:
        if progress.step == step and progress.losses:
            raise KeyboardInterrupt

    return report


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of `accelerate launch` under a user's config that asks for other habits."""
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "inductor")
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_the_environment_changes_neither_precision_nor_accumulation(
    tmp_path: Path, launched: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = timeless(trained(Toy(start=2), tmp_path / "under"))
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    monkeypatch.delenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS")
    monkeypatch.delenv("ACCELERATE_DYNAMO_BACKEND")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert timeless(trained(Toy(start=2), tmp_path / "without")) == under


@pytest.mark.parametrize(("name", "value"), [("ACCELERATE_USE_DEEPSPEED", "true"), ("ACCELERATE_USE_CPU", "maybe")])
def test_an_environment_that_cannot_be_served_is_refused(
    tmp_path: Path, launched: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="cannot be set up as the environment asks"):
        trained(Toy(), tmp_path)


def test_micro_batches_make_the_step_of_the_whole_batch(tmp_path: Path) -> None:
    weights, logs = [], []
    for accumulate in (1, 2, 4):
        task = Toy(count=4 // accumulate)
        logs.append(trained(task, tmp_path / str(accumulate), recipe(3, accumulate=accumulate, clip=0.5)))
        weights.append(torch.cat([p.detach().flatten() for p in task.model.parameters()]))
    start = torch.cat([p.detach().flatten() for p in Toy().model.parameters()])
    for other in (1, 2):
        assert torch.allclose(weights[0], weights[other], rtol=0, atol=1e-6)
        assert [line["loss"] for line in logs[other]] == pytest.approx([line["loss"] for line in logs[0]], rel=1e-5)
        assert [line["gradient_norm"] for line in logs[other]] == pytest.approx(
            [line["gradient_norm"] for line in logs[0]], rel=1e-5
        )
    assert float((weights[0] - start).abs().max()) > 1e-3
    assert len(logs[2]) == 3  # a line, a clip and an average for each step, not for each micro-batch


def test_the_discriminator_rests_until_its_start_and_plays_from_then_on(tmp_path: Path) -> None:
    task = Toy(start=3)
    assert task.adversary is not None
    before = {name: tensor.clone() for name, tensor in task.adversary.network.state_dict().items()}
    log = trained(task, tmp_path / "out")
    resting = load_file(tmp_path / "out" / "checkpoints" / "step_0000004" / "state.safetensors")
    assert int(resting["adversary_step.layers.0.weight"]) == 1
    after = task.adversary.network.state_dict()
    # Inside both margins the hinge pulls the last bias up and down equally.
    assert {name for name in before if torch.equal(before[name], after[name])} <= {"layers.5.bias"}
    played = {"adversarial", "adaptive_weight", "discriminator", "logit_real", "logit_fake", "lr_discriminator"}
    assert all(played.isdisjoint(line) for line in log[:3])
    assert all(played <= line.keys() for line in log[3:])
    assert all(line["loss"] == pytest.approx(2 * line["mse"], rel=1e-5) for line in log[:3])
    for line in log[3:]:
        expected = 2 * line["mse"] + line["adaptive_weight"] * line["adversarial"]
        assert line["loss"] == pytest.approx(expected, rel=1e-4)
    # Its own warm-up of two steps, while the generator's is long over.
    assert [line["lr_discriminator"] for line in log[3:5]] == pytest.approx([5e-3, 1e-2])

    untouched = Toy(start=6)
    trained(untouched, tmp_path / "late")
    assert untouched.adversary is not None
    state = untouched.adversary.network.state_dict()
    assert all(torch.equal(before[name], state[name]) for name in before)


def test_before_the_start_a_training_is_the_one_without_an_adversary(tmp_path: Path) -> None:
    logs = [trained(task, tmp_path / str(index)) for index, task in enumerate((Toy(), Toy(start=4)))]
    assert timeless(logs[0])[:4] == timeless(logs[1])[:4]
    assert logs[0][5]["mse"] != logs[1][5]["mse"]


def test_without_the_adaptive_weight_the_term_has_its_plain_weight(tmp_path: Path) -> None:
    log = trained(Toy(start=0, weight=0.25, adaptive=False), tmp_path / "out")
    assert all("adaptive_weight" not in line for line in log)
    assert log[0]["loss"] == pytest.approx(2 * log[0]["mse"] + 0.25 * log[0]["adversarial"], rel=1e-5)


def test_the_generator_does_not_train_the_discriminator(tmp_path: Path) -> None:
    """One step of each player, by hand and by the loop."""
    task, hand = Toy(start=0), Toy(start=0)
    assert hand.adversary is not None
    trained(task, tmp_path / "out", recipe(1, clip=0.0))
    network = hand.adversary.network.train()
    images = hand.batch(0, 0, 1)["images"]
    fake = hand.model(images)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=5e-3,
        betas=(0.9, 0.95),
    )
    loss = 0.5 * ((1 - network(images)).relu().mean() + (1 + network(fake.detach())).relu().mean())
    loss.backward()
    optimizer.step()
    assert task.adversary is not None
    found = dict(task.adversary.network.named_parameters())
    for name, parameter in network.named_parameters():
        assert torch.allclose(found[name], parameter, rtol=0, atol=2e-5), name


def test_a_run_with_an_adversary_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected_log = trained(Toy(start=2), whole)
    with pytest.raises(Interrupted):
        train(Toy(start=2), recipe(), TrainRequest(out=parts, device="cpu"), stop_after(5))
    log = trained(Toy(start=2), parts, resume=True)
    files = [folder / "checkpoints" / "step_0000006" / "state.safetensors" for folder in (whole, parts)]
    expected, found = map(load_file, files)
    assert expected.keys() == found.keys()
    assert "adversary.layers.3.running_mean" in found
    assert "adversary_exp_avg.layers.0.weight" in found
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert timeless(log) == timeless(expected_log)


@pytest.mark.parametrize("value", [math.nan, 1e30])
def test_a_run_that_diverges_leaves_its_last_good_state_and_goes_on_from_it(value: float, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(Toy(start=1), whole)
    task = Faulty(3, value, start=1)
    with pytest.raises(DataError) as refusal:
        trained(task, parts)
    assert "diverged at step 4: mse is" in refusal.value.message
    assert "learning rate" in refusal.value.remedy
    assert checkpoint.last(parts / "checkpoints") == parts / "checkpoints" / "step_0000003"
    assert all(math.isfinite(value) for p in task.model.parameters() for value in p.detach().flatten().tolist())
    healed = Faulty(3, value, start=1)
    healed.broken = False
    log = trained(healed, parts, resume=True)
    files = [folder / "checkpoints" / "step_0000006" / "state.safetensors" for folder in (whole, parts)]
    expected, found = map(load_file, files)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert [line["step"] for line in log] == [1, 2, 3, 4, 5, 6]


def test_a_first_step_that_diverges_leaves_the_start(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="step 1"):
        trained(Faulty(0, math.inf), tmp_path)
    assert checkpoint.last(tmp_path / "checkpoints") == tmp_path / "checkpoints" / "step_0000000"


def test_a_gradient_that_is_none_is_told_by_itself(tmp_path: Path) -> None:
    task = Toy()
    task.model.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(DataError, match="step 1: gradient_norm is nan"):
        trained(task, tmp_path)


def test_a_full_disk_leaves_no_partial_checkpoint_and_the_last_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = checkpoint.save_file

    def fail_later(state: dict[str, Tensor], path: Path) -> None:
        saved(state, path)
        if "0000004" in str(path):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail_later)
    with pytest.raises(DiskFullError):
        trained(Toy(start=1), tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_0000002"]
    monkeypatch.undo()
    assert len(trained(Toy(start=1), tmp_path, resume=True)) == 6


def test_other_settings_are_refused_by_key_with_both_values(tmp_path: Path) -> None:
    before = 'colour = "a"\n[loss]\nweight = 1e-4\nold = 1\n[[data.sources]]\nfolder = "x"\n'
    now = 'colour = "a"\n[loss]\nweight = 0.5\n[[data.sources]]\nfolder = "y"\n'
    trained(Toy(), tmp_path, recipe(2, before))
    with pytest.raises(DataError) as refusal:
        trained(Toy(), tmp_path, recipe(2, now), resume=True)
    assert "other settings" in refusal.value.message
    assert 'data.sources[0].folder is "y" here and "x" there' in refusal.value.message
    assert "loss.weight is 0.5 here and 0.0001 there" in refusal.value.message
    assert "loss.old is absent here and 1 there" in refusal.value.message
    assert "colour" not in refusal.value.message


def test_a_run_of_before_a_key_was_known_is_resumed(tmp_path: Path) -> None:
    """What is empty here and was not written there changes nothing; anything else does."""
    trained(Toy(), tmp_path / "one", recipe(2, "steps = 2\n"))
    shutil.rmtree(tmp_path / "one" / "model")
    trained(Toy(), tmp_path / "one", recipe(2, 'steps = 2\nfamilies = []\nname = ""\n'), resume=True)
    with pytest.raises(DataError, match=r"share is 0\.5 here and absent there"):
        trained(Toy(), tmp_path / "one", recipe(2, "steps = 2\nshare = 0.5\n"), resume=True)


def test_the_remaining_time_and_the_facts_of_the_run_are_told(tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    train(Toy(start=2), recipe(4), TrainRequest(out=tmp_path, device="cpu"), seen.append)
    remaining = [p.remaining_seconds for p in seen if p.losses]
    assert remaining[-1] == 0
    assert all(value is not None and value > 0 for value in remaining[:-1])
    assert {"parameters": 148.0, "recipe_steps": 4.0} in [dict(p.facts) for p in seen]


def test_a_dry_run_counts_the_adversary_in(tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    train(Toy(start=4), recipe(6), TrainRequest(out=tmp_path / "out", device="cpu", dry_run=True), seen.append)
    assert [("discriminator" in p.losses) for p in seen if p.losses] == [False, True]
    assert seen[-1].facts["seconds_per_step"] > 0
    assert not (tmp_path / "out").exists()


def test_an_adversary_that_starts_too_late_is_told(tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    train(Toy(start=9), recipe(2), TrainRequest(out=tmp_path, device="cpu"), seen.append)
    assert any(p.message and "never plays" in p.message for p in seen)


def test_the_curves_are_drawn_at_the_end_and_when_the_run_is_stopped(tmp_path: Path) -> None:
    trained(Toy(), tmp_path / "whole", recipe(2))
    assert (tmp_path / "whole" / "curves.png").is_file()
    with pytest.raises(Interrupted):
        train(Toy(), recipe(), TrainRequest(out=tmp_path / "parts", device="cpu"), stop_after(3))
    assert (tmp_path / "parts" / "curves.svg").is_file()


def test_a_run_does_not_fail_of_its_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(log: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "write_curves", fail)
    seen: list[TrainProgress] = []
    folder = train(Toy(), recipe(2), TrainRequest(out=tmp_path, device="cpu"), seen.append)
    assert folder.is_dir()
    assert any(p.message and "could not be drawn" in p.message for p in seen)


def compiled(wanted: Recipe) -> Recipe:
    return dataclasses.replace(wanted, run=dataclasses.replace(wanted.run, compile=True))


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_run_trains_like_a_plain_one(tmp_path: Path) -> None:
    plain, fused = Toy(), Toy()
    expected = trained(plain, tmp_path / "plain")
    found = trained(fused, tmp_path / "fused", compiled(recipe()))
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0
    for one, other in zip(expected, found, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
    for name, tensor in plain.model.state_dict().items():
        assert torch.allclose(fused.model.state_dict()[name], tensor, atol=1e-5)


def test_a_machine_that_cannot_compile_is_told_how_to_train_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "no-compiler"),))
    torch._dynamo.reset()
    with pytest.raises(DataError, match="could not be compiled") as caught:
        trained(Toy(), tmp_path / "run", compiled(recipe()))
    assert "run.compile=false" in str(caught.value.remedy)
