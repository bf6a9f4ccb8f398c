"""The files of a run's work folder: which are ours, what was asked for, how often it was started."""

import contextlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from alphabench.errors import DataError
from alphabench.results.canonical import canonical_json
from alphabench.results.durable import is_temporary, remove_temporary_files, write_durably
from alphabench.results.request import RunRequest

REQUEST, STARTS, LOCK = "request.json", "starts.json", "lock"
PARTS, FEATURES, PREDICTIONS = "parts", "features", "predictions"
RECORD, RECORD_TEMPORARY, RECORD_OLD = "record", ".record.tmp", ".record.old.tmp"
PAGES = ("contact_sheet.png", "diagnosis.json", "report.html", "run.log")
FURTHER_PAGES = "contact_sheet-*.png"
RUNS = Path("runs")

_OURS = {
    PARTS: ("*.parquet", "*.torn"),
    FEATURES: ("*.safetensors", "*.torn"),
    PREDICTIONS: ("*.png", "*.webp"),
    RECORD: ("record.json", "samples.parquet", "*.png", "*.html", "*.csv"),
}


def default_folder(request: RunRequest) -> Path:
    """Return the work folder of a request for which none was named: `runs/<16 digits of the run hash>`."""
    return RUNS / request.run_hash[:16]


def prediction_path(folder: Path, sample: str) -> Path:
    """Return where the prediction of `sample` lies in a work folder."""
    return folder / PREDICTIONS / f"{sample}.png"


def now() -> str:
    """Return the present time in UTC, to the second, as records write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse_foreign_content(folder: Path) -> None:
    """Check that `folder` is empty or a work folder of ours.

    Raises:
        DataError: it holds something else.
    """
    request = folder / REQUEST
    if request.exists():
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if str(json.loads(request.read_bytes()).get("schema", "")).startswith("alphabench.request/"):
                return
        foreign = REQUEST
    else:
        others = sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK and not is_temporary(entry))
        if not others:
            return
        foreign = others[0]
    raise DataError(
        f"the folder {str(folder)!r} is not a work folder of alphabench: it holds {foreign!r}",
        remedy="Use an empty or new folder with --out DIR.",
    )


def settle_request(folder: Path, request: RunRequest) -> None:
    """Write the request into a new work folder, or check that the folder belongs to it.

    Raises:
        DataError: the folder belongs to another request; the message names what differs.
    """
    path = folder / REQUEST
    if not path.exists():
        write_durably(path, request.to_json())
        return
    there = RunRequest.from_json(path.read_bytes(), name=str(path))
    if different := there.differences(request):
        raise DataError(
            f"the folder {str(folder)!r} holds another run: {'; '.join(different)}",
            remedy="Use another folder with --out DIR, or start this one over with --fresh.",
        )


def read_starts(folder: Path) -> list[str]:
    """Return the times at which this run was started, the first one first; none where they cannot be read."""
    try:
        starts = json.loads((folder / STARTS).read_bytes())["starts"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    return [str(start) for start in starts] if isinstance(starts, list) else []


def add_start(folder: Path) -> list[str]:
    """Note one more start and return all of them."""
    starts = [*read_starts(folder), now()]
    write_durably(folder / STARTS, canonical_json({"starts": starts}) + b"\n")
    return starts


def clean(folder: Path) -> None:
    """Remove what killed processes left half written; call it under the lock."""
    remove_temporary_files([folder / PARTS, folder / FEATURES, folder / PREDICTIONS])
    for path in folder.iterdir():
        if is_temporary(path):
            path.unlink()
    for name in (RECORD_TEMPORARY, RECORD_OLD):
        shutil.rmtree(folder / name, ignore_errors=True)


def remove_run(folder: Path) -> None:
    """Remove everything that a run of ours wrote into `folder`, and nothing else; call it under the lock.

    The request goes last, so that an interrupted removal is still known as ours.
    """
    clean(folder)
    for name, patterns in _OURS.items():
        inside = folder / name
        if not inside.is_dir() or inside.is_symlink():
            continue
        for pattern in patterns:
            for path in inside.rglob(pattern):
                if path.is_file() or path.is_symlink():
                    path.unlink()
        for path in sorted(inside.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            inside.rmdir()
    for page in folder.glob(FURTHER_PAGES):
        page.unlink()
    for name in (*PAGES, STARTS, REQUEST):
        (folder / name).unlink(missing_ok=True)
