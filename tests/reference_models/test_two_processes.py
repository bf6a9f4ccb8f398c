"""A14 of the AlphaVAE acceptance tests: two processes train one model, by the gradient of one process."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import torch
from safetensors.torch import load_file

from reference_models.training.toml import settings_to_toml

CODE = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.alphavae.config import AlphaRecipe
from reference_models.alphavae.train import AlphaTask
from reference_models.training import step
from reference_models.training.loop import Recipe, train

torch.set_num_threads(1)
recipe, out, said = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
kept = []
means = step.Stepper._means
def recorded(self, found):
    kept.append({name: p.grad.clone() for name, p in self.task.model.named_parameters()})
    return means(self, found)
step.Stepper._means = recorded
settings = read_toml_settings(recipe, AlphaRecipe)
task = AlphaTask(settings, Path(settings.model.base), lambda progress: None)
with torch.no_grad():  # away from the reference, whose divergence would be 0 in the first step
    for parameter in task.vae.network.encoder.parameters():
        parameter.mul_(1.05)
train(task, Recipe(settings.optimizer, settings.run, ""), TrainRequest(out=out, device="cpu"), lambda progress: None)
task.pool.close()
state = {f"weight.{name}": tensor for name, tensor in task.model.state_dict().items()}
if task.adversary is not None:
    state |= {f"adversary.{name}": tensor for name, tensor in task.adversary.network.named_parameters()}
state |= {f"gradient.{name}": gradient for name, gradient in kept[0].items()}
save_file({name: tensor.contiguous() for name, tensor in state.items()}, said)
"""


def trained(recipe: Path, out: Path, processes: int) -> list[dict[str, torch.Tensor]]:
    """Train on one or more gloo processes; return each one's final weights and its gradients of the first step."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    answers = [out.with_name(f"{out.name}-{rank}.safetensors") for rank in range(processes)]
    running = []
    for rank, answer in enumerate(answers):
        places = {"WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", CODE, str(recipe), str(out), str(answer)],
                env=os.environ | shared | places,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate(timeout=240) for process in running]
    assert [process.returncode for process in running] == [0] * processes, said
    return [load_file(answer) for answer in answers]


def test_two_processes_have_the_gradient_of_one_and_the_same_weights_bit_for_bit(
    alpha_recipe: Path, tmp_path: Path
) -> None:
    values = tomllib.loads(alpha_recipe.read_text(encoding="utf-8"))
    assert values["loss"]["reference_kl_images"] == 1  # of a batch of two: only the first process has it
    values["loss"] |= {
        "reference_kl_weight": 1e-3,  # enough to be seen in the gradient
        "adversarial_weight": 0.5,
        "adversarial_start": 1,
        "adversarial_input": "premultiplied",
        "adversarial_width": 4,
        "adversarial_layers": 1,
    }
    values["run"] |= {"steps": 3, "checkpoint_every": 9}
    alpha_recipe.write_text(settings_to_toml(values), encoding="utf-8")
    first, second = trained(alpha_recipe, tmp_path / "two", 2)
    assert first.keys() == second.keys()
    assert any(name.startswith("adversary.") for name in first)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    (alone,) = trained(alpha_recipe, tmp_path / "one", 1)
    values["loss"]["reference_kl_weight"] = 0.0
    alpha_recipe.write_text(settings_to_toml(values), encoding="utf-8")
    (without,) = trained(alpha_recipe, tmp_path / "without", 1)
    gradients = [name for name in alone if name.startswith("gradient.")]
    assert len(gradients) > 20
    size = max(float(alone[name].abs().max()) for name in gradients)
    assert max(float((alone[name] - without[name]).abs().max()) for name in gradients) > 1e-3 * size
    for name in gradients:
        assert torch.allclose(first[name], alone[name], rtol=1e-6, atol=1e-6 * size), name
    assert (tmp_path / "two" / "model" / "config.json").is_file()
