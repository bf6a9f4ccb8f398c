"""What the limited child process of `leaderboard verify` does; run as a module, never imported for it.

Arguments: the task's JSON file, the bytes of memory and the seconds of processor time that it may use.
"""

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alphabench.errors import AlphabenchError
from alphabench.leaderboard.submission.sandbox import restrict

RESULT = "result.json"


@dataclass(frozen=True)
class Task:
    """What is to be measured.

    Attributes:
        pack: the private copy of a validated pack.
        protocol: under which this process finds the protocol.
        data: under which it finds the data set.
        out: folder of the run, and of the result.
        generate: let the checkpoint make all predictions, instead of scoring the pack's.
        subset: samples that the checkpoint makes anew, to be compared with the pack's predictions.
        batch_size: images at a time.
    """

    pack: str
    protocol: str
    data: str
    out: str
    generate: bool
    subset: tuple[str, ...]
    batch_size: int = 4

    def to_json(self) -> str:
        """Return the task as JSON."""
        return json.dumps(asdict(self))


def main(arguments: list[str]) -> int:
    """Carry out the task in a file and write `result.json` beside its run; return the exit code."""
    path, memory, seconds = arguments
    restrict(int(memory), int(seconds))
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    task = Task(**{**values, "subset": tuple(values["subset"])})
    Path(task.out, RESULT).write_text(json.dumps(carried_out(task)), encoding="utf-8")
    return 0


def carried_out(task: Task) -> dict[str, Any]:
    """Return what `measure` found, or the error that it ended with as `{"error": {code, message, remedy}}`."""
    try:
        return measure(task)
    except AlphabenchError as error:
        return {"error": {"code": error.code, "message": error.message, "remedy": error.remedy}}
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" not in str(error):
            raise
        return {"error": {"code": "memory", "message": "it needs more memory than it may have", "remedy": ""}}


def measure(task: Task) -> dict[str, Any]:
    """Return where the new record is, and how the subset's images differ from the pack's.

    Raises:
        AlphabenchError: the model's output, or the images, are wrong.
    """
    import torch

    from alphabench.files import sha256_of
    from alphabench.leaderboard.submission.architecture import load_reconstructor, read_checkpoint, read_state
    from alphabench.leaderboard.submission.card import read_card
    from alphabench.leaderboard.submission.ground import Ground
    from alphabench.leaderboard.submission.predictions import as_model
    from alphabench.leaderboard.submission.regeneration import differences
    from alphabench.leaderboard.submission.tree import Held
    from alphabench.tasks.execution import execute
    from alphabench.tasks.job import Job
    from alphabench.tasks.judged import JudgedFolder, JudgedModel
    from alphabench.tasks.reconstruction import judged_model, own_pairing

    pack = Path(task.pack)
    card = read_card((pack / "card.toml").read_bytes())
    held = {path: Held((pack / path).stat().st_size, sha256_of(pack / path)) for path in card.files}
    ground = Ground(task.protocol, task.data)
    cpu = torch.device("cpu")
    checkpoint = read_checkpoint(card, pack, held) if card.kind == "checkpoint" else None
    model: JudgedModel | None = None
    if checkpoint is not None and (task.generate or task.subset):
        reconstructor = load_reconstructor(checkpoint, read_state(pack, card.weights))
        model = judged_model(reconstructor, ground.protocol, cpu)
    judged: JudgedModel | JudgedFolder
    if task.generate:
        assert model is not None
        judged = model
    else:
        folder = as_model(pack, card, held)
        judged = JudgedFolder(folder if checkpoint is None else replace(folder, info=checkpoint.info))
    outcome = execute(
        Job(
            task="reconstruction" if task.generate else "scoring",
            protocol=ground.protocol,
            data=ground.data,
            judged=judged,
            device=cpu,
            dtype="float32" if task.generate else "external",
            batch_size=task.batch_size,
            out=Path(task.out) / "run",
            fresh=True,
            predictions=None if task.generate else pack,
            pairing=own_pairing(ground.protocol, ground.data),
        ),
        lambda done, total, note: print(done, total, flush=True),  # noqa: T201 (the parent reads it)
    )
    found = {}
    if task.subset and not task.generate:
        assert model is not None
        found = differences(model, as_model(pack, card, held), ground, task.subset)
    return {"record": str(outcome.record.path), "subset": found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
