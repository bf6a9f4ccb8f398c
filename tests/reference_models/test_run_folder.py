"""The folder of a run: what is refused before anything is trained, and what is kept."""

from pathlib import Path

import pytest

from alphabench.errors import UsageError
from reference_models.training.run_folder import prepare


def test_a_new_folder_is_made_and_one_without_a_run_is_taken(tmp_path: Path) -> None:
    prepare(tmp_path / "new" / "run", resume=False)
    (tmp_path / "new" / "run" / "train.jsonl").write_text("{}\n")  # stopped before its first checkpoint
    prepare(tmp_path / "new" / "run", resume=False)
    prepare(tmp_path / "new" / "run", resume=True)


@pytest.mark.parametrize("place", ["file", "file/below", "dangling"])
def test_what_is_no_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"cannot be used: .* directory|cannot be used: File exists"):
        prepare(tmp_path / place, resume=False)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["checkpoints", "samples", "model"])
def test_a_file_where_the_run_needs_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=f"{name} is not a folder"):
        prepare(tmp_path, resume=True)


def test_a_folder_where_the_run_writes_its_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a folder, and the run writes its log there"):
        prepare(tmp_path, resume=False)


@pytest.mark.parametrize("resume", [True, False])
def test_a_model_without_its_run_is_never_written_over(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"dear")
    with pytest.raises(UsageError, match="holds a model already, and no run to go on with"):
        prepare(tmp_path, resume=resume)
