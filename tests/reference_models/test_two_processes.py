"""A14 of the AlphaVAE acceptance tests: two processes train one model."""

import os
import socket
import subprocess
import sys
from pathlib import Path

CODE = """
import hashlib, sys
from pathlib import Path
import torch
from alphabench.models.checkpoints import read_toml_settings
from alphabench.models.spec import TrainRequest
from reference_models.rgb_vae.config import RgbRecipe
from reference_models.rgb_vae.train import RgbTask
from reference_models.training.loop import Recipe, train
torch.set_num_threads(1)
recipe = read_toml_settings(Path(sys.argv[1]), RgbRecipe)
task = RgbTask(recipe, lambda progress: None)
train(task, Recipe(recipe.optimizer, recipe.run, ""), TrainRequest(out=Path(sys.argv[2]), device="cpu"), lambda p: None)
state = b"".join(tensor.numpy().tobytes() for tensor in task.model.state_dict().values())
print(hashlib.sha256(state).hexdigest())
"""


def test_two_processes_end_with_the_same_weights_bit_for_bit(rgb_recipe: Path, tmp_path: Path) -> None:
    rgb_recipe.write_text(rgb_recipe.read_text().replace("steps = 6", "steps = 3"), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(rgb_recipe), str(tmp_path / "out")],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    digests = [out.split()[-1] for out, _ in answers]
    assert digests[0] == digests[1]
    assert (tmp_path / "out" / "model" / "config.json").is_file()
