"""Run the AlphaVAE authors' own scripts, unmodified, and compare their JSON file with ours, digit for digit.

    git clone https://github.com/o0o0o00o0/AlphaVAE
    python benchmarks/paper_scripts.py AlphaVAE/validation_pipeline/scripts

The folders are those of `paper_parity.py`, with a second leaf and a leaf that is skipped. The metrics that
need weights are replaced by a constant in the authors' run and left out of the comparison; all others, and
every count and weight, must be equal as printed. Needs the extra `paper`. Takes a minute or two.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paper_parity import COLOURS, write_set

from alphabench.protocols import load_protocol
from alphabench.tasks.paper_export import write_authors_files

WITHOUT_WEIGHTS = """
import runpy, sys, torch, warnings
warnings.simplefilter("ignore")
import pyiqa
create = pyiqa.create_metric
constant = lambda *images: torch.tensor(0.5)
pyiqa.create_metric = lambda name, **keys: (
    constant if name in {"laion_aes", "fid", "lpips"} else create(name, **keys)
)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
NEED_WEIGHTS = frozenset({"input_laion_score", "output_laion_score", "fid_score", "average_lpips"})


def main(scripts: Path) -> int:
    """Run both and print what differs."""
    with tempfile.TemporaryDirectory(prefix="paper-scripts-") as name:
        folder = Path(name)
        write_folders(folder)
        theirs = dict(flat(authors_run(scripts, folder)["results"]))
        ours = dict(flat(our_run(folder)["results"]))
    different = [key for key in sorted(set(ours) | set(theirs)) if ours.get(key) != theirs.get(key)]
    for key in different:
        print(f"{'/'.join(key)}: ours {ours.get(key)}, theirs {theirs.get(key)}")
    print(f"{len(theirs)} numbers of the authors' JSON file compared, {len(different)} differ")
    return int(bool(different) or not theirs)


def write_folders(folder: Path) -> None:
    """Write twelve pairs in three subsets, one of two leaves, and a leaf with one prediction too many."""
    write_set(folder)
    for side, prefix in (("reference", ""), ("prediction", "recon_")):
        natural, embedded = folder / side / "natural", folder / side / "embedded"
        for inner in (natural / "second", embedded / "uneven"):
            inner.mkdir()
        for index in (2, 3):
            (natural / "leaf" / f"{prefix}00{index}.png").rename(natural / "second" / f"{prefix}00{index}.png")
        for index in range(1 if side == "reference" else 2):
            shutil.copy(embedded / "leaf" / f"{prefix}000.png", embedded / "uneven" / f"{prefix}00{index}.png")


def authors_run(scripts: Path, folder: Path) -> dict[str, Any]:
    """Do what the authors' vae_eval_pipeline.sh does up to the JSON file."""
    roots = {side: folder / f"blended_{side}" for side in ("reference", "prediction")}
    for side, root in roots.items():
        for colour in COLOURS:
            options = ["--input_dir", folder / side, "--output_dir", root, "--color", colour]
            run(scripts / "blend_rgba.py", *options)
        shutil.copytree(folder / side, root / "rgba")
    result = folder / "authors.json"
    run(
        "-c",
        WITHOUT_WEIGHTS,
        scripts / "i2i_eval_pipe.py",
        *("--input_root", roots["reference"]),
        *("--output_root", roots["prediction"]),
        *("--output_json", result),
    )
    document: dict[str, Any] = json.loads(result.read_text())
    return document


def our_run(folder: Path) -> dict[str, Any]:
    """Score with the command line and write the record as the authors' files."""
    reference, prediction = folder / "reference", folder / "prediction"
    asked = ["--protocol", "alpha-paper@1", "--reference", reference, "--prediction", prediction]
    run("-m", "alphabench", "score", *asked, "--out", folder / "run", "--json", codes=(0, 4))
    document = json.loads((folder / "run" / "record" / "record.json").read_text())
    protocol = load_protocol("alpha-paper@1")
    paths = write_authors_files(folder, document, protocol, reference=reference, prediction=prediction)
    report: dict[str, Any] = json.loads(paths[0].read_text())
    return report


def run(*arguments: object, codes: tuple[int, ...] = (0,)) -> None:
    """Run Python with arguments; show what it said if it fails."""
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        sys.exit(f"{arguments[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def flat(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield each number of a nested report with its path, but those that need weights."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*above, key))
        elif key not in NEED_WEIGHTS:
            yield (*above, key), value


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
