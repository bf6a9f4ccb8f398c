"""The folder of a run: whether it can be used, before anything is trained."""

import os
from pathlib import Path

from alphabench.errors import UsageError
from reference_models.training import checkpoint

CHECKPOINTS = "checkpoints"
LOG = "train.jsonl"
MODEL = "model"
SAMPLES = "samples"
ELSEWHERE = "Choose another folder with --out."


def prepare(folder: Path, *, resume: bool) -> None:
    """Make the folder of a run, and refuse one that cannot be used or whose content would be lost.

    Raises:
        UsageError: it is no folder or cannot be written; something in it stands where the run writes; it holds a
            run and resuming was not asked for; or it holds a model without the run that made it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be used: {error.strerror}", remedy=ELSEWHERE) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the folder {folder} cannot be written", remedy=ELSEWHERE)
    for name in (CHECKPOINTS, SAMPLES, MODEL):
        if os.path.lexists(folder / name) and not (folder / name).is_dir():
            raise UsageError(f"{folder / name} is not a folder, and the run needs one there", remedy=ELSEWHERE)
    if (folder / LOG).is_dir():
        raise UsageError(f"{folder / LOG} is a folder, and the run writes its log there", remedy=ELSEWHERE)
    if checkpoint.last(folder / CHECKPOINTS) is not None:
        if not resume:
            remedy = "Go on with it by --resume, or choose another folder with --out."
            raise UsageError(f"{folder} holds a run already", remedy=remedy)
    elif (folder / MODEL).is_dir() and any((folder / MODEL).iterdir()):
        raise UsageError(f"{folder} holds a model already, and no run to go on with", remedy=ELSEWHERE)
